"""Sound that comes inside an item of the conversation: understood like what is spoken, and waited for."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from tests.realtime_house import SPEECH, Answering, calling, send, until
from voicechat.commands import AddItem
from voicechat.conversation import Item, Role
from voicechat.transport.realtime.messages import Messages

SOUND = base64.b64encode(np.full(24_000 * 5 // 2, 8000, "<i2").tobytes()).decode()
"""2.5 s."""


def item(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "mine", "type": "message", "role": "user", "content": list(parts), **fields}


def test_sound_of_several_parts_is_one_beside_the_words() -> None:
    half = base64.b64encode(b"\x01\x00" * 3).decode()
    sound = {"type": "input_audio", "audio": half}
    parts = [sound, {"type": "input_text", "text": "Hear this."}, sound]
    command = Messages().read(json.dumps({"type": "conversation.item.create", "item": item(*parts)}))
    assert isinstance(command, AddItem) and command.sound is not None
    assert command.item == Item("mine", Role.USER, "Hear this.", spoken=True)
    assert (command.sound.samples.tolist(), command.sound.rate) == ([1] * 6, 24_000)


def test_sound_in_an_item_is_written_as_the_session_says() -> None:
    messages = Messages()
    update = {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}}
    messages.read(json.dumps(update))
    part = {"type": "input_audio", "audio": base64.b64encode(bytes([0x80] * 5)).decode()}
    command = messages.read(json.dumps({"type": "conversation.item.create", "item": item(part)}))
    assert isinstance(command, AddItem) and command.sound is not None
    assert (command.sound.samples.tolist(), command.sound.rate) == ([32124] * 5, 8_000)


async def test_sound_in_an_item_is_understood_before_it_is_answered() -> None:
    reception = Answering("it is noon", delay=0.05)
    async with calling(reception) as socket:
        await until(socket, "conversation.created")
        await send(socket, "conversation.item.create", item=item({"type": "input_audio", "audio": SOUND}))
        await send(socket, "response.create")
        messages = await until(socket, "response.done")
        await send(socket, "conversation.item.retrieve", item_id="mine")
        [retrieved] = await until(socket, "conversation.item.retrieved")
    assert [message["type"] for message in messages[:5]] == [
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    assert messages[0]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    completed = messages[3]
    assert (completed["item_id"], completed["transcript"]) == ("mine", "question 0")
    assert completed["usage"] == {"type": "duration", "seconds": 2.5}
    assert retrieved["item"]["content"] == [{"type": "input_audio", "transcript": "question 0"}]
    assert reception.agent.asked == [[("user", "question 0")]]
    assert (reception.asr.heard, reception.asr.open_streams) == ([2.5], 0)


async def test_answer_beside_the_conversation_waits_for_sound_too() -> None:
    reception = Answering("a question", delay=0.05)
    async with calling(reception) as socket:
        await until(socket, "conversation.created")
        await send(socket, "conversation.item.create", item=item({"type": "input_audio", "audio": SOUND}))
        asked = {"conversation": "none", "output_modalities": ["text"]}
        await send(socket, "response.create", response=asked)
        await until(socket, "response.done")
    assert reception.agent.asked == [[("user", "question 0")]]


async def test_sound_in_an_item_is_not_answered_unasked() -> None:
    reception = Answering("to what is said", "never said")
    async with calling(reception) as socket:
        await until(socket, "conversation.created")
        await send(socket, "conversation.item.create", item=item({"type": "input_audio", "audio": SOUND}))
        await until(socket, "conversation.item.input_audio_transcription.completed")
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        messages = await until(socket, "response.done")
    assert messages[0]["type"] == "input_audio_buffer.speech_started"
    assert reception.agent.asked == [[("user", "question 0\nquestion 1")]]


async def test_caller_who_speaks_meanwhile_is_answered_when_both_are_understood() -> None:
    reception = Answering("to both", "never said", delay=0.2)
    async with calling(reception) as socket:
        await until(socket, "conversation.created")
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        await until(socket, "input_audio_buffer.speech_started")
        for id in ("one", "two", "three"):
            await send(socket, "conversation.item.create", item=item({"type": "input_audio", "audio": SOUND}, id=id))
        reception.asr.texts += ["question 2", "question 3"]
        await until(socket, "response.created")
    [[(_, asked)]] = reception.agent.asked
    assert sorted(asked.split("\n")) == [f"question {number}" for number in range(4)]


@pytest.mark.parametrize("count", [1, 5])
async def test_sound_that_cannot_be_understood_is_told_and_answered_without(count: int) -> None:
    reception = Answering("pardon", delay=0.05)
    reception.asr.texts = ["!"] * count
    async with calling(reception) as socket:
        await until(socket, "conversation.created")
        for number in range(count):
            sound = item({"type": "input_audio", "audio": SOUND}, id=f"item_{number}")
            await send(socket, "conversation.item.create", item=sound)
        for _ in range(6):
            await send(socket, "response.create")
        messages = await until(socket, "response.done")
    failed = [message for message in messages if message["type"].endswith("transcription.failed")]
    codes = [message["error"]["code"] for message in failed]
    assert sorted(codes) == ["engine_failed"] * min(count, 4) + ["recogniser_busy"] * (count > 4)
    assert len([message for message in messages if message["type"] == "error"]) == 5
    assert reception.asr.open_streams == 0
