"""Schemathesis, which asks for everything that /openapi.json describes, in the ways it says and in others."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.house import CLIENTS, House, open_house

KEY = "sk-voicechat-everything"

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "ignored_auth",
)  # fmt: skip

EXAMPLES = 10
"""Of each thing, beside its limits, which are tried each: a thousand requests in all."""

LONGEST = 300.0
"""Seconds; a machine that does nothing else takes less than one minute."""


@pytest.fixture(scope="module")
def open_to_all(chat: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server of its own, with a key that may do everything."""
    folder = tmp_path_factory.mktemp("described")
    keys = folder / "keys.txt"
    keys.touch(0o600)
    keys.write_text(f"all talk,operate,metrics {KEY}\n")
    with open_house(folder, chat, "http://127.0.0.1:1", ACCESS__KEYS=str(keys), ACCESS__ATTEMPTS="1000000") as house:
        yield house


@pytest.mark.timeout(2 * LONGEST)
def test_everything_answers_as_it_is_described(open_to_all: House, tmp_path: Path) -> None:
    command = [
        str(CLIENTS / "bin" / "schemathesis"), "run", f"{open_to_all.url}/openapi.json",
        "--header", f"Authorization: Bearer {KEY}", "--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES),
        "--phases", "examples,coverage,fuzzing", "--generation-deterministic",
        "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "30",
    ]  # fmt: skip
    alone = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "no_proxy": "*", "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    selected = re.search(r"Selected: (\d+)/(\d+)", done.stdout)
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert selected and tested, done.stdout
    assert int(tested[1]) == int(selected[1]) == int(selected[2]) > 25
    assert not [line for line in open_to_all.told() if line.get("level") == "error"]
