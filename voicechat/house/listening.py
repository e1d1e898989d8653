"""What every session hears with: voice detection, back-channels told by their sound, and patience with a silence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from voicechat import adapters
from voicechat.config import Settings
from voicechat.ears import Ears
from voicechat.echo.gate import Gate
from voicechat.errors import AdapterUnavailable
from voicechat.house.lanes import Lanes
from voicechat.opinion import SecondOpinion
from voicechat.protocols import Lane, Spotter, TurnDetector, VadEngine
from voicechat.turntaking.endpointing import Endpointing, Waits

BELIEF: Final = {"pocketsphinx": 0.2}
"""How far the words of a recogniser are believed at the end of a turn; others 1.0. It hears some in a room's noise."""

Patience = Endpointing | SecondOpinion
"""What makes a session's silences adapt."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The engines that all sessions share."""

    settings: Settings
    fast: VadEngine
    slow: VadEngine
    spotter: Spotter | None
    detector: tuple[TurnDetector, Lane] | None
    """With the lane that it works on."""

    def ears(self, patience: Patience | None) -> Ears:
        """Of a new session."""
        echo = self.settings.turn.echo
        gate = Gate(echo.margin_db) if echo.gate else None
        return Ears(self.fast.open(), self.slow.open(), patience=patience, gate=gate, spotter=self.spotter)

    def patience(self, recogniser: str, phrases: Sequence[str]) -> Patience | None:
        """For a new session whose words are from a recogniser; None: its silences do not adapt."""
        knobs = self.settings.turn.endpointing
        if not knobs.adaptive:
            return None
        waits = Waits(
            knobs.least,
            knobs.usual,
            knobs.most,
            BELIEF.get(recogniser, 1.0) if knobs.words is None else knobs.words,
            self.settings.vad.silero.threshold,
        )
        endpointing = Endpointing(waits, language=self.settings.asr.language, phrases=phrases)
        return endpointing if self.detector is None else SecondOpinion(endpointing, *self.detector)

    def close(self) -> None:
        if self.spotter is not None:
            self.spotter.close()


async def load(settings: Settings, lane: Lane, lanes: Lanes) -> Listening:
    """Loads on a lane; a detector gets one of its own. Raises ConfigError or AdapterError."""
    fast: VadEngine = await lane.run(lambda: adapters.choose("vad", "webrtc", settings))
    slow: VadEngine = await lane.run(lambda: adapters.choose("vad", "silero", settings))
    detector = await _detector(settings, lanes)
    return Listening(settings, fast, slow, await lane.run(lambda: _spotter(settings)), detector)


async def _detector(settings: Settings, lanes: Lanes) -> tuple[TurnDetector, Lane] | None:
    if not settings.turn.detector:
        return None
    lane = lanes.new("turn-0", settings.asr.deadline)
    return await lane.run(lambda: adapters.choose("turn", "smart_turn", settings)), lane


def _spotter(settings: Settings) -> Spotter | None:
    """The one that is wanted; with "auto", none where none can be loaded. Raises ConfigError or AdapterError."""
    wanted = settings.turn.barge_in.spotter
    if wanted == "none":
        return None
    try:
        return cast(Spotter, adapters.choose("spotter", wanted, settings))
    except AdapterUnavailable:
        if wanted != "auto":
            raise
        return None
