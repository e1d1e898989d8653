"""The WebSocket door: a real server on loopback, raw clients and OpenAI's own; pacing on virtual time."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from openai import AsyncOpenAI
from prometheus_client import CollectorRegistry

from tests import virtual_time
from voicechat.audio import AudioFrame, Samples
from voicechat.commands import AddItem, Command, CommitInput, CreateReply, TruncateItem, UpdateSettings
from voicechat.config import ServerSettings, Settings
from voicechat.conversation import Item, ItemStatus, Role, SessionSettings
from voicechat.errors import NoRoom
from voicechat.events import (
    InputCommitted,
    ItemAdded,
    ItemTruncated,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
)
from voicechat.g711 import ALAW, MULAW, Law
from voicechat.protocols import Heard, Peer, SpeechChunk
from voicechat.transport import http
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.realtime.websocket import RealtimePeer
from voicechat.transport.realtime.wire import RealtimeWire

RATE = 24_000
LOUD = np.full(RATE, 4000, np.int16)


class Parrot:
    """A reception whose sessions repeat: what was said is spoken back, what was typed is written back."""

    def __init__(self, places: int = 2) -> None:
        self.places = places
        self.sessions: list[RealtimePeer] = []
        self.obeyed: list[Command] = []
        self.heard = 0.0
        self.patience = asyncio.Event()
        self.patience.set()
        self.over = asyncio.Event()

    @contextmanager
    def admit(self) -> Iterator[str]:
        if self.places == 0:
            raise NoRoom("all lines are busy", retry_after=7)
        self.places -= 1
        try:
            yield "sess_parrot"
        finally:
            self.places += 1

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        self.over.clear()
        self.sessions.append(cast(RealtimePeer, peer))
        settings = SessionSettings()
        said: list[Samples] = []
        typed, turn = "", 0
        peer.notify(SessionStarted(session, settings))
        async for entry in peer.incoming():
            await self.patience.wait()
            if isinstance(entry, AudioFrame):
                if entry.samples.any():
                    self.heard += entry.seconds
                    said.append(entry.samples)
                continue
            self.obeyed.append(entry)
            match entry:
                case UpdateSettings():
                    changes = cast("dict[str, Any]", entry.changes)
                    extras = {**dict(settings.extras), **dict(changes.get("extras", ()))}
                    settings = replace(settings, **{**changes, "extras": tuple(extras.items())})
                    peer.notify(SettingsChanged(settings))
                case AddItem():
                    typed = entry.item.text
                    peer.notify(ItemAdded(entry.item, None))
                case CommitInput():
                    peer.notify(InputCommitted("item_said", None))
                case TruncateItem():
                    peer.notify(ItemTruncated(Item(entry.item, Role.ASSISTANT, "", True), entry.end))
                case CreateReply():
                    turn += 1
                    await self._repeat(peer, turn, typed, said, settings)
        self.over.set()
        peer.notify(SessionEnded(session, "hung_up"))

    async def _repeat(
        self, peer: Peer, turn: int, typed: str, said: list[Samples], settings: SessionSettings
    ) -> None:
        speaks, plays = settings.speaks, settings.plays
        item = Item(f"item_{turn}", Role.ASSISTANT, "", speaks, ItemStatus.IN_PROGRESS)
        peer.notify(ReplyStarted(f"resp_{turn}", turn, item, None, speaks, plays=plays))
        text = "squawk" if speaks else typed
        heard = Heard()
        peer.notify(ReplyText(f"resp_{turn}", text))
        if speaks:
            await peer.play(SpeechChunk(AudioFrame(np.concatenate(said), 16_000), turn, text))
            heard = await peer.drain(turn)
        done = replace(item, text=heard.text if speaks else text, status=ItemStatus.COMPLETED)
        peer.notify(ReplyFinished(f"resp_{turn}", done, ReplyStatus.COMPLETED, text, heard.seconds))


class Loopback:
    """A served application, and a client for it."""

    def __init__(self, runner: web.AppRunner, client: ClientSession) -> None:
        self.runner, self.client = runner, client
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    def connect(self, query: str = "", **options: Any) -> Any:
        return self.client.ws_connect(f"{self.url}/v1/realtime{query}", **options)


@asynccontextmanager
async def serving(parrot: Parrot, settings: Settings | None = None) -> AsyncIterator[Loopback]:
    app = http.build(settings or Settings(), parrot, registry=CollectorRegistry())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession() as client:
            yield Loopback(runner, client)
    finally:
        await runner.cleanup()


def pcm(samples: Samples) -> str:
    return base64.b64encode(samples.tobytes()).decode()


async def send(socket: ClientWebSocketResponse, kind: str, **fields: Any) -> None:
    await socket.send_json({"type": kind, **fields})


async def until(socket: ClientWebSocketResponse, kind: str) -> list[dict[str, Any]]:
    """All messages up to the first of the kind."""
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not messages or messages[-1]["type"] != kind:
            messages.append(await socket.receive_json())
    return messages


async def closing(socket: ClientWebSocketResponse) -> tuple[int | None, str]:
    """How the server closes, after all that it still says."""
    async with asyncio.timeout(20):
        while (message := await socket.receive()).type is WSMsgType.TEXT:
            pass
    return socket.close_code, str(message.extra or "")


async def test_spoken_sound_comes_back_as_deltas_in_order() -> None:
    async with serving(Parrot()) as server, server.connect("?model=gpt-realtime") as socket:
        created, _ = await until(socket, "conversation.created")
        assert created["session"]["model"] == "gpt-realtime"
        await send(socket, "input_audio_buffer.append", audio=pcm(LOUD))
        await send(socket, "input_audio_buffer.commit")
        await send(socket, "response.create")
        messages = await until(socket, "response.done")
    kinds = [message["type"] for message in messages]
    sound = [message for message in messages if message["type"] == "response.output_audio.delta"]
    assert [kind for kind in kinds if kind != "response.output_audio.delta"] == [
        "input_audio_buffer.committed",
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    samples = np.concatenate([np.frombuffer(base64.b64decode(message["delta"]), "<i2") for message in sound])
    assert len(samples) == pytest.approx(RATE, abs=RATE // 20)
    assert np.median(samples) == pytest.approx(4000, abs=50)
    assert messages[-1]["response"]["output"][0]["content"] == [{"type": "output_audio", "transcript": "squawk"}]


async def test_typed_text_is_answered_in_text() -> None:
    async with serving(Parrot()) as server, server.connect() as socket:
        await send(socket, "session.update", session={"type": "realtime", "output_modalities": ["text"]})
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        await send(socket, "conversation.item.create", item=item)
        await send(socket, "response.create")
        messages = await until(socket, "response.done")
    assert messages[2]["session"]["output_modalities"] == ["text"]
    assert next(message for message in messages if message["type"] == "response.output_text.done")["text"] == "hello"


async def test_client_that_sends_a_minute_at_once_loses_nothing() -> None:
    parrot = Parrot()
    parrot.patience.clear()
    async with serving(parrot) as server, server.connect() as socket:

        async def dump() -> None:
            for _ in range(15):
                await send(socket, "input_audio_buffer.append", audio=pcm(np.tile(LOUD, 4)))
            await send(socket, "input_audio_buffer.commit")

        dumping = asyncio.create_task(dump())
        await asyncio.sleep(0.2)
        parrot.patience.set()
        await until(socket, "input_audio_buffer.committed")
        await dumping
    assert parrot.heard == pytest.approx(60.0, abs=0.1)


async def test_bad_messages_are_answered_and_the_session_goes_on() -> None:
    async with serving(Parrot()) as server, server.connect() as socket:
        await socket.send_str("{not json")
        await socket.send_bytes(b"\x00\x01")
        await send(socket, "input_audio_buffer.append", audio="*", event_id="mine")
        await send(socket, "session.update", session={"instructions": "Go on."})
        errors = [message["error"] for message in (await until(socket, "session.updated"))[2:-1]]
    assert [(error["code"], error["event_id"]) for error in errors] == [
        ("invalid_json", None),
        ("not_text", None),
        ("audio_not_base64", "mine"),
    ]
    assert {error["type"] for error in errors} == {"invalid_request_error"}


async def test_truncation_by_the_client_reaches_the_session() -> None:
    parrot = Parrot()
    async with serving(parrot) as server, server.connect() as socket:
        await send(socket, "conversation.item.truncate", item_id="item_1", content_index=0, audio_end_ms=740)
        truncated = (await until(socket, "conversation.item.truncated"))[-1]
    assert truncated["audio_end_ms"] == 740
    assert parrot.obeyed == [TruncateItem("item_1", 0.74)]


async def test_messages_are_obeyed_in_order_however_large() -> None:
    parrot = Parrot()
    async with serving(parrot) as server, server.connect() as socket:
        for number in range(4):
            text = "x" * (500_000 if number % 2 == 0 else 5)
            item = {"id": f"item_{number}", "type": "message", "role": "user"}
            await send(
                socket, "conversation.item.create", item={**item, "content": [{"type": "input_text", "text": text}]}
            )
        await send(socket, "conversation.item.truncate", item_id="item_3", audio_end_ms=0)
        messages = await until(socket, "conversation.item.truncated")
    added = [message["item"]["id"] for message in messages if message["type"] == "conversation.item.added"]
    assert added == [f"item_{number}" for number in range(4)]


async def test_too_large_a_message_closes_with_1009() -> None:
    parrot = Parrot()
    settings = Settings(server=ServerSettings(message_bytes=1000))
    async with serving(parrot, settings) as server, server.connect() as socket:
        await until(socket, "session.created")
        await send(socket, "input_audio_buffer.append", audio="A" * 2000)
        assert (await closing(socket))[0] == 1009
        await asyncio.wait_for(parrot.over.wait(), 5)


@pytest.mark.parametrize(("reason", "code"), [("idle", 1000), ("too_long", 1000), ("shutdown", 1001), ("failed", 1011)])
async def test_end_of_the_session_closes_with_its_reason(reason: str, code: int) -> None:
    parrot = Parrot()
    async with serving(parrot) as server, server.connect() as socket:
        await until(socket, "session.created")
        parrot.sessions[0].notify(SessionEnded("sess_parrot", reason))
        assert await closing(socket) == (code, reason)


async def test_stopping_the_server_says_going_away() -> None:
    parrot = Parrot()
    async with serving(parrot) as server:
        socket = await server.connect()
        await until(socket, "session.created")
        async with asyncio.timeout(5):
            stopping = asyncio.create_task(server.runner.cleanup())
            assert (await closing(socket))[0] == 1001
            await stopping
    assert parrot.over.is_set()


async def test_full_server_refuses_before_the_upgrade_and_frees_places_after() -> None:
    parrot = Parrot(places=1)
    headers = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    }  # fmt: skip
    async with serving(parrot) as server:
        async with server.connect() as socket:
            await until(socket, "session.created")
            for asked in (headers, {}):  # also of who asks why no socket opened, as pages do
                async with server.client.get(f"{server.url}/v1/realtime", headers=asked) as answer:
                    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
                    assert (await answer.json())["error"]["code"] == "server_full"
        await asyncio.wait_for(parrot.over.wait(), 5)
        async with server.client.get(f"{server.url}/v1/realtime") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "not_a_websocket")
        async with server.connect() as socket:
            await until(socket, "session.created")


async def test_vanished_client_ends_its_session() -> None:
    parrot = Parrot()
    async with serving(parrot) as server:
        socket = await server.connect()
        await until(socket, "session.created")
        transport: asyncio.Transport = socket.get_extra_info("socket") and socket._response.connection.transport
        transport.abort()  # no closing handshake
        await asyncio.wait_for(parrot.over.wait(), 5)


async def test_browsers_subprotocol_is_chosen_and_others_are_not() -> None:
    async with serving(Parrot()) as server:
        offered = ("realtime", "openai-insecure-api-key.none", "openai-agents-sdk.0.4")
        async with server.connect(protocols=offered) as socket:
            assert socket.protocol == "realtime"
        async with server.connect() as socket:
            assert socket.protocol is None


@pytest.mark.parametrize(("name", "law"), [("audio/pcmu", MULAW), ("audio/pcma", ALAW)])
async def test_telephone_sound_is_heard_and_spoken(name: str, law: Law) -> None:
    form = {"format": {"type": name}}
    async with serving(Parrot()) as server, server.connect() as socket:
        await send(socket, "session.update", session={"audio": {"input": form, "output": form}})
        sound = base64.b64encode(law.encode(LOUD[:8_000])).decode()
        await send(socket, "input_audio_buffer.append", audio=sound)
        await send(socket, "input_audio_buffer.commit")
        await send(socket, "response.create")
        messages = await until(socket, "response.done")
    updated = next(message for message in messages if message["type"] == "session.updated")
    assert updated["session"]["audio"]["output"]["format"] == {"type": name}
    deltas = [message["delta"] for message in messages if message["type"] == "response.output_audio.delta"]
    samples = law.decode(b"".join(map(base64.b64decode, deltas)))
    assert len(samples) == pytest.approx(8_000, abs=400)
    assert np.median(samples) == pytest.approx(4000, abs=150)


async def test_session_of_a_short_lived_key_begins_as_the_key_says() -> None:
    wishes = {"session": {"type": "realtime", "instructions": "Repeat.", "audio": {"output": {"voice": "amy"}}}}
    async with serving(Parrot()) as server:
        async with server.client.post(f"{server.url}/v1/realtime/client_secrets", json=wishes) as answer:
            key = (await answer.json())["value"]
        async with server.connect(protocols=("realtime", f"openai-insecure-api-key.{key}")) as socket:
            session = (await until(socket, "session.created"))[-1]["session"]
    assert (session["instructions"], session["audio"]["output"]["voice"]) == ("Repeat.", "amy")


@pytest.mark.parametrize(
    "how",
    [{"headers": {"OpenAI-Beta": "realtime=v1"}}, {"protocols": ("realtime", "openai-beta.realtime-v1")}],
)  # fmt: skip
async def test_client_of_the_beta_gets_its_names(how: dict[str, Any]) -> None:
    async with serving(Parrot()) as server, server.connect(**how) as socket:
        await send(socket, "session.update", session={"modalities": ["text"], "voice": "ash", "temperature": 0.7})
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        await send(socket, "conversation.item.create", item=item)
        await send(socket, "response.create", response={"modalities": ["text"]})
        messages = await until(socket, "response.done")
    assert messages[0]["session"]["input_audio_format"] == "pcm16"
    kinds = [message["type"] for message in messages]
    assert "conversation.item.created" in kinds and "conversation.item.done" not in kinds
    assert next(message for message in messages if message["type"] == "response.text.done")["text"] == "hello"
    assert messages[-1]["response"]["output"][0]["content"] == [{"type": "text", "text": "hello"}]


async def test_openais_own_client_of_the_beta_is_answered() -> None:
    async with serving(Parrot()) as server:
        url = f"{server.url}/v1".replace("http:", "ws:")  # without it, the client of the beta insists on TLS
        openai = AsyncOpenAI(base_url=f"{server.url}/v1", websocket_base_url=url, api_key="none")
        async with openai, openai.beta.realtime.connect(model="gpt-4o-realtime-preview") as opened, asyncio.timeout(20):
            connection: Any = opened
            wishes: Any = {"modalities": ["text", "audio"], "output_audio_format": "g711_ulaw"}
            await connection.session.update(session=wishes)
            await connection.input_audio_buffer.append(audio=pcm(LOUD[: RATE // 2]))
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            seconds = 0.0
            async for event in connection:
                if event.type == "response.audio.delta":
                    seconds += len(base64.b64decode(event.delta)) / 8_000
                elif event.type == "response.done":
                    break
    assert event.response.status == "completed" and event.response.output_audio_format == "g711_ulaw"
    assert event.response.output[0].content[0].transcript == "squawk"
    assert seconds == pytest.approx(0.5, abs=0.05)


async def test_attaching_to_a_call_that_is_not_there_is_refused() -> None:
    async with serving(Parrot()) as server, server.client.get(f"{server.url}/v1/realtime?call_id=call_1") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "call_id_not_found"


async def test_openais_own_client_updates_speaks_and_hears() -> None:
    parrot = Parrot()
    async with serving(parrot) as server, AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as openai:
        async with openai.realtime.connect(model="gpt-realtime") as opened, asyncio.timeout(20):
            connection: Any = opened  # its events are one union of 46 classes
            wishes: Any = {"instructions": "Repeat.", "tracing": "auto", "audio": {"output": {"speed": 1.2}}}
            await connection.session.update(session={"type": "realtime", **wishes})
            await connection.session.update(session={"type": "realtime", "include": [], "tools": []})
            await connection.input_audio_buffer.append(audio=pcm(LOUD[: RATE // 2]))
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            seconds, updated = 0.0, None
            async for event in connection:
                if event.type == "session.updated":
                    updated = event
                elif event.type == "response.output_audio.delta":
                    seconds += len(base64.b64decode(event.delta)) / 2 / RATE
                elif event.type == "response.done":
                    break
            assert event.response.status == "completed"
            await connection.session.update(
                session={"type": "realtime", "audio": {"output": {"speed": 7}}}
            )
            refused = await connection.recv()
    assert seconds == pytest.approx(0.5, abs=0.05)
    assert updated is not None and updated.session.type == "realtime"
    assert updated.session.instructions == "Repeat."
    assert updated.session.tracing == "auto"
    assert updated.session.audio.output.speed == 1.2
    assert refused.type == "error" and refused.error.param == "session.audio.output.speed"


class Tape:
    """A socket that keeps what was sent and when; the client never says anything. `stuck` takes nothing."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.stuck = stuck
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.closed: tuple[int, bytes] | None = None

    def __aiter__(self) -> "Tape":
        return self

    async def __anext__(self) -> SimpleNamespace:
        await asyncio.Event().wait()
        raise StopAsyncIteration

    async def send_str(self, text: str) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        self.sent.append((asyncio.get_running_loop().time(), json.loads(text)))

    async def close(self, *, code: int, message: bytes) -> None:
        self.closed = (code, message)


