"""Pure: how well each phone explains 10 ms of sound, by the acoustic model in PocketSphinx's wheel.

The model knows each phone's three states as mixtures of 128 normal distributions, for the cepstrum, its slope and its
curvature apart. Phones are taken without their neighbours here, which makes them few enough for the event loop.
"""

import struct
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.errors import EngineFailed
from voicechat.sphinx.library import FEATURES, LOG_BASE

Floats = NDArray[np.float32]

STREAMS: Final = 3
STATES: Final = 3
DENSITIES: Final = 128
REACH: Final = 3
"""Frames after the present one that its curvature needs."""

_LEAST_VARIANCE: Final = 1e-4
_LEAST: Final = 1e-30


class Acoustics:
    """The phones of a model, in its order. Reading it takes 50 ms; raises EngineFailed for another kind of model."""

    def __init__(self, folder: Path) -> None:
        try:
            means = _gaussians(folder / "means")
            variances = np.maximum(_gaussians(folder / "variances"), _LEAST_VARIANCE)
            weights = _weights(folder / "sendump")
        except (OSError, ValueError, IndexError, struct.error) as error:
            raise EngineFailed("bad_model", f"pocketsphinx: the model in {folder} cannot be read: {error}") from error
        self.phones = phones = len(means)
        scale = np.concatenate((means / variances, -0.5 / variances), axis=-1)
        offset = -0.5 * (np.log(2 * np.pi * variances) + means * means / variances).sum(-1)
        self._scale = [_flat(scale[:, stream]).T.astype(np.float32) for stream in range(STREAMS)]
        self._offset = [offset[:, stream].reshape(-1).astype(np.float32) for stream in range(STREAMS)]
        shares = np.exp(-LOG_BASE * weights[:, :, : STATES * phones].astype(np.float64))
        self._shares = [
            np.ascontiguousarray(shares[stream].reshape(DENSITIES, phones, STATES).transpose(1, 0, 2), np.float32)
            for stream in range(STREAMS)
        ]

    def likelihoods(self, features: Floats) -> Floats:
        """(n, phones) log likelihoods of each phone's best state, for features of shape (n, 3, 13)."""
        count = len(features)
        total = np.zeros((self.phones, count, STATES), np.float32)
        for stream in range(STREAMS):
            part = features[:, stream]
            fits = np.concatenate((part, part * part), axis=1) @ self._scale[stream] + self._offset[stream]
            fits = np.ascontiguousarray(fits.reshape(count, self.phones, DENSITIES).transpose(1, 0, 2))
            best = fits.max(axis=-1, keepdims=True)
            total += best + np.log(np.exp(fits - best) @ self._shares[stream] + _LEAST)
        return np.ascontiguousarray(total.max(axis=-1).T)


def features(cepstra: Floats) -> Floats:
    """(n, 3, 13): cepstra of shape (n + 6, 13), less three frames at each end, with their slope and curvature."""
    slope = cepstra[4:] - cepstra[:-4]  # of each frame but two at each end
    return np.stack((cepstra[REACH:-REACH], slope[1:-1], slope[2:] - slope[:-2]), axis=1)


def _flat(array: NDArray[np.float64]) -> NDArray[np.float64]:
    return array.reshape(-1, array.shape[-1])


def _gaussians(path: Path) -> NDArray[np.float64]:
    """(phones, 3, 128, 13)"""
    data = path.read_bytes()
    at = data.index(b"endhdr\n") + 7 + 4  # a mark of the byte order
    phones, streams, densities, *lengths = struct.unpack_from("<6i", data, at)
    if (streams, densities, lengths) != (STREAMS, DENSITIES, [FEATURES] * STREAMS):
        raise ValueError(f"{path.name}: {streams} streams of {densities} densities")
    count = phones * streams * densities * FEATURES
    numbers = np.frombuffer(data, "<f4", count, at + 28)
    return numbers.reshape(phones, streams, densities, FEATURES).astype(np.float64)


def _weights(path: Path) -> NDArray[np.uint8]:
    """(3, 128, states of all phones in all contexts), those of phones without context first; in steps of LOG_BASE."""
    data = path.read_bytes()
    at = 0
    while length := struct.unpack_from("<i", data, at)[0]:
        at += 4 + length
    densities, states = struct.unpack_from("<2i", data, at + 4)
    if densities != DENSITIES:
        raise ValueError(f"{path.name}: {densities} densities")
    return np.frombuffer(data, np.uint8, STREAMS * densities * states, at + 12).reshape(STREAMS, densities, states)
