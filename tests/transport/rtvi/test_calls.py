"""RTVI over WebRTC: a real connection in the shape of Pipecat's client, the real session, scripted engines."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from prometheus_client import CollectorRegistry

from tests.fakes_reception import ScriptedReception
from voicechat.config import AgentSettings, ServerSettings, Settings, ToolSettings
from voicechat.config.doors import RtviSettings
from voicechat.transport import http as http_server
from voicechat.transport.access import keys
from voicechat.transport.access.keyfile import Change
from voicechat.transport.http import explain
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.realtime.calls import Calls
from voicechat.transport.rtvi import calls as rtvi_calls
from voicechat.transport.silence import SILENCE, Silence

KITCHEN, HALL = "Vq2nZk8mX1uY7sTe", "another-key-of-24-letters"
HALLS = keys.load(None, {keys.VARIABLE: f"hall talk {HALL}"})
BOTH = keys.load(None, {keys.VARIABLE: f"kitchen talk {KITCHEN};hall talk {HALL}"})


async def until(ready: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not ready():  # noqa: ASYNC110 - what we wait for is another part's state
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(reception: ScriptedReception, settings: Settings | None = None) -> AsyncIterator[str]:
    settings = settings or Settings()
    calls = Calls(settings, reception, Metronome())
    app = web.Application(middlewares=[explain])
    app[SILENCE] = Silence()
    app.add_routes(calls.routes())
    app.add_routes(rtvi_calls.RtviCalls(settings, calls).routes())
    app.on_shutdown.append(lambda _: calls.close())
    async with listening(app, reception) as url:
        yield url


@asynccontextmanager
async def listening(app: web.Application, reception: ScriptedReception) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        assert reception.taken == 0


class Client:
    """Connects as Pipecat's client does: sound, pictures of a camera and of a screen, and a channel named chat."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.name = ""
        self.sdp = ""
        self.told: list[dict[str, Any]] = []
        self._http, self._url = http, url
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._channel = self._connection.createDataChannel("chat")
        self._channel.on("message", lambda message: self.told.append(json.loads(message)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._connection.close()

    async def offer(self, path: str = "/api/offer", *, candidates: bool = True, **more: Any) -> dict[str, Any]:
        if not self.sdp:
            for kind in ("audio", "video", "video"):
                self._connection.addTransceiver(kind)
            await self._connection.setLocalDescription()
            self.sdp = self._connection.localDescription.sdp
        lines = self.sdp.splitlines(keepends=True)
        kept = [line for line in lines if candidates or not line.startswith(("a=candidate", "a=end-of-candidates"))]
        status, answer = await self.post(path, {"sdp": "".join(kept), "type": "offer", "pc_id": None, **more})
        assert status == 200, answer
        return answer

    async def connect(self, path: str = "/api/offer", **more: Any) -> None:
        answer = await self.offer(path, **more)
        self.name = answer["pc_id"]
        await self._connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        await until(lambda: self._channel.readyState == "open")

    async def post(self, path: str, body: object, method: str = "POST") -> tuple[int, dict[str, Any]]:
        async with self._http.request(method, self._url + path, json=body) as response:
            return response.status, await response.json()

    def send(self, kind: str, data: object = None, id: str = "m1") -> None:
        self._channel.send(json.dumps({"label": "rtvi-ai", "type": kind, "id": id, "data": data}))

    async def ready(self) -> None:
        self.send("client-ready", {"version": "2.1.0", "about": {"library": "test"}}, "r1")
        await self.wait_for("bot-ready")

    async def wait_for(self, kind: str) -> dict[str, Any]:
        await until(lambda: any(message["type"] == kind for message in self.told))
        return next(message for message in self.told if message["type"] == kind)

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.told]


@asynccontextmanager
async def calling(
    *answers: str, settings: Settings | None = None, clients: int = 1, places: int = 8
) -> AsyncIterator[tuple[ScriptedReception, list[Client]]]:
    reception = ScriptedReception(*answers, places=places)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(reception, settings))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield reception, [await stack.enter_async_context(Client(http, url)) for _ in range(clients)]


