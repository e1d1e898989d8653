"""Turns as events, and how the realtime protocol tells them: for the tests of its server side."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from voicechat.conversation import Codec, Item, ItemStatus, Kind, Role, SessionSettings, Tool, TurnDetection
from voicechat.events import (
    Event,
    InputCommitted,
    ItemAdded,
    ReplyAudible,
    ReplyCalled,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    State,
    StateChanged,
    ToolEnded,
    TranscriptFinal,
    TranscriptPartial,
)
from voicechat.transport.realtime.wire import RealtimeWire

SPOKEN = Item("item_1", Role.USER, "", spoken=True)
DRAFT = Item("item_2", Role.ASSISTANT, "", spoken=True, status=ItemStatus.IN_PROGRESS)
WRITTEN = Item("item_4", Role.ASSISTANT, "", status=ItemStatus.IN_PROGRESS)
STARTED = ReplyStarted("resp_1", 1, DRAFT, "item_1", speaks=True)
LISTENED: list[Event] = [
    SessionStarted("sess_a", SessionSettings()),
    StateChanged(State.LISTENING),
    SpeechStarted("item_1", 0.48),
    TranscriptPartial("item_1", "what", " time is"),
    TranscriptPartial("item_1", "what time is", " it now"),
    SpeechStopped("item_1", 2.5),
    InputCommitted("item_1", None),
    ItemAdded(SPOKEN, None),
    TranscriptFinal("item_1", "what time is it now?", 0.9, 2.02, 0.3),
    STARTED,
    ReplyText("resp_1", "It is noon. "),
    ReplyAudible("resp_1"),
]


def finished(status: ReplyStatus, text: str = "It is noon.", reason: str | None = None) -> ReplyFinished:
    done = ItemStatus.COMPLETED if status is ReplyStatus.COMPLETED else ItemStatus.INCOMPLETE
    item = Item("item_2", Role.ASSISTANT, text, spoken=True, status=done)
    return ReplyFinished("resp_1", item, status, "It is noon.", 1.2, reason, "why" if reason else None)


SPOKEN_TURN = [*LISTENED, finished(ReplyStatus.COMPLETED)]
INTERRUPTED_TURN = [*LISTENED, SpeechStarted("item_3", 4.0), finished(ReplyStatus.CANCELLED, "It is", "turn_detected")]
TYPED_TURN: list[Event] = [
    SessionStarted("sess_a", SessionSettings(speaks=False)),
    ItemAdded(Item("item_3", Role.USER, "hello"), "item_2"),
    ReplyStarted("resp_2", 2, WRITTEN, "item_3", speaks=False),
    ReplyText("resp_2", "Hi "),
    ReplyText("resp_2", "there."),
    ReplyFinished("resp_2", Item("item_4", Role.ASSISTANT, "Hi there."), ReplyStatus.COMPLETED, "Hi there.", 0.0),
]
EVERYTHING = SessionSettings(
    voice="amy",
    language="de",
    tools=(Tool("weather", "of a city", '{"type":"object","properties":{"city":{"type":"string"}}}'),),
    tool_choice="weather",
    parallel_tools=False,
    max_tokens=300,
    hears=Codec.MULAW,
    plays=Codec.ALAW,
    labels=("maps",),
    turns=TurnDetection(idle=6.0),
    extras=(("truncation", "disabled"), ("tracing", "auto"), ("noise_reduction", {"type": "near_field"})),
)
ASKS_FOR_ALL = SessionSettings(extras=(("include", ["voicechat.state", "voicechat.latency", "voicechat.partials"]),))
CALL = Item("item_5", Role.ASSISTANT, '{"city":"Bern"}', kind=Kind.CALL, call="call_1", name="weather")
CALLED = ReplyCalled("resp_1", CALL, 0, "item_1")
CALLING_TURN: list[Event] = [
    *LISTENED[:10], CALLED, replace(finished(ReplyStatus.COMPLETED, ""), text="", calls=(CALL,))
]  # fmt: skip
MCP_CALL = replace(CALLED, ours="maps")
WORKED = ToolEnded("resp_1", "call_1", "weather", "It snows.", failed=False, seconds=0.2)
MCP_TURN: list[Event] = [
    SessionStarted("sess_a", SessionSettings(labels=("maps",))),
    STARTED,
    MCP_CALL,
    WORKED,
    finished(ReplyStatus.COMPLETED),
]


def say(events: Sequence[Event], wire: RealtimeWire | None = None) -> list[dict[str, Any]]:
    wire = wire or RealtimeWire("sess_a", channel="websocket")
    return [message for event in events for message in wire.encode(event)]


def kinds(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]
