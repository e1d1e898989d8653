"""Hardware: the devices that this process may use, with and without GPUs, real or told by a driver of our own."""

import sys
from pathlib import Path

import pytest

from voicechat.models import hardware
from voicechat.models.hardware import Card, parse, visible

MIB = 1024**2
ANSWER = """\
0, GPU-aaaa1111-0000, 24564, 20000
1, GPU-bbbb2222-0000, 81559, 81000
2, GPU-aaaa3333-0000, 24564, 100
"""


@pytest.mark.parametrize(
    ("chosen", "cards"),
    [
        (None, [0, 1, 2]),
        ("0,1,2", [0, 1, 2]),
        ("2, 0", [2, 0]),
        ("1", [1]),
        ("", []),
        ("-1", []),
        ("0,-1,1", [0]),
        ("0,7,1", [0]),
        ("0,0", [0]),
        ("GPU-bbbb2222-0000,GPU-aaaa1", [1, 0]),
        ("GPU-aaaa", []),  # it may be either
        ("MIG-GPU-aaaa/1/0", []),
        ("none", []),
    ],
)
def test_process_sees_the_cards_that_its_environment_leaves(chosen: str | None, cards: list[int]) -> None:
    known = parse(ANSWER)
    found = visible(known, chosen)
    assert [device.free for device in found] == [known[card].free for card in cards]
    assert [device.name for device in found] == [f"cuda:{number}" for number in range(len(cards))]


def test_answer_of_the_driver_is_read_line_by_line() -> None:
    assert parse(ANSWER)[1] == Card(1, "GPU-bbbb2222-0000", 81559 * MIB, 81000 * MIB)
    assert parse("No devices were found\n") == []
    assert parse("0, GPU-x, [N/A], [N/A]\n") == []
    assert parse("") == []


def driver(folder: Path, script: str) -> dict[str, str]:
    """An environment in which nvidia-smi is a script of ours."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_driver_is_asked_for_its_cards(tmp_path: Path) -> None:
    environ = driver(tmp_path, f"cat <<'END'\n{ANSWER}END")
    found = hardware.devices({**environ, "CUDA_VISIBLE_DEVICES": "1"})
    assert [device.name for device in found] == ["cpu", "cuda:0"]
    assert (found[1].total, found[1].free) == (81559 * MIB, 81000 * MIB)


def test_machine_without_a_gpu_has_its_processor(tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path)}
    (processor,) = hardware.devices(nothing)
    assert processor.name == "cpu"
    assert 0 < processor.free <= processor.total or not sys.platform.startswith("linux")
    broken = driver(tmp_path, "echo NVIDIA-SMI has failed; exit 9")
    assert [device.name for device in hardware.devices(broken)] == ["cpu"]


def test_driver_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "QUERY_SECONDS", 0.2)
    assert [device.name for device in hardware.devices(driver(tmp_path, "exec sleep 30"))] == ["cpu"]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_processor_has_the_memory_that_is_available(tmp_path: Path) -> None:
    write(tmp_path / "proc/meminfo", "MemTotal: 2048 kB\nMemFree: 10 kB\nMemAvailable: 1024 kB\nHugePages_Total: 0\n")
    (processor,) = hardware.devices({"PATH": ""}, root=tmp_path)
    assert (processor.total, processor.free) == (2 * MIB, MIB)
    write(tmp_path / "sys/fs/cgroup/memory.max", "max\n")
    assert hardware.devices({"PATH": ""}, root=tmp_path) == (processor,)


def test_container_has_what_its_limit_leaves(tmp_path: Path) -> None:
    write(tmp_path / "proc/meminfo", "MemTotal: 8192 kB\nMemAvailable: 8000 kB\n")
    write(tmp_path / "sys/fs/cgroup/memory.max", f"{4 * MIB}\n")
    write(tmp_path / "sys/fs/cgroup/memory.current", f"{3 * MIB}\n")
    write(tmp_path / "sys/fs/cgroup/memory.stat", f"anon {MIB}\ninactive_file {2 * MIB}\n")
    (processor,) = hardware.devices({"PATH": ""}, root=tmp_path)
    assert (processor.total, processor.free) == (4 * MIB, 3 * MIB)


def test_torch_that_cannot_be_used_leaves_it_to_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "torch.py", "raise OSError('libcudart.so: cannot open shared object file')\n")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = hardware.devices(driver(tmp_path, f"cat <<'END'\n{ANSWER}END"), torch=True)
    assert [device.name for device in found] == ["cpu", "cuda:0", "cuda:1", "cuda:2"]


def test_torch_is_asked_when_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = "class cuda:\n    device_count = lambda: 2\n    mem_get_info = lambda number: (number + 1, 10)\n"
    write(tmp_path / "torch.py", stand_in)
    monkeypatch.setitem(sys.modules, "torch", None)  # so that the stand-in does not outlive the test
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = hardware.devices({"PATH": ""}, torch=True)
    assert [(device.name, device.free, device.total) for device in found[1:]] == [("cuda:0", 1, 10), ("cuda:1", 2, 10)]
    assert len(hardware.devices({"PATH": ""})) == 1
