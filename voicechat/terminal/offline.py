"""Speech without a server: a text to a WAV, a WAV to a text. Blocking; each raises VoicechatError."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import track

from voicechat import adapters, clip
from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, AudioFrame, Framer, resample
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.errors import ConfigError, VoicechatError
from voicechat.protocols import Agent, AsrEngine, TtsEngine

WITH_TIMES: Final = "whisperx"
"""The recogniser that knows when each word was said."""

_screen = Console(stderr=True)


def say(settings: Settings, text: str, voice: str, out: Path) -> str:
    """Writes the text as speech; returns one line that says what was written."""
    if not any(letter.isalnum() for letter in text):
        raise VoicechatError("no_text", f"there is nothing to say in '{text}'")
    with _screen.status("Loading the voice"):
        engine: TtsEngine = adapters.choose("tts", settings.tts.engine, settings)
    with closing(engine):
        names = [known.name for known in engine.voices]
        if voice and voice not in names:
            raise VoicechatError("no_such_voice", f"{engine.name} has no voice '{voice}'; it has {', '.join(names)}")
        with _screen.status(f"{engine.name} speaks"):
            pieces = [piece.samples for piece in engine.synthesize(text, voice)]
    sound = np.concatenate(pieces)
    clip.save(out, engine.rate, sound)
    return f"{out}: {len(sound) / engine.rate:.1f} s spoken by {engine.name}"


def transcribe(settings: Settings, file: Path, *, words: bool = False) -> Transcript:
    """What is understood of a WAV at 8 to 48 kHz; with `words`, by a recogniser that gives their times."""
    sound = clip.load(file)
    wanted = WITH_TIMES if words and settings.asr.engine == "auto" else settings.asr.engine
    if words and wanted != WITH_TIMES:
        raise ConfigError("bad_config", f"asr.engine: found '{wanted}'; allowed where words are timed: {WITH_TIMES}")
    with _screen.status("Loading the recogniser"):
        agent: Agent = adapters.choose("agent", settings.agent.engine, settings)
        engine: AsrEngine = adapters.choose("asr", wanted, settings, agent.phrases)
    frames = list(_frames(sound))
    with closing(engine), closing(engine.open(settings.asr.language)) as stream:
        told = f"{engine.name} listens"
        for frame in track(frames, told, console=_screen, transient=True, disable=not _screen.is_terminal):
            stream.accept(frame)
        return stream.finish()


def _frames(sound: AudioFrame) -> Iterator[AudioFrame]:
    """Its 20 ms frames as a recogniser wants them; the last one ends in silence."""
    framer = Framer(round(LISTEN_RATE * FRAME_SECONDS))
    for samples in framer.push(resample(sound.samples, sound.rate, LISTEN_RATE)):
        yield AudioFrame(samples, LISTEN_RATE)
    rest = framer.flush()
    if rest is not None:
        yield AudioFrame(rest, LISTEN_RATE)
