"""Functions of the operator's as tools."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.tiny import tools as functions
from voicechat.adapters.tool import python
from voicechat.config import Settings
from voicechat.conversation import Tool, ToolCall
from voicechat.errors import AdapterUnavailable, ToolFailed
from voicechat.house.lanes import Lanes
from voicechat.lane import ThreadLane
from voicechat.protocols import Toolbox


def settings(*wanted: str, deadline: float = 5.0, **more: Any) -> Settings:
    listed = [{"name": name, "python": f"tests.tiny.tools:{name}", **more} for name in wanted]
    return Settings.model_validate({"agent": {"tools": {"functions": listed, "deadline": deadline}}})


@asynccontextmanager
async def loaded(*wanted: str, deadline: float = 5.0, **more: Any) -> AsyncIterator[Toolbox]:
    lanes = Lanes(ThreadLane)
    try:
        (box,) = await python.load(settings(*wanted, deadline=deadline, **more), lanes.new)
        yield box
    finally:
        await lanes.close()


async def failure(name: str, arguments: str = "{}", deadline: float = 5.0) -> ToolFailed:
    async with loaded(name, deadline=deadline) as box:
        with pytest.raises(ToolFailed) as caught:
            await box.call(ToolCall("c1", name, arguments))
    return caught.value


async def test_a_function_tells_of_itself() -> None:
    async with loaded("weather") as box:
        (tool,) = box.tools
    assert (tool.name, tool.description) == ("weather", "Tells the weather.")
    assert json.loads(tool.parameters) == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Its name", "title": "City"},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c", "title": "Unit"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


async def test_the_operator_may_tell_it_otherwise() -> None:
    parameters = {"type": "object", "properties": {"city": {"enum": ["Ulm"]}}}
    async with loaded("weather", description="Ulm's.", parameters=parameters) as box:
        assert box.tools == (Tool("weather", "Ulm's.", json.dumps(parameters)),)


async def test_a_plain_function_runs_beside_the_loop() -> None:
    async with loaded("weather") as box:
        result = json.loads(await box.call(ToolCall("c1", "weather", '{"city": "Ulm"}')))
    assert result == {"city": "Ulm", "unit": "c", "thread": "lane-tool-weather"}


async def test_a_coroutine_is_cancelled_with_its_call() -> None:
    functions.started.clear()
    functions.ended.clear()
    async with loaded("slow") as box:
        task = asyncio.create_task(box.call(ToolCall("c1", "slow", "{}")))
        await functions.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert functions.ended.is_set()


async def test_a_function_that_does_not_come_back_is_left() -> None:
    try:
        assert (await failure("stuck", deadline=0.2)).code == "tool_timeout"
    finally:
        functions.gate.set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{}", "city: Field required"),
        ('{"city": "Ulm", "unit": "k"}', "unit: Input should be 'c' or 'f'"),
        ('{"city": "Ulm", "colour": "red"}', "colour: Extra inputs are not permitted"),
        ('{"city": ', "the arguments are no JSON"),
        ("[]", "the arguments are no JSON object"),
    ],
)
async def test_arguments_are_checked_before_it_is_called(arguments: str, said: str) -> None:
    error = await failure("weather", arguments)
    assert (error.code, error.message) == ("tool_arguments", said)


async def test_words_of_a_value_error_are_for_the_agent() -> None:
    error = await failure("weather", '{"city": "Atlantis"}')
    assert (error.code, error.message) == ("tool_failed", "no such city")


async def test_words_of_other_errors_are_not() -> None:
    error = await failure("broken")
    assert (error.code, error.message) == ("tool_failed", "it broke")


async def test_a_result_that_is_no_json_is_told() -> None:
    error = await failure("odd")
    assert (error.code, error.message) == ("tool_result", "its result, of type object, cannot be written as JSON")


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("tests.tiny.tools:nonesuch", "has no attribute 'nonesuch'"),
        ("tests.tiny.nonesuch:weather", "No module named 'tests.tiny.nonesuch'"),
        ("tests.tiny.tools:number", "is no function"),
        ("tests.tiny.tools:loose", "cannot be called by name with"),
        ("tests.tiny.tools:unknown", "name 'NoSuchType' is not defined"),
    ],
)
async def test_what_cannot_be_a_tool_is_told_at_the_start(wanted: str, why: str) -> None:
    lanes = Lanes(ThreadLane)
    with pytest.raises(AdapterUnavailable) as caught:
        await python.load(settings("weather", python=wanted), lanes.new)
    await lanes.close()
    assert caught.value.message.startswith(f"agent.tools.functions: weather: {wanted}: ")
    assert why in caught.value.message


async def test_without_functions_nothing_is_loaded() -> None:
    assert await python.load(Settings(), lambda name, deadline: pytest.fail("no lane is needed")) == []
