"""The file of keys that changes while the server runs: what is read, what is kept, and what is said of it."""

import asyncio
from collections.abc import AsyncIterator, MutableSequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from voicechat.transport.access import keyfile, keys
from voicechat.transport.access.keys import Keys

KITCHEN, HALL = "Vq2nZk8mX1uY7sTe", "another-key-of-24-letters"


class Door:
    """Takes keys as they come."""

    def __init__(self, known: Keys) -> None:
        self.known = known
        self.changes = 0
        self._changed = asyncio.Event()

    async def change(self, known: Keys) -> None:
        self.known = known
        self.changes += 1
        self._changed.set()

    async def changed(self) -> None:
        async with asyncio.timeout(20):
            await self._changed.wait()
        self._changed.clear()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keyfile, "PERIOD", 0.02)
    return write(tmp_path / "keys.txt", f"kitchen talk {KITCHEN}\nhall talk {HALL}\n")


def write(path: Path, text: str | None, mode: int = 0o600) -> Path:
    """A file with this text, or none; who looks meanwhile may find it empty, or with another mode."""
    if text is None:
        path.unlink()
    else:
        path.touch(0o600)
        path.write_text(text)
        path.chmod(mode)
    return path


async def said(log: MutableSequence[EventDict]) -> str:
    """What the log's first line says is wrong."""
    for _ in range(2000):
        if log:
            return str(log[0]["error"])
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was logged")


@asynccontextmanager
async def watched(path: Path, variable: str = "") -> AsyncIterator[Door]:
    environ = {keys.VARIABLE: variable}
    known = keys.load(path, environ)
    door = Door(known)
    watching = asyncio.create_task(keyfile.watch(path, environ, known, door.change))
    try:
        yield door
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def test_key_that_is_taken_out_of_the_file_is_good_no_more(path: Path) -> None:
    with capture_logs() as log:
        async with watched(path, "watch metrics key-of-one-who-counts") as door:
            write(path, f"hall talk {HALL}\n")
            await door.changed()
            assert door.known.find(KITCHEN) is None
            assert door.known.find(HALL) and door.known.find("key-of-one-who-counts")
    assert [line for line in log if line["event"] == "keys read"] == [
        {"event": "keys read", "count": 2, "revoked": ["kitchen"], "log_level": "info"}
    ]


async def test_file_that_is_replaced_is_read_as_well(path: Path) -> None:
    async with watched(path) as door:
        write(path.with_name("other.txt"), "kitchen talk yet-another-key-of-the-kitchen\n").rename(path)
        await door.changed()
        assert door.known.find(KITCHEN) is None and door.known.find("yet-another-key-of-the-kitchen")


@pytest.mark.parametrize(
    "broken", ["", "# nobody\n", f"kitchen talk {KITCHEN}\nhall {HALL}\n", f"kitchen {KITCHEN} talk\n", None]
)
async def test_file_that_cannot_be_used_leaves_the_keys_and_is_logged_without_one(
    path: Path, broken: str | None
) -> None:
    with capture_logs() as log:
        async with watched(path) as door:
            write(path, broken)
            assert str(path) in await said(log)
            assert door.known.find(KITCHEN) and door.known.find(HALL) and door.changes == 0
            write(path, f"hall talk {HALL}\n")
            await door.changed()
            assert door.known.find(KITCHEN) is None
    (told,) = [line for line in log if line["event"] == "keys stay as they were"]
    assert "\n" not in told["error"]
    assert KITCHEN not in str(log) and HALL not in str(log)


async def test_mode_that_is_mended_makes_the_file_good(path: Path) -> None:
    with capture_logs() as log:
        async with watched(path) as door:
            write(path, f"hall talk {HALL}\n", 0o644)
            assert "chmod 600" in await said(log) and door.changes == 0
            write(path, f"hall talk {HALL}\n")
            await door.changed()
            assert door.known.find(KITCHEN) is None


async def test_change_between_the_start_and_the_first_look_is_not_missed(path: Path) -> None:
    door = Door(keys.load(path, {}))
    write(path, f"hall talk {HALL}\n")
    watching = asyncio.create_task(keyfile.watch(path, {}, door.known, door.change))
    await door.changed()
    assert door.known.find(KITCHEN) is None
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_file_that_says_the_same_in_other_words_changes_nothing(path: Path) -> None:
    async with watched(path) as door:
        write(path, f"# both\nhall talk {HALL}\nkitchen   talk {KITCHEN}\n")
        await asyncio.sleep(0.3)
        write(path, f"hall talk {HALL}\n")
        await door.changed()
        assert door.changes == 1
