"""Recordings played to real sessions, faster than real time: who would have been heard, interrupted or cut off, when.

The whole house is rehearsed as `app` puts it together, on virtual time: voice detection, the floor, endpointing, the
answers. Only the far end is played: its sound is the recording, and its program makes the bot speak when the scene
says so. The bot counts aloud until it has spoken long enough.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from voicechat import app, virtual_time
from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, AudioFrame, Framer, Resampler, Samples
from voicechat.commands import CancelReply, Command, CreateReply, UpdateSettings
from voicechat.config import Settings
from voicechat.errors import VoicechatError
from voicechat.events import (
    Event,
    Failed,
    ReplyAudible,
    ReplyFinished,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
)
from voicechat.protocols import Agent, Heard, SpeechChunk, VadEngine
from voicechat.score import Deed, Moment
from voicechat.transport.playout import Playout

T = TypeVar("T")

TAIL_SECONDS: Final = 2.0
"""Silence after a recording, for the decisions about its last sound."""

RETRY_SECONDS: Final = 0.6
"""A bot that was interrupted and still has something to say waits this long for its caller to have finished."""

_FRAME: Final = round(LISTEN_RATE * FRAME_SECONDS)


@dataclass(frozen=True, slots=True)
class Echo:
    """A loudspeaker that the microphone hears: how much softer in dB, and how many seconds later."""

    decibels: float
    delay: float = 0.1


@dataclass(frozen=True, slots=True)
class Scene:
    """A caller's `sound` of shape (n,) at 16 kHz, and from when until when, in its seconds, the bot wants to speak."""

    sound: Samples
    bot: tuple[tuple[float, float], ...] = ()
    echo: Echo | None = None

    @property
    def seconds(self) -> float:
        return len(self.sound) / LISTEN_RATE


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What happened in a scene. `work` is in seconds of the processor's time.

    `voiced` says of each 20 ms frame of the scene what the first stage of voice detection takes it for. `said` is the
    bot's sound as it was made, at 16 kHz, and `played` as the caller got it: a frame for each of theirs, None for
    silence.
    """

    moments: tuple[Moment, ...]
    voiced: NDArray[np.bool_]
    said: Samples
    played: tuple[Samples | None, ...]
    work: float


def rehearse(
    settings: Settings,
    scenes: Sequence[Scene],
    *,
    recognises: bool = False,
    delay: float = 0.1,
    done: Callable[[], None] = lambda: None,
) -> list[Rehearsed]:
    """Plays each scene to a session of its own. Blocking; calls `done` after each scene.

    With `recognises`, the configured recogniser listens too, and each of its results comes `delay` seconds after
    the sound it is of; without, every utterance is understood as the same words at once, when it has ended.
    Raises VoicechatError when an engine cannot be loaded or a session fails.
    """
    return virtual_time.run(_rehearse(settings, scenes, recognises, delay, done))


async def _rehearse(
    settings: Settings, scenes: Sequence[Scene], recognises: bool, delay: float, done: Callable[[], None]
) -> list[Rehearsed]:
    staged = _staged(settings, recognises)
    house = app.House(staged, lambda name, _: _Prompt(name, delay if recognises and name.startswith("asr") else 0.0))
    try:
        await house.open()
        await house.agent.close()
        talker: Agent = app.choose("agent", "scripted", staged)
        house.agent = talker
        first: VadEngine = app.choose("vad", "webrtc", staged)
        found = []
        for scene in scenes:
            found.append(await _play(house, first, scene))
            done()
        return found
    finally:
        await house.close()


def _staged(settings: Settings, recognises: bool) -> Settings:
    """The settings, but for a bot that talks without end, engines that cost nothing, and no limit of time."""
    hour = {"idle_seconds": 86_400.0, "session_seconds": 86_400.0}
    talk = settings.agent.scripted.model_copy(update={"sentences": 600, "words": 10, "token": 0.0, "delay": 0.0})
    parts = {
        "server": settings.server.model_copy(update=hour),
        "agent": settings.agent.model_copy(update={"greeting": "", "scripted": talk}),
        "tts": settings.tts.model_copy(update={"engine": "espeak", "voice": ""}),
    }
    if not recognises:
        parts["asr"] = settings.asr.model_copy(update={"engine": "scripted"})
    return settings.model_copy(update=parts)


async def _play(house: app.House, first: VadEngine, scene: Scene) -> Rehearsed:
    frames = _frames(scene.sound)
    detector = first.open()
    voiced = np.array([detector.probability(frame) >= 0.5 for frame in frames], np.bool_)
    peer = _Recording(scene, frames)
    begin = time.process_time()
    with house.admit() as session:
        await house.serve(session, peer)
    if peer.failed is not None:
        raise VoicechatError(peer.failed.code, peer.failed.message)
    work = time.process_time() - begin
    return Rehearsed(tuple(peer.moments), voiced, np.concatenate(peer.said), tuple(peer.played), work)


def _frames(sound: Samples) -> list[Samples]:
    framer = Framer(_FRAME)
    frames = list(framer.push(sound))
    rest = framer.flush()
    return frames if rest is None else [*frames, rest]


class _Prompt:
    """A lane on the loop itself: a call's result is there `delay` seconds of audio later."""

    load = 0

    def __init__(self, name: str, delay: float) -> None:
        self.name = name
        self._delay = delay

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        await asyncio.sleep(self._delay)
        return call()

    async def stream(self, make: Callable[[], Iterator[T]], *, urgent: bool = False) -> AsyncGenerator[T]:
        iterator = make()
        try:
            for item in iterator:
                await asyncio.sleep(self._delay)
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def post(self, call: Callable[[], object]) -> None:
        call()

    async def close(self) -> None:
        """There is no thread to end."""


