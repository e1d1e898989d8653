from voicechat.adapters.agent import echo
from voicechat.config import Settings
from voicechat.conversation import Item, Role, SessionSettings, ToolCall


async def answer(*history: Item) -> str:
    return "".join([text async for text in echo.load(Settings()).reply(history, SessionSettings())])


async def test_what_was_said_last_is_said_back() -> None:
    history = (
        Item("1", Role.USER, "First."),
        Item("2", Role.ASSISTANT, "You said: First."),
        Item("3", Role.USER, " Second, \nin lines. "),
        Item("4", Role.SYSTEM, "Third."),
    )
    assert await answer(*history) == "You said: Second, in lines."


async def test_what_a_tool_says_is_not_said_back() -> None:
    called = ToolCall("call_1", "hours", "{}")
    history = (Item("1", Role.USER, "Until when?"), called.item("2"), called.result("3", "until six"))
    assert await answer(*history) == "You said: Until when?"


async def test_silence_is_answered_too() -> None:
    assert await answer() == echo.SILENT
    assert await answer(Item("1", Role.USER, " ")) == echo.SILENT


def test_it_expects_to_hear_anything() -> None:
    assert echo.load(Settings()).phrases == ()
