"""Sound as the bytes of a file that somebody downloads: mono at 24 kHz, written as it comes, without seeking back."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

import av
import numpy as np

from voicechat.audio import Samples

RATE: Final = 24_000

UNKNOWN: Final = 0xFFFFFFFF
"""The length of a WAV that is still being written."""


class Container(Protocol):
    """A file being written. Blocking: an encoder takes up to ten milliseconds a second of sound, on a lane."""

    def push(self, samples: Samples) -> bytes:
        """Its next bytes, perhaps none, with (n,) samples at 24 kHz."""
        ...

    def finish(self) -> bytes:
        """Its last bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """`muxer` and `codec` are FFmpeg's; empty: samples as they are."""

    content_type: str
    muxer: str = ""
    codec: str = ""
    bitrate: int | None = None
    options: tuple[tuple[str, str], ...] = ()


KINDS: Final[Mapping[str, Kind]] = {
    "mp3": Kind("audio/mpeg", "mp3", "libmp3lame", 64_000, (("write_xing", "0"), ("id3v2_version", "0"))),
    "opus": Kind("audio/ogg", "ogg", "libopus", 32_000, (("page_duration", "100000"),)),
    "aac": Kind("audio/aac", "adts", "aac", 64_000),
    "flac": Kind("audio/flac", "flac", "flac"),
    "wav": Kind("audio/wav"),
    "pcm": Kind("audio/pcm"),
}
"""By the names that clients ask for. An MP3 without a first frame of tables that only a whole file could fill; an Opus
file in pages of 0.1 s instead of 1 s, so that its sound leaves at once."""


def opened(name: str) -> Container:
    """A new file of a kind."""
    kind = KINDS[name]
    return Encoded(kind) if kind.codec else Plain(with_header=name == "wav")


class Plain:
    """Samples of 16 bits, little-endian."""

    def __init__(self, *, with_header: bool) -> None:
        self._head = _wav_header() if with_header else b""

    def push(self, samples: Samples) -> bytes:
        head, self._head = self._head, b""
        return head + samples.astype("<i2").tobytes()

    def finish(self) -> bytes:
        return self.push(np.zeros(0, np.int16))


def _wav_header() -> bytes:
    """Of a file whose length nobody knows: players read it to its end."""
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    return b"RIFF" + struct.pack("<I", UNKNOWN) + b"WAVEfmt " + struct.pack("<I", len(form)) + form + (
        b"data" + struct.pack("<I", UNKNOWN)
    )


class _Written:
    """A file that FFmpeg writes to, and cannot read or seek."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken


class Encoded:
    """Sound that a codec of FFmpeg's writes."""

    def __init__(self, kind: Kind) -> None:
        self._file = _Written()
        options = {"flush_packets": "1", "fflags": "+bitexact", **dict(kind.options)}
        self._container = av.open(self._file, "w", format=kind.muxer, container_options=options)
        self._stream = cast(av.AudioStream, self._container.add_stream(kind.codec, rate=RATE, layout="mono"))
        if kind.bitrate is not None:
            self._stream.bit_rate = kind.bitrate
        self._samples = 0

    def push(self, samples: Samples) -> bytes:
        if len(samples):
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
            frame.sample_rate = RATE
            frame.pts = self._samples
            self._samples += len(samples)
            self._container.mux(self._stream.encode(frame))
        return self._file.take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.take()
