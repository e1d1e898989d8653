"""What one caller's sound is found to be: voice, speech, an echo, a back-channel, the end of a turn."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from voicechat.audio import FRAME_SECONDS, AudioFrame
from voicechat.echo.reverberation import Played
from voicechat.protocols import EchoGate, Patience, Spotter, SpotterStream, VadStream

WAKE_SECONDS: Final = 0.2
"""Sound from before it woke that the second stage hears, to settle its memory."""

DOZE_SECONDS: Final = 0.5
"""Without voice for this long, the second stage sleeps."""

DOUBT: Final = 0.3
"""From this probability of speech on, a frame without a voice may be one."""


class Ears:
    """The two stages of voice detection, the cheap one waking the good one, and those who listen beside them."""

    def __init__(
        self,
        fast: VadStream,
        slow: VadStream,
        *,
        spotter: Spotter | None = None,
        patience: Patience | None = None,
        gate: EchoGate | None = None,
    ) -> None:
        self._fast, self._slow = fast, slow
        self._spotter, self._patience, self._gate = spotter, patience, gate
        self._spotting: SpotterStream | None = None
        self._recent: deque[AudioFrame] = deque(maxlen=round(WAKE_SECONDS / FRAME_SECONDS))
        self._unvoiced = DOZE_SECONDS

    @property
    def silence(self) -> float | None:
        """Seconds of quiet that end the present turn; None: nobody knows better than the rules."""
        return None if self._patience is None else self._patience.silence

    @property
    def back_channel(self) -> float | None:
        """How likely the candidate is a back-channel, 0 to 1; None: unknown."""
        return None if self._spotting is None else self._spotting.back_channel

    @property
    def unsure(self) -> bool:
        """Whether a voice over an answer may be what the gate let pass of the answer's own echo."""
        return self._gate is not None and self._gate.unsure

    def hear(
        self, frame: AudioFrame, *, attentive: bool, levels: Sequence[Played], now: float
    ) -> tuple[bool, float]:
        """Whether the frame is voiced, and how likely it is speech. Attentive ears do not doze.

        `levels` are those of `Peer.levels`: what is only their echo is neither.
        """
        voiced, probability = self._detect(frame, attentive)
        perhaps = voiced or probability >= DOUBT
        if self._gate is not None and self._gate.hear(frame, levels, now, voiced=perhaps):
            voiced, probability = False, 0.0
        if self._patience is not None:
            self._patience.hear(frame, voiced, probability)
        if self._spotting is not None:
            self._spotting.hear(frame)
        return voiced, probability

    def _detect(self, frame: AudioFrame, attentive: bool) -> tuple[bool, float]:
        voiced = self._fast.probability(frame.samples) >= 0.5
        asleep = self._unvoiced >= DOZE_SECONDS
        self._unvoiced = 0.0 if voiced or attentive else self._unvoiced + frame.seconds
        if self._unvoiced >= DOZE_SECONDS:
            self._recent.append(frame)
            return voiced, 0.0
        if asleep:
            self._slow.reset()
            for earlier in self._recent:
                self._slow.probability(earlier.samples)
            self._recent.clear()
        return voiced, self._slow.probability(frame.samples)

    def consider(self, frames: Iterable[AudioFrame]) -> None:
        """A candidate has opened, with these frames."""
        self.dismiss()
        if self._spotter is not None:
            self._spotting = self._spotter.open()
            for frame in frames:
                self._spotting.hear(frame)

    def dismiss(self) -> None:
        """The candidate is decided; safe to call at any time."""
        spotting, self._spotting = self._spotting, None
        if spotting is not None:
            spotting.close()

    def read(self, text: str) -> None:
        """What is understood of the present utterance so far."""
        if self._patience is not None:
            self._patience.read(text)

    def asked(self, question: bool) -> None:
        """An answer is over: whether it ended in a question."""
        if self._patience is not None:
            self._patience.asked(question)

    def hurry(self, eagerness: str) -> None:
        """How soon a turn shall end; see `protocols.Patience.hurry`."""
        if self._patience is not None:
            self._patience.hurry(eagerness)
