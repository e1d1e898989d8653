"""Servers of tools, all real: in this process, as a program, and behind an address."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.tiny import mcp_server, old_mcp_server
from voicechat.adapters.tool import mcp
from voicechat.adapters.tool.mcp import McpTools, connecting, told
from voicechat.config import McpSettings, Settings
from voicechat.conversation import ToolCall
from voicechat.errors import AdapterUnavailable, ConfigError, ToolFailed

PATIENCE = 20.0
SERVER = mcp_server.__file__


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    path = tmp_path / "diary"
    path.touch()
    return path


def lines(diary: Path) -> list[str]:
    return diary.read_text().splitlines()


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not check():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


async def written(diary: Path, line: str) -> None:
    await until(lambda: line in lines(diary))


def program(diary: Path, **more: Any) -> McpSettings:
    return McpSettings(command=(sys.executable, SERVER, str(diary)), **more)


@contextmanager
def listening(diary: Path, port: int = 0) -> Iterator[str]:
    """A server behind an address, which is given."""
    if not port:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, SERVER, str(diary), str(port)])
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


async def answering(url: str) -> None:
    def answers() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", urlsplit(url).port)) == 0

    await until(answers)


@asynccontextmanager
async def opened(connect: mcp.Connect, **more: Any) -> AsyncIterator[McpTools]:
    """Its tools; reached at the first attempt, or not."""
    box = McpTools("tiny", connect, **more)
    await box.open()
    try:
        yield box
    finally:
        await box.close()


def in_process(diary: Path) -> mcp.Connect:
    async def connect(_: AsyncExitStack) -> Any:
        return mcp_server.build(diary)

    return connect


@pytest.fixture(params=["in process", "program", "address"])
async def box(request: pytest.FixtureRequest, diary: Path) -> AsyncIterator[McpTools]:
    with ExitStack() as stack:
        if request.param == "in process":
            connect = in_process(diary)
        elif request.param == "program":
            connect = connecting("tiny", program(diary))
        else:
            url = stack.enter_context(listening(diary))
            await answering(url)
            connect = connecting("tiny", McpSettings(url=url))
        async with opened(connect) as box:
            yield box


async def call(box: McpTools, name: str, arguments: str = "{}") -> str:
    return await box.call(ToolCall("c1", name, arguments))


async def failure(box: McpTools, name: str, arguments: str = "{}") -> ToolFailed:
    with pytest.raises(ToolFailed) as caught:
        await call(box, name, arguments)
    return caught.value


async def test_its_tools_are_told_and_called(box: McpTools) -> None:
    tools = {tool.name: tool for tool in box.tools}
    assert {"add", "geo_find", "wait"} <= tools.keys(), "names are such as chat servers take"
    assert tools["add"].description == "Adds two numbers."
    assert '"left"' in tools["add"].parameters
    assert await call(box, "add", '{"left": 40, "right": 2}') == "42"
    assert "Ulm" in await call(box, "geo_find", '{"place": "Ulm"}')
    assert "no such city" in (await failure(box, "fail")).message
    assert "left" in (await failure(box, "add", '{"right": 2}')).message
    assert (await failure(box, "add", "[1, 2]")).code == "tool_arguments"
    assert (await failure(box, "long")).code == "tool_result"


async def test_cancelled_call_is_cancelled_at_the_server_and_others_go_on(box: McpTools, diary: Path) -> None:
    cancelled = asyncio.create_task(call(box, "wait", '{"seconds": 60}'))
    await written(diary, "waiting")
    assert await call(box, "add", '{"left": 1, "right": 2}') == "3"
    assert not cancelled.done()
    kept = asyncio.create_task(call(box, "wait", '{"seconds": 1}'))
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await written(diary, "cancelled")
    assert await kept == "done"
    assert lines(diary).count("cancelled") == 1


async def test_a_server_of_the_older_protocol_is_understood(diary: Path) -> None:
    command = (sys.executable, old_mcp_server.__file__, str(diary))
    async with opened(connecting("tiny", McpSettings(command=command))) as box:
        assert [tool.name for tool in box.tools] == ["echo", "wait"], "from both pages of the list"
        assert await call(box, "echo", '{"say": "hi"}') == '{"say": "hi"}\n[image]'
        waiting = asyncio.create_task(call(box, "wait"))
        assert await call(box, "echo") == "{}\n[image]"
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await written(diary, "notifications/cancelled")


async def test_only_the_tools_that_are_allowed_are_there(diary: Path) -> None:
    async with opened(in_process(diary), only=("geo.find",)) as box:
        assert [tool.name for tool in box.tools] == ["geo_find"]
        assert (await failure(box, "add")).code == "tool_unreachable"


async def test_a_call_has_a_deadline(diary: Path) -> None:
    async with opened(in_process(diary), deadline=0.2) as box:
        assert (await failure(box, "wait", '{"seconds": 60}')).code == "tool_failed"
        await written(diary, "cancelled")


async def test_a_program_sees_only_the_environment_that_it_is_given(
    diary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "tweet")
    async with opened(connecting("tiny", program(diary, env={"GIVEN": "seed"}))) as box:
        assert await call(box, "secrets") == "CANARY= GIVEN=seed"


async def test_a_program_that_died_is_started_again(diary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "PAUSES", (0.05,))
    async with opened(connecting("tiny", program(diary))) as box:
        assert (await failure(box, "die")).code == "tool_failed"
        await until(lambda: not box.tools)
        await until(lambda: box.tools)
        assert await call(box, "add", '{"left": 1, "right": 2}') == "3"


async def test_a_program_that_says_nothing_holds_nobody_up_and_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "START_SECONDS", 0.2)
    silent = (sys.executable, "-c", "import time; time.sleep(600)  # a silent server")
    async with opened(connecting("tiny", McpSettings(command=silent))) as box:
        assert box.tools == ()
        await until(lambda: "a silent server" in _running())
    assert "a silent server" not in _running()


async def test_a_server_that_comes_late_is_found(diary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "PAUSES", (0.05,))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with opened(connecting("tiny", McpSettings(url=f"http://127.0.0.1:{port}/mcp"))) as box:
        assert box.tools == ()
        assert (await failure(box, "add")).code == "tool_unreachable"
        with listening(diary, port):
            await until(lambda: box.tools)
            assert await call(box, "add", '{"left": 1, "right": 2}') == "3"


async def test_token_of_the_environment_goes_with_every_request(diary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_TOKEN", "sesame")
    with listening(diary) as url:
        await answering(url)
        async with opened(connecting("tiny", McpSettings(url=url, token_env="TINY_TOKEN"))) as box:
            assert await call(box, "add", '{"left": 1, "right": 2}') == "3"
    assert set(lines(diary)) == {"Bearer sesame"}


def test_a_token_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=r"agent.tools.mcp.tiny.token_env: the environment has no NO_SUCH_TOKEN"):
        connecting("tiny", McpSettings(url="http://127.0.0.1:9/mcp", token_env="NO_SUCH_TOKEN"))


def test_a_program_that_is_not_installed_is_told() -> None:
    with pytest.raises(AdapterUnavailable, match=r"agent.tools.mcp.tiny.command: no-such-program is not installed"):
        connecting("tiny", McpSettings(command=("no-such-program",)))


async def test_without_servers_nothing_is_loaded() -> None:
    assert await mcp.load(Settings(), lanes=lambda name, deadline: pytest.fail("no lane is needed")) == []


async def test_all_servers_of_the_settings_are_opened_and_end_when_closed(diary: Path) -> None:
    settings = Settings.model_validate({"agent": {"tools": {"mcp": {"tiny": program(diary).model_dump()}}}})
    (box,) = await mcp.load(settings, lanes=lambda name, deadline: pytest.fail("no lane is needed"))
    assert box.label == "tiny" and box.tools
    await box.close()
    await box.close()
    assert box.tools == ()
    assert str(diary) not in _running()


@pytest.mark.parametrize(
    ("name", "expected"), [("add", "add"), ("geo.find", "geo_find"), ("a b/c", "a_b_c"), ("x" * 70, "x" * 64)]
)
def test_names_are_made_to_fit(name: str, expected: str) -> None:
    assert told(name) == expected


def _running() -> str:
    """The command lines of our children."""
    own = str(os.getpid())
    listed = subprocess.run(["ps", "-ww", "--ppid", own, "-o", "args="], capture_output=True, text=True, check=False)
    return listed.stdout
