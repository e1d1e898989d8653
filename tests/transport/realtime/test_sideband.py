"""WebSockets beside a WebRTC call: real connections, the real session, scripted engines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from openai import AsyncOpenAI

from tests.fakes_reception import ScriptedReception
from voicechat.config import ServerSettings, Settings
from voicechat.events import InputCleared
from voicechat.terminal.caller import Caller
from voicechat.transport.http import explain
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.realtime import sideband
from voicechat.transport.realtime.calls import Calls
from voicechat.transport.silence import SILENCE, Silence
from voicechat.transport.webrtc.following import MOST

MANY = 1100
"""Messages; fewer may wait for a program that does not read."""

LONG = " ".join(f"word{number}" for number in range(60))
"""3.6 seconds of answer."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A call, and what it takes to follow it."""

    caller: Caller
    calls: Calls
    reception: ScriptedReception
    http: aiohttp.ClientSession
    url: str

    @property
    def address(self) -> str:
        return f"{self.url}/v1/realtime?call_id={self.caller.location.rpartition('/')[2]}"

    def follow(self) -> AbstractAsyncContextManager[Any]:
        return self.http.ws_connect(self.address)


@asynccontextmanager
async def calling(*answers: str, **server: Any) -> AsyncIterator[Scene]:
    settings, reception = Settings(server=ServerSettings(**server)), ScriptedReception(*answers)
    calls = Calls(settings, reception, Metronome())

    async def nobody(request: web.Request) -> web.WebSocketResponse:
        raise web.HTTPGone

    app = web.Application(middlewares=[explain])
    app[SILENCE] = Silence()
    app.add_routes(calls.routes())
    app.router.add_get("/v1/realtime", sideband.endpoint(settings, calls, nobody))
    runner = web.AppRunner(app, shutdown_timeout=1.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Caller(url) as caller, aiohttp.ClientSession() as http, asyncio.timeout(20):
            yield Scene(caller, calls, reception, http, url)
    finally:
        await calls.close()
        await runner.cleanup()
        assert reception.taken == 0


async def until(socket: Any, kind: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != kind:
        messages.append(await socket.receive_json())
    return messages


async def left(socket: Any) -> int:
    """The code with which the server closes the socket."""
    while (await socket.receive(5)).type is aiohttp.WSMsgType.TEXT:
        pass
    return int(socket.close_code)


async def test_two_followers_and_the_caller_are_told_the_same_answer() -> None:
    async with calling("one two") as scene, scene.follow() as first, scene.follow() as second:
        await first.send_json({"type": "response.create"})
        told = [await until(socket, "output_audio_buffer.stopped") for socket in (first, second)]
        stories = [[message["type"] for message in messages] for messages in told]
        await scene.caller.wait_for("output_audio_buffer.stopped", 5)
        theirs = [event["type"] for _, event in scene.caller.log]
    assert stories[0][0] == "session.created"
    assert stories[0] == stories[1]
    assert stories[0][-4:] == theirs[-4:]
    assert "response.output_audio.delta" not in stories[0]


async def test_follower_sets_up_the_call_and_the_caller_sees_it() -> None:
    async with calling() as scene, scene.follow() as socket:
        wishes = {"type": "realtime", "instructions": "Be brief."}
        await socket.send_json({"type": "session.update", "session": wishes})
        [*_, updated] = await until(socket, "session.updated")
        theirs = await scene.caller.wait_for("session.updated", 5)
        assert updated["session"]["instructions"] == theirs["session"]["instructions"] == "Be brief."


async def test_follower_that_comes_late_sees_the_present_settings_and_the_answer_under_way() -> None:
    async with calling(LONG) as scene:
        wishes = {"type": "realtime", "instructions": "Be brief."}
        await scene.caller.send({"type": "session.update", "session": wishes})
        await scene.caller.send({"type": "response.create"})
        await scene.caller.wait_for("output_audio_buffer.started", 5)
        async with scene.follow() as socket:
            messages = await until(socket, "output_audio_buffer.started")
            assert messages[0]["session"]["instructions"] == "Be brief."
            assert "response.created" in [message["type"] for message in messages]
            await socket.send_json({"type": "response.cancel"})
            [*_, done] = await until(socket, "response.done")
            assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        await scene.caller.wait_for("output_audio_buffer.cleared", 5)


async def test_followers_mistake_is_told_to_it_alone() -> None:
    async with calling() as scene, scene.follow() as guilty, scene.follow() as innocent:
        await guilty.send_json({"type": "response.cancel", "event_id": "mine"})
        [*_, error] = await until(guilty, "error")
        assert error["error"]["event_id"] == "mine"
        await guilty.send_json({"type": "input_audio_buffer.clear"})
        kinds = [message["type"] for message in await until(innocent, "input_audio_buffer.cleared")]
        await scene.caller.wait_for("input_audio_buffer.cleared", 5)
        assert "error" not in [*kinds, *(event["type"] for _, event in scene.caller.log)]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "invalid_json"),
        ('{"type": "no.such.event"}', "unknown_event"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAAAAAAAAA="}', "audio_on_channel"),
        (b"\x00", "not_text"),
    ],
)
async def test_what_a_follower_may_not_say_is_answered(message: str | bytes, code: str) -> None:
    async with calling() as scene, scene.follow() as socket:
        await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
        [*_, error] = await until(socket, "error")
        assert error["error"]["code"] == code


