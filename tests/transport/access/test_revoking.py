"""A key that is taken away while the server runs: what was begun with it ends, and what others began goes on."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from voicechat import app
from voicechat.config import AccessSettings, AgentSettings, AsrSettings, ServerSettings, Settings, TtsSettings
from voicechat.terminal.caller import Caller
from voicechat.transport import http
from voicechat.transport.access import keyfile

KITCHEN, HALL = "Vq2nZk8mX1uY7sTe", "another-key-of-24-letters"
LINES = {"kitchen": f"kitchen talk {KITCHEN}\n", "hall": f"hall talk,metrics {HALL}\n"}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keyfile, "PERIOD", 0.05)
    monkeypatch.setattr(http, "LEAVING", 0.5)
    return write(tmp_path / "keys.txt", "".join(LINES.values()))


def write(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(100):
        if await happened():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen within ten seconds")


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[str]:
    """A whole server with small engines, and its URL."""
    settings = Settings(
        agent=AgentSettings(engine="echo"),
        asr=AsrSettings(engine="scripted"),
        tts=TtsSettings(engine="tone"),
        server=ServerSettings(port=0, setup_seconds=60.0),
        access=AccessSettings(keys=path),
    )
    lines: asyncio.Queue[str] = asyncio.Queue()
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(settings, ready=lines.put_nowait, stop=stop))
    try:
        async with asyncio.timeout(30):
            url = re.search(r"http://[\d.:]+", await lines.get())
        assert url is not None
        yield url.group()
    finally:
        stop.set()
        await running


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def ticket(client: aiohttp.ClientSession, url: str, secret: str) -> str:
    async with client.post(f"{url}/v1/realtime/client_secrets", json={}, headers=bearer(secret)) as made:
        return str((await made.json())["value"])


async def may_talk(client: aiohttp.ClientSession, url: str, secret: str) -> bool:
    async with client.get(f"{url}/v1/voices", headers=bearer(secret)) as answer:
        return answer.status == 200


async def ended(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Reads to the end; the code it was closed with."""
    async with asyncio.timeout(20):
        async for _ in socket:
            pass
    return socket.close_code


async def test_calls_sockets_followers_and_tickets_of_a_revoked_key_end_and_no_others(path: Path) -> None:
    async with serving(path) as url, aiohttp.ClientSession() as client, Caller(url, key=KITCHEN) as caller:
        tickets = {name: await ticket(client, url, secret) for name, secret in (("kitchen", KITCHEN), ("hall", HALL))}
        named = caller.location.rpartition("/")[2]
        theirs = await client.ws_connect(f"{url}/v1/realtime", headers=bearer(KITCHEN))
        by_ticket = await client.ws_connect(f"{url}/v1/realtime", headers=bearer(tickets["kitchen"]))
        others = await client.ws_connect(f"{url}/v1/realtime", headers=bearer(HALL))
        async with Caller(url, key=HALL) as going_on:
            call = going_on.location.rpartition("/")[2]
            follower = await client.ws_connect(f"{url}/v1/realtime?call_id={call}", headers=bearer(KITCHEN))
            for each in (theirs, by_ticket, others, follower):
                assert (await each.receive_json())["type"] == "session.created"

            write(path, LINES["hall"])

            assert await ended(theirs) == 1008
            assert await ended(by_ticket) == 1008
            assert await ended(follower) is not None
            await until(lambda: is_over(client, url, named))
            assert not await is_over(client, url, call)
            await others.send_json({"type": "input_audio_buffer.clear"})
            async with asyncio.timeout(20):
                while (await others.receive_json())["type"] != "input_audio_buffer.cleared":
                    pass
            assert not await may_talk(client, url, KITCHEN) and not await may_talk(client, url, tickets["kitchen"])
            assert await may_talk(client, url, HALL) and await may_talk(client, url, tickets["hall"])
            await others.close()


