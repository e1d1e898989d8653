"""Whole turns through the WebSocket door: a real server and client, the real session, scripted engines."""

import asyncio
import base64
from typing import Any

from tests.fakes import ScriptedTools
from tests.realtime_house import SPEECH, Answering, calling, send, until
from voicechat.config import AgentSettings, McpSettings, Settings, ToolSettings
from voicechat.conversation import Ended, Tokens, ToolCall


def story(messages: list[dict[str, Any]]) -> list[str]:
    """The kinds of the messages; of deltas that follow one another only the first."""
    kinds: list[str] = []
    for message in messages:
        kind = str(message["type"])
        if not (kind.endswith("audio.delta") and kind in kinds):
            kinds.append(kind)
    return kinds


HEARD = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
]
ENDS = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


async def test_spoken_turn_is_answered_in_the_protocols_order() -> None:
    async with calling(Answering("good morning to you")) as socket:
        await until(socket, "conversation.created")
        await socket.send_json({"type": "input_audio_buffer.append", "audio": SPEECH})
        messages = await until(socket, "response.done")
    assert story(messages) == HEARD + ENDS
    response = messages[-1]["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["transcript"] == "good morning to you"
    assert messages[6]["transcript"] == "question 0"


async def test_talking_over_the_answer_cuts_it_and_keeps_what_was_heard() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    async with calling(Answering(long, "yes")) as socket:
        await until(socket, "conversation.created")
        await socket.send_json({"type": "input_audio_buffer.append", "audio": SPEECH})
        await until(socket, "response.output_audio.delta")
        await asyncio.sleep(0.6)
        await socket.send_json({"type": "input_audio_buffer.append", "audio": SPEECH})
        messages = await until(socket, "response.done")
        after = await until(socket, "response.done")
    kinds = story(messages)
    assert kinds[kinds.index("input_audio_buffer.speech_started") :] == ["input_audio_buffer.speech_started", *ENDS]
    response = messages[-1]["response"]
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    heard = response["output"][0]["content"][0]["transcript"]
    assert long.startswith(heard) and 3 <= len(heard.split()) < 40
    assert after[-1]["response"]["output"][0]["content"][0]["transcript"] == "yes"


WEATHER = {"type": "function", "name": "weather", "description": "of a city", "parameters": {"type": "object"}}


async def test_tool_of_the_client_is_called_and_its_result_is_spoken() -> None:
    reception = Answering([ToolCall("call_1", "weather", '{"city":"Bern"}')], "it snows in Bern")
    async with calling(reception) as socket:
        await until(socket, "conversation.created")
        await send(socket, "session.update", session={"type": "realtime", "tools": [WEATHER]})
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        messages = await until(socket, "response.done")
        await send(
            socket,
            "conversation.item.create",
            item={"type": "function_call_output", "call_id": "call_1", "output": "snow"},
        )
        await send(socket, "response.create", response={"metadata": {"client_event_id": "7"}})
        after = await until(socket, "response.done")
    [call] = messages[-1]["response"]["output"]
    assert (call["type"], call["call_id"], call["name"]) == ("function_call", "call_1", "weather")
    added = next(message for message in messages if message.get("item", {}).get("type") == "function_call")
    assert messages.index(added) < [message["type"] for message in messages].index(
        "response.function_call_arguments.done"
    )
    assert after[0]["item"]["output"] == "snow" and after[0]["previous_item_id"] == call["id"]
    assert after[-1]["response"]["output"][0]["content"][0]["transcript"] == "it snows in Bern"
    assert after[-1]["response"]["metadata"] == {"client_event_id": "7"}
    assert reception.agent.settings[0].tools[0].name == "weather"
    assert reception.agent.asked[1][-2:] == [("assistant", '{"city":"Bern"}'), ("user", "snow")]


async def test_answer_beside_the_conversation_is_written_while_another_is_spoken() -> None:
    long = " ".join(f"word{n}" for n in range(30))
    reception = Answering(long, "two words")
    async with calling(reception) as socket:
        await until(socket, "conversation.created")
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        await until(socket, "response.output_audio.delta")
        await send(
            socket,
            "response.create",
            response={
                "conversation": "none",
                "output_modalities": ["text"],
                "metadata": {"topic": "count"},
                "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Count."}]}],
            },
        )
        messages = await until(socket, "response.done")
        after = await until(socket, "response.done")
    aside, spoken = messages[-1]["response"], after[-1]["response"]
    assert (aside["metadata"], aside["conversation_id"]) == ({"topic": "count"}, None)
    assert aside["output"][0]["content"] == [{"type": "output_text", "text": "two words"}]
    assert spoken["status"] == "completed" and spoken["output"][0]["content"][0]["transcript"] == long
    assert reception.agent.asked[1] == [("user", "Count.")]
    kept = [message for message in messages if message["type"].startswith("conversation.item")]
    assert aside["output"][0]["id"] not in [message["item"]["id"] for message in kept]


