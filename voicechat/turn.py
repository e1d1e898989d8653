"""Whose turn is it: a pure state machine on the audio clock.

It hears what the two stages of voice detection say of each frame and answers with what is to be done. It knows
nothing of sound, tasks or wires, and its clock is seconds of audio, so its tests are tables.

    idle ──speech──► listening ──quiet──► thinking ──first sound──► speaking ──drained──► idle
                         ▲                   │                        │  ▲
                         ├──────speech───────┘                voiced  ▼  │ quiet
                         └──────────────speech──────────────────── barged_in
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from voicechat.errors import IllegalMove
from voicechat.events import State


class Act(StrEnum):
    """What the floor asks of the session."""

    BEGIN = "begin"  # the caller's turn begins: open an utterance, with pre-roll
    END = "end"  # the caller has finished: understand and answer
    PAUSE = "pause"  # the caller may be speaking: hold the answer, reversibly
    RESUME = "resume"  # it was nothing: go on at the same sample
    CUT = "cut"  # the caller is speaking: the answer is over


@dataclass(frozen=True, slots=True)
class Rules:
    """The knobs, in seconds of audio; `config.TurnSettings` explains them."""

    silence: float = 0.3
    start: float = 0.1
    pause_after: float = 0.06
    confirm: float = 0.2
    release: float = 0.3
    max_utterance: float = 30.0
    threshold: float = 0.5
    hysteresis: float = 0.15
    """Speech stays speech until its probability falls this far below the threshold."""
    gap: float = 0.1
    """A shorter hole does not break a run of voice or speech: syllables have holes."""
    detects: bool = True
    """False: push-to-talk. The caller says when a turn ends, and sound alone moves nothing."""
    interrupts: bool = True
    """False: the caller's voice does not stop an answer."""


MOVES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.IDLE: frozenset({State.LISTENING, State.THINKING, State.TERMINATED}),
        State.LISTENING: frozenset({State.IDLE, State.THINKING, State.TERMINATED}),
        State.THINKING: frozenset({State.IDLE, State.LISTENING, State.SPEAKING, State.TERMINATED}),
        State.SPEAKING: frozenset({State.IDLE, State.BARGED_IN, State.TERMINATED}),
        State.BARGED_IN: frozenset({State.IDLE, State.LISTENING, State.SPEAKING, State.TERMINATED}),
        State.TERMINATED: frozenset(),
    }
)


class _Run:
    """Seconds of something that has been going on, forgiving holes shorter than `gap`."""

    def __init__(self) -> None:
        self.length = 0.0  # without the holes
        self.span = 0.0  # with them
        self._hole = 0.0

    def step(self, on: bool, seconds: float, gap: float) -> None:
        self._hole = 0.0 if on else self._hole + seconds
        if _reached(self._hole, gap):
            self.length = self.span = 0.0
        elif on or self.span:
            self.length += seconds if on else 0.0
            self.span += seconds


class Floor:
    """Who holds the floor in one session."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.state = State.IDLE
        self.clock = 0.0
        """Seconds of audio heard."""
        self.quiet = 0.0
        """Seconds of audio since the last speech."""
        self._began = 0.0
        self._paused = 0.0  # seconds since the pause without speech
        self._armed = True  # False: the present noise has been found to be nothing
        self._speaking = False
        self._voice = _Run()
        self._speech = _Run()

    def hear(self, voiced: bool, probability: float, seconds: float) -> tuple[Act, ...]:
        """One frame: is it voiced (fast stage), how likely is it speech (second stage), how long is it."""
        rules = self.rules
        self.clock += seconds
        limit = rules.threshold - (rules.hysteresis if self._speaking else 0.0)
        self._speaking = probability >= limit
        self.quiet = 0.0 if self._speaking else self.quiet + seconds
        self._voice.step(voiced, seconds, rules.gap)
        self._speech.step(self._speaking, seconds, rules.gap)
        if self._voice.length == 0.0:
            self._armed = True
        if not rules.detects:
            return self._when_told()
        match self.state:
            case State.IDLE:
                return self._when_idle()
            case State.LISTENING:
                return self._when_listening()
            case State.THINKING:
                return self._when_thinking()
            case State.SPEAKING:
                return self._when_speaking()
            case State.BARGED_IN:
                return self._when_barged_in(seconds)
        return ()

    @property
    def speech(self) -> float:
        """Seconds of audio since the present speech began."""
        return self._speech.span

    def _when_told(self) -> tuple[Act, ...]:
        """Push-to-talk; what detection had begun when the caller switched to it is given up."""
        if self.state is State.BARGED_IN:
            self.move(State.SPEAKING)
            return (Act.RESUME,)
        if self.state is State.LISTENING:
            self.move(State.IDLE)
        return ()

    def _when_idle(self) -> tuple[Act, ...]:
        if not _reached(self._speech.length, self.rules.start):
            return ()
        self._listen()
        return (Act.BEGIN,)

    def _when_listening(self) -> tuple[Act, ...]:
        too_long = _reached(self.clock - self._began, self.rules.max_utterance)
        if not _reached(self.quiet, self.rules.silence) and not too_long:
            return ()
        self.move(State.THINKING)
        self._speech = _Run()  # speech that goes on counts anew
        return (Act.END,)

    def _when_thinking(self) -> tuple[Act, ...]:
        if not self.rules.interrupts or not _reached(self._speech.length, self.rules.confirm):
            return ()
        self._listen()
        return (Act.CUT, Act.BEGIN)

    def _when_speaking(self) -> tuple[Act, ...]:
        if not self.rules.interrupts or not self._armed or not _reached(self._voice.length, self.rules.pause_after):
            return ()
        self.move(State.BARGED_IN)
        self._paused = 0.0
        return (Act.PAUSE,)

    def _when_barged_in(self, seconds: float) -> tuple[Act, ...]:
        if _reached(self._speech.length, self.rules.confirm):
            self._listen()
            return (Act.CUT, Act.BEGIN)
        self._paused = 0.0 if self._speaking else self._paused + seconds
        if not _reached(self._paused, self.rules.release):
            return ()
        self.move(State.SPEAKING)
        self._armed = False
        return (Act.RESUME,)

    def _listen(self) -> None:
        self.move(State.LISTENING)
        self._began = self.clock

    def listen(self) -> None:
        """The caller's turn begins without speech being detected: push-to-talk."""
        self._listen()

    def think(self) -> None:
        """An answer is being made."""
        if self.state is not State.THINKING:
            self.move(State.THINKING)

    def speak(self) -> None:
        """The answer's first sound has left."""
        self.move(State.SPEAKING)

    def rest(self) -> None:
        """Nobody holds the floor."""
        if self.state is not State.IDLE:
            self.move(State.IDLE)

    def terminate(self) -> None:
        """The session is over; safe to call twice."""
        self.state = State.TERMINATED

    def move(self, state: State) -> None:
        """Raises IllegalMove for a move that the table does not have."""
        if state not in MOVES[self.state]:
            raise IllegalMove("illegal_move", f"the floor cannot go from {self.state} to {state}")
        self.state = state


def _reached(length: float, limit: float) -> bool:
    """Sums of frames miss their mark by rounding; a microsecond is forgiven."""
    return length >= limit - 1e-6
