"""What this machine has to run models on: its devices and their memory, now.

Works without any GPU library: `nvidia-smi` comes with the driver. What the process may not see is not there:
CUDA_VISIBLE_DEVICES, and the memory limit of a container.
"""

import importlib
import importlib.util
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voicechat.placement import Device

QUERY: Final = ("nvidia-smi", "--query-gpu=index,uuid,memory.total,memory.free", "--format=csv,noheader,nounits")
QUERY_SECONDS: Final = 10.0
"""The first query of a sleeping GPU takes some."""

MIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as the driver numbers it; bytes."""

    index: int
    uuid: str
    total: int
    free: int


def devices(
    environ: Mapping[str, str] = os.environ, *, torch: bool = False, root: Path = Path("/")
) -> tuple[Device, ...]:
    """The processor, and each GPU as cuda:N in the order in which CUDA shows them to this process. Blocking.

    With `torch` PyTorch is asked for the GPUs where it is installed: it takes seconds to import and some hundred MB of
    each GPU, but it is right where the driver's numbers are not, and knows parts of cards (MIG). `root` is where /proc
    and /sys are.
    """
    found = _of_torch() if torch and importlib.util.find_spec("torch") else None
    if found is None:
        found = visible(_cards(environ), environ.get("CUDA_VISIBLE_DEVICES"))
    return (_processor(root), *found)


def visible(cards: Sequence[Card], chosen: str | None) -> tuple[Device, ...]:
    """The cards that CUDA_VISIBLE_DEVICES leaves, as CUDA counts them; None: it is not set.

    It names cards by number or by the beginning of their UUID, and ends before the first one that is not there, or is
    named twice (CUDA C Programming Guide, "CUDA Environment Variables"). Numbers are the driver's, since
    `adapters` sets CUDA_DEVICE_ORDER=PCI_BUS_ID: by itself CUDA puts the fastest first.
    """
    if chosen is None:
        shown = list(cards)
    else:
        shown = []
        for name in chosen.split(","):
            card = _named(cards, name.strip())
            if card is None or card in shown:
                break
            shown.append(card)
    return tuple(Device(f"cuda:{number}", card.total, card.free) for number, card in enumerate(shown))


def parse(answer: str) -> list[Card]:
    """The cards in nvidia-smi's answer to QUERY; a line that is none, such as "No devices were found", is left out."""
    cards = []
    for line in answer.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 4 and all(parts[place].isdecimal() for place in (0, 2, 3)):
            cards.append(Card(int(parts[0]), parts[1], int(parts[2]) * MIB, int(parts[3]) * MIB))
    return cards


def _named(cards: Sequence[Card], name: str) -> Card | None:
    if name.isdecimal():
        return next((card for card in cards if card.index == int(name)), None)
    found = [card for card in cards if name.startswith("GPU-") and card.uuid.startswith(name)]
    return found[0] if len(found) == 1 else None


def _cards(environ: Mapping[str, str]) -> list[Card]:
    try:
        answer = subprocess.run(
            QUERY, env=dict(environ), capture_output=True, text=True, timeout=QUERY_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no driver, or one that does not answer: no GPU for us
        return []
    return parse(answer.stdout)


def _of_torch() -> tuple[Device, ...] | None:
    """None where PyTorch is there and cannot be used."""
    try:
        cuda = importlib.import_module("torch").cuda
        found = [cuda.mem_get_info(number) for number in range(cuda.device_count())]
    except (ImportError, OSError, RuntimeError):
        return None
    return tuple(Device(f"cuda:{number}", total, free) for number, (free, total) in enumerate(found))


def _processor(root: Path) -> Device:
    """The processor with the memory of the machine, or of the container (control groups, version 2) if that is less."""
    lines = _read(root / "proc/meminfo").splitlines()
    values = {line.partition(":")[0]: line.split()[1] for line in lines if len(line.split()) > 1}
    total, free = (int(values.get(name, "0")) * 1024 for name in ("MemTotal", "MemAvailable"))
    limit = _read(root / "sys/fs/cgroup/memory.max").strip()
    if limit.isdecimal():  # else "max", or no such file
        used = int(_read(root / "sys/fs/cgroup/memory.current").strip() or 0)
        for line in _read(root / "sys/fs/cgroup/memory.stat").splitlines():
            if line.startswith("inactive_file "):  # files that were read: given back as soon as memory is wanted
                used -= int(line.split()[1])
        total, free = min(total, int(limit)), min(free, max(0, int(limit) - used))
    return Device("cpu", total, free)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
