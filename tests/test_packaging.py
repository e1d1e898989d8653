"""What pyproject.toml asks for, and what constraints.txt pins."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("gpu", "piper", "csm", "xtts", "cosyvoice", "whisperx", "cluster", "sounddevice", "aec", "dev")


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])
def test_default_and_dev_dependency_is_pinned_to_a_version_it_allows(text: str) -> None:
    wanted = Requirement(text)
    (exactly,) = pins()[canonicalize_name(wanted.name)].specifier
    assert exactly.operator == "=="
    assert wanted.specifier.contains(exactly.version)


def test_pins_hold_on_every_machine() -> None:
    for pin in pins().values():
        assert pin.url is None
        assert "+" not in str(pin.specifier)


def test_every_promised_extra_is_there() -> None:
    assert set(EXTRAS) <= set(PROJECT["optional-dependencies"])
