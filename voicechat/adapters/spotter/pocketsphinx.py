"""Tells "mhm", "okay" or "right" from the beginning of a sentence by its first phones, a fifth of a second into it.

PocketSphinx's acoustic model, made from human voices, says how well each phone explains each moment. A small recurrent
network follows that and weighs whether a back-channel could begin like this. It has been trained by bench/spotter on
synthetic voices, and on people who do not say back-channels; that it hears phones and not sound is why it knows human
voices, too.
"""

import math
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import AudioFrame
from voicechat.config import Settings
from voicechat.errors import EngineFailed
from voicechat.sphinx.acoustics import REACH, Acoustics, features
from voicechat.sphinx.decoder import model
from voicechat.sphinx.front import Front

Floats = NDArray[np.float32]

WEIGHTS: Final = Path(__file__).with_name("pocketsphinx.npz")

PAIR: Final = 2
"""Frames of 10 ms that the network takes at a step."""

SETTLED: Final = 15
"""Steps of 20 ms before there is an opinion: the frames from before the voice, and the first of it."""

_LOUDEST: Final = 9.0
"""Where the loudest moment so far is put: the model's scale is that of the voices it was made from."""
_SCALE: Final = 0.15
"""Of log likelihoods: they count a moment's evidence again and again."""
_LEAST: Final = -8.0


class Ear:
    """Sound to what the network sees. For one voice."""

    def __init__(self, acoustics: Acoustics, mean: Floats) -> None:
        self._acoustics, self._mean = acoustics, mean
        self._front = Front()
        self._cepstra = np.zeros((0, len(mean)), np.float32)
        self._top = -np.inf
        self._last = np.zeros(0, np.float32)

    def hear(self, samples: NDArray[np.int16]) -> Floats:
        """(steps, inputs): the steps of 20 ms that are complete with the sound of shape (n,); 40 ms late."""
        fresh = self._front.hear(samples)
        if len(fresh) and not len(self._cepstra):
            fresh = np.concatenate((fresh[:1].repeat(REACH + 1, axis=0), fresh))  # one more, and no frame waits alone
        self._cepstra = np.concatenate((self._cepstra, self._levelled(fresh)))
        count = (len(self._cepstra) - 2 * REACH) // PAIR * PAIR
        if count <= 0:
            return np.zeros((0, self._acoustics.phones + 1), np.float32)
        part = features(self._cepstra[: count + 2 * REACH])
        self._cepstra = self._cepstra[count:]
        phones = _evidence(self._acoustics.likelihoods(part))
        loudness = part[:, 0, :1] / 8
        seen: Floats = np.concatenate((phones, loudness), axis=1).reshape(count // PAIR, PAIR, -1).mean(axis=1)
        return seen

    def _levelled(self, cepstra: Floats) -> Floats:
        """The mean taken off; the level is relative to the loudest moment so far."""
        loudness = np.concatenate((self._last, cepstra[:, 0]))
        moments = np.array([loudness[max(0, at - 2) : at + 1].mean() for at in range(len(loudness))], np.float32)
        tops = np.maximum.accumulate(np.concatenate(([self._top], moments[len(self._last) :])))[1:]
        self._last = loudness[-2:]
        levelled: Floats = cepstra - self._mean
        if len(cepstra):
            self._top = tops[-1]
            levelled[:, 0] = cepstra[:, 0] - tops + _LOUDEST
        return levelled.astype(np.float32)

    def close(self) -> None:
        self._front.close()


def _evidence(likelihoods: Floats) -> Floats:
    """Likelihoods of phones, (n, phones), as shares of the whole; on a logarithmic scale, around 0."""
    scaled = _SCALE * (likelihoods - likelihoods.max(axis=1, keepdims=True))
    shares = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    evidence: Floats = np.maximum(shares, _LEAST) / 3 + 1
    return evidence


class Network:
    """A gated recurrent unit, as PyTorch lays out its numbers, and the weights of its output."""

    def __init__(self, numbers: dict[str, Floats]) -> None:
        self._inputs, self._hidden = numbers["inputs"].T, numbers["hidden"].T
        self._input_bias, self._hidden_bias = numbers["input_bias"], numbers["hidden_bias"]
        self._output, self._bias = numbers["output"], float(numbers["bias"].item())

    def start(self) -> Floats:
        return np.zeros(len(self._output), np.float32)

    def step(self, state: Floats, seen: Floats) -> Floats:
        """The state after one step with its inputs, (inputs,)."""
        size = len(state)
        given = seen @ self._inputs + self._input_bias
        kept = state @ self._hidden + self._hidden_bias
        reset, update = np.split(_share(given[: 2 * size] + kept[: 2 * size]), 2)
        fresh = np.tanh(given[2 * size :] + reset * kept[2 * size :])
        after: Floats = (1 - update) * fresh + update * state
        return after

    def opinion(self, state: Floats) -> float:
        """The logit that it is a back-channel so far."""
        return float(state @ self._output) + self._bias


def _share(logits: Floats) -> Floats:
    """Their probabilities; a logit of any size will do."""
    shares: Floats = np.asarray((1 + np.tanh(logits / 2)) / 2, np.float32)
    return shares


class PocketsphinxStream:
    """One voice. What it hears waits until it is asked, so that frames from before the voice are dealt with at once."""

    def __init__(self, ear: Ear, network: Network) -> None:
        self._ear, self._network = ear, network
        self._state = network.start()
        self._waiting: list[NDArray[np.int16]] = []
        self._steps = 0

    def hear(self, frame: AudioFrame) -> None:
        self._waiting.append(frame.samples)

    @property
    def back_channel(self) -> float | None:
        if self._waiting:
            for seen in self._ear.hear(np.concatenate(self._waiting)):
                self._state = self._network.step(self._state, seen)
                self._steps += 1
            self._waiting.clear()
        if self._steps < SETTLED:
            return None
        return (1 + math.tanh(self._network.opinion(self._state) / 2)) / 2

    def close(self) -> None:
        self._waiting.clear()
        self._ear.close()


class Pocketsphinx:
    """The model and the network, shared by all callers."""

    name = "pocketsphinx"

    def __init__(self, acoustics: Acoustics, numbers: dict[str, Floats]) -> None:
        self._acoustics, self._mean = acoustics, numbers["mean"]
        self._network = Network(numbers)

    def open(self) -> PocketsphinxStream:
        return PocketsphinxStream(Ear(self._acoustics, self._mean), self._network)

    def close(self) -> None:
        """Nothing is held beside memory."""


def read(path: Path = WEIGHTS) -> dict[str, Floats]:
    """The network's numbers by name, and the mean cepstrum. Raises EngineFailed."""
    try:
        with np.load(path) as file:
            return {name: file[name].astype(np.float32) for name in file.files}
    except (OSError, ValueError) as error:
        raise EngineFailed("bad_model", f"{path}: cannot be read: {error}") from error


def load(settings: Settings) -> Pocketsphinx:
    """Takes about 0.1 s. Raises AdapterUnavailable without pocketsphinx, EngineFailed for another model in it."""
    return Pocketsphinx(Acoustics(model("en-us")), read())
