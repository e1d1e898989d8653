"""The C interface of PocketSphinx, found inside its Python wheel.

The wheel's own Python interface holds the interpreter's lock while it decodes, for up to 300 ms at a time. The same
shared library exports the C functions, and ctypes lets go of the lock during each call. The front end's functions
(`fe_…`) are not in its public header; they are those of release 5.1.
"""

import ctypes
import math
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from voicechat.errors import AdapterUnavailable

LOG_BASE: Final = math.log(1.0001) * 1024
"""Scores are counted in steps of 1024 powers of 1.0001; times this they are natural logarithms."""

FEATURES: Final = 13
"""Numbers in a frame's cepstrum."""

FRAME_SHIFT: Final = 160
"""Samples from one frame to the next: 10 ms."""

_AT, _TEXT, _INT, _LONG, _SIZE = (
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_long,
    ctypes.c_size_t,
)
_SIGNATURES: Final[Mapping[str, tuple[object, tuple[object, ...]]]] = {
    "ps_config_init": (_AT, (_AT,)),
    "ps_config_set_str": (_AT, (_AT, _TEXT, _TEXT)),
    "ps_config_set_int": (_AT, (_AT, _TEXT, _LONG)),
    "ps_config_set_float": (_AT, (_AT, _TEXT, ctypes.c_double)),
    "ps_config_set_bool": (_AT, (_AT, _TEXT, _INT)),
    "ps_config_free": (_INT, (_AT,)),
    "ps_init": (_AT, (_AT,)),
    "ps_free": (_INT, (_AT,)),
    "ps_get_config": (_AT, (_AT,)),
    "ps_add_jsgf_string": (_INT, (_AT, _TEXT, _TEXT)),
    "ps_activate_search": (_INT, (_AT, _TEXT)),
    "ps_start_stream": (_INT, (_AT,)),
    "ps_set_cmn": (_INT, (_AT, _TEXT)),
    "ps_start_utt": (_INT, (_AT,)),
    "ps_process_raw": (_INT, (_AT, _AT, _SIZE, _INT, _INT)),
    "ps_end_utt": (_INT, (_AT,)),
    "ps_get_hyp": (_TEXT, (_AT, _AT)),
    "ps_get_n_frames": (_INT, (_AT,)),
    "ps_seg_iter": (_AT, (_AT,)),
    "ps_seg_next": (_AT, (_AT,)),
    "ps_seg_free": (None, (_AT,)),
    "ps_seg_word": (_TEXT, (_AT,)),
    "ps_seg_frames": (None, (_AT, _AT, _AT)),
    "ps_seg_prob": (ctypes.c_int32, (_AT, _AT, _AT, _AT)),
    "fe_init_auto_r": (_AT, (_AT,)),
    "fe_free": (_INT, (_AT,)),
    "fe_start_utt": (_INT, (_AT,)),
    "fe_process_frames": (_INT, (_AT, _AT, _AT, _AT, _AT)),
}


def home() -> Path:
    """The directory of the wheel. Raises AdapterUnavailable where it is not installed."""
    spec = find_spec("pocketsphinx")
    if spec is None or spec.origin is None:
        raise AdapterUnavailable("no_pocketsphinx", "pocketsphinx is not installed: pip install pocketsphinx")
    return Path(spec.origin).parent


@cache
def library() -> ctypes.CDLL:
    """The shared library with its functions declared. Raises AdapterUnavailable."""
    found = sorted(home().glob("_pocketsphinx*.so")) + sorted(home().glob("_pocketsphinx*.pyd"))
    if not found:
        raise AdapterUnavailable("no_pocketsphinx", f"{home()}: holds no shared library of pocketsphinx")
    try:
        loaded = ctypes.CDLL(str(found[0]))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise AdapterUnavailable("no_pocketsphinx", f"{found[0]}: cannot be used: {error}") from error
    return loaded
