"""Calls of tools on the wire: the client's own, and those of MCP servers in this house."""

from dataclasses import replace

from tests.realtime_turns import (
    CALLED,
    CALLING_TURN,
    LISTENED,
    MCP_CALL,
    MCP_TURN,
    STARTED,
    WORKED,
    finished,
    kinds,
    say,
)
from voicechat.events import Event, ReplyStatus, ReplyText

CALL_KINDS = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "conversation.item.done",
]


def test_answer_that_only_calls_a_tool_has_no_message() -> None:
    messages = say(CALLING_TURN)[13:]
    assert kinds(messages) == [*CALL_KINDS, "response.done"]
    item = {
        "id": "item_5",
        "object": "realtime.item",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"city":"Bern"}',
    }
    assert messages[0]["item"] == {**item, "status": "in_progress", "arguments": ""}
    assert messages[1]["item"]["call_id"] == "call_1", "pipecat takes the call from here"
    assert {key: value for key, value in messages[3].items() if key != "event_id"} == {
        "type": "response.function_call_arguments.done",
        "response_id": "resp_1",
        "output_index": 0,
        "item_id": "item_5",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"city":"Bern"}',
    }
    assert messages[4]["item"] == item
    assert messages[-1]["response"]["output"] == [item]


def test_call_after_words_comes_second_in_the_answer() -> None:
    messages = say([*LISTENED, replace(CALLED, index=1, previous="item_2"), finished(ReplyStatus.COMPLETED)])
    called = messages[17:23]
    assert kinds(called) == CALL_KINDS
    assert called[1]["previous_item_id"] == "item_2"
    assert {message["output_index"] for message in called if "output_index" in message} == {1}
    assert {message["output_index"] for message in messages[23:] if "output_index" in message} == {0}
    assert [item["type"] for item in messages[-1]["response"]["output"]] == ["message", "function_call"]


def test_message_whose_words_are_not_spoken_yet_is_told_of_before_the_call() -> None:
    messages = say([STARTED, replace(CALLED, index=1)])
    added = [message for message in messages if message["type"] == "response.output_item.added"]
    assert [(message["output_index"], message["item"]["type"]) for message in added] == [
        (0, "message"), (1, "function_call")
    ]  # fmt: skip


def test_tools_of_this_house_are_told_to_who_asked_for_their_server() -> None:
    messages = say(MCP_TURN)
    assert kinds(messages)[4:10] == [
        "response.output_item.added",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.completed",
        "response.output_item.done",
    ]
    item = {
        "id": "item_5",
        "type": "mcp_call",
        "server_label": "maps",
        "name": "weather",
        "arguments": '{"city":"Bern"}',
        "output": "It snows.",
        "error": None,
    }
    assert messages[4]["item"] == {**item, "arguments": "", "output": None}, "agents-js reads the output at once"
    assert messages[9]["item"] == item
    assert messages[-1]["response"]["output"][0] == item
    assert messages[-1]["response"]["output"][1]["type"] == "message"


def test_failed_tool_of_this_house_says_why() -> None:
    messages = say([*MCP_TURN[:3], replace(WORKED, failed=True, output="no map")])
    assert kinds(messages)[-2:] == ["response.mcp_call.failed", "response.output_item.done"]
    assert messages[-1]["item"]["error"] == {"type": "tool_execution_error", "message": "no map"}


def test_tools_of_this_house_are_nobody_elses_business() -> None:
    events: list[Event] = [STARTED, MCP_CALL, WORKED, ReplyText("resp_1", "It snows.")]
    assert kinds(say(events)) == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
    ]
