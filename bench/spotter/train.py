"""Trains the spotter's network on lessons. Needs PyTorch (the extra `gpu`); five minutes on one core."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.spotter.scenes import SEEN, Lesson

Numbers = dict[str, NDArray[np.float32]]

NETS: Final = 2
"""Their opinions are averaged: strangers are understood better than by one net of as many units."""
UNITS: Final = 64
ROUNDS: Final = 18
BATCH: Final = 256
FASTEST: Final = 1e-2

WORDS: Final = 0.15
"""How far a whole scene's phones are moved: another accent, another microphone."""
MOMENTS: Final = 0.1
LOUDNESS: Final = 0.3
TEMPO: Final = 0.25
DROPPED: Final = 0.5


class Net(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.unit = nn.GRU(inputs, UNITS, batch_first=True)
        self.drop = nn.Dropout(DROPPED)
        self.output = nn.Linear(UNITS, 1)

    def forward(self, seen: Tensor) -> Tensor:
        """(scenes, steps) logits of (scenes, steps, inputs)."""
        states, _ = self.unit(seen)
        logits: Tensor = self.output(self.drop(states))[..., 0]
        return logits


def train(lessons: Sequence[Lesson], without: Collection[str]) -> Numbers:
    """The numbers of a network that knows all voices but those."""
    return together([_train(lessons, without, seed) for seed in range(NETS)])


def together(nets: Sequence[Numbers]) -> Numbers:
    """One network that is all of these side by side, and says what they say on average."""
    size = len(nets[0]["output"])
    units = len(nets) * size
    one = {
        name: np.concatenate([net[name].reshape(3, size, -1) for net in nets], axis=1).reshape(3 * units, -1)
        for name in ("inputs", "input_bias", "hidden_bias")
    }
    hidden = np.zeros((3, units, units), np.float32)
    for number, net in enumerate(nets):
        part = slice(number * size, (number + 1) * size)
        hidden[:, part, part] = net["hidden"].reshape(3, size, size)
    return {
        "inputs": one["inputs"],
        "hidden": hidden.reshape(3 * units, units),
        "input_bias": one["input_bias"][:, 0],
        "hidden_bias": one["hidden_bias"][:, 0],
        "output": np.concatenate([net["output"] for net in nets]) / len(nets),
        "bias": np.mean([net["bias"] for net in nets], axis=0),
    }


def _train(lessons: Sequence[Lesson], without: Collection[str], seed: int) -> Numbers:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    dice = np.random.default_rng(seed)
    chosen = [one for one in lessons if one.voice not in without]
    seen = torch.tensor(np.stack([one.seen for one in chosen]))
    asked = torch.tensor(np.stack([_asked(one) for one in chosen]))
    answers = torch.tensor([float(one.back_channel) for one in chosen])
    net = Net(seen.shape[2])
    steps = ROUNDS * -(-len(chosen) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), FASTEST, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, FASTEST, total_steps=steps)
    for _ in range(ROUNDS):
        order = torch.tensor(dice.permutation(len(chosen)))
        for batch in order.split(BATCH):
            given, weight = _varied(seen[batch], asked[batch], float(np.exp(dice.uniform(-TEMPO, TEMPO))))
            wanted = answers[batch][:, None].expand_as(weight)
            losses = nn.functional.binary_cross_entropy_with_logits(net(given), wanted, reduction="none")
            loss = (losses * weight).sum() / weight.sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return _numbers(net)


def _asked(lesson: Lesson) -> NDArray[np.float32]:
    asked = np.zeros(SEEN, np.float32)
    asked[lesson.first : lesson.last] = 1.0
    return asked


def _varied(seen: Tensor, asked: Tensor, tempo: float) -> tuple[Tensor, Tensor]:
    at = (torch.arange(SEEN) * tempo).clamp(0, SEEN - 1.001)
    low = at.long()
    share = (at - low)[None, :, None]
    stretched = seen[:, low] * (1 - share) + seen[:, low + 1] * share
    scenes, _, inputs = seen.shape
    moved = torch.randn(scenes, 1, inputs) * WORDS
    moved[..., -1] += torch.randn(scenes, 1) * LOUDNESS
    return stretched + moved + torch.randn_like(stretched) * MOMENTS, asked[:, at.round().long()]


def _numbers(net: Net) -> Numbers:
    names = {
        "unit.weight_ih_l0": "inputs",
        "unit.weight_hh_l0": "hidden",
        "unit.bias_ih_l0": "input_bias",
        "unit.bias_hh_l0": "hidden_bias",
        "output.weight": "output",
        "output.bias": "bias",
    }
    numbers = {names[name]: value.numpy() for name, value in net.state_dict().items()}
    return {**numbers, "output": numbers["output"][0], "bias": numbers["bias"]}


def save(path: Path, numbers: Numbers, mean: NDArray[np.float32]) -> None:
    """In half precision: a hundredth of a logit."""
    halves: dict[str, Any] = {name: value.astype(np.float16) for name, value in numbers.items()}
    np.savez_compressed(path, **halves, mean=mean)
