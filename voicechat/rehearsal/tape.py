"""A caller on tape: plays a recorded scene to a session, makes the bot speak when the scene says so, and notes what
happens when."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, AudioFrame, Framer, Resampler, Samples
from voicechat.commands import CancelReply, Command, CreateReply, UpdateSettings
from voicechat.echo.reverberation import Played
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
from voicechat.protocols import Heard, SpeechChunk
from voicechat.rehearsal.loudspeaker import Echo, Loudspeaker
from voicechat.rehearsal.score import Deed, Moment
from voicechat.transport.media.playout import Playout

TAIL_SECONDS: Final = 2.0
"""Silence after a recording, for the decisions about its last sound."""

LEAD_SECONDS: Final = 0.2
"""Sound that a far end that buffers gets ahead."""

RETRY_SECONDS: Final = 0.6
"""A bot that was interrupted and still has something to say waits this long for its caller to have finished."""

_FRAME: Final = round(LISTEN_RATE * FRAME_SECONDS)


@dataclass(frozen=True, slots=True)
class Scene:
    """A caller's `sound` of shape (n,) at 16 kHz, and from when until when, in its seconds, the bot wants to speak."""

    sound: Samples
    bot: tuple[tuple[float, float], ...] = ()
    echo: Echo | None = None

    @property
    def seconds(self) -> float:
        return len(self.sound) / LISTEN_RATE

    @property
    def frames(self) -> list[Samples]:
        """Of 20 ms each; the last one ends in silence."""
        framer = Framer(_FRAME)
        frames = list(framer.push(self.sound))
        rest = framer.flush()
        return frames if rest is None else [*frames, rest]


class Tape:
    """The far end of a wire, a `protocols.Peer`. Made and used on the loop, whose clock should be virtual.

    `said` is the bot's sound as it was made, at 16 kHz, in pieces; `played` as it left, a frame for each of the
    caller's, None for silence. `failed` is set when the session broke.
    """

    dropped = 0.0

    def __init__(self, scene: Scene) -> None:
        self.moments: list[Moment] = []
        self.said = [np.zeros(0, np.int16)]
        self.played: list[Samples | None] = []
        self.failed: Failed | None = None
        self._scene = scene
        self._loudspeaker = Loudspeaker(scene.echo, scene.seconds + TAIL_SECONDS) if scene.echo is not None else None
        self._lead = LEAD_SECONDS if scene.echo is not None and scene.echo.starts else FRAME_SECONDS
        self._playout = Playout(LISTEN_RATE, ahead=0.6, buffers=self._lead > FRAME_SECONDS)
        self._resampler = Resampler(LISTEN_RATE, LISTEN_RATE)
        self._loop = asyncio.get_running_loop()
        self._begin = self._loop.time()
        self._reply: str | None = None
        self._held = False  # the answer is paused
        self._soft = False  # it was ducked
        self._talking = False  # the caller's turn
        self._free = 0.0  # from when on the bot may speak again
        self._interrupted = -1.0

    async def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        """The bot speaks when the scene says so, not when it is spoken to."""
        yield UpdateSettings(changes={"turns": {"create_reply": False}})
        tail = [np.zeros(_FRAME, np.int16)] * round(TAIL_SECONDS / FRAME_SECONDS)
        for number, frame in enumerate([*self._scene.frames, *tail], 1):
            await asyncio.sleep(self._begin + number * FRAME_SECONDS - self._loop.time())
            self._take()
            command = self._cue()
            if command is not None:
                yield command
            yield AudioFrame(self._with_echo(frame), LISTEN_RATE)

    def _take(self) -> None:
        """What is due of the bot's sound: 20 ms, or as much as a far end that buffers lacks."""
        samples = self._playout.take()
        self.played.append(samples)
        while samples is not None:
            if self._loudspeaker is not None:
                self._loudspeaker.play(samples, self._now())
            if self._playout.lead < FRAME_SECONDS / 2 or self._playout.lead > self._lead - FRAME_SECONDS / 2:
                return
            samples = self._playout.take()
            if samples is not None:
                self.played.append(samples)

    def _with_echo(self, frame: Samples) -> Samples:
        if self._loudspeaker is None:
            return frame
        heard = frame.astype(np.int32) + self._loudspeaker.heard(self._now())
        together: Samples = np.clip(heard, -32768, 32767).astype(np.int16)
        return together

    @property
    def levels(self) -> Sequence[Played]:
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
        if self._soft and not self._held:  # of a pause an event tells
            self._note(Deed.RESUMED)
        self._soft = False

    def duck(self, decibels: float) -> None:
        self._playout.duck(decibels)
        self._soft = True
        self._note(Deed.DUCKED)

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
        self._held = self._soft = False
        if self._interrupted != self._now():
            self._interrupted = self._now()
            self._note(Deed.COMMITTED)
