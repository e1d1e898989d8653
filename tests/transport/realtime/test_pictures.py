"""Pictures in items: which are taken, how many are remembered, and that the language model is shown them."""

import base64
import json
from typing import Any

import pytest

from tests.fakes_openai import serving
from tests.realtime_house import Answering, calling, send, until
from voicechat.adapters.agent import openai
from voicechat.commands import AddItem, CreateReply
from voicechat.config import AgentSettings, OpenaiSettings, Settings
from voicechat.conversation import Item, Picture, Role, SessionSettings
from voicechat.errors import BadMessage
from voicechat.session import PICTURES, Session
from voicechat.transport.realtime.items import write
from voicechat.transport.realtime.messages import Messages
from voicechat.transport.realtime.pictures import LONGEST
from voicechat.turntaking.interruptions import joined

PNG = "data:image/png;base64,iVBORw0KGgo="
SEEING = Settings(agent=AgentSettings(engine="openai", openai=OpenaiSettings(sees=True)))


def message(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"id": "mine", "type": "message", "role": role, "content": list(parts)}


def image(address: str = PNG, **fields: Any) -> dict[str, Any]:
    return {"type": "input_image", "image_url": address, **fields}


def create(item: dict[str, Any], house: Settings = SEEING) -> Any:
    return Messages(house).read(json.dumps({"type": "conversation.item.create", "item": item}))


def test_picture_is_taken_beside_the_words() -> None:
    text = {"type": "input_text", "text": "What is it?"}
    assert create(message(text, image(detail="low"), image())) == AddItem(
        Item("mine", Role.USER, "What is it?", pictures=(Picture(PNG, "low"), Picture(PNG)))
    )
    asked = {"type": "response.create", "response": {"conversation": "none", "input": [message(image())]}}
    reply = Messages(SEEING).read(json.dumps(asked))
    assert isinstance(reply, CreateReply)
    assert reply.items == (Item("mine", Role.USER, "", pictures=(Picture(PNG),)),)


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        (image("https://example.org/cat.png"), "image_not_data", "image_url"),
        (image("http://127.0.0.1/cat.png"), "image_not_data", "image_url"),
        (image("file:///etc/passwd"), "image_not_data", "image_url"),
        (image("data:image/svg+xml;base64,AAAA"), "image_not_data", "image_url"),
        (image("data:image/png;base64,*"), "image_not_data", "image_url"),
        (image("data:image/png;base64," + "A" * (LONGEST + 4)), "image_too_large", "image_url"),
        (image(detail="huge"), "invalid_value", "detail"),
        ({"type": "input_image"}, "missing_field", "image_url"),
    ],
)
def test_what_is_no_picture_or_too_large_or_elsewhere_is_refused(part: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(BadMessage) as caught:
        create(message(part))
    assert (caught.value.code, caught.value.param) == (code, f"item.content[0].{param}")


def test_only_so_many_pictures_come_in_an_item() -> None:
    with pytest.raises(BadMessage) as caught:
        create(message(*[image()] * 4))
    assert (caught.value.code, caught.value.param) == ("invalid_value", "item.content")


@pytest.mark.parametrize("agent", [{}, {"engine": "echo"}, {"engine": "openai"}, {"openai": OpenaiSettings(sees=True)}])
def test_agent_that_does_not_see_is_shown_none_and_the_error_names_the_key(agent: dict[str, Any]) -> None:
    with pytest.raises(BadMessage) as caught:
        create(message(image()), Settings(agent=AgentSettings(**agent)))
    assert (caught.value.code, caught.value.param) == ("unsupported_content", "item.content[0].type")
    assert "agent.openai.sees" in caught.value.message


def test_picture_is_not_sent_back() -> None:
    seen = (Picture(PNG, "low"),)
    assert write(Item("a", Role.USER, "", pictures=seen))["content"] == [{"type": "input_image", "detail": "low"}]
    assert write(Item("a", Role.USER, "Well?", pictures=seen))["content"] == [
        {"type": "input_text", "text": "Well?"}, {"type": "input_image", "detail": "low"}
    ]  # fmt: skip


def test_history_remembers_only_the_latest_pictures() -> None:
    session = Session("sess_a", SessionSettings(), Settings().turn)
    pictures = [Picture(f"data:{number}") for number in range(6)]
    session.add(Item("a", Role.USER, "one and two", pictures=tuple(pictures[:2])))
    session.add(Item("b", Role.USER, "three", pictures=(pictures[2],)))
    session.add(Item("c", Role.USER, "no more"))
    session.add(Item("d", Role.USER, "four and five", pictures=tuple(pictures[3:5])))
    assert [item.pictures for item in session.history] == [(), (pictures[2],), (), (pictures[3], pictures[4])]
    assert [item.text for item in session.history][:2] == ["one and two", "three"]
    session.add(Item("e", Role.USER, "six", pictures=(pictures[5],)), "root")
    assert sum(len(item.pictures) for item in session.history) == PICTURES
    assert session.history[0].pictures == (), "it was the oldest, by its place"


def test_pictures_of_pieces_of_a_turn_stay_with_it() -> None:
    one, two = Picture("data:1"), Picture("data:2")
    pieces = [Item("a", Role.USER, "", pictures=(one,)), Item("b", Role.USER, "What")]
    [item] = joined([*pieces, Item("c", Role.USER, "", pictures=(two,))])
    assert (item.text, item.pictures) == ("What", (one, two))


async def test_language_model_is_shown_what_the_client_shows() -> None:
    async with serving() as server:
        settings = Settings(agent=AgentSettings(engine="openai", openai=OpenaiSettings(base_url=server.url, sees=True)))
        mind = openai.load(settings)
        large = "data:image/jpeg;base64," + base64.b64encode(bytes(300_000)).decode()
        async with calling(Answering(mind=mind), settings) as socket:
            await until(socket, "conversation.created")
            item = message({"type": "input_text", "text": "What is it?"}, image(), image(large, detail="high"))
            await send(socket, "conversation.item.create", item=item)
            await send(socket, "response.create", response={"output_modalities": ["text"]})
            messages = await until(socket, "response.done")
        await mind.close()
    assert messages[0]["item"]["content"][1:] == [{"type": "input_image", "detail": "auto"}] + [
        {"type": "input_image", "detail": "high"}
    ]
    assert messages[-1]["response"]["output"][0]["content"][0]["text"] == "Hello there."
    assert server.requests[-1]["messages"][-1]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": large, "detail": "high"}},
    ]
