"""Whose turn is it: a pure state machine on the audio clock.

It hears what the two stages of voice detection say of each frame, reads what is understood so far, and answers with
what is to be done. It knows nothing of sound, tasks or wires, and its clock is seconds of audio, so its tests are
tables.

    idle ──speech──► listening ──quiet──► thinking ──first sound──► speaking ──drained──► idle
                         ▲                  │  ▲                      │  ▲
                         │           voiced ▼  │ nothing       voiced ▼  │ nothing
                         └─interruption───────────── barged_in ───────────

A voice over an answer, heard or still being made, opens a candidate (see `candidate`) and holds the answer. No state
but idle lasts for ever: a turn has a longest length, a candidate is decided, an answer without progress is given up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from voicechat.errors import IllegalMove
from voicechat.events import State
from voicechat.turntaking.candidate import Candidate, Verdict
from voicechat.turntaking.first_stage import FirstStage
from voicechat.turntaking.rules import Profile, Rules, Run, reached


class Act(StrEnum):
    """What the floor asks of the session."""

    BEGIN = "begin"  # the caller's turn begins: open an utterance, with pre-roll, or take the candidate's
    EXPECT = "expect"  # the caller may have finished: understand, and prepare an answer for nobody's ears
    GO_ON = "go_on"  # they had not: whatever was prepared is of no use
    END = "end"  # the caller has finished: understand and answer
    DUCK = "duck"  # the caller may be speaking: a candidate opens, the answer goes on softly
    PAUSE = "pause"  # the caller may be speaking: a candidate opens, the answer is held, reversibly
    RESUME = "resume"  # it was nothing: forget the candidate, go on at the same sample
    CUT = "cut"  # the caller is speaking: the answer is over
    GIVE_UP = "give_up"  # nothing has come of the answer for too long: it is over


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known of a moment beside its sound."""

    silence: float | None = None
    """Seconds of quiet that end the present turn; None: as the rules say."""
    back_channel: float | None = None
    """How likely the candidate is a back-channel by its sound; None: unknown."""
    unsure: bool = False
    """It may be the answer's own echo."""
    ending: bool = False
    """The answer is in its last words: a voice now is the next turn's."""
    sounding: bool = True
    """The answer's sound is leaving."""


NO_CLUES: Final = Clues()

CLEAR: Final = 0.6
"""Speech is clear from this share of the way on, from the threshold to certainty."""

UNCLEAR: Final = 0.25
"""What unclear speech counts for where a turn may begin: other people in the room, a television, a murmuring noise.

A turn that begins a little later loses nothing, as the sound from before it belongs to it (November 2026).
"""

MOVES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.IDLE: frozenset({State.LISTENING, State.THINKING, State.TERMINATED}),
        State.LISTENING: frozenset({State.IDLE, State.THINKING, State.TERMINATED}),
        State.THINKING: frozenset({State.IDLE, State.SPEAKING, State.BARGED_IN, State.TERMINATED}),
        State.SPEAKING: frozenset({State.IDLE, State.BARGED_IN, State.TERMINATED}),
        State.BARGED_IN: frozenset({State.IDLE, State.LISTENING, State.THINKING, State.SPEAKING, State.TERMINATED}),
        State.TERMINATED: frozenset(),
    }
)


