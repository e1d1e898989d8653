"""How long a silence must last, now, to end this caller's turn: shorter after what is whole, longer after what is not.

    silence = usual x caller x text x sound x early   (or x detector, where there is one), from `least` to `most`

It runs on the audio clock, beside the floor, and hears every frame: a few microseconds, and half a millisecond once in
each silence. All evidence is weak alone: the factors below were set by hand and checked on recordings.
"""

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from voicechat.audio import AudioFrame, Samples
from voicechat.turntaking.completeness import Completeness, completeness, plain
from voicechat.turntaking.fading import LOOK, ending
from voicechat.turntaking.pauses import USUAL_PAUSE, Pauses

TURN_SECONDS: Final = 8.0
"""Of a turn's sound is kept: as much as a detector looks at."""

LOOK_AFTER: Final = 0.1
"""Seconds into a silence when its beginning is looked at: the fade is over then."""

STALE: Final = 0.1
"""Seconds; a text that came longer than this before the end of speech says nothing of its last words."""

BACK: Final = 1.0
"""Seconds after the end of a turn; who speaks again before they are over had not finished."""

REACTION: Final = 0.5
"""Seconds after the end of a turn; who speaks before they are over did not do so because of the answer."""

EARLY: Final = 1.0
"""Seconds of speech; a turn that has said less has often only begun."""

STILL: Final = 0.1
"""Seconds without voice, after which a voice in a silence is a new one, and no echo of what was said."""

SETS_IN: Final = 0.12
"""Seconds for which a new voice holds the end: by then the second stage knows whether it is speech."""

TEXT: Final = {
    Completeness.SURE: 0.6,
    Completeness.WHOLE: 0.85,  # recognisers end with a full stop much that goes on
    Completeness.UNKNOWN: 1.0,
    Completeness.OPEN: 4.7,
    Completeness.NUMBER: 4.7,
}
SWIFT: Final = 0.8
"""The least that a caller who hardly pauses does to the silence."""
EARLY_FACTOR: Final = 1.25
BELIEF: Final = 0.5
"""How far the sound's log odds of an end are believed."""
DETECTED: Final = 0.7, 4.1
"""What a detector does that is sure of the end, and one that is sure of more to come."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The knobs, in seconds of quiet; `config.EndpointingSettings` explains them."""

    least: float = 0.25
    usual: float = 0.34
    most: float = 1.8
    words: float = 1.0
    """How far the recogniser's words are believed, 0 to 1."""
    threshold: float = 0.5
    hysteresis: float = 0.15


@dataclass(frozen=True, slots=True)
class Doubt:
    """A silence that has begun: the turn's last eight seconds, for a detector to say whether it is over."""

    sound: Samples
    number: int


EAGERNESS: Final = {"low": 1.75, "medium": 1.0, "auto": 1.0, "high": 0.7}
"""What a client's wish does to all waits. OpenAI's own longest waits are 8, 4 and 2 s; ours stay far shorter."""


def eager(waits: Waits, eagerness: str) -> Waits:
    """The waits for OpenAI's `semantic_vad`: eagerness "low", "medium", "high" or "auto"."""
    factor = EAGERNESS[eagerness]
    return replace(waits, least=factor * waits.least, usual=factor * waits.usual, most=factor * waits.most)


