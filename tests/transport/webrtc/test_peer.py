"""Two real peers in one process, through a real HTTP server on loopback. Real time, in short steps."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, Literal

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from voicechat.audio import AudioFrame, Samples
from voicechat.commands import Command, UpdateSettings
from voicechat.config import PlayoutSettings, ServerSettings, Settings, TransportSettings
from voicechat.conversation import SessionSettings
from voicechat.errors import NoRoom, PeerError, VoicechatError
from voicechat.events import Event, SessionEnded, SessionStarted
from voicechat.protocols import Peer, SpeechChunk
from voicechat.terminal.caller import Caller
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.realtime.calls import Calls
from voicechat.transport.webrtc.channel import LONGEST, Wire
from voicechat.transport.webrtc.peer import WebrtcPeer

RATE = 48_000

Session = Callable[["House", Peer], Awaitable[None]]


def tone(seconds: float, hertz: float = 440.0, rate: int = RATE) -> Samples:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def onset(samples: Samples) -> float:
    """Seconds until the first loud sample."""
    loud = np.abs(samples.astype(np.int32)) > 2000
    assert loud.any(), "nothing was heard"
    return int(np.argmax(loud)) / RATE


def loud_seconds(samples: Samples) -> float:
    """How many 20 ms pieces have sound in them, as seconds."""
    pieces = np.abs(samples[: len(samples) // 960 * 960].astype(np.int32)).reshape(-1, 960)
    return float((pieces.max(axis=1) > 2000).sum()) * 0.02


async def until(ready: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not ready():  # noqa: ASYNC110 - what we wait for is another part's state
            await asyncio.sleep(0.01)


class House:
    """A reception whose sessions do what the test says, and which remembers them."""

    def __init__(self, session: Session, places: int = 8) -> None:
        self.session, self.places = session, places
        self.taken = 0
        self.peers: list[WebrtcPeer] = []
        self.commands: list[Command] = []
        self.heard: list[AudioFrame] = []

    @contextmanager
    def admit(self) -> Iterator[str]:
        if self.taken >= self.places:
            raise NoRoom("all places are taken")
        self.taken += 1
        try:
            yield f"sess_{self.taken}"
        finally:
            self.taken -= 1

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        assert isinstance(peer, WebrtcPeer)
        self.peers.append(peer)
        peer.notify(SessionStarted(session, SessionSettings()))
        await self.session(self, peer)

    @property
    def sound(self) -> Samples:
        return np.concatenate([frame.samples for frame in self.heard])


async def listen(house: House, peer: Peer) -> None:
    async with aclosing(peer.incoming()) as incoming:
        async for entry in incoming:
            if isinstance(entry, AudioFrame):
                house.heard.append(entry)
            else:
                house.commands.append(entry)


async def echo(house: House, peer: Peer) -> None:
    async with aclosing(peer.incoming()) as incoming:
        async for entry in incoming:
            if isinstance(entry, AudioFrame):
                await peer.play(SpeechChunk(entry, 1))


@web.middleware
async def explain(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """Errors by their codes alone; the server's own words are another test's."""
    try:
        return await handler(request)
    except VoicechatError as error:
        refused = 404 if error.code.endswith("_not_found") else 400
        return web.json_response({"code": error.code}, status=503 if isinstance(error, NoRoom) else refused)


@asynccontextmanager
async def serving(
    session: Session,
    *,
    places: int = 8,
    wire: Callable[[str], Wire] | None = None,
    media: Literal["own", "stock"] = "own",
    playout: PlayoutSettings | None = None,
    **server: Any,
) -> AsyncIterator[tuple[str, House, Calls]]:
    house = House(session, places)
    settings = Settings(
        server=ServerSettings(**server),
        transport=TransportSettings(media=media),
        playout=playout or PlayoutSettings(),
    )
    clock = Metronome()
    calls = Calls(settings, house, clock) if wire is None else Calls(settings, house, clock, wire)
    app = web.Application(middlewares=[explain])
    app.add_routes(calls.routes())
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", house, calls
    finally:
        await calls.close()
        await runner.cleanup()
        assert house.taken == 0


@asynccontextmanager
async def offering(**more: Any) -> AsyncIterator[tuple[RTCPeerConnection, str]]:
    """A bare connection and its offer."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        connection.addTransceiver("audio", **more)
        await connection.setLocalDescription()
        yield connection, connection.localDescription.sdp
    finally:
        await connection.close()


