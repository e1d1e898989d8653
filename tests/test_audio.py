"""Sound as numbers: nothing is lost between chunk sizes and rates."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.audio import Framer, Resampler, level, read_wav, resample, write_wav


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return (10_000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


@given(st.lists(st.integers(0, 700), max_size=30), st.integers(1, 480))
def test_framer_gives_back_what_went_in(lengths: list[int], size: int) -> None:
    framer = Framer(size)
    source = np.arange(sum(lengths), dtype=np.int16)
    frames, start = [], 0
    for length in lengths:
        frames += list(framer.push(source[start : start + length]))
        start += length
    rest = framer.flush()
    frames += [] if rest is None else [rest]
    assert all(len(frame) == size for frame in frames)
    joined = np.concatenate([*frames, np.zeros(0, np.int16)])
    assert np.array_equal(joined[: len(source)], source)
    assert not joined[len(source) :].any()
    assert len(joined) - len(source) < size


@pytest.mark.parametrize("source", [8000, 11025, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("target", [16000, 24000, 48000])
def test_a_tone_survives_any_change_of_rate(source: int, target: int) -> None:
    stream = Resampler(source, target)
    sound = tone(1.0, source)
    pieces = [stream.push(sound[start : start + 333]) for start in range(0, len(sound), 333)]
    result = np.concatenate([*pieces, stream.flush()])
    assert len(result) == pytest.approx(target, abs=2)
    assert level(result) == pytest.approx(level(sound), abs=0.2)
    spectrum = np.abs(np.fft.rfft(result))
    assert np.argmax(spectrum) * target / len(result) == pytest.approx(440, abs=2)
    whole = resample(sound, source, target)
    assert len(whole) == pytest.approx(target, abs=2)


def test_level_is_in_decibels_below_full_scale() -> None:
    assert level(np.zeros(320, np.int16)) == -100.0
    assert level(np.zeros(0, np.int16)) == -100.0
    assert level(np.full(320, 32767, np.int16)) == pytest.approx(0.0, abs=0.01)
    assert level(np.full(320, 3277, np.int16)) == pytest.approx(-20.0, abs=0.01)


def test_wav_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    left, right = tone(0.2, 16000), tone(0.1, 16000, 880)
    write_wav(tmp_path / "mono.wav", 16000, left)
    write_wav(tmp_path / "stereo.wav", 16000, left, right)
    mono = read_wav(tmp_path / "mono.wav")
    assert mono.rate == 16000
    assert mono.seconds == pytest.approx(0.2)
    assert np.array_equal(mono.samples, left)
    stereo = read_wav(tmp_path / "stereo.wav").samples
    assert np.abs(stereo[len(right) :] - left[len(right) :] / 2).max() <= 1, "the shorter side ends in silence"


def written(path: Path, data: bytes, *, width: int = 2, channels: int = 1, rate: int = 16000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


@pytest.mark.parametrize(
    ("width", "data"),
    [
        (1, bytes([0, 64, 128, 192, 255])),
        (2, bytes([0, 128, 0, 192, 0, 0, 0, 64, 0, 127])),
        (3, bytes([0, 0, 128, 7, 0, 192, 255, 0, 0, 1, 0, 64, 0, 0, 127])),
        (4, bytes([0, 0, 0, 128, 1, 2, 0, 192, 3, 4, 0, 0, 5, 6, 0, 64, 7, 8, 0, 127])),
    ],
)
def test_wav_files_of_any_width_sound_alike(tmp_path: Path, width: int, data: bytes) -> None:
    assert read_wav(written(tmp_path / "clip.wav", data, width=width)).samples.tolist() == [
        -32768, -16384, 0, 16384, 32512
    ]  # fmt: skip


def test_wav_file_cut_off_within_a_sample_ends_before_it(tmp_path: Path) -> None:
    path = written(tmp_path / "clip.wav", bytes(range(40)), channels=2)
    path.write_bytes(path.read_bytes()[:-3])
    assert len(read_wav(path).samples) == 9


def test_wav_files_we_do_not_understand_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 channels of 16 bits at 16000 Hz"):
        read_wav(written(tmp_path / "three.wav", bytes(60), channels=3))
    with pytest.raises(ValueError, match="at 96000 Hz; 1 or 2 channels at 8000-48000 Hz are understood"):
        read_wav(written(tmp_path / "fast.wav", bytes(60), rate=96000))
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises((wave.Error, EOFError)):
        read_wav(tmp_path / "text.wav")