async def test_client_starts_calls_and_is_greeted_by_the_bot() -> None:
    async with calling() as (reception, [client]):
        status, started = await client.post("/start", {"transport": "webrtc", "enableDefaultIceServers": True})
        assert status == 200
        await client.connect(f"/sessions/{started['sessionId']}/api/offer")
        client.send("client-ready", {"version": "2.1.0"}, "r1")
        ready = await client.wait_for("bot-ready")
        assert ready["id"] == "r1"
        assert reception.taken == 1


async def test_pictures_are_declined_beside_the_sound() -> None:
    async with calling() as (_, [client]):
        answer = await client.offer()
        sections = answer["sdp"].split("m=")[1:]
        assert [section.split()[0] for section in sections] == ["audio", "video", "video", "application"]
        assert ["a=inactive" in section for section in sections[:3]] == [False, True, True]


async def test_typed_text_interrupts_and_is_answered_aloud() -> None:
    async with calling("one two three", "four") as (reception, [client]):
        await client.connect()
        await client.ready()
        client.send("send-text", {"content": "Hello", "options": {}})
        await client.wait_for("bot-started-speaking")
        client.send("send-text", {"content": "And now?"})
        await until(lambda: client.kinds.count("bot-stopped-speaking") == 2)
        assert reception.agent.asked[1][-1] == ("user", "And now?")
        asked = [message["data"]["text"] for message in client.told if message["type"] == "user-llm-text"]
        assert asked == ["Hello", "And now?"]
        assert "bot-interrupted" in client.kinds


async def test_candidates_come_after_the_offer() -> None:
    async with calling() as (_, [client]):
        answer = await client.offer(candidates=False)
        found = [line.removeprefix("a=") for line in client.sdp.splitlines() if line.startswith("a=candidate")]
        each = [{"candidate": text, "sdp_mid": "0", "sdp_mline_index": 0} for text in [*found[:3], ""]]
        status, told = await client.post("/api/offer", {"pc_id": answer["pc_id"], "candidates": each}, "PATCH")
        assert (status, told) == (200, {"status": "success"})


@pytest.mark.parametrize(
    ("candidates", "code"),
    [
        ([{"candidate": "nonsense"}], "bad_candidate"),
        ([{"candidate": "1 1 udp 1 192.0.2.7 9 typ host", "sdp_mline_index": 99}], "invalid_value"),
        ([{"candidate": f"{n} 1 udp 1 192.0.2.{n} 9 typ host"} for n in range(1, 40)], "too_many_candidates"),
        ("x", "invalid_value"),
    ],
)
async def test_bad_candidates_are_refused_and_the_call_stays(candidates: object, code: str) -> None:
    async with calling() as (reception, [client]):
        answer = await client.offer()
        status, told = await client.post("/api/offer", {"pc_id": answer["pc_id"], "candidates": candidates}, "PATCH")
        assert (status, told["error"]["code"]) == (400, code)
        assert reception.taken == 1


async def test_the_same_connection_may_offer_again_and_gets_the_same_answer() -> None:
    async with calling() as (reception, [client]):
        first = await client.offer(candidates=False)
        again = await client.offer(pc_id=first["pc_id"], restart_pc=False)
        assert again == first
        assert reception.taken == 1


async def test_another_connection_is_not_taken_for_the_same() -> None:
    async with calling(clients=2) as (_, [client, other]):
        first = await client.offer()
        await other.offer()
        body = {"sdp": other.sdp, "type": "offer", "pc_id": first["pc_id"], "restart_pc": False}
        status, told = await client.post("/api/offer", body)
        assert (status, told["error"]["code"]) == (400, "bad_offer")


async def test_restart_ends_the_old_call_and_needs_no_greeting() -> None:
    async with calling("one", clients=2, places=1) as (reception, [client, again]):
        await client.connect()
        await client.ready()
        await again.connect(pc_id=client.name, restart_pc=True)
        assert again.name != client.name
        assert list(reception.sessions) == ["sess_1", "sess_2"]
        again.send("send-text", {"content": "Hello"})
        await again.wait_for("bot-stopped-speaking")
        assert "bot-ready" not in again.kinds