class Endpointing:
    """One session's; see `protocols.Patience`.

    `language` is what the caller speaks, `phrases` are sentences that are expected of them.
    """

    def __init__(self, waits: Waits, *, language: str = "en", phrases: Collection[str] = ()) -> None:
        self.waits = self._asked_for = waits
        self.language = language
        self._phrases = frozenset(plain(phrase) for phrase in phrases)
        self._pauses = Pauses()
        self._asked = False
        self._clock = 0.0
        self._speaking = False
        self._quiet = 0.0
        self._number = 0  # of the silence
        self._recent: deque[Samples] = deque(maxlen=round(TURN_SECONDS / 0.02))
        self._begin()

    def _begin(self) -> None:
        """Another turn, or what is left of one that was cut off."""
        self._ended = False
        self._spoken = 0.0
        self._text = ""
        self._read_at = -1.0
        self._recent.clear()
        self._pauses.begin()
        self._doubt()

    def _doubt(self) -> None:
        """A silence begins, of which nothing is known yet."""
        self._fade = 0.0
        self._still = self._new = 0.0  # seconds without voice, and of a new voice after it
        self._probability: float | None = None
        self._due = False
        self._number += 1
        self._silence: float | None = None

    @property
    def silence(self) -> float:
        """Seconds of quiet that end the present turn; it may change while the silence lasts."""
        if self._silence is None:
            self._silence = self._weigh()
        if 0.0 < self._new <= SETS_IN and self._silence < self.waits.most:
            return min(max(self._silence, self._quiet + 0.02), self.waits.most)
        return self._silence

    def hear(self, frame: AudioFrame, voiced: bool, probability: float) -> None:
        """Every frame of the session, at 16 kHz, before the floor hears it."""
        limit = self.waits.threshold - (self.waits.hysteresis if self._speaking else 0.0)
        self._clock += frame.seconds
        self._speaking = probability >= limit
        if self._speaking:
            self._hear_speech(frame.seconds)
        elif self._spoken:
            self._hear_quiet(frame.seconds, voiced)
        if self._spoken:
            self._recent.append(frame.samples)

    def _hear_speech(self, seconds: float) -> None:
        if self._quiet:
            if self._goes_on():
                self._pauses.add(self._quiet)
            if self._ended:
                self._learn()
                self._begin()
            self._quiet = 0.0
            self._doubt()
        self._spoken += seconds

    def _goes_on(self) -> bool:
        return not self._ended or self._quiet < self.silence + BACK

    def _learn(self) -> None:
        """From the end of a turn, now that the caller speaks again."""
        if self._quiet < self.silence + REACTION:
            self._pauses.cut_off()
        else:
            self._pauses.finish()

    def _hear_quiet(self, seconds: float, voiced: bool) -> None:
        before = self._quiet
        self._quiet += seconds
        self._listen_for_voice(seconds, voiced)
        if before < LOOK_AFTER - 1e-6 <= self._quiet:
            self._fade = ending(self._last(LOOK + LOOK_AFTER))
            self._due = True
            self._silence = None
        if self._quiet >= self.silence - 1e-6:
            self._ended = True

    def _listen_for_voice(self, seconds: float, voiced: bool) -> None:
        """The first stage hears a voice some frames before the second one knows that it is speech."""
        if voiced:
            self._new += seconds if self._new or self._still >= STILL - 1e-6 else 0.0
            self._still = 0.0
        else:
            self._new = 0.0
            self._still += seconds

    def read(self, text: str) -> None:
        """What is understood of the present utterance so far."""
        self._text, self._read_at = text, self._clock
        self._silence = None

    def asked(self, question: bool) -> None:
        """An answer is over: whether it ended in a question. What comes now is another turn."""
        self._asked = question
        if self._quiet:
            if self._ended:
                self._pauses.finish()
            self._begin()
            self._quiet = 0.0

    def hurry(self, eagerness: str) -> None:
        """See `eager`."""
        self.waits = eager(self._asked_for, eagerness)
        self._silence = None

    def due(self) -> Doubt | None:
        """Once in each silence, when it is time to ask a detector."""
        if not self._due:
            return None
        self._due = False
        return Doubt(self._last(TURN_SECONDS), self._number)

    def judge(self, doubt: Doubt, probability: float) -> None:
        """How likely a detector finds it that the turn is over; too late when the caller has gone on."""
        if doubt.number == self._number:
            self._probability = probability
            self._silence = None

    def _last(self, seconds: float) -> Samples:
        count = round(seconds / 0.02)
        frames = list(self._recent)[-count:]
        return np.concatenate(frames) if frames else np.zeros(0, np.int16)

    def _weigh(self) -> float:
        waits, text = self.waits, self._completeness()
        trust = 1.0 if text is Completeness.NUMBER else waits.words
        silence: float = waits.usual * self._caller() * TEXT[text] ** trust
        if self._probability is not None:
            silence *= DETECTED[0] ** self._probability * DETECTED[1] ** (1.0 - self._probability)
        elif text in (Completeness.UNKNOWN, Completeness.WHOLE):
            silence *= self._lean() * (EARLY_FACTOR if self._spoken < EARLY else 1.0)
        if text is not Completeness.SURE:
            silence = max(silence, self._pauses.expected)
        return min(max(silence, waits.least), waits.most)

    def _caller(self) -> float:
        """How much longer than most this caller pauses, as far as it was heard and as it was learnt by mistakes."""
        return max(SWIFT, self._pauses.usual / USUAL_PAUSE, self._pauses.care)

    def _completeness(self) -> Completeness:
        english = self.language.lower().startswith("en")
        found = completeness(self._text, asked=self._asked, english=english, phrases=self._phrases)
        fresh = self._read_at >= self._clock - self._quiet - STALE
        return found if fresh or found is Completeness.NUMBER else Completeness.UNKNOWN

    def _lean(self) -> float:
        """What the sound of the last words does, once it has been heard."""
        return math.exp(-BELIEF * self._fade)