class _Recording:
    """The far end of a wire: speaks a scene's sound in time, and writes down what happens."""

    dropped = 0.0

    def __init__(self, scene: Scene, frames: Sequence[Samples]) -> None:
        self.moments: list[Moment] = []
        self.said = [np.zeros(0, np.int16)]
        self.played: list[Samples | None] = []
        self.failed: Failed | None = None
        self._scene, self._frames = scene, frames
        self._playout = Playout(LISTEN_RATE, ahead=0.6)
        self._resampler = Resampler(LISTEN_RATE, LISTEN_RATE)
        self._loop = asyncio.get_running_loop()
        self._begin = self._loop.time()
        self._reply: str | None = None
        self._held = False  # the answer is paused
        self._talking = False  # the caller's turn
        self._free = 0.0  # from when on the bot may speak again
        self._interrupted = -1.0

    async def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        """The bot speaks when the scene says so, not when it is spoken to."""
        yield UpdateSettings(changes={"turns": {"create_reply": False}})
        tail = [np.zeros(_FRAME, np.int16)] * round(TAIL_SECONDS / FRAME_SECONDS)
        for number, frame in enumerate([*self._frames, *tail], 1):
            await asyncio.sleep(self._begin + number * FRAME_SECONDS - self._loop.time())
            self.played.append(self._playout.take())
            command = self._cue()
            if command is not None:
                yield command
            yield AudioFrame(self._with_echo(frame), LISTEN_RATE)

    def _with_echo(self, frame: Samples) -> Samples:
        echo = self._scene.echo
        back = 1 + (round(echo.delay / FRAME_SECONDS) if echo is not None else 0)
        played = self.played[-back] if back <= len(self.played) else None
        if echo is None or played is None:
            return frame
        heard = frame + played * 10 ** (-echo.decibels / 20)
        return np.clip(heard, -32768, 32767).astype(np.int16)

    @property
    def levels(self) -> Sequence[tuple[float, float]]:
        return self._playout.levels

    @property
    def left(self) -> float:
        return self._playout.waiting + self._playout.lead

    def _cue(self) -> Command | None:
        """Makes the bot speak, or stop when it has spoken long enough and is not being interrupted just now."""
        now = self._now()
        wanted = any(start - FRAME_SECONDS <= now < end for start, end in self._scene.bot)
        if wanted and self._reply is None and not self._talking and now >= self._free:
            self._free = now + RETRY_SECONDS
            return CreateReply()
        if not wanted and self._reply is not None and not self._held and not self._talking:
            return CancelReply()
        return None

    def _now(self) -> float:
        return round(self._loop.time() - self._begin, 6)

    def _note(self, deed: Deed, text: str = "") -> None:
        self.moments.append(Moment(self._now(), deed, text))

    async def play(self, chunk: SpeechChunk) -> None:
        if chunk.frame.rate != self._resampler.source:
            self._resampler = Resampler(chunk.frame.rate, LISTEN_RATE)
        samples = self._resampler.push(chunk.frame.samples)
        self.said.append(samples)
        await self._playout.put(replace(chunk, frame=AudioFrame(samples, LISTEN_RATE)))

    async def audible(self, turn: int) -> float:
        return await self._playout.audible(turn)

    async def drain(self, turn: int) -> Heard:
        return await self._playout.drain(turn)

    def pause(self) -> None:
        self._playout.pause()

    def resume(self) -> None:
        self._playout.resume()

    def duck(self, decibels: float) -> None:
        self._playout.duck(decibels)

    def cut(self, turn: int) -> Heard:
        return self._playout.cut(turn)

    def notify(self, event: Event) -> None:
        match event:
            case ReplyStarted():
                self._reply = event.reply
            case ReplyAudible():
                self._note(Deed.SPOKE)
            case ReplyPaused():
                self._held = True
                self._note(Deed.PAUSED)
            case ReplyResumed():
                self._held = False
                self._note(Deed.RESUMED)
            case ReplyFinished():
                self._finish(event)
            case SpeechStarted():
                self._talking = True
                if self._reply is not None:
                    self._commit()
                self._note(Deed.BEGAN)
            case SpeechStopped():
                self._talking = False
                self._free = self._now() + RETRY_SECONDS
                self._note(Deed.ENDED)
            case TranscriptFinal():
                self._note(Deed.UNDERSTOOD, event.text)
            case Failed(code="internal_error"):
                self.failed = event

    def _finish(self, event: ReplyFinished) -> None:
        self._reply = None
        self._held = False
        if event.reason == "turn_detected":
            self._commit()
        else:
            self._note(Deed.FELL_SILENT)

    def _commit(self) -> None:
        """Once for each interruption, whichever event tells of it first."""
        self._held = False
        if self._interrupted != self._now():
            self._interrupted = self._now()
            self._note(Deed.COMMITTED)