async def test_conversation_goes_on_where_the_connection_was_lost() -> None:
    async with calling("one two three", "four", "five", clients=3) as (reception, [client, again, once_more]):
        await client.connect()
        await client.ready()
        client.send("send-text", {"content": "Hello"})
        await client.wait_for("bot-stopped-speaking")
        await again.connect(pc_id=client.name, restart_pc=True)
        again.send("send-text", {"content": "And now?"})
        await again.wait_for("bot-stopped-speaking")
        await once_more.connect(pc_id=again.name, restart_pc=True)
        once_more.send("send-text", {"content": "And then?"})
        await once_more.wait_for("bot-stopped-speaking")
        asked = [message["data"]["text"] for message in once_more.told if message["type"] == "user-llm-text"]
        assert asked == ["And then?"] and "server-message" not in once_more.kinds
        assert "signalling" not in client.kinds, "who is told that the bot has left, leaves"
    first, second, third = reception.agent.asked
    assert second == [("user", "Hello"), ("assistant", "one two three"), ("user", "And now?")]
    assert third == [*second, ("assistant", "four"), ("user", "And then?")]


async def test_who_comes_back_after_the_call_has_ended_goes_on_too() -> None:
    async with calling("one", "two", clients=2) as (reception, [client, again]):
        await client.connect()
        await client.ready()
        client.send("send-text", {"content": "Hello"})
        await client.wait_for("bot-stopped-speaking")
        client.send("disconnect-bot", {})
        await until(lambda: reception.taken == 0)
        await again.connect(pc_id=client.name, restart_pc=True)
        again.send("send-text", {"content": "Still there?"})
        await again.wait_for("bot-stopped-speaking")
        assert reception.agent.asked[1] == [("user", "Hello"), ("assistant", "one"), ("user", "Still there?")]


async def test_who_comes_back_too_late_is_told_that_the_conversation_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtvi_calls, "RETURN", 0.0)
    async with calling("one", "two", clients=2) as (reception, [client, again]):
        await client.connect()
        await client.ready()
        client.send("send-text", {"content": "Hello"})
        await client.wait_for("bot-stopped-speaking")
        client.send("disconnect-bot", {})
        await until(lambda: reception.taken == 0)
        await asyncio.sleep(0.05)
        await again.connect(pc_id=client.name, restart_pc=True)
        told = await again.wait_for("server-message")
        assert (told["data"]["type"], told["data"]["code"]) == ("warning", "conversation_lost")
        again.send("send-text", {"content": "Still there?"})
        await again.wait_for("bot-stopped-speaking")
        assert reception.agent.asked[1] == [("user", "Still there?")]


@asynccontextmanager
async def with_keys(
    secrets: Sequence[str], *answers: str
) -> AsyncIterator[tuple[ScriptedReception, Change, Sequence[Client]]]:
    """The whole application, which knows both keys; what changes them, and a client for each of the secrets."""
    reception = ScriptedReception(*answers)
    app = http_server.build(Settings(), reception, registry=CollectorRegistry(), keys=BOTH)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(app, reception))
        clients = []
        for secret in secrets:
            headers = {"Authorization": f"Bearer {secret}"}
            http = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
            clients.append(await stack.enter_async_context(Client(http, url)))
        yield reception, app[http_server.CHANGE], clients


async def test_conversation_goes_on_for_the_key_that_began_it_and_for_no_other() -> None:
    async with with_keys((KITCHEN, HALL, KITCHEN), "one", "two", "three") as (reception, _, (client, other, again)):
        await client.connect()
        await client.ready()
        client.send("send-text", {"content": "Hello"})
        await client.wait_for("bot-stopped-speaking")

        await other.connect(pc_id=client.name, restart_pc=True)
        assert (await other.wait_for("server-message"))["data"]["code"] == "conversation_lost"
        other.send("send-text", {"content": "What was said?"})
        await other.wait_for("bot-stopped-speaking")
        assert reception.taken == 2, "the call of another key goes on"

        await again.connect(pc_id=client.name, restart_pc=True)
        again.send("send-text", {"content": "And now?"})
        await again.wait_for("bot-stopped-speaking")
    assert reception.agent.asked[1] == [("user", "What was said?")]
    assert reception.agent.asked[2] == [("user", "Hello"), ("assistant", "one"), ("user", "And now?")]


async def test_what_was_said_is_forgotten_when_its_key_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "LEAVING", 0.1)
    async with with_keys((KITCHEN, KITCHEN), "one", "two") as (reception, change, (client, again)):
        await client.connect()
        await client.ready()
        client.send("send-text", {"content": "Hello"})
        await client.wait_for("bot-stopped-speaking")
        await change(HALLS)
        await until(lambda: reception.taken == 0)
        await change(BOTH)
        await again.connect(pc_id=client.name, restart_pc=True)
        assert (await again.wait_for("server-message"))["data"]["code"] == "conversation_lost"


