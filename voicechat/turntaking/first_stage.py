"""Pure: is somebody beginning to speak? Quick to believe it, but not twice of one noise."""

from typing import Final

from voicechat.turntaking.rules import Profile, Rules, Run, reached

HINT: Final = 1 / 3
"""So much of the time that a voice takes is enough of a hint of speech, as the second stage is late by itself. With
twice as much the pause came 20 ms later in a voiced noise, and 120 noises paused 137 times instead of 138 (November
2026)."""

MOST: Final = 2 / 3
"""So much of a beginning voice must be voiced: syllables have holes, and who waits for them pauses late."""


class FirstStage:
    """Hears every frame. A noise that was found to be nothing is passed over until it ends, or hints at speech."""

    def __init__(self) -> None:
        self._voice = Run()
        self._hint = Run()
        self._known = False  # the present noise has been found to be nothing
        self._denied = False  # the present hint, too

    def hear(self, rules: Rules, *, voiced: bool, hinting: bool, seconds: float) -> None:
        """Hinting: it may be speech, by the second stage."""
        self._denied = self._denied and hinting
        self._voice.step(voiced, seconds, rules.gap)
        self._hint.step(hinting and not self._denied, seconds, rules.gap)
        self._known = self._known and self._voice.length > 0.0

    def fires(self, profile: Profile, speech: float) -> bool:
        """Whether an answer is to be paused; `speech` seconds of speech lie behind."""
        if self._known:
            return reached(self._hint.length, HINT * profile.pause_after) or reached(speech, profile.pause_after)
        voice = self._voice.span if reached(self._voice.length, MOST * profile.pause_after) else 0.0
        return reached(max(voice, speech), profile.pause_after)

    def dismiss(self) -> None:
        """What fired was nothing."""
        self.begin()
        self._denied = True

    def begin(self) -> None:
        """A turn has ended: a noise that is still there is not the caller going on, but speech would be."""
        self._known = True
        self._hint = Run()
