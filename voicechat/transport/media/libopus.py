"""libopus itself, by its C interface: the one that PyAV ships, or the system's.

PyAV's own codecs cannot recover a lost packet from the next one, nor decode to a lower rate, and wrap every 20 ms in
three objects. These calls take the bytes as they are. On the loop.
"""

import ctypes
import ctypes.util
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from voicechat.audio import FRAME_SECONDS, Samples
from voicechat.errors import AdapterUnavailable

LOWDELAY: Final = 2051
"""OPUS_APPLICATION_RESTRICTED_LOWDELAY: CELT alone, 2.5 ms of delay, half the work. It has no in-band FEC."""

VOIP: Final = 2048
"""OPUS_APPLICATION_VOIP: SILK and CELT, 6.5 ms of delay, with in-band FEC."""

LONGEST_PACKET: Final = 1275
"""Bytes of one 20 ms frame at most (RFC 6716, 3.2.1)."""

LONGEST_SECONDS: Final = 0.12
"""A packet holds no more (RFC 6716, 2.1.4)."""

_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS, _SET_SIGNAL = 4002, 4010, 4012, 4014, 4024
_VOICE: Final = 3001

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int


@cache
def library() -> ctypes.CDLL:
    """The shared library with its signatures. Raises AdapterUnavailable when there is none."""
    for place in _places():
        try:
            found = ctypes.PyDLL(place)  # microseconds each: handing the interpreter on would cost more
        except OSError:
            continue
        found.opus_encoder_create.restype = found.opus_decoder_create.restype = _POINTER
        found.opus_encoder_create.argtypes = [ctypes.c_int32, _INT, _INT, ctypes.POINTER(_INT)]
        found.opus_decoder_create.argtypes = [ctypes.c_int32, _INT, ctypes.POINTER(_INT)]
        found.opus_encode.argtypes = [_POINTER, _POINTER, _INT, ctypes.c_char_p, ctypes.c_int32]
        found.opus_decode.argtypes = [_POINTER, ctypes.c_char_p, ctypes.c_int32, _POINTER, _INT, _INT]
        found.opus_encoder_destroy.argtypes = found.opus_decoder_destroy.argtypes = [_POINTER]
        found.opus_encoder_destroy.restype = found.opus_decoder_destroy.restype = None
        found.opus_strerror.argtypes, found.opus_strerror.restype = [_INT], ctypes.c_char_p
        return found
    raise AdapterUnavailable("no_libopus", "libopus is not here: neither PyAV's nor the system's (Debian: libopus0)")


def _places() -> Iterator[str]:
    spec = importlib.util.find_spec("av")
    if spec is not None and spec.origin is not None:
        beside = Path(spec.origin).parent.parent / "av.libs"
        yield from map(str, sorted(beside.glob("libopus-*")))
    system = ctypes.util.find_library("opus")
    if system is not None:
        yield system


class Encoder:
    """Mono sound at `rate` Hz to packets of 20 ms. `loss` in percent: what the receiver is expected to lose."""

    def __init__(
        self, rate: int, *, bitrate: int, complexity: int, application: int = LOWDELAY, loss: int = 0
    ) -> None:
        self._library = library()
        error = _INT()
        self._state = _POINTER(self._library.opus_encoder_create(rate, 1, application, ctypes.byref(error)))
        _check(error.value)
        self._size = round(rate * FRAME_SECONDS)
        self._packet = ctypes.create_string_buffer(LONGEST_PACKET)
        for request, value in (
            (_SET_BITRATE, bitrate),
            (_SET_COMPLEXITY, complexity),
            (_SET_SIGNAL, _VOICE),
            (_SET_FEC, int(loss > 0)),
            (_SET_LOSS, loss),
        ):
            self._set(request, value)

    def expect(self, loss: int) -> None:
        """What the receiver loses now, in percent; of one that was made to expect losses."""
        self._set(_SET_LOSS, loss)

    def _set(self, request: int, value: int) -> None:
        _check(self._library.opus_encoder_ctl(self._state, _INT(request), ctypes.c_int32(value)))

    def encode(self, samples: Samples) -> bytes:
        """The packet for the frame of 20 ms."""
        frame = np.ascontiguousarray(samples)
        if len(frame) != self._size:
            raise ValueError(f"{len(frame)} samples; a frame has {self._size}")
        length = self._library.opus_encode(
            self._state, frame.ctypes.data, self._size, self._packet, LONGEST_PACKET
        )
        return self._packet.raw[: _check(length)]

    def __del__(self) -> None:
        if hasattr(self, "_state"):
            self._library.opus_encoder_destroy(self._state)


class Decoder:
    """Packets to mono sound at `rate` Hz, whatever they were made of; stereo is mixed down."""

    def __init__(self, rate: int) -> None:
        self._library = library()
        error = _INT()
        self._state = _POINTER(self._library.opus_decoder_create(rate, 1, ctypes.byref(error)))
        _check(error.value)
        self._sound = np.zeros(round(rate * LONGEST_SECONDS), np.int16)
        self._frame = round(rate * FRAME_SECONDS)

    def decode(self, packet: bytes) -> Samples:
        """The packet's (n,) samples. Raises ValueError for what is not Opus."""
        if not packet:
            raise ValueError("an empty packet")
        return self._decode(packet, len(self._sound), again=False)

    def recover(self, following: bytes | None) -> Samples:
        """20 ms in place of a lost packet: from the copy that the one after it may carry, or else guessed."""
        return self._decode(following or None, self._frame, again=bool(following))

    def _decode(self, packet: bytes | None, size: int, *, again: bool) -> Samples:
        length = self._library.opus_decode(
            self._state, packet, len(packet or b""), self._sound.ctypes.data, size, int(again)
        )
        return self._sound[: _check(length)].copy()

    def __del__(self) -> None:
        if hasattr(self, "_state"):
            self._library.opus_decoder_destroy(self._state)


def _check(result: int) -> int:
    """The result, unless it is one of libopus' errors. Raises ValueError."""
    if result < 0:
        raise ValueError(f"libopus: {library().opus_strerror(result).decode()}")
    return result