async def test_follower_is_left_when_the_call_is_over() -> None:
    async with calling() as scene, scene.follow() as socket:
        await until(socket, "session.created")
        await scene.caller.hang_up()
        assert await left(socket) == 1000


async def test_call_goes_on_without_its_follower() -> None:
    async with calling("one") as scene:
        async with scene.follow() as socket:
            await until(socket, "session.created")
        await scene.caller.send({"type": "response.create"})
        await scene.caller.wait_for("output_audio_buffer.stopped", 5)


async def test_follower_that_does_not_read_is_left_and_the_call_goes_on() -> None:
    async with calling() as scene:
        host, _, port = scene.url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        path = scene.address.removeprefix(scene.url)
        head = ["Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        head = [f"GET {path} HTTP/1.1", *head, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        writer.write("\r\n".join([*head, "", ""]).encode())
        [call] = scene.calls._calls.values()
        followers = call.peer.following._followers
        while not followers:  # noqa: ASYNC110 - what we wait for is another part's state
            await asyncio.sleep(0.01)
        tell = next(iter(followers.values()))
        for _ in range(MANY):
            tell(InputCleared())
        while followers:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)
        assert call.peer.reason is None
        writer.close()


async def test_shutdown_lets_followers_go() -> None:
    async with calling() as scene, scene.follow() as socket:
        await until(socket, "session.created")
        await scene.calls.close()
        assert await left(socket) in (1000, 1001)


async def test_calls_that_are_not_there_are_refused_before_the_upgrade() -> None:
    async with calling() as scene, scene.http.get(f"{scene.url}/v1/realtime?call_id=call_none") as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "call_id_not_found"


async def test_others_are_for_the_usual_door() -> None:
    async with calling() as scene, scene.http.get(f"{scene.url}/v1/realtime") as response:
        assert response.status == 410


async def test_a_plain_request_cannot_follow() -> None:
    async with calling() as scene, scene.http.get(scene.address) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "not_a_websocket")


async def test_a_call_has_few_followers() -> None:
    async with calling() as scene:
        sockets = [await scene.http.ws_connect(scene.address) for _ in range(MOST)]
        for socket in sockets:
            await until(socket, "session.created")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await scene.http.ws_connect(scene.address)
        assert refused.value.status == 503
        for socket in sockets:
            await socket.close()


async def test_openais_own_client_follows_a_call() -> None:
    async with calling("one") as scene, AsyncOpenAI(base_url=f"{scene.url}/v1", api_key="none") as openai:
        name = scene.caller.location.rpartition("/")[2]
        async with openai.realtime.connect(call_id=name) as connection:
            await connection.response.create()
            async for event in connection:
                if event.type == "response.done":
                    assert event.response.status == "completed"
                    break


@pytest.mark.parametrize("act", ["accept", "reject", "refer"])
async def test_what_is_for_telephones_is_refused(act: str) -> None:
    async with calling() as scene, scene.http.post(f"{scene.caller.location}/{act}") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "sip_only")


async def test_items_without_a_name_get_one_that_nobody_else_gives() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    async with calling() as scene, scene.follow() as first, scene.follow() as second:
        await scene.caller.send({"type": "conversation.item.create", "item": item})
        await scene.caller.wait_for("conversation.item.done", 5)
        for socket in (first, second):
            await socket.send_json({"type": "conversation.item.create", "item": item})
        names: set[str] = set()
        while len(names) < 3:
            [*messages, done] = await until(first, "conversation.item.done")
            names.add(done["item"]["id"])
            assert "error" not in [message["type"] for message in messages]
