import numpy as np
import pytest

from voicechat.audio import Samples
from voicechat.transport.media.downsampler import Downsampler


def tone(hertz: float, rate: int, seconds: float = 1.0) -> Samples:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def stream(samples: Samples, source: int, target: int, size: int) -> list[Samples]:
    resampler = Downsampler(source, target)
    return [resampler.push(samples[start : start + size]) for start in range(0, len(samples), size)]


def loudness(samples: Samples) -> float:
    """Against the full tone, in dB."""
    power = np.mean(np.square(samples[len(samples) // 4 :], dtype=np.float64))
    return float(10 * np.log10(power / (8000**2 / 2) + 1e-12))


@pytest.mark.parametrize("source", [8_000, 16_000, 24_000, 48_000])
def test_every_frame_in_is_a_frame_out(source: int) -> None:
    frames = stream(tone(440, source), source, 16_000, source // 50)
    assert {len(frame) for frame in frames} == {320}


@pytest.mark.parametrize("source", [8_000, 11_025, 22_050, 24_000, 44_100, 48_000])
def test_chunks_of_any_size_give_the_same_sound(source: int) -> None:
    sound = tone(440, source, 0.3)
    whole = np.concatenate(stream(sound, source, 16_000, len(sound)))
    for size in (1, 7, 333):
        assert np.array_equal(np.concatenate(stream(sound, source, 16_000, size)), whole)


@pytest.mark.parametrize("source", [8_000, 22_050, 24_000, 48_000])
def test_speech_passes_with_its_pitch_and_loudness(source: int) -> None:
    heard = np.concatenate(stream(tone(1000, source), source, 16_000, source // 50))
    assert loudness(heard) == pytest.approx(0, abs=0.1)
    assert np.argmax(np.abs(np.fft.rfft(heard))) * 16_000 / len(heard) == pytest.approx(1000, abs=2)


def test_what_the_lower_rate_cannot_carry_is_gone() -> None:
    for hertz in (9_500, 12_000, 20_000):
        assert loudness(np.concatenate(stream(tone(hertz, 48_000), 48_000, 16_000, 960))) < -70
    assert loudness(np.concatenate(stream(tone(6_000, 48_000), 48_000, 16_000, 960))) == pytest.approx(0, abs=0.5)


def test_sound_comes_out_one_millisecond_later() -> None:
    click = np.zeros(4800, np.int16)
    click[2400] = 20_000
    heard = np.concatenate(stream(click, 48_000, 16_000, 960))
    assert np.argmax(np.abs(heard)) == pytest.approx(2400 / 3 + 16, abs=1)


def test_the_loudest_sound_does_not_wrap_around() -> None:
    square = np.where(tone(500, 48_000) > 0, 32767, -32768).astype(np.int16)
    heard = np.concatenate(stream(square, 48_000, 16_000, 960)).astype(np.int32)
    middle = heard[160:].reshape(-1, 32)[:, 8]
    assert np.abs(np.diff(heard)).max() < 65_000
    assert (np.sign(middle) == np.sign(middle[0])).all()


def test_equal_rates_pass_the_sound_on() -> None:
    sound = tone(440, 16_000)
    assert Downsampler(16_000, 16_000).push(sound) is sound
