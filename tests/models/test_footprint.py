"""Memory in use: of this process, and of GPUs that a driver of our own tells of."""

import sys
from pathlib import Path

import numpy as np
import pytest

from voicechat.models import footprint

MIB = 1024**2


@pytest.mark.skipif(not footprint.STATM.exists(), reason="no /proc here")
def test_what_is_held_shows() -> None:
    before = footprint.used("cpu")
    held = np.ones(64 * MIB, np.uint8)
    assert footprint.used("cpu") - before > 0.8 * held.nbytes


def test_gpu_is_measured_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 0, GPU-a, 1000, 400\necho 1, GPU-b, 1000, 900\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert [footprint.used(f"cuda:{number}") for number in range(3)] == [600 * MIB, 100 * MIB, 0]


def test_what_cannot_be_told_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "STATM", tmp_path / "none")
    assert footprint.used("cpu") == 0
