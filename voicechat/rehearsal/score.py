"""What a rehearsal was worth: labels that say what was meant, moments that say what was done, and counts of both.

All times are seconds of audio since the recording's start. A label file is what Audacity exports: a line for each
label, with start, end and name between tabs. Pure.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import FRAME_SECONDS

TOLERANCE: Final = 0.1
"""A turn that ends this long before its label's end is not cut off: labels are set by hand."""

AFTERMATH: Final = 1.0
"""What is decided this long after a sound is still about that sound."""


QUIET_FRAMES: Final = 5

SHORTEST_SECONDS: Final = 0.2
"""Less speech than this, all alone, is no utterance."""


class Meaning(StrEnum):
    """What a label says of its stretch of the recording."""

    SPEECH = "speech"  # one utterance of the caller, with its inner pauses
    INTERRUPTION = "interruption"  # the same, begun while the bot speaks
    BACKCHANNEL = "backchannel"  # "mhm": the bot shall go on
    NOISE = "noise"  # the bot shall go on, and no turn begin
    BOT = "bot"  # the bot wants to speak


@dataclass(frozen=True, slots=True)
class Label:
    start: float
    end: float
    meaning: Meaning


class Deed(StrEnum):
    """What the session did."""

    SPOKE = "bot speaks"
    FELL_SILENT = "bot ends"
    DUCKED = "bot ducked"
    PAUSED = "bot paused"
    RESUMED = "bot resumed"
    COMMITTED = "interrupted"
    BEGAN = "turn begins"
    ENDED = "turn ends"
    UNDERSTOOD = "understood"


@dataclass(frozen=True, slots=True)
class Moment:
    at: float
    deed: Deed
    text: str = ""


def parse(text: str) -> tuple[Label, ...]:
    """The labels in order of their start. Raises ValueError with the number of the line and what is wrong with it.

    Empty lines are skipped, and so are Audacity's second lines of frequencies, which begin with a backslash.
    """
    labels = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if line.strip() and not line.startswith("\\"):
            labels.append(_parse_line(line, number))
    return tuple(sorted(labels, key=lambda label: label.start))


def _parse_line(line: str, number: int) -> Label:
    parts = line.strip().split("\t")
    if len(parts) != 3:
        raise ValueError(f"line {number}: found {line.strip()[:40]!r}; start, end and name between tabs are expected")
    try:
        start, end = float(parts[0].replace(",", ".")), float(parts[1].replace(",", "."))
    except ValueError:
        raise ValueError(f"line {number}: found {parts[0]!r} and {parts[1]!r}; seconds are expected") from None
    if not 0 <= start <= end < float("inf"):
        raise ValueError(f"line {number}: found {start:g} to {end:g}; a label ends after it starts")
    name = parts[2].strip().lower()
    if name not in set(Meaning):
        raise ValueError(f"line {number}: found '{name}'; allowed: {', '.join(Meaning)}")
    return Label(start, end, Meaning(name))


@dataclass
class Score:
    """Counts, and times in seconds; scores of several recordings add up."""

    utterances: int = 0
    cut_off: int = 0
    """Utterances that were taken as finished before they were."""
    openings: list[float] = field(default_factory=list)
    """For each utterance that was cut off, the seconds until it was known that the caller goes on: an answer that needs
    longer to its first sound was not heard, and the end was taken back. Of several ends the longest."""
    unended: int = 0
    """Utterances that were never taken as finished."""
    waits: list[float] = field(default_factory=list)
    """From the end of each utterance that was not cut off until it was taken as finished."""
    interruptions: int = 0
    missed: int = 0
    unpaused: int = 0
    pauses: list[float] = field(default_factory=list)
    """From the first voiced frame's beginning of each interruption until the bot paused, or at least ducked."""
    noisy_pauses: list[float] = field(default_factory=list)
    """The same where a noise was voiced just before, so that the first voiced frame of the caller is not known: from
    the label's start."""
    commits: list[float] = field(default_factory=list)
    """From the same moment until the interruption was confirmed."""
    harmless: int = 0
    """Noises and back-channels."""
    false_pauses: int = 0
    false_commits: int = 0
    false_starts: int = 0
    """Turns that began where nobody spoke and the bot was silent."""

    def __add__(self, other: "Score") -> "Score":
        return Score(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})


def judge(labels: Sequence[Label], moments: Sequence[Moment], voiced: NDArray[np.bool_]) -> Score:
    """`voiced` says of each 20 ms frame whether the first stage takes it for a voice."""
    return sum((_Scorer(labels, moments, voiced).score(label) for label in labels), _false_starts(labels, moments))