async def test_answer_cut_short_by_its_limit_is_incomplete_and_costs_tokens() -> None:
    reception = Answering(["one ", "two ", Ended("max_output_tokens", Tokens(12, 4, 2))])
    async with calling(reception) as socket:
        await until(socket, "conversation.created")
        await send(socket, "session.update", session={"type": "realtime", "max_output_tokens": 2})
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        response = (await until(socket, "response.done"))[-1]["response"]
    assert reception.agent.settings[0].max_tokens == 2
    assert (response["status"], response["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == (12, 2)


async def test_wishes_that_cannot_be_met_have_openais_codes_and_change_nothing() -> None:
    item = {"id": "mine", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    async with calling(Answering("yes")) as socket:
        await until(socket, "conversation.created")
        await send(socket, "conversation.item.create", item=item)
        await until(socket, "conversation.item.done")
        await send(socket, "conversation.item.create", item=item, event_id="e1")
        await send(socket, "conversation.item.retrieve", item_id="none", event_id="e2")
        await send(socket, "conversation.item.delete", item_id="none", event_id="e3")
        await send(socket, "conversation.item.truncate", item_id="none", content_index=0, audio_end_ms=1, event_id="e4")
        await send(socket, "response.cancel", event_id="e5")
        await send(socket, "input_audio_buffer.commit", event_id="e6")
        await send(socket, "input_audio_buffer.clear")
        messages = await until(socket, "input_audio_buffer.cleared")
        await send(socket, "conversation.item.delete", item_id="mine")
        await until(socket, "conversation.item.deleted")
    errors = [message["error"] for message in messages if message["type"] == "error"]
    assert [(error["event_id"], error["code"]) for error in errors] == [
        ("e1", "item_create_duplicate_item_id"),
        ("e2", "item_retrieve_invalid_item_id"),
        ("e3", "item_delete_invalid_item_id"),
        ("e4", "item_truncate_invalid_item_id"),
        ("e5", "response_cancel_not_active"),
        ("e6", "input_audio_buffer_commit_empty"),
    ]
    assert {error["type"] for error in errors} == {"invalid_request_error"}
    assert errors[4]["message"].startswith("Cancellation failed"), "LiveKit looks for these words"


async def test_output_that_is_cleared_ends_the_answer() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    async with calling(Answering(long)) as socket:
        await until(socket, "conversation.created")
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        await until(socket, "response.output_audio.delta")
        await send(socket, "response.create", event_id="e1")
        refused = (await until(socket, "error"))[-1]["error"]
        await send(socket, "output_audio_buffer.clear")
        response = (await until(socket, "response.done"))[-1]["response"]
    assert (refused["code"], refused["event_id"]) == ("conversation_already_has_active_response", "e1")
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


async def test_caller_who_says_nothing_after_an_answer_is_spoken_to() -> None:
    quiet = base64.b64encode(bytes(2 * 24_000 * 2)).decode()
    async with calling(Answering("yes", "are you there")) as socket:
        await until(socket, "conversation.created")
        hearing = {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 1000}}
        await send(socket, "session.update", session={"type": "realtime", "audio": {"input": hearing}})
        updated = (await until(socket, "session.updated"))[-1]["session"]
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        await until(socket, "response.done")
        await send(socket, "input_audio_buffer.append", audio=quiet)
        messages = await until(socket, "response.done")
    assert updated["audio"]["input"]["turn_detection"]["idle_timeout_ms"] == 1000
    timed_out = next(message for message in messages if message["type"] == "input_audio_buffer.timeout_triggered")
    assert timed_out["audio_end_ms"] - timed_out["audio_start_ms"] >= 1000
    committed = next(message for message in messages if message["type"] == "input_audio_buffer.committed")
    assert committed["item_id"] == timed_out["item_id"]
    assert messages[-1]["response"]["output"][0]["content"][0]["transcript"] == "are you there"


async def test_echoed_settings_add_up_over_updates() -> None:
    updates: list[dict[str, Any]] = [
        {"tracing": "auto", "truncation": "disabled", "prompt": {"id": "p"}, "reasoning": {"effort": "low"}},
        {"audio": {"input": {"transcription": {"model": "m", "prompt": "p"}}}},
        {"audio": {"input": {"transcription": {"model": "n"}, "noise_reduction": {"type": "near_field"}}}},
    ]
    async with calling(Answering()) as socket:
        await until(socket, "conversation.created")
        for session in updates:
            await send(socket, "session.update", session={"type": "realtime", **session})
        for _ in updates:
            echoed = (await until(socket, "session.updated"))[-1]["session"]
    assert {key: echoed[key] for key in updates[0]} == updates[0]
    assert echoed["audio"]["input"]["transcription"] == {"model": "n", "language": None, "prompt": "p"}
    assert echoed["audio"]["input"]["noise_reduction"] == {"type": "near_field"}


async def test_client_that_names_a_server_of_tools_follows_its_work() -> None:
    reception = Answering([ToolCall("call_1", "weather", "{}")], "it snows", tools=ScriptedTools(weather=0.05))
    tools = ToolSettings(mcp={"house": McpSettings(command=("house",))})
    async with calling(reception, Settings(agent=AgentSettings(tools=tools))) as socket:
        await until(socket, "conversation.created")
        await send(
            socket,
            "session.update",
            session={"type": "realtime", "tools": [{"type": "mcp", "server_label": "house"}]},
        )
        updated = (await until(socket, "session.updated"))[-1]["session"]
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        messages = await until(socket, "response.done")
    assert updated["tools"] == [
        {"type": "mcp", "server_label": "house", "allowed_tools": None, "require_approval": "never"}
    ]
    kinds = [message["type"] for message in messages]
    assert kinds.index("response.mcp_call.completed") < kinds.index("response.output_audio_transcript.delta")
    call, answer = messages[-1]["response"]["output"]
    assert (call["type"], call["name"], call["output"]) == ("mcp_call", "weather", "weather of {}")
    assert answer["content"][0]["transcript"] == "it snows"