def peer_on(tape: Tape) -> RealtimePeer:
    wire = RealtimeWire("sess_a", channel="websocket")
    return RealtimePeer(cast(web.WebSocketResponse, tape), wire, Settings(), Metronome())


ITEM = Item("item_1", Role.ASSISTANT, "", True, ItemStatus.IN_PROGRESS)


def test_sound_leaves_a_fifth_of_a_second_ahead_of_real_time() -> None:
    tape, heard = Tape(), Heard()

    async def session(peer: RealtimePeer) -> None:
        nonlocal heard
        peer.notify(ReplyStarted("resp_1", 1, ITEM, None, True))
        await peer.play(SpeechChunk(AudioFrame(np.ones(RATE // 2, np.int16), RATE), 1, "half a second"))
        heard = await peer.drain(1)

    async def main() -> float:
        await peer_on(tape).run(session)
        return asyncio.get_running_loop().time()

    ended = virtual_time.run(main())
    times = [time for time, message in tape.sent if message["type"] == "response.output_audio.delta"]
    assert len(times) == 25
    start = times[0]
    assert [round(time - start, 2) for time in times] == [0.0] * 10 + [round(0.02 * n, 2) for n in range(1, 16)]
    assert ended - start == pytest.approx(0.5, abs=0.021)
    assert (heard.text, round(heard.seconds, 2)) == ("half a second", 0.5)
    assert tape.closed == (1000, b"hung_up")


def test_cut_answer_sends_no_more_sound_and_knows_what_was_heard() -> None:
    tape, heard, cut_at = Tape(), Heard(), 0.0

    async def session(peer: RealtimePeer) -> None:
        nonlocal heard, cut_at
        peer.notify(ReplyStarted("resp_1", 1, ITEM, None, True))
        await peer.play(SpeechChunk(AudioFrame(np.ones(RATE // 2, np.int16), RATE), 1, "words"))
        start = await peer.audible(1)
        await asyncio.sleep(start + 0.31 - asyncio.get_running_loop().time())
        heard = peer.cut(2)
        cut_at = asyncio.get_running_loop().time()
        await asyncio.sleep(0.5)

    virtual_time.run(peer_on(tape).run(session))
    assert heard.seconds == pytest.approx(0.3, abs=0.021)
    assert max(time for time, message in tape.sent if message["type"] == "response.output_audio.delta") <= cut_at


def test_paused_answer_goes_on_where_it_paused() -> None:
    tape = Tape()

    async def session(peer: RealtimePeer) -> None:
        peer.notify(ReplyStarted("resp_1", 1, ITEM, None, True))
        await peer.play(SpeechChunk(AudioFrame(np.arange(RATE // 2, dtype=np.int16), RATE), 1))
        await peer.audible(1)
        await asyncio.sleep(0.1)
        peer.pause()
        await asyncio.sleep(3)
        peer.resume()
        await peer.drain(1)

    virtual_time.run(peer_on(tape).run(session))
    deltas = [(t, m["delta"]) for t, m in tape.sent if m["type"] == "response.output_audio.delta"]
    samples = np.frombuffer(b"".join(base64.b64decode(delta) for _, delta in deltas), "<i2")
    assert samples.tolist() == list(range(RATE // 2))
    gaps = [later - earlier for (earlier, _), (later, _) in zip(deltas, deltas[1:], strict=False)]
    assert max(gaps) == pytest.approx(3, abs=0.05)


def test_client_that_does_not_read_is_cut_off_after_five_seconds() -> None:
    tape = Tape(stuck=True)
    ends: list[float] = []

    async def session(peer: RealtimePeer) -> None:
        peer.notify(SessionStarted("sess_a", SessionSettings()))
        async for _ in peer.incoming():
            pass
        ends.append(asyncio.get_running_loop().time())

    virtual_time.run(peer_on(tape).run(session))
    assert ends == [pytest.approx(5.0, abs=0.1)]
    assert tape.closed == (1013, b"not_reading")


def test_flood_of_news_to_a_stuck_client_ends_the_session_at_once() -> None:
    tape = Tape(stuck=True)

    async def session(peer: RealtimePeer) -> None:
        for _ in range(2000):
            peer.notify(SettingsChanged(SessionSettings()))
        assert peer.reason == "not_reading"

    virtual_time.run(peer_on(tape).run(session))
    assert tape.closed == (1013, b"not_reading")


def test_last_words_leave_before_the_socket_closes() -> None:
    tape = Tape()

    async def session(peer: RealtimePeer) -> None:
        peer.notify(SessionEnded("sess_a", "failed"))
        peer.notify(SettingsChanged(SessionSettings()))

    virtual_time.run(peer_on(tape).run(session))
    assert [message["type"] for _, message in tape.sent] == ["session.updated"]
    assert tape.closed == (1011, b"failed")