class _Scorer:
    def __init__(self, labels: Sequence[Label], moments: Sequence[Moment], voiced: NDArray[np.bool_]) -> None:
        self._labels, self._moments, self._voiced = labels, moments, voiced
        self._bot = _spans(moments)

    def score(self, label: Label) -> Score:
        match label.meaning:
            case Meaning.SPEECH:
                return self._utterance(label)
            case Meaning.INTERRUPTION:
                return self._utterance(label) + self._interruption(label)
            case Meaning.NOISE | Meaning.BACKCHANNEL:
                return self._harmless(label)
        return Score()

    def _utterance(self, label: Label) -> Score:
        ends = self._times(Deed.ENDED, label.start, self._until(label))
        late = [end for end in ends if end >= label.end - TOLERANCE]
        if len(late) < len(ends):
            return Score(utterances=1, cut_off=1, openings=[max(map(self._opening, ends[: len(ends) - len(late)]))])
        if not late:
            return Score(utterances=1, unended=1)
        return Score(utterances=1, waits=[max(0.0, late[0] - label.end)])

    def _opening(self, end: float) -> float:
        later = (moment.at for moment in self._moments if moment.deed is Deed.BEGAN and moment.at > end)
        return min(later, default=float("inf")) - end

    def _interruption(self, label: Label) -> Score:
        if not self._bot_speaks(label.start):
            return Score()
        onset = self._onset(label)
        commits = self._times(Deed.COMMITTED, label.start, label.end + AFTERMATH)
        pauses = sorted(
            self._times(Deed.DUCKED, label.start, label.end) + self._times(Deed.PAUSED, label.start, label.end)
        )
        if self._paused(onset):
            pauses = [onset]
        times = Score(interruptions=1, missed=int(not commits), unpaused=int(not pauses and not commits))
        times.commits = [max(0.0, at - onset) for at in commits[:1]]
        waited = [max(0.0, at - onset) for at in (pauses or commits)[:1]]
        if self._noisy(onset):
            times.noisy_pauses = waited
        else:
            times.pauses = waited
        return times

    def _harmless(self, label: Label) -> Score:
        if not self._bot_speaks(label.start):
            return Score()
        until = min(label.end + AFTERMATH, self._until(label))
        return Score(
            harmless=1,
            false_commits=int(bool(self._times(Deed.COMMITTED, label.start, until))),
            false_pauses=int(bool(self._times(Deed.PAUSED, label.start, until))),
        )

    def _times(self, deed: Deed, start: float, end: float) -> list[float]:
        return [moment.at for moment in self._moments if moment.deed is deed and start <= moment.at <= end]

    def _until(self, label: Label) -> float:
        """When the next thing happens that has a label of its own."""
        later = (other.start for other in self._labels if other.start >= label.end and other.meaning is not Meaning.BOT)
        return min(later, default=float("inf"))

    def _onset(self, label: Label) -> float:
        first = int(label.start / FRAME_SECONDS + 1e-6)
        found = np.flatnonzero(self._voiced[first : int(label.end / FRAME_SECONDS)])
        return label.start if len(found) == 0 else (first + int(found[0])) * FRAME_SECONDS

    def _noisy(self, onset: float) -> bool:
        """Whether the first stage took something for a voice in the last 0.1 s before."""
        frame = round(onset / FRAME_SECONDS)
        return bool(self._voiced[max(0, frame - QUIET_FRAMES) : frame].any())

    def _bot_speaks(self, at: float) -> bool:
        return any(start <= at < end for start, end in self._bot)

    def _paused(self, at: float) -> bool:
        held = (Deed.DUCKED, Deed.PAUSED)
        before = [m for m in self._moments if m.at <= at and m.deed in (*held, Deed.RESUMED, Deed.COMMITTED)]
        return bool(before) and before[-1].deed in held


def _spans(moments: Sequence[Moment]) -> list[tuple[float, float]]:
    """From and until when the bot held the floor, pauses included."""
    spans = []
    start: float | None = None
    for moment in moments:
        if moment.deed is Deed.SPOKE:
            start = moment.at
        elif moment.deed in (Deed.FELL_SILENT, Deed.COMMITTED) and start is not None:
            spans.append((start, moment.at))
            start = None
    return spans if start is None else [*spans, (start, float("inf"))]


def _false_starts(labels: Sequence[Label], moments: Sequence[Moment]) -> Score:
    """A turn begins with a voice: within an utterance, or a little after its end."""
    spoken = [label for label in labels if label.meaning is not Meaning.NOISE and label.meaning is not Meaning.BOT]
    begun = [moment.at for moment in moments if moment.deed is Deed.BEGAN]
    committed = {moment.at for moment in moments if moment.deed is Deed.COMMITTED}
    nobody = [
        at
        for at in begun
        if at not in committed and not any(label.start <= at <= label.end + AFTERMATH / 2 for label in spoken)
    ]
    return Score(false_starts=len(nobody))


def supposed(probabilities: NDArray[np.float32], silence: float = 1.0) -> tuple[Label, ...]:
    """Utterances of an unlabelled recording, from the speech probability of each 20 ms frame.

    Stretches of speech are one utterance unless at least `silence` seconds lie between them.
    """
    spans: list[tuple[float, float]] = []
    for number in np.flatnonzero(probabilities >= 0.5).tolist():
        start = number * FRAME_SECONDS
        if spans and start - spans[-1][1] < silence - 1e-6:
            start = spans.pop()[0]
        spans.append((start, (number + 1) * FRAME_SECONDS))
    return tuple(Label(start, end, Meaning.SPEECH) for start, end in spans if end - start >= SHORTEST_SECONDS)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` (0 to 1) of them do not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    ranks = [(number + 1) / len(ordered) for number in range(len(ordered))]
    return ordered[min(len(ordered) - 1, bisect_left(ranks, share - 1e-9))]
