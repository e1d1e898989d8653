"""The knobs of turn-taking, in seconds of audio; `config.TurnSettings` explains them to people."""

from dataclasses import dataclass, field

from voicechat.turntaking.interjections import Interjections


@dataclass(frozen=True, slots=True)
class Profile:
    """How readily the caller's voice stops an answer."""

    pause_after: float = 0.06
    confirm: float = 0.12
    """Speech that is an interruption, where the spotter tells that it is no back-channel."""
    confirm_alone: float = 0.5
    """The same, where nothing tells."""
    threshold: float | None = None
    """The probability that counts as speech; None: as everywhere."""
    min_words: int = 2
    """So many words that are no back-channels are an interruption, however short; 0: words never are, but stop
    phrases."""


@dataclass(frozen=True, slots=True)
class Rules:
    silence: float = 0.3
    start: float = 0.1
    """Clear speech that begins a turn; of what is only likely speech it takes more."""
    release: float = 0.3
    longest_back_channel: float = 1.0
    preempt_after: float | None = None
    """Quiet after which the end of a turn is likely, where more is waited for; None: nobody wants to know."""
    max_utterance: float = 30.0
    give_up: float = 60.0
    threshold: float = 0.5
    hysteresis: float = 0.15
    """Speech stays speech until its probability falls this far below the threshold."""
    doubt: float = 0.2
    """A noise that goes on, and was found to be nothing, may be speech from this far below the threshold."""
    gap: float = 0.1
    """A shorter hole does not break a run of voice or speech: syllables have holes."""
    detects: bool = True
    """False: push-to-talk. The caller says when a turn ends, and sound alone moves nothing."""
    adapts: bool = True
    """False: `silence` ends a turn, whatever is known of the caller."""
    interrupts: bool = True
    """False: the caller's voice does not stop an answer."""
    ducks: bool = False
    """The first stage makes the answer softer, and pauses it only when the second stage hears speech."""
    speaking: Profile = Profile()
    """While an answer is heard."""
    waiting: Profile = Profile(confirm=0.2, confirm_alone=0.3)
    """While an answer is being made: it is held back, so that a doubt costs little."""
    interjections: Interjections = field(default_factory=Interjections)


class Run:
    """Seconds of something that has been going on, forgiving holes shorter than `gap`."""

    def __init__(self) -> None:
        self.length = 0.0  # without the holes
        self.span = 0.0  # with them
        self._hole = 0.0

    def step(self, on: bool, seconds: float, gap: float) -> None:
        self._hole = 0.0 if on else self._hole + seconds
        if reached(self._hole, gap):
            self.length = self.span = 0.0
        elif on or self.span:
            self.length += seconds if on else 0.0
            self.span += seconds


def reached(length: float, limit: float) -> bool:
    """Sums of frames miss their mark by rounding; a microsecond is forgiven."""
    return length >= limit - 1e-6
