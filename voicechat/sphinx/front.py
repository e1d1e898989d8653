"""PocketSphinx's front end as a stream: sound in, cepstra out."""

import ctypes
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE, Samples
from voicechat.sphinx.decoder import model
from voicechat.sphinx.library import FEATURES, FRAME_SHIFT, library

_NUMBERS: Final = ("lowerf", "upperf")
_COUNTS: Final = ("nfilt", "lifter")
_SWITCHES: Final = ("remove_noise",)


@cache
def _config() -> ctypes.c_void_p:
    """The front end's options as the model was trained with them; kept as long as the process."""
    options = dict(line.split() for line in model("en-us/feat.params").read_text().splitlines() if line.strip())
    found = library()
    config = ctypes.c_void_p(found.ps_config_init(None))
    found.ps_config_set_float(config, b"samprate", float(LISTEN_RATE))
    found.ps_config_set_str(config, b"transform", options["-transform"].encode())
    for name in _NUMBERS:
        found.ps_config_set_float(config, name.encode(), float(options[f"-{name}"]))
    for name in _COUNTS:
        found.ps_config_set_int(config, name.encode(), int(options[f"-{name}"]))
    for name in _SWITCHES:
        found.ps_config_set_bool(config, name.encode(), options[f"-{name}"] == "yes")
    return config


class Front:
    """One stream. On any thread, one at a time; microseconds a frame of 20 ms."""

    def __init__(self) -> None:
        self._library = library()
        self._at: ctypes.c_void_p | None = ctypes.c_void_p(self._library.fe_init_auto_r(_config()))
        self._library.fe_start_utt(self._at)

    def hear(self, samples: Samples) -> NDArray[np.float32]:
        """The cepstra of the 10 ms frames that the sound of shape (n,) completes: (frames, 13)."""
        sound = np.ascontiguousarray(samples)
        cepstra = np.zeros((len(sound) // FRAME_SHIFT + 2, FEATURES), np.float32)
        rows = (ctypes.c_void_p * len(cepstra))(
            *range(cepstra.ctypes.data, cepstra.ctypes.data + cepstra.nbytes, cepstra.strides[0])
        )
        position, left = ctypes.c_void_p(sound.ctypes.data), ctypes.c_size_t(len(sound))
        count = ctypes.c_int32(len(cepstra))
        self._library.fe_process_frames(
            self._at, ctypes.byref(position), ctypes.byref(left), rows, ctypes.byref(count)
        )
        return cepstra[: count.value]

    def close(self) -> None:
        """Free its memory; safe twice."""
        at, self._at = self._at, None
        if at is not None:
            self._library.fe_free(at)
