"""Every event has the fields that OpenAI's own package knows, and is one that stock clients take."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.realtime_turns import (
    CALL,
    CALLING_TURN,
    DRAFT,
    EVERYTHING,
    INTERRUPTED_TURN,
    MCP_TURN,
    SPOKEN,
    SPOKEN_TURN,
    TYPED_TURN,
    say,
)
from voicechat.conversation import Item, Kind, Role, SessionSettings, TurnDetection
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    InputTimedOut,
    ItemAdded,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    SettingsChanged,
    ToolsListed,
    TranscriptFailed,
)
from voicechat.transport.realtime.wire import RealtimeWire

THEIRS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@pytest.mark.parametrize("turn", [SPOKEN_TURN, INTERRUPTED_TURN, TYPED_TURN, CALLING_TURN, MCP_TURN])
@pytest.mark.parametrize("channel", ["websocket", "webrtc"])
def test_every_event_has_the_fields_that_openais_package_knows(turn: list[Event], channel: Any) -> None:
    wire = RealtimeWire("sess_a", channel=channel)
    others: list[Event] = [
        SettingsChanged(SessionSettings(turns=TurnDetection(kind="semantic_vad", eagerness="low"))),
        SettingsChanged(SessionSettings(turns=None, transcribes=False)),
        TranscriptFailed("item_1", "engine_failed", "It broke."),
        ItemAdded(Item("item_0", Role.SYSTEM, "Be brief."), None),
        ItemRetrieved(SPOKEN),
        ItemDeleted("item_1"),
        ItemTruncated(DRAFT, 0.5),
        InputCleared(),
        InputTimedOut("item_9", 4.5, 10.5),
        ItemAdded(CALL, "item_1"),
        ItemAdded(Item("item_6", Role.USER, "It snows.", kind=Kind.OUTPUT, call="call_1"), "item_5"),
        SettingsChanged(EVERYTHING),
        ToolsListed("item_8", "maps", EVERYTHING.tools, "item_6"),
        ToolsListed("item_9", "maps", (), None),
        Failed("invalid_json", "Not JSON."),
    ]
    told = say(turn[:-1], wire)
    told += wire.audio(1, np.zeros(480, np.int16))
    for message in [*told, *say([turn[-1], *others], wire)]:
        known = THEIRS.validate_python(message, strict=True)
        assert known.type == message["type"]
        assert not known.model_extra, f"{message['type']}: {known.model_extra}"


CLIENTS = Path(__file__).parents[3] / ".venv-clients" / "bin" / "python"
SHAPES = Path(__file__).parents[2] / "clients" / "python" / "shapes.py"


def test_every_event_is_one_that_stock_clients_take() -> None:
    if not CLIENTS.exists():
        pytest.skip("other people's clients are not installed; `make clients` does it")
    wire = RealtimeWire("sess_a", channel="websocket")
    others: list[Event] = [
        SettingsChanged(replace(EVERYTHING, tool_choice="required", labels=())),
        TranscriptFailed("item_1", "engine_failed", "It broke."),
        ItemRetrieved(SPOKEN),
        ItemAdded(Item("item_6", Role.USER, "", kind=Kind.OUTPUT, call="call_1"), "item_5"),
        ItemDeleted("item_1"),
        ItemTruncated(DRAFT, 0.5),
        InputTimedOut("item_9", 4.5, 10.5),
        Failed("invalid_json", "Not JSON."),
    ]
    events = [event for turn in (SPOKEN_TURN, INTERRUPTED_TURN, TYPED_TURN, CALLING_TURN) for event in turn]
    lines = "".join(f"{json.dumps(message)}\n" for message in say([*events, *others], wire))
    quiet = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "OPENAI_AGENTS_DISABLE_TRACING": "1"}
    done = subprocess.run([CLIENTS, SHAPES], input=lines, capture_output=True, text=True, timeout=55, env=quiet)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