async def test_bot_that_is_told_to_leave_says_so_and_hangs_up() -> None:
    async with calling() as (reception, [client]):
        await client.connect()
        await client.ready()
        client.send("disconnect-bot", {})
        await client.wait_for("signalling")
        await until(lambda: reception.taken == 0)


async def test_wishes_of_start_and_of_the_offer_are_the_first_settings() -> None:
    async with calling() as (reception, [client]):
        session = {"type": "realtime", "instructions": "Be brief."}
        _, started = await client.post("/start", {"body": {"session": session}})
        path = f"/sessions/{started['sessionId']}/api/offer"
        await client.connect(path, requestData={"session": {"type": "realtime", "output_modalities": ["text"]}})
        await until(lambda: bool(reception.sessions))
        [state] = reception.sessions.values()
        await until(lambda: not state.settings.speaks)
        assert state.settings.instructions == "Be brief."


async def test_tools_that_callers_run_are_those_of_the_configuration() -> None:
    functions: Any = ({"name": "hours", "by": "client"}, {"name": "ours", "url": "http://127.0.0.1:9/"})
    settings = Settings(agent=AgentSettings(tools=ToolSettings(functions=functions)))
    async with calling(settings=settings) as (reception, [client]):
        await client.connect()
        await until(lambda: bool(reception.sessions))
        [state] = reception.sessions.values()
        await until(lambda: bool(state.settings.tools))
        assert [tool.name for tool in state.settings.tools] == ["hours"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/start", {"body": {"session": {"type": "realtime", "speed": 9}}}, 400, "unknown_parameter"),
        ("/start", [], 400, "invalid_json"),
        ("/api/offer", {"type": "offer"}, 400, "missing_field"),
        ("/api/offer", {"type": "answer", "sdp": "v=0"}, 400, "invalid_value"),
        ("/api/offer", {"type": "offer", "sdp": "v=0\r\n"}, 400, "no_audio"),
        ("/api/offer", {"type": "offer", "sdp": "v=0" + "x" * 40_000}, 413, "offer_too_large"),
        ("/api/offer", {"type": "offer", "sdp": "x" * 70_000}, 413, "offer_too_large"),
        ("/api/offer", {"type": "offer", "sdp": "v=0\r\n", "pc_id": "call_1"}, 404, "call_id_not_found"),
        ("/sessions/none/api/offer", {"type": "offer", "sdp": "v=0\r\n"}, 404, "session_not_found"),
    ],
)
async def test_what_cannot_be_had_is_refused_by_a_code(path: str, body: object, status: int, code: str) -> None:
    async with calling() as (reception, [client]):
        found, told = await client.post(path, body)
        assert (found, told["error"]["code"]) == (status, code)
        assert reception.sessions == {}


async def test_an_offer_of_another_type_is_refused() -> None:
    async with serving(ScriptedReception()) as url, aiohttp.ClientSession() as http:
        async with http.post(f"{url}/start", data=b"x", headers={"Content-Type": "text/plain"}) as response:
            assert response.status == 415


async def test_full_house_says_so() -> None:
    async with calling(clients=2, places=1) as (_, [client, other]):
        await client.offer()
        with pytest.raises(AssertionError, match="server_full"):
            await other.offer()


async def test_sessions_that_were_started_long_ago_are_forgotten() -> None:
    async with calling() as (_, [client]):
        _, first = await client.post("/start", {})
        _, second = await client.post("/start", {})
        for _ in range(511):
            await client.post("/start", {})
        for started, status in ((first, 404), (second, 400)):
            found, _ = await client.post(f"/sessions/{started['sessionId']}/api/offer", {"type": "offer", "sdp": "v=0"})
            assert found == status


async def test_door_may_be_closed() -> None:
    async with calling(settings=Settings(rtvi=RtviSettings(enabled=False))) as (_, [client]):
        status, _ = await client.post("/start", {})
        assert status == 404


async def test_media_lines_of_all_of_the_clients_are_allowed() -> None:
    assert ServerSettings().offer_media_lines == 4