async def post(url: str, offer: str | bytes, kind: str = "application/sdp") -> tuple[int, str, dict[str, str]]:
    headers = {"Content-Type": kind}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{url}/v1/realtime/calls", data=offer, headers=headers) as response:
            return response.status, await response.text(), dict(response.headers)


async def test_sound_arrives_both_ways() -> None:
    async with serving(echo) as (url, _, _), Caller(url) as caller:
        said = await caller.say(tone(0.4), RATE)
        await asyncio.sleep(0.4)
        mine, theirs = caller.recording()
    assert len(mine) == len(theirs)
    assert onset(mine) == pytest.approx(said, abs=0.02)
    assert onset(theirs) > onset(mine)
    assert loud_seconds(theirs) == pytest.approx(0.4, abs=0.06)


async def test_the_session_hears_frames_of_sixteen_kilohertz() -> None:
    async with serving(listen) as (url, house, _), Caller(url) as caller:
        await caller.say(tone(0.4, rate=24_000), 24_000)
        await asyncio.sleep(0.2)
        assert {(frame.rate, len(frame.samples)) for frame in house.heard} == {(16_000, 320)}
        sound = house.sound
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) / len(sound) * 16_000 == pytest.approx(440, abs=5)


async def test_the_librarys_own_path_can_be_chosen() -> None:
    async with serving(listen, media="stock") as (url, house, _), Caller(url) as caller:
        await caller.say(tone(0.4), RATE)
        await asyncio.sleep(0.4)
        assert np.abs(house.sound).max() > 6000


async def packets(connection: RTCPeerConnection, url: str, offer: str, *, lost: int = 0) -> asyncio.Queue[Any]:
    """The RTP packets that come over a new call; every `lost`-th does not, if any."""
    came: asyncio.Queue[Any] = asyncio.Queue(1000)
    receiver = connection.getReceivers()[0]
    handle = receiver._handle_rtp_packet

    async def arrive(packet: Any, arrival_time_ms: int) -> None:
        if not lost or packet.sequence_number % lost:
            came.put_nowait(packet)
            await handle(packet, arrival_time_ms)

    receiver._handle_rtp_packet = arrive  # type: ignore[method-assign]
    _, answer, _ = await post(url, offer)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return came


async def speak_often(house: House, peer: Peer) -> None:
    """A short word every 0.8 s."""
    async with asyncio.TaskGroup() as group:
        group.create_task(listen(house, peer))
        for turn in range(1, 20):
            await peer.play(SpeechChunk(AudioFrame(tone(0.1), RATE), turn))
            await peer.drain(turn)
            await asyncio.sleep(0.7)


async def test_a_caller_who_reports_losses_gets_packets_that_repair_each_other() -> None:
    async with serving(speak_often) as (url, _, _), offering() as (connection, offer):
        came = await packets(connection, url, offer, lost=5)
        async with asyncio.timeout(8):
            first = [(await came.get()).payload[0] >> 3 for _ in range(40)]
            assert min(first) >= 16, "CELT, as nothing is known of losses yet"
            while (await came.get()).payload[0] >> 3 >= 16:
                pass


async def test_a_silence_may_be_left_unsent() -> None:
    playout = PlayoutSettings(dtx=True, fec="never")
    async with serving(speak_often, playout=playout) as (url, _, _), offering() as (connection, offer):
        came = await packets(connection, url, offer)
        async with asyncio.timeout(8):
            seen = [await came.get() for _ in range(60)]
    assert seen[-1].sequence_number - seen[0].sequence_number & 0xFFFF == 59
    seconds = (seen[-1].timestamp - seen[0].timestamp & 0xFFFF_FFFF) / RATE
    assert seconds > 60 * 0.02 + 0.2, "the clock goes on"
    pairs = zip(seen, seen[1:], strict=False)
    after_gap = [new for old, new in pairs if new.timestamp - old.timestamp & 0xFFFF_FFFF > 960]
    words = [packet.sequence_number for packet in after_gap if len(packet.payload) > 3]
    assert words
    assert [packet.sequence_number for packet in seen[1:] if packet.marker] == words