class Floor:
    """Who holds the floor in one session."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.state = State.IDLE
        self.clock = 0.0
        """Seconds of audio heard."""
        self.quiet = 0.0
        """Seconds of audio since the last speech."""
        self._since = 0.0  # seconds in this state, or since the answer's last progress
        self._held = State.IDLE  # what a candidate has interrupted, and goes on if it is nothing
        self._candidate = Candidate(0.0)
        self._ducked = False
        self._expecting = False  # the end of the caller's turn
        self._speaking = False
        self._hinting = False  # it may be speech
        self._first = FirstStage()
        self._speech = Run()
        self._sure = Run()  # the same, where unclear speech counts less
        self._early: float | None = None  # on the clock, when speech began in an answer's last words

    @property
    def speech(self) -> float:
        """Seconds of audio since the present speech began, or what was said in the last words of an answer."""
        return self._speech.span if self._early is None else self.clock - self._early

    @property
    def candidate(self) -> float:
        """Seconds of speech in the latest candidate."""
        return self._candidate.speech

    def hear(self, voiced: bool, probability: float, seconds: float, clues: Clues = NO_CLUES) -> tuple[Act, ...]:
        """One frame: is it voiced (fast stage), how likely is it speech (second stage), how long is it."""
        self.clock += seconds
        return self._step(voiced, probability, seconds, clues)

    def lapse(self, seconds: float, clues: Clues = NO_CLUES) -> tuple[Act, ...]:
        """Time without any sound from the caller: it counts as silence, but not as audio."""
        return self._step(False, 0.0, seconds, clues)

    def read(self, text: str) -> tuple[Act, ...]:
        """All that is understood of the candidate so far."""
        if self.state is not State.BARGED_IN:
            return ()
        return self._decided(self._candidate.read(self.rules, self._profile, self.rules.interjections.read(text)))

    def take(self) -> tuple[Act, ...]:
        """The caller's program says that the candidate is the caller's turn."""
        return self._decided(Verdict.INTERRUPTION) if self.state is State.BARGED_IN else ()

    def _step(self, voiced: bool, probability: float, seconds: float, clues: Clues) -> tuple[Act, ...]:
        rules = self.rules
        self._hinting = probability >= self._threshold - rules.doubt
        self._first.hear(rules, voiced=voiced, hinting=self._hinting, seconds=seconds)
        self._speaking = probability >= self._threshold - (rules.hysteresis if self._speaking else 0.0)
        self.quiet = 0.0 if self._speaking else self.quiet + seconds
        self._speech.step(self._speaking, seconds, rules.gap)
        clear = probability >= self._threshold + CLEAR * (1 - self._threshold) or not self._speaking
        self._sure.step(self._speaking, seconds if clear else UNCLEAR * seconds, rules.gap)
        progress = self.state is State.SPEAKING and clues.sounding
        self._since = 0.0 if progress else self._since + seconds
        if self.state in (State.THINKING, State.SPEAKING) and reached(self._since, rules.give_up):
            self.move(State.IDLE)
            return (Act.GIVE_UP,)
        if not rules.detects:
            return self._when_told()
        match self.state:
            case State.IDLE:
                return self._when_idle()
            case State.LISTENING:
                return self._when_listening(clues)
            case State.THINKING | State.SPEAKING:
                return self._when_answering(clues)
            case State.BARGED_IN:
                return self._when_barged_in(seconds, clues)
        return ()

    @property
    def _profile(self) -> Profile:
        heard = self.state is State.SPEAKING or (self.state is State.BARGED_IN and self._held is State.SPEAKING)
        return self.rules.speaking if heard else self.rules.waiting

    @property
    def _threshold(self) -> float:
        own = self._profile.threshold if self.state in (State.THINKING, State.SPEAKING, State.BARGED_IN) else None
        return self.rules.threshold if own is None else own

    def _when_told(self) -> tuple[Act, ...]:
        """Push-to-talk; what detection had begun when the caller switched to it is given up."""
        self._early = None
        if self.state is State.BARGED_IN:
            return self._decided(Verdict.NOTHING)
        if self.state is State.LISTENING:
            self.move(State.IDLE)
        return ()

    def _when_idle(self) -> tuple[Act, ...]:
        if self._early is None and not reached(self._sure.length, self.rules.start):
            return ()
        self.move(State.LISTENING)
        return (Act.BEGIN,)

    def _when_listening(self, clues: Clues) -> tuple[Act, ...]:
        silence = self.rules.silence if clues.silence is None else clues.silence
        if not reached(self.quiet, silence) and not reached(self._since, self.rules.max_utterance):
            return self._when_likely()
        self.move(State.THINKING)
        self._first.begin()
        self._speech, self._sure = Run(), Run()  # speech that goes on counts anew
        return (Act.END,)

    def _when_likely(self) -> tuple[Act, ...]:
        """Once in each stretch of quiet that is not over yet, and once when it was not the end."""
        after = self.rules.preempt_after
        likely = after is not None and not self._speaking and reached(self.quiet, after)
        if likely is self._expecting:
            return ()
        self._expecting = likely
        return (Act.EXPECT if likely else Act.GO_ON,)

    def _when_answering(self, clues: Clues) -> tuple[Act, ...]:
        """The first stage."""
        if clues.ending and self.state is State.SPEAKING:
            self._come_early(clues)
            return ()
        if not self.rules.interrupts:
            return ()
        if not self._first.fires(self._profile, self._speech.length):
            return ()
        self._held = self.state
        self._candidate = Candidate(self._speech.length)
        self._ducked = self.rules.ducks and self.state is State.SPEAKING
        self.move(State.BARGED_IN)
        return (Act.DUCK if self._ducked else Act.PAUSE,)

    def _come_early(self, clues: Clues) -> None:
        """A voice in the last words is the next turn, though it may have ended when that can begin."""
        if self._early is None and self._speaking and not clues.unsure and reached(self._sure.length, self.rules.start):
            self._early = self.clock - self._speech.span

    def _when_barged_in(self, seconds: float, clues: Clues) -> tuple[Act, ...]:
        """The second stage."""
        verdict = self._candidate.hear(
            self.rules,
            self._profile,
            speaking=self._speaking,
            hinting=self._hinting,
            seconds=seconds,
            run=self._speech.length,
            likely=clues.back_channel,
            unsure=clues.unsure,
        )
        if self._held is State.IDLE and reached(self._candidate.speech, self.rules.start):
            verdict = Verdict.INTERRUPTION  # the answer is over: there is nothing left to interrupt
        acts = self._decided(verdict)
        if not acts and self._ducked and reached(self._speech.length, self.rules.start):
            self._ducked = False
            return (Act.PAUSE,)
        return acts

    def _decided(self, verdict: Verdict) -> tuple[Act, ...]:
        match verdict:
            case Verdict.OPEN:
                return ()
            case Verdict.NOTHING:
                self.move(self._held)
                self._first.dismiss()
                return (Act.RESUME,)
            case Verdict.INTERRUPTION:
                self.move(State.LISTENING)
                return (Act.BEGIN,) if self._held is State.IDLE else (Act.CUT, Act.BEGIN)

    def think(self) -> None:
        """An answer is being made; while a candidate is open it waits for that."""
        if self.state is State.BARGED_IN:
            self._held = State.THINKING
        elif self.state is not State.THINKING:
            self.move(State.THINKING)

    def speak(self) -> None:
        """The answer's first sound has left."""
        if self.state is State.BARGED_IN:
            self._held = State.SPEAKING
        else:
            self.move(State.SPEAKING)

    def rest(self) -> None:
        """Nobody holds the floor; what an open candidate says belongs to the next turn."""
        if self.state is State.BARGED_IN:
            self._held = State.IDLE
        elif self.state is not State.IDLE:
            self.move(State.IDLE)

    def terminate(self) -> None:
        """The session is over; safe to call twice."""
        self.state = State.TERMINATED

    def move(self, state: State) -> None:
        """Raises IllegalMove for a move that the table does not have."""
        if state not in MOVES[self.state]:
            raise IllegalMove("illegal_move", f"the floor cannot go from {self.state} to {state}")
        if self.state is State.LISTENING or state in (State.THINKING, State.SPEAKING):
            self._early = None  # what was said early has become a turn, or never will
        self.state = state
        self._since = 0.0
        self._expecting = False