class SlowPost:
    """A request that the server has let in, and whose body has not come yet."""

    def __init__(self, client: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> None:
        self._rest: asyncio.Queue[bytes] = asyncio.Queue()
        self._begun = asyncio.Event()
        self._answer = asyncio.create_task(self._ask(client, url, headers))

    async def begin(self, first: bytes) -> None:
        self._rest.put_nowait(first)
        await self._begun.wait()
        await asyncio.sleep(0.1)  # for the server to read the head

    async def finish(self, rest: bytes) -> tuple[int, str, str]:
        """The answer: its status, its Location and its text."""
        self._rest.put_nowait(rest)
        return await self._answer

    async def broken_off(self) -> None:
        with pytest.raises(aiohttp.ClientError):
            async with asyncio.timeout(20):
                await self._answer

    async def _ask(self, client: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> tuple[int, str, str]:
        async with client.post(url, data=self._body(), headers=headers) as answer:
            return answer.status, answer.headers.get("Location", ""), await answer.text()

    async def _body(self) -> AsyncIterator[bytes]:
        yield await self._rest.get()
        self._begun.set()
        yield await self._rest.get()


async def test_what_a_revoked_key_gets_while_it_leaves_ends_with_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LEAVING", 2.0)
    offer = (await sound_offer()).encode()
    sdp = {"Content-Type": "application/sdp"}
    async with serving(path) as url, aiohttp.ClientSession() as client:
        minting = SlowPost(client, f"{url}/v1/realtime/client_secrets", bearer(KITCHEN))
        calling = SlowPost(client, f"{url}/v1/realtime/calls", {**bearer(KITCHEN), **sdp})
        staying = SlowPost(client, f"{url}/v1/realtime/client_secrets", bearer(KITCHEN))
        await minting.begin(b"{")
        await calling.begin(offer[:10])
        await staying.begin(b"{")
        write(path, LINES["hall"])
        await until(lambda: is_refused(client, url, KITCHEN))

        status, _, text = await minting.finish(b"}")
        assert status == 200
        late = str(json.loads(text)["value"])
        status, location, _ = await calling.finish(offer[10:])
        assert status == 201
        await staying.broken_off()

        assert not await may_talk(client, url, late)
        await until(lambda: is_over(client, url, location.rpartition("/")[2]))


async def test_who_comes_back_with_the_new_secret_of_a_name_stays(path: Path) -> None:
    changed = "the-kitchen-has-a-new-one"
    async with serving(path) as url, aiohttp.ClientSession() as client:
        old = SlowPost(client, f"{url}/v1/realtime/client_secrets", bearer(KITCHEN))
        await old.begin(b"{")
        write(path, f"kitchen talk {changed}\n" + LINES["hall"])
        await until(lambda: may_talk(client, url, changed))
        short = await ticket(client, url, changed)
        async with Caller(url, key=changed) as caller:
            socket = await client.ws_connect(f"{url}/v1/realtime", headers=bearer(changed))
            await old.broken_off()

            await socket.send_json({"type": "input_audio_buffer.clear"})
            async with asyncio.timeout(20):
                while (await socket.receive_json())["type"] != "input_audio_buffer.cleared":
                    pass
            assert await may_talk(client, url, short) and not await may_talk(client, url, KITCHEN)
            assert not await is_over(client, url, caller.location.rpartition("/")[2])
            await socket.close()


async def sound_offer() -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio")
    connection.createDataChannel("oai-events")
    await connection.setLocalDescription()
    sdp = str(connection.localDescription.sdp)
    await connection.close()
    return sdp


async def is_refused(client: aiohttp.ClientSession, url: str, secret: str) -> bool:
    return not await may_talk(client, url, secret)


async def is_over(client: aiohttp.ClientSession, url: str, call: str) -> bool:
    """Whether nobody can follow the call any more."""
    try:
        async with client.ws_connect(f"{url}/v1/realtime?call_id={call}", headers=bearer(HALL)):
            return False
    except aiohttp.WSServerHandshakeError as error:
        assert error.status == 404
        return True


async def test_key_that_is_added_is_good_without_a_restart(path: Path) -> None:
    added = "a-key-that-came-later"
    async with serving(path) as url, aiohttp.ClientSession() as client:
        assert not await may_talk(client, url, added)
        write(path, "".join(LINES.values()) + f"cellar talk {added}\n")
        await until(lambda: may_talk(client, url, added))