async def test_pause_is_silence_at_once_and_resume_loses_nothing() -> None:
    async def speak(house: House, peer: Peer) -> None:
        await peer.play(SpeechChunk(AudioFrame(tone(0.6), RATE), 1, "la"))
        await listen(house, peer)

    async with serving(speak) as (url, house, _), Caller(url) as caller:
        await until(lambda: len(caller.heard) > 0 and loud_seconds(caller.heard) > 0.1)
        [peer] = house.peers
        peer.pause()
        await asyncio.sleep(0.1)
        paused = loud_seconds(caller.heard)
        await asyncio.sleep(0.2)
        assert loud_seconds(caller.heard) == paused
        peer.resume()
        heard = await peer.drain(1)
        await asyncio.sleep(0.1)
        assert loud_seconds(caller.heard) == pytest.approx(0.64, abs=0.06), "with a fade at each end of the gap"
    assert heard.text == "la"
    assert heard.seconds == pytest.approx(0.6, abs=0.041)


async def test_cut_drops_the_rest_and_says_what_was_heard() -> None:
    async def speak(house: House, peer: Peer) -> None:
        await peer.play(SpeechChunk(AudioFrame(tone(0.5), RATE), 1, "one"))
        await listen(house, peer)

    async with serving(speak) as (url, house, _), Caller(url) as caller:
        await until(lambda: bool(house.peers))
        [peer] = house.peers
        assert await peer.audible(1) <= asyncio.get_running_loop().time()
        await asyncio.sleep(0.1)
        heard = peer.cut(2)
        await asyncio.sleep(0.4)
        assert 0.06 <= heard.seconds <= 0.4
        assert loud_seconds(caller.heard) == pytest.approx(heard.seconds, abs=0.1)


async def test_the_session_is_announced_when_the_channel_opens() -> None:
    async with serving(listen) as (url, _, _), Caller(url) as caller:
        created = await caller.wait_for("session.created", 2)
        assert created["session"]["id"] == "sess_1"


async def test_messages_become_commands() -> None:
    async with serving(listen) as (url, house, _), Caller(url) as caller:
        await caller.send({"type": "response.cancel", "event_id": "mine"})
        await until(lambda: bool(house.commands))
        assert house.commands[0].event_id == "mine"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "invalid_json"),
        ('{"type": "no.such.event"}', "unknown_event"),
        ("x" * 3000, "message_too_large"),
        (b"\x00\x01", "not_text"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAAAAAAAAA="}', "audio_on_channel"),
    ],
)
async def test_a_bad_message_is_answered_and_the_call_goes_on(message: str | bytes, code: str) -> None:
    async with serving(listen, message_bytes=2000) as (url, house, _), Caller(url) as caller:
        caller._events.send(message)
        error = await caller.wait_for("error", 2)
        assert error["error"]["code"] == code
        await caller.send({"type": "input_audio_buffer.clear"})
        await until(lambda: bool(house.commands))


async def test_no_more_is_taken_than_was_promised_whatever_websockets_may_send() -> None:
    async with serving(listen) as (url, _, _), Caller(url) as caller:
        caller._events.transport._remote_max_message_size = 2 * LONGEST  # a caller that keeps to nothing
        caller._events.send("x" * (LONGEST + 1))
        error = await caller.wait_for("error", 5)
    assert error["error"]["code"] == "message_too_large"


class Plain:
    """A wire that says every event by its class's name."""

    def encode(self, event: Event) -> list[dict[str, object]]:
        return [{"type": type(event).__name__, "text": getattr(event, "reason", "")}]

    def decode(self, message: str) -> Command | AudioFrame | None:
        return None

    def answers(self) -> list[dict[str, object]]:
        return []


async def test_early_events_are_kept_in_order_and_bounded() -> None:
    async def chatter(house: House, peer: Peer) -> None:
        for number in range(400):
            peer.notify(SessionEnded("s", str(number)))
        await listen(house, peer)

    async with serving(chatter, wire=lambda session: Plain()) as (url, _, _), Caller(url) as caller:
        await until(lambda: len(caller.log) == 256)
        await asyncio.sleep(0.1)
        texts = [event["text"] for _, event in caller.log]
    assert texts == ["", *(str(number) for number in range(255))]


async def test_the_last_words_reach_the_caller_before_the_call_closes() -> None:
    async def short(house: House, peer: Peer) -> None:
        await asyncio.sleep(0.5)
        peer.notify(SessionEnded("s", "too_long"))

    async with serving(short, wire=lambda session: Plain()) as (url, _, _), Caller(url) as caller:
        assert (await caller.wait_for("SessionEnded", 3))["text"] == "too_long"
        await until(lambda: caller.over)


