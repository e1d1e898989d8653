"""Server events, one JSON object a line, read as openai-agents and Pipecat read them; writes what they do not take."""

import json
import sys
from collections.abc import Callable

from agents.realtime.openai_realtime import get_server_event_type_adapter
from pipecat.services.openai.realtime.events import parse_server_event
from pydantic import ValidationError


def check(client: str, read: Callable[[], object]) -> None:
    try:
        read()
    except ValidationError as error:
        sys.stdout.write(f"{client}: {error}\n")


def pipecat(line: str) -> object:
    """As Pipecat wraps what it cannot read, the reason is what it was raised from."""
    try:
        return parse_server_event(line)
    except Exception as error:
        raise error.__context__ or error from None


adapter = get_server_event_type_adapter()
for line in sys.stdin:
    check("agents", lambda line=line: adapter.validate_python(json.loads(line)))
    check("pipecat", lambda line=line: pipecat(line))
