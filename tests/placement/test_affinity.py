"""Affinity: a caller's replica is remembered, in memory and in a real Redis that comes and goes."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from tests.virtual_time import run
from voicechat.errors import ConfigError
from voicechat.placement import affinity
from voicechat.placement.affinity import Affinity, Memory, connect

REDIS = shutil.which("redis-server")
AMPLE_SECONDS = 10.0
"""The deadline of a call where it is not what is tested: this machine may be busy."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a Redis can be started; the test is skipped where there is none."""
    pytest.importorskip("redis", reason="needs the package redis")
    if REDIS is None:
        pytest.skip("needs redis-server on the path")
    return tmp_path


@asynccontextmanager
async def redis(folder: Path, port: int = 0) -> AsyncIterator[tuple[str, int]]:
    """A Redis of our own on the port, or a free one; gives its address and port."""
    assert REDIS is not None
    port = port or await free_port()
    options = f"--port {port} --bind 127.0.0.1 --save --appendonly no --dir {folder}".split()
    process = await asyncio.create_subprocess_exec(REDIS, *options, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while b"Ready to accept connections" not in await process.stdout.readline():
                assert process.returncode is None
        yield f"redis://127.0.0.1:{port}/0", port
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def free_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1")
    async with server:
        return int(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def connected(where: str, call_seconds: float = AMPLE_SECONDS) -> AsyncIterator[Affinity]:
    store = connect(where, call_seconds=call_seconds)
    try:
        yield store
    finally:
        await store.close()


async def check_contract(store: Affinity) -> None:
    """What every kind of affinity does."""
    assert await store.get("anna") == ""
    await store.bind("anna", "piper@cpu#1")
    await store.bind("ben", "piper@cpu#2")
    assert await store.get("anna") == "piper@cpu#1"
    await store.bind("anna", "piper@cpu#2")
    assert await store.get("anna") == "piper@cpu#2"
    await store.forget("anna")
    await store.forget("anna")
    assert (await store.get("anna"), await store.get("ben")) == ("", "piper@cpu#2")


async def test_memory_keeps_what_was_bound_last() -> None:
    async with connected("memory") as store:
        await check_contract(store)


async def test_redis_keeps_what_was_bound_last(folder: Path) -> None:
    async with redis(folder) as (url, _), connected(url) as store:
        await check_contract(store)


def test_memory_forgets_a_caller_who_was_silent_too_long() -> None:
    async def talk() -> list[str]:
        store = Memory(kept_seconds=60)
        await store.bind("anna", "one")
        found = []
        for pause in (59, 59, 61):  # each look-up begins the time anew
            await asyncio.sleep(pause)
            found.append(await store.get("anna"))
        await store.bind("ben", "two")
        assert len(store) == 1  # and what is forgotten takes no room
        return found

    assert run(talk()) == ["one", "one", ""]


async def test_memory_is_bounded_and_forgets_who_spoke_least_recently() -> None:
    store = Memory(names=3)
    for caller in ("a", "b", "c"):
        await store.bind(caller, "one")
    await store.get("a")
    await store.bind("d", "one")
    assert len(store) == 3
    assert [await store.get(caller) for caller in ("a", "b", "c", "d")] == ["one", "", "one", "one"]


async def test_two_servers_share_a_redis(folder: Path) -> None:
    async with redis(folder) as (url, _), connected(url) as here, connected(url) as there:
        await here.bind("anna", "piper@cuda:0")
        assert await there.get("anna") == "piper@cuda:0"
        await there.bind("anna", "piper@cuda:1")
        assert await here.get("anna") == "piper@cuda:1"


async def test_redis_forgets_by_itself(folder: Path) -> None:
    async with redis(folder) as (url, _):
        store = connect(url, kept_seconds=0.2, call_seconds=AMPLE_SECONDS)
        await store.bind("anna", "one")
        await asyncio.sleep(0.6)
        assert await store.get("anna") == ""
        await store.close()


async def test_outage_is_told_once_and_memory_serves_until_redis_is_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affinity, "REST_SECONDS", 0.0)  # every call tries
    with structlog.testing.capture_logs() as lines:
        async with redis(folder) as (url, port):
            store = connect(url, call_seconds=AMPLE_SECONDS)
            await store.bind("anna", "one")
        assert await store.get("anna") == "one"
        await store.forget("anna")
        await check_contract(store)
        assert [line["log_level"] for line in lines] == ["warning"]
        async with redis(folder, port):  # it has lost all that it knew
            assert await store.get("ben") == "piper@cpu#2"
            await store.forget("ben")
            await check_contract(store)
            assert [line["log_level"] for line in lines] == ["warning", "info"]
            await store.close()


async def test_after_a_failure_redis_is_left_alone_for_a_while() -> None:
    pytest.importorskip("redis", reason="needs the package redis")
    calls = 0

    def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"redis://127.0.0.1:{port}") as store:
            for _ in range(20):
                await store.bind("anna", "one")
                assert await store.get("anna") == "one"
    assert calls == 1


async def test_redis_that_does_not_answer_costs_one_deadline() -> None:
    pytest.importorskip("redis", reason="needs the package redis")
    writers = []

    def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async with await asyncio.start_server(hold, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"redis://127.0.0.1:{port}", call_seconds=0.05) as store, asyncio.timeout(20):
            for _ in range(20):
                await store.bind("anna", "one")
                assert await store.get("anna") == "one"
        for writer in writers:
            writer.close()
    assert len(writers) == 1


async def test_cancelled_look_up_leaves_the_store_usable(folder: Path) -> None:
    async with redis(folder) as (url, _), connected(url) as store:
        await store.bind("anna", "one")
        looks = [asyncio.create_task(store.get("anna")) for _ in range(40)]
        await asyncio.sleep(0)
        for look in looks[::2]:
            look.cancel()
        results = await asyncio.gather(*looks, return_exceptions=True)
        assert results[1::2] == ["one"] * 20
        assert await store.get("anna") == "one"


def test_address_that_is_none_is_a_mistake_and_its_password_is_not_shown() -> None:
    pytest.importorskip("redis", reason="needs the package redis")
    with pytest.raises(ConfigError) as caught:
        connect("redis://anna:secret@host:port")
    assert "routing.affinity" in caught.value.message
    assert "secret" not in caught.value.message
