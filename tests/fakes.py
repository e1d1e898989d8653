"""Real classes that stand in for engines and wires, scripted and instant, for tests on virtual time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, AudioFrame, Samples
from voicechat.commands import Command
from voicechat.conversation import Item, Piece, SessionSettings, Tool, ToolCall, Transcript
from voicechat.echo.reverberation import Played
from voicechat.errors import AgentError, EngineFailed, ToolFailed
from voicechat.events import Event
from voicechat.protocols import AsrStream, Capabilities, Heard, Speech, SpeechChunk, Voice
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.media.playout import Playout

T = TypeVar("T")

RATE = 24_000


def loud(seconds: float) -> Samples:
    """A sound that the fake detectors take for speech."""
    return np.full(round(seconds * LISTEN_RATE), 8000, np.int16)


def noise(seconds: float) -> Samples:
    """A sound that the fast stage takes for a voice and the second stage does not."""
    return np.full(round(seconds * LISTEN_RATE), 2000, np.int16)


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * LISTEN_RATE), np.int16)


class LoudnessVad:
    """Detects by level alone; one class for the engine and its streams."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def open(self) -> "LoudnessVad":
        return self

    def probability(self, samples: Samples) -> float:
        return 1.0 if int(np.abs(samples).max(initial=0)) >= self.limit else 0.0

    def reset(self) -> None:
        pass


class InlineLane:
    """Runs calls on the loop itself, after `delay` seconds of virtual time."""

    name = "inline"
    load = 0

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    def clock(self) -> float:
        return 0.0

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        await asyncio.sleep(self.delay)
        return call()

    def post(self, call: Callable[[], object]) -> None:
        call()

    async def stream(self, make: Callable[[], Iterator[T]], *, urgent: bool = False) -> AsyncGenerator[T]:
        iterator = make()
        try:
            for item in iterator:
                await asyncio.sleep(self.delay)
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    async def close(self) -> None:
        pass


class ScriptedAsr:
    """Understands the next of its texts at the end of each utterance; a text of "!" fails."""

    name = "scripted"

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.heard: list[float] = []
        self.open_streams = 0

    def open(self, language: str | None) -> AsrStream:
        self.open_streams += 1
        return _ScriptedStream(self)

    def close(self) -> None:
        pass


class _ScriptedStream:
    def __init__(self, engine: ScriptedAsr) -> None:
        self._engine = engine
        self._seconds = 0.0
        self._closed = False

    def accept(self, frame: AudioFrame) -> str | None:
        self._seconds += frame.seconds
        return None

    def peek(self) -> Transcript | None:
        """The text that is next now; what is scripted to fail gives nothing away."""
        text = self._engine.texts[0]
        return None if text == "!" else Transcript(text, 0.9)

    def finish(self) -> Transcript:
        self._engine.heard.append(round(self._seconds, 2))
        text = self._engine.texts.pop(0)
        if text == "!":
            raise EngineFailed("engine_failed", "scripted to fail")
        return Transcript(text, 0.9)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._engine.open_streams -= 1


class ScriptedTts:
    """60 ms of sound a word in 20 ms pieces, each word named where it begins; the word "FAIL" fails."""

    name = "scripted"
    rate = RATE
    voices: Sequence[Voice] = (Voice("one", "en"), Voice("two", "en"))
    capabilities = Capabilities(streaming=True, languages=("en",))

    def __init__(self) -> None:
        self.working = 0
        self.said: list[str] = []

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        self.working += 1
        try:
            for word in text.split():
                if word == "FAIL":
                    raise EngineFailed("engine_failed", "scripted to fail")
                self.said.append(word)
                for piece in range(3):
                    samples = np.full(round(RATE * FRAME_SECONDS), 1000, np.int16)
                    yield Speech(samples, word if piece == 0 else "")
        finally:
            self.working -= 1

    def close(self) -> None:
        pass