async def test_a_caller_who_does_not_read_is_hung_up_on() -> None:
    async def flood(house: House, peer: Peer) -> None:
        await asyncio.sleep(0.3)
        for _ in range(200):
            peer.notify(SessionEnded("s", "x" * 20_000))
        await listen(house, peer)

    async with serving(flood, wire=lambda session: Plain()) as (url, house, _), Caller(url):
        await until(lambda: bool(house.peers) and house.peers[0].reason is not None)
        assert house.peers[0].reason == "events_unread"


async def test_an_event_larger_than_the_caller_takes_becomes_an_error() -> None:
    async def shout(house: House, peer: Peer) -> None:
        await asyncio.sleep(0.3)
        peer.notify(SessionEnded("s", "x" * 270_000))
        await listen(house, peer)

    async with serving(shout, wire=lambda session: Plain()) as (url, _, _), Caller(url) as caller:
        assert (await caller.wait_for("error", 3))["error"]["code"] == "event_too_large"


async def test_a_call_has_an_address_and_delete_ends_it() -> None:
    async with serving(listen) as (url, house, _), Caller(url) as caller:
        assert "/v1/realtime/calls/call_" in caller.location
        async with aiohttp.ClientSession() as http:
            async with http.delete(caller.location) as response:
                assert response.status == 204
            await until(lambda: house.taken == 0)
            assert house.peers[0].reason == "hung_up"
            async with http.delete(caller.location) as response:
                assert response.status == 404
                assert (await response.json())["code"] == "call_id_not_found"
        await until(lambda: caller.over)
        with pytest.raises(PeerError):
            await caller.wait_for("anything", 1)


async def test_a_program_of_the_beta_calls_where_it_always_did_and_is_told_in_its_words() -> None:
    async with serving(listen) as (url, house, _), offering() as (connection, _), aiohttp.ClientSession() as http:
        channel, told = connection.createDataChannel("oai-events"), list[Any]()
        channel.on("message", lambda message: told.append(json.loads(message)))
        await connection.setLocalDescription()
        sdp, headers = connection.localDescription.sdp, {"Content-Type": "application/sdp"}
        async with http.post(f"{url}/v1/realtime?model=gpt-4o", data=sdp, headers=headers) as response:
            assert response.status == 201
            await connection.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))
        await until(lambda: bool(told))
        assert told[0]["session"]["input_audio_format"] == "pcm16"
        assert told[0]["session"]["model"] == "gpt-4o"


async def test_hangup_by_post_ends_the_call_too() -> None:
    async with serving(listen) as (url, house, _), Caller(url) as caller:
        async with aiohttp.ClientSession() as http, http.post(f"{caller.location}/hangup") as response:
            assert response.status == 204
        await until(lambda: house.taken == 0)


async def test_a_caller_who_closes_ends_the_call() -> None:
    async with serving(listen) as (url, house, _):
        async with Caller(url) as caller:
            caller.location = ""  # no DELETE: only the connection tells
        await until(lambda: house.taken == 0, 3)
        assert house.peers[0].reason == "hung_up"


async def test_a_caller_who_vanishes_is_missed() -> None:
    async with serving(listen, media_silence_seconds=0.5) as (url, house, _), Caller(url) as caller:
        await until(lambda: bool(house.heard))
        mute(caller)
        await until(lambda: house.taken == 0, 3)
        assert house.peers[0].reason == "media_silence"


async def test_lost_packets_cost_only_their_own_sound() -> None:
    async with serving(listen) as (url, house, _), Caller(url) as caller:
        lose(caller, every=10)
        await caller.say(tone(1.0), RATE)
        await asyncio.sleep(0.2)
        sound = house.sound
    loud = np.abs(sound.reshape(-1, 320)).max(axis=1) > 4000
    assert loud.sum() >= 43  # of 50 frames; the library's own buffer leaves about 26


def lose(caller: Caller, every: int) -> None:
    """Some of its RTP packets no longer leave."""
    seen = 0

    def send(data: bytes, address: tuple[str, int]) -> None:
        nonlocal seen
        media = 128 <= data[0] < 192 and not 72 <= data[1] & 0x7F <= 79
        seen += media
        if not media or seen % every:
            keep(data, address)

    protocol = caller._connection.getReceivers()[0].transport.transport._connection._nominated[1].protocol
    keep, name = protocol.transport.sendto, "sendto"
    setattr(protocol.transport, name, send)


