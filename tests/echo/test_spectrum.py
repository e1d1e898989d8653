"""How loud a frame is, band by band."""

import numpy as np
import pytest

from voicechat.audio import Samples, level
from voicechat.echo.spectrum import BANDS, EDGES, FAINTEST_DB, decibels, powers


def tone(pitch: float, rate: int, peak: float = 32767.0) -> Samples:
    return (peak * np.sin(2 * np.pi * pitch * np.arange(rate // 50) / rate)).astype(np.int16)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("band", range(BANDS - 3))
def test_tone_is_in_its_band_at_any_rate(rate: int, band: int) -> None:
    pitch = (EDGES[band] + EDGES[band + 1]) / 2
    found = powers(tone(pitch, rate), rate)
    assert int(found.argmax()) == band
    assert 0.6 < found[band] / found.sum() <= 1.0


@pytest.mark.parametrize("peak", [32767.0, 1000.0])
def test_all_bands_together_are_as_loud_as_the_frame(peak: float) -> None:
    sound = tone(1000.0, 16_000, peak)
    assert float(decibels(powers(sound, 16_000).sum(keepdims=True))[0]) == pytest.approx(level(sound), abs=0.3)


def test_bands_above_the_rate_are_silent() -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 160).astype(np.int16)
    found = powers(noise, 8_000)
    assert found[:9].min() > 0
    assert (found[11:] == 0).all()


def test_silence_is_as_faint_as_can_be() -> None:
    assert decibels(powers(np.zeros(320, np.int16), 16_000)).tolist() == pytest.approx([FAINTEST_DB] * BANDS)
