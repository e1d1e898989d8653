"""Streaming speech-to-text that others wrote for OpenAI's sessions that only transcribe."""

from pathlib import Path

import pytest

from tests.clients.conftest import Python
from tests.clients.house import KEY, QUESTION, House


@pytest.mark.parametrize("package", ["openai-agents", "livekit", "pipecat"])
def test_stock_listener_is_told_what_was_said_and_nothing_is_answered(
    house: House, question: Path, python: Python, package: str
) -> None:
    before = house.written()
    facts = python("listeners.py", house.url, KEY, str(question), package)
    assert house.empty()
    log = house.told(before)
    assert facts == [{"fact": "said", "text": QUESTION}, {"fact": "closed"}]
    assert not [line for line in log if line["event"] == "answered" or line["level"] in ("error", "critical")]
