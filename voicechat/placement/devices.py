"""Which device takes a model that is to be loaded: by free memory, and never one where it does not fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from voicechat.errors import AdapterUnavailable

MARGIN: Final = 1.2
"""A model at work takes more than what was measured when it was loaded: buffers for longer sentences."""

UNKNOWN_BYTES: Final = 512 * 1024**2
"""Taken for a model that says nothing: most voices on a processor are smaller."""


@dataclass(frozen=True, slots=True)
class Device:
    """cpu or cuda:N, with its memory in bytes."""

    name: str
    total: int
    free: int

    def less(self, memory: int) -> "Device":
        """The same while a model of so many bytes is on its way there and does not show yet."""
        return replace(self, free=max(0, self.free - memory))


def place(
    model: str,
    memory: int,
    devices: Sequence[Device],
    *,
    wanted: str = "auto",
    cpu: bool = True,
    margin: float = MARGIN,
) -> Device:
    """The device with the most room for a model of `memory` bytes (measured or declared; 0: unknown).

    `wanted` is auto (a GPU before the processor), cpu, cuda (any of them) or cuda:N; `cpu` says whether the model runs
    on a processor at all. Raises AdapterUnavailable, which says for each device why not.
    """
    needed = int((memory or UNKNOWN_BYTES) * margin)
    reasons = {device.name: _hindrance(device, needed, wanted, cpu) for device in devices}
    fitting = [device for device in devices if not reasons[device.name]]
    if not fitting:
        why = "; ".join(f"{name} {reason}" for name, reason in reasons.items()) or "there is no device"
        raise AdapterUnavailable("no_device", f"{model} needs {_size(needed)} on {wanted}: {why}")
    return max(fitting, key=lambda device: (device.name != "cpu", device.free))


def _hindrance(device: Device, needed: int, wanted: str, cpu: bool) -> str:
    """Why the device cannot take a model; empty: it can."""
    if wanted not in ("auto", device.name, device.name.partition(":")[0]):
        return "was not asked for"
    if device.name == "cpu" and not cpu:
        return "cannot run it"
    if device.free < needed:
        return f"has {_size(device.free)} of {_size(device.total)} free"
    return ""


def _size(memory: int) -> str:
    return f"{memory / 1024**3:.1f} GiB" if memory >= 1024**3 else f"{memory / 1024**2:.0f} MiB"
