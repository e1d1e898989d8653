"""Sound as numbers: frames, rates, framing and WAV files. Mono int16 everywhere."""

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.int16]

FRAME_SECONDS: Final = 0.02
"""One packet, one frame, one tick of the playout clock."""

LISTEN_RATE: Final = 16_000
"""Hz; what voice activity detectors and recognisers hear."""

MIN_RATE, MAX_RATE = 8_000, 48_000


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """Mono sound: `samples` of shape (n,) at `rate` Hz."""

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def silence(seconds: float, rate: int) -> Samples:
    return np.zeros(round(seconds * rate), np.int16)


def level(samples: Samples) -> float:
    """Loudness in dB below full scale (0.0 loudest); -100.0 for silence or no samples."""
    if len(samples) == 0:
        return -100.0
    sound = samples.astype(np.float32)
    power = float(np.dot(sound, sound)) / len(sound)
    return max(-100.0, 10.0 * float(np.log10(power / 32768.0**2 + 1e-10)))


class Resampler:
    """A stream from one rate to another; a no-op when they are equal. Cheap enough for the loop.

    soxr holds back a few milliseconds until more sound or `flush()` comes.
    """

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        self._stream = None if source == target else self._open()

    def _open(self) -> soxr.ResampleStream:
        return soxr.ResampleStream(self.source, self.target, 1, dtype="int16", quality="HQ")

    def push(self, samples: Samples) -> Samples:
        """(n,) samples at the source rate → (m,) at the target rate."""
        if self._stream is None:
            return samples
        return cast(Samples, self._stream.resample_chunk(samples))

    def flush(self) -> Samples:
        """The held-back rest; afterwards a new stream begins."""
        if self._stream is None:
            return np.zeros(0, np.int16)
        rest = self._stream.resample_chunk(np.zeros(0, np.int16), last=True)
        self._stream = self._open()
        return cast(Samples, rest)


def resample(samples: Samples, source: int, target: int) -> Samples:
    """A whole clip at once, (n,) → (m,)."""
    if source == target:
        return samples
    return cast(Samples, soxr.resample(samples, source, target, quality="HQ"))


class Framer:
    """Cuts a stream of any chunk sizes into frames of `size` samples."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rest = np.zeros(0, np.int16)

    def push(self, samples: Samples) -> Iterator[Samples]:
        """Whole frames of shape (size,); what is left over waits for the next push."""
        joined = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(joined) // self.size * self.size
        self._rest = joined[whole:]
        for start in range(0, whole, self.size):
            yield joined[start : start + self.size]

    def flush(self) -> Samples | None:
        """The rest, padded with silence to one frame; None when there is none."""
        if len(self._rest) == 0:
            return None
        frame = np.zeros(self.size, np.int16)
        frame[: len(self._rest)] = self._rest
        self._rest = self._rest[:0]
        return frame

    def clear(self) -> None:
        self._rest = self._rest[:0]


def read_wav(path: str | Path) -> AudioFrame:
    """A WAV of 8, 16, 24 or 32 bits a sample as one mono frame at its own rate; stereo is averaged.

    One that was cut off in the middle of a sample ends before it.
    Raises ValueError for other rates or channel counts, wave.Error or EOFError for other files.
    """
    return mono(read_channels(path))


def mono(channels: Sequence[AudioFrame]) -> AudioFrame:
    """Channels of one length, averaged."""
    if len(channels) == 1:
        return channels[0]
    mixed = np.stack([channel.samples for channel in channels]).mean(axis=0).astype(np.int16)
    return AudioFrame(mixed, channels[0].rate)


def read_channels(path: str | Path) -> tuple[AudioFrame, ...]:
    """The one or two channels of a WAV, as `read_wav` reads it."""
    with wave.open(str(path), "rb") as file:
        channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
        if channels not in (1, 2) or not MIN_RATE <= rate <= MAX_RATE:
            raise ValueError(
                f"{path}: {channels} channels of {8 * width} bits at {rate} Hz;"
                f" 1 or 2 channels at {MIN_RATE}-{MAX_RATE} Hz are understood"
            )
        data = _sixteen_bits(file.readframes(file.getnframes()), width, channels)
    return tuple(AudioFrame(np.ascontiguousarray(data[number::channels]), rate) for number in range(channels))


def _sixteen_bits(data: bytes, width: int, channels: int) -> Samples:
    """A WAV's whole samples of `width` bytes. Those of one byte are unsigned, all others signed and little-endian."""
    whole = data[: len(data) // (width * channels) * width * channels]
    table = np.frombuffer(whole, np.uint8).reshape(-1, width)
    if width == 1:
        return (table[:, 0].astype(np.int16) - 128) * 256
    return np.ascontiguousarray(table[:, -2:]).view("<i2")[:, 0].astype(np.int16)


def write_wav(path: str | Path, rate: int, *channels: Samples) -> None:
    """One or more channels as a 16-bit WAV; shorter channels end in silence."""
    table = np.zeros((max(len(c) for c in channels), len(channels)), "<i2")
    for column, samples in enumerate(channels):
        table[: len(samples), column] = samples
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(table.tobytes())