def mute(caller: Caller) -> None:
    """Its packets no longer leave, as when the cable is pulled."""
    for protocol in caller._connection.getReceivers()[0].transport.transport._connection._protocols:
        setattr(protocol.transport, "sendto", lambda data, addr: None)  # noqa: B010 - a method by its type


async def test_silence_of_the_caller_is_not_absence() -> None:
    async with serving(listen, media_silence_seconds=0.3) as (url, house, _), Caller(url) as caller:
        await asyncio.sleep(1.0)
        assert house.peers[0].reason is None
        assert not caller.over


async def test_an_offer_whose_caller_never_comes_loses_its_place() -> None:
    async with serving(listen, setup_seconds=0.3) as (url, house, _), offering() as (_, offer):
        status, _, _ = await post(url, offer)
        assert status == 201
        assert house.taken == 1
        await until(lambda: house.taken == 0, 3)
        assert house.peers[0].reason == "setup_timeout"


async def test_an_answer_is_sdp_with_opus_alone() -> None:
    async with serving(listen) as (url, _, _), offering() as (_, offer):
        status, answer, headers = await post(url, offer)
        assert status == 201
        assert headers["Content-Type"].startswith("application/sdp")
        assert headers["Location"].startswith("/v1/realtime/calls/call_")
        assert "opus/48000/2" in answer
        assert "PCMU" not in answer
        assert "a=candidate" in answer


async def test_a_caller_found_by_their_own_checks_connects() -> None:
    async with serving(listen) as (url, house, _), offering() as (connection, offer):
        hidden = "".join(
            line
            for line in offer.splitlines(keepends=True)
            if not line.startswith(("a=candidate", "a=end-of-candidates"))
        )
        status, answer, _ = await post(url, hidden)
        assert status == 201
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: connection.connectionState == "connected")
        assert house.taken == 1


@pytest.mark.parametrize("direction", ["recvonly", "sendrecv"])
async def test_a_caller_without_a_microphone_is_not_missed(direction: str) -> None:
    async with serving(listen, media_silence_seconds=0.2) as (url, house, _), offering(direction=direction) as made:
        connection, offer = made
        _, answer, _ = await post(url, offer)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: connection.connectionState == "connected")
        await asyncio.sleep(0.6)
        assert house.peers[0].reason is None


async def test_pictures_are_declined_and_the_call_goes_on() -> None:
    async with serving(listen) as (url, house, _), offering() as (connection, _):
        connection.addTransceiver("video")
        await connection.setLocalDescription()
        _, answer, _ = await post(url, connection.localDescription.sdp)
        assert "a=inactive" in answer[answer.index("m=video") :]
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: connection.connectionState == "connected")
        assert house.taken == 1


@pytest.mark.parametrize(
    ("offer", "kind", "code"),
    [
        (b"", "application/sdp", "not_sdp"),
        (b"v=0\r\n" + b"a" * 40_000, "application/sdp", "offer_too_large"),
        (b"v=0\r\n", "application/json", "bad_content_type"),
        (b"v=0\r\n", "application/sdp", "no_audio"),
    ],
)
async def test_offers_we_refuse_take_no_place(offer: bytes, kind: str, code: str) -> None:
    async with serving(listen) as (url, house, _):
        status, text, _ = await post(url, offer, kind)
        assert (status, json.loads(text)["code"]) == (400, code)
        assert house.peers == []


async def post_form(url: str, *, filename: str | None = None, **parts: tuple[str, str]) -> tuple[int, str]:
    form = aiohttp.FormData()
    for name, (kind, text) in parts.items():
        form.add_field(name, text, content_type=kind, filename=filename)
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/realtime/calls", data=form) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("filename", [None, "blob"])
async def test_a_form_may_bring_settings_with_the_offer(filename: str | None) -> None:
    session = json.dumps({"type": "realtime", "instructions": "Be brief."})
    async with serving(listen) as (url, house, _), offering() as (_, offer):
        parts = {"sdp": ("application/sdp", offer), "session": ("application/json", session)}
        status, answer = await post_form(url, filename=filename, **parts)
        assert status == 201
        assert answer.startswith("v=0")
        await until(lambda: bool(house.commands))
        [update] = house.commands
        assert isinstance(update, UpdateSettings)
        assert update.changes["instructions"] == "Be brief."


