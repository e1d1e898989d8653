"""Recordings a person named on the command line, with what their labels say, or seem to say where there are none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat import adapters, clip
from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, AudioFrame, Framer, Samples, level, resample
from voicechat.config import Settings
from voicechat.errors import VoicechatError
from voicechat.protocols import VadEngine
from voicechat.rehearsal.score import QUIET_FRAMES, Label, Meaning, parse, supposed
from voicechat.rehearsal.tape import Scene

LEAD_SECONDS: Final = 2.0
"""Without labels for the bot it speaks this long before what is labelled as happening over it, and on to its end."""

SHORT_SECONDS: Final = 0.8
"""Speech over the bot that is shorter than this is supposed to be a back-channel."""

ONSET_FRAMES: Final = 25
"""A voice begins up to half a second before it is known to be speech."""

BOT_DB: Final = -50.0
BOT_GAP_SECONDS: Final = 1.0
"""The other channel is the bot; it speaks where it is louder than that, and shorter gaps are pauses."""


@dataclass(frozen=True, slots=True)
class Recording:
    """`guessed`: there was no label file, so the labels are a guess."""

    name: str
    scene: Scene
    labels: tuple[Label, ...]
    guessed: bool


def load(settings: Settings, path: Path, labels: Path | None) -> Recording:
    """Reads NAME.wav, and `labels` or NAME.labels.txt beside it where there is such a file. Blocking.

    A second channel is the bot's. Raises VoicechatError for what cannot be read.
    """
    caller, *others = (_heard(channel) for channel in clip.load_channels(path))
    beside = path.with_suffix(".labels.txt")
    file = labels or (beside if beside.is_file() else None)
    bot = _stretches(np.array([level(frame) > BOT_DB for frame in _frames(others[0])])) if others else ()
    known = _read(file) if file is not None else _guess(settings, caller, bot)
    return Recording(path.name, Scene(caller, _bot(known, bot)), known, file is None)


def _heard(channel: AudioFrame) -> Samples:
    return resample(channel.samples, channel.rate, LISTEN_RATE)


def _frames(sound: Samples) -> list[Samples]:
    return list(Framer(round(LISTEN_RATE * FRAME_SECONDS)).push(sound))


def _read(path: Path) -> tuple[Label, ...]:
    try:
        labels = parse(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise VoicechatError("bad_labels", f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise VoicechatError("bad_labels", f"{path}: is not UTF-8 text: byte {error.start}") from error
    except ValueError as error:
        raise VoicechatError("bad_labels", f"{path}: {error}") from error
    if not labels:
        raise VoicechatError("bad_labels", f"{path}: holds no label")
    return labels


def _guess(settings: Settings, caller: Samples, bot: Sequence[tuple[float, float]]) -> tuple[Label, ...]:
    """Utterances between long silences; over the bot they are interruptions, or back-channels when they are short."""
    frames = _frames(caller)
    voiced, likely = (_probabilities(settings, name, frames) for name in ("webrtc", "silero"))
    return tuple(_over(_from_its_onset(label, voiced > 0.0), bot) for label in supposed(likely))


def _probabilities(settings: Settings, detector: str, frames: Sequence[Samples]) -> NDArray[np.float32]:
    engine: VadEngine = adapters.choose("vad", detector, settings)
    stream = engine.open()
    return np.array([stream.probability(frame) for frame in frames], np.float32)


def _from_its_onset(label: Label, voiced: NDArray[np.bool_]) -> Label:
    """With the voice right before it; as it is where that is part of a longer noise."""
    known = first = round(label.start / FRAME_SECONDS)
    while found := np.flatnonzero(voiced[max(0, first - QUIET_FRAMES) : first]).tolist():
        first = max(0, first - QUIET_FRAMES) + found[0]
        if known - first > ONSET_FRAMES:
            return label
    return Label(first * FRAME_SECONDS, label.end, label.meaning)


def _over(label: Label, bot: Sequence[tuple[float, float]]) -> Label:
    if not any(start <= label.start < end for start, end in bot):
        return label
    short = label.end - label.start < SHORT_SECONDS
    return Label(label.start, label.end, Meaning.BACKCHANNEL if short else Meaning.INTERRUPTION)


def _bot(labels: Sequence[Label], sounded: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """When the bot wants to speak: as labelled, as it sounded, or so that what happens over it can happen."""
    labelled = tuple((label.start, label.end) for label in labels if label.meaning is Meaning.BOT)
    if labelled or sounded:
        return labelled or sounded
    over = (Meaning.INTERRUPTION, Meaning.BACKCHANNEL, Meaning.NOISE)
    return tuple((max(0.0, label.start - LEAD_SECONDS), label.end) for label in labels if label.meaning in over)


def _stretches(sounds: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    found: list[tuple[float, float]] = []
    for number in np.flatnonzero(sounds).tolist():
        start = number * FRAME_SECONDS
        if found and start - found[-1][1] < BOT_GAP_SECONDS:
            start = found.pop()[0]
        found.append((start, (number + 1) * FRAME_SECONDS))
    return tuple(found)
