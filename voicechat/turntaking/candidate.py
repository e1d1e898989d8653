"""Pure: a voice that holds an answer up. Is it an interruption, or nothing?"""

from enum import Enum, auto
from math import exp
from typing import Final

from voicechat.turntaking.interjections import Said
from voicechat.turntaking.rules import Profile, Rules, reached

LONGEST: Final = 4.0
"""Seconds after which a candidate that is still not decided is, unless a knob asks for more."""

DOUBT: Final = 2.8
"""The odds (their logarithm) against a back-channel that it takes not to wait for it.

An answer that a mere "mhm" cuts is worse than an interruption that waits a moment. So of 44 back-channels of people
89 % are held; with 2.3 it is 84 %, and interruptions pass 20 ms sooner. Odds that fall while the voice goes on were no
better, with voices that the spotter was not trained with (November 2026).
"""

BELIEVED: Final = 1 / (1 + exp(DOUBT))
"""From this probability on a back-channel is believed."""

HINT_SECONDS: Final = 0.2
"""A hint of speech that has just begun is waited for so long: it may be the caller, in a noise that has paused us."""

ECHO_SECONDS: Final = 0.6
"""So much speech is no echo: that ends within half a second after a pause."""


class Verdict(Enum):
    OPEN = auto()
    INTERRUPTION = auto()
    NOTHING = auto()


class Candidate:
    """Weighs what is heard and read of one voice. What earlier ones said does not count."""

    def __init__(self, speech: float) -> None:
        self.speech = speech
        """Seconds of speech, in however many runs."""
        self._age = 0.0
        self._quiet = 0.0
        self._hinted = 0.0
        self._said = Said()
        self._unsure = self._echo = False  # whether it may be our own

    def hear(
        self,
        rules: Rules,
        profile: Profile,
        *,
        speaking: bool,
        hinting: bool,
        seconds: float,
        run: float,
        likely: float | None,
        unsure: bool,
    ) -> Verdict:
        """The next frame; `run` seconds of speech lie behind it without a hole. Hinting: it may be speech.

        `likely` is how likely it is a back-channel by its sound; None: unknown. Unsure: it may be our own echo.
        """
        self._unsure = self._unsure or unsure
        self._echo = self._unsure and not reached(run, ECHO_SECONDS)
        self._age += seconds
        self.speech += seconds if speaking else 0.0
        self._quiet = 0.0 if speaking else self._quiet + seconds
        self._hinted = self._hinted + seconds if hinting else 0.0
        if speaking and not self._echo and self._is_enough(rules, profile, run, likely):
            return Verdict.INTERRUPTION
        beginning = hinting and not reached(self._hinted, HINT_SECONDS)
        if reached(self._quiet, rules.release) and not beginning:
            return Verdict.NOTHING
        longest = max(LONGEST, rules.longest_back_channel, 2 * rules.release, profile.confirm, profile.confirm_alone)
        if reached(self._age, longest):
            return Verdict.INTERRUPTION if reached(self.speech, longest / 4) else Verdict.NOTHING
        return Verdict.OPEN

    def read(self, rules: Rules, profile: Profile, said: Said) -> Verdict:
        """All that has been understood of it so far. Words without speech are a recogniser's fancy."""
        self._said = said
        return Verdict.OPEN if self._echo or not self._says_enough(rules, profile) else Verdict.INTERRUPTION

    def _says_enough(self, rules: Rules, profile: Profile) -> bool:
        """Whether the words are an interruption."""
        wanted = self._said.stops or 0 < profile.min_words <= self._said.others
        return wanted and reached(self.speech, rules.start)

    def _is_enough(self, rules: Rules, profile: Profile, run: float, likely: float | None) -> bool:
        """Whether so much speech is an interruption. Fewer words than are wanted count for nothing."""
        if self._says_enough(rules, profile):
            return True
        if self._said.mere or (likely is not None and likely >= BELIEVED):
            return reached(run, max(rules.longest_back_channel, profile.confirm))
        if likely is None:
            return reached(self.speech, max(profile.confirm, profile.confirm_alone))
        return reached(self.speech, profile.confirm)