@dataclass
class ScriptedAgent:
    """Gives the next of its answers, `delay` seconds a word; an answer of "!" fails. A list is given piece by piece."""

    answers: list[str | list[Piece]]
    delay: float = 0.0
    name: str = "scripted"
    phrases: Sequence[str] = ()
    speculates: bool = True
    asked: list[list[tuple[str, str]]] = field(default_factory=list)
    settings: list[SessionSettings] = field(default_factory=list)
    working: int = 0

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[Piece]:
        self.asked.append([(item.role.value, item.text) for item in history])
        self.settings.append(settings)
        self.working += 1
        try:
            answer = self.answers.pop(0)
            if answer == "!":
                raise AgentError("agent_timeout", "scripted to fail")
            pieces = [f"{word} " for word in answer.split()] if isinstance(answer, str) else answer
            for piece in pieces:
                await asyncio.sleep(self.delay)
                yield piece
        finally:
            self.working -= 1

    async def close(self) -> None:
        pass


class ScriptedTools:
    """Each tool takes as many seconds as its name's entry says, and answers with its arguments; below zero it fails."""

    label = "house"

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.running: list[str] = []
        self.done: list[str] = []
        self.cancelled: list[str] = []

    @property
    def tools(self) -> Sequence[Tool]:
        return [Tool(name, f"does {name}") for name in self.seconds]

    async def call(self, call: ToolCall) -> str:
        self.running.append(call.name)
        try:
            await asyncio.sleep(abs(self.seconds[call.name]))
        except asyncio.CancelledError:
            self.cancelled.append(call.name)
            raise
        finally:
            self.running.remove(call.name)
        if self.seconds[call.name] < 0:
            raise ToolFailed("tool_failed", f"{call.name} broke")
        self.done.append(call.name)
        return f"{call.name} of {call.arguments}"

    async def close(self) -> None:
        self.seconds = {}


class FakePeer:
    """A caller on virtual time: a script of sound and commands in, a playout on the loop's clock out.

    Sound is heard in real time of the loop. `on_wire` is what left, a frame each 20 ms, None for silence.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dropped = 0.0
        self._told = asyncio.Event()
        self.on_wire: list[Samples | None] = []
        self._playout = Playout(RATE, ahead=0.6)
        self._script: asyncio.Queue[Samples | Command | None] = asyncio.Queue()

    def hears(self, samples: Samples) -> None:
        self._script.put_nowait(samples)

    def asks(self, command: Command) -> None:
        self._script.put_nowait(command)

    def hangs_up(self) -> None:
        self._script.put_nowait(None)

    @property
    def levels(self) -> Sequence[Played]:
        return self._playout.levels

    @property
    def left(self) -> float:
        return self._playout.waiting + self._playout.lead

    async def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        size = round(LISTEN_RATE * FRAME_SECONDS)
        while (entry := await self._next()) is not None:
            if isinstance(entry, Command):
                yield entry
                continue
            for start in range(0, len(entry), size):
                await asyncio.sleep(FRAME_SECONDS)
                yield AudioFrame(entry[start : start + size], LISTEN_RATE)

    async def _next(self) -> Samples | Command | None:
        """The script's next entry; silence while there is none."""
        try:
            return self._script.get_nowait()
        except asyncio.QueueEmpty:
            return quiet(FRAME_SECONDS)

    async def speak(self) -> None:
        """The wire: takes a frame every 20 ms, for ever."""
        async with aclosing(Metronome().ticks()) as ticks:
            async for _ in ticks:
                self.on_wire.append(self._playout.take())

    async def play(self, chunk: SpeechChunk) -> None:
        await self._playout.put(chunk)

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
        self.events.append(event)
        self._told.set()

    async def until(self, kind: type[Event], count: int = 1) -> None:
        """Waits until `count` events of the kind have been told. Raises TimeoutError."""
        async with asyncio.timeout(3600):
            while sum(isinstance(event, kind) for event in self.events) < count:
                self._told.clear()
                await self._told.wait()