@pytest.mark.parametrize(
    ("session", "code"), [("{", "invalid_json"), ("[]", "invalid_value"), ('{"type": "realtime", "speed": {}}', "")]
)
async def test_settings_that_cannot_be_had_refuse_the_call(session: str, code: str) -> None:
    async with serving(listen) as (url, house, _), offering() as (_, offer):
        status, text = await post_form(url, sdp=("application/sdp", offer), session=("application/json", session))
        assert status == 400
        assert code in text
        assert house.taken == 0


async def test_a_form_without_an_offer_is_refused() -> None:
    async with serving(listen) as (url, _, _):
        assert await post_form(url, other=("text/plain", "x")) == (400, '{"code": "not_sdp"}')


async def test_an_offer_that_the_library_refuses_frees_its_place() -> None:
    async with serving(listen) as (url, house, _), offering() as (connection, _):
        connection.addTransceiver("video")
        await connection.setLocalDescription()
        offer = connection.localDescription.sdp.replace("VP8", "VP1").replace("H264", "H261")
        status, text, _ = await post(url, offer)
        assert (status, "bad_offer" in text) == (400, True)
        assert house.taken == 0


async def test_a_full_house_says_so() -> None:
    async with serving(listen, places=1) as (url, _, _), Caller(url):
        with pytest.raises(PeerError, match="503"):
            async with Caller(url):
                pass


async def test_several_calls_at_once_hear_their_own_voice() -> None:
    async def call(url: str, hertz: float) -> float:
        async with Caller(url) as caller:
            await caller.say(tone(0.4, hertz), RATE)
            await asyncio.sleep(0.3)
            heard = caller.heard
        return float(np.argmax(np.abs(np.fft.rfft(heard))) / len(heard) * RATE)

    async with serving(echo) as (url, house, _):
        found = await asyncio.gather(*(call(url, hertz) for hertz in (300, 500, 700)))
        await until(lambda: house.taken == 0)
    assert found == pytest.approx([300, 500, 700], abs=10)


async def test_shutdown_ends_calls_that_will_not_end() -> None:
    async def stubborn(house: House, peer: Peer) -> None:
        await asyncio.sleep(60)

    async with serving(stubborn) as (url, house, calls), Caller(url) as caller:
        await until(lambda: bool(house.peers))
        async with asyncio.timeout(1.5):
            await calls.close()
        assert house.taken == 0
        assert house.peers[0].reason == "shutdown"
        await until(lambda: caller.over)


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.02, 0.05, 0.1, 0.2])
async def test_closing_at_any_moment_leaves_nothing(moment: float) -> None:
    async with serving(listen) as (url, house, calls):

        async def connect() -> None:
            async with Caller(url):
                await asyncio.sleep(5)

        caller = asyncio.create_task(connect())
        await asyncio.sleep(moment)
        await calls.close()
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await until(lambda: house.taken == 0, 2)


async def test_closing_twice_and_together_is_one_closing() -> None:
    async with serving(listen) as (url, house, _), Caller(url):
        await until(lambda: bool(house.peers))
        [peer] = house.peers
        await asyncio.gather(peer.close(), peer.close())
        await peer.close()
        assert peer.reason == "closed"
        peer.notify(SessionEnded("s", "late"))


async def test_no_call_begins_after_the_shutdown() -> None:
    async with serving(listen) as (url, house, calls), offering() as (_, offer):
        await calls.close()
        status, text, _ = await post(url, offer)
        assert (status, "server_full" in text) == (503, True)
        assert house.taken == 0


async def test_no_server_is_a_plain_error() -> None:
    with pytest.raises(PeerError, match="cannot be reached"):
        async with Caller("http://127.0.0.1:1"):
            pass


async def test_what_is_left_unsaid_when_the_call_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicechat.terminal.caller._LATE", 0.2)
    async with serving(listen) as (url, house, _), Caller(url) as caller:
        saying = asyncio.create_task(caller.say(tone(0.5), RATE))
        await asyncio.sleep(0.1)
        house.peers[0].hang_up()
        with pytest.raises(PeerError):
            await saying


def test_the_peer_keeps_the_protocol() -> None:
    def takes(peer: Peer) -> AsyncGenerator[AudioFrame | Command]:
        return peer.incoming()

    assert callable(takes)
    for name in ("incoming", "play", "audible", "drain", "pause", "resume", "cut", "notify"):
        assert callable(getattr(WebrtcPeer, name))
