"""What every test gets: nothing may be left over after it."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before any test file imports onnxruntime

GRACE_SECONDS = 2.0
"""Threads and sockets that are on their way out may take this long."""

SPEECH = Path(__file__).parents[2] / "shared" / "speech"


@pytest.fixture
def speech() -> Path:
    """The folder of human speech clips; the test is skipped where it is not there."""
    if not SPEECH.is_dir():
        pytest.skip("no folder of human speech clips beside the project")
    return SPEECH


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """After the test: structlog as it is when nobody has configured it."""
    yield
    structlog.reset_defaults()


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("pytest_timeout")}


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """After the test: no thread, no open file and no unfinished task more than before it."""
    threads, files = _threads(), _files()
    yield
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        more_threads, more_files = _threads() - threads, _files() - files
        tasks = [task for task in _tasks() if not task.done()]
        if not more_threads and more_files <= 0 and not tasks:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left over: threads {more_threads}, {max(0, more_files)} files, tasks {tasks}")
        gc.collect()
        time.sleep(0.02)


def _tasks() -> list["asyncio.Task[object]"]:
    """Every task of every loop: asyncio's own weak register of them, by its name before and since Python 3.12."""
    register = getattr(asyncio.tasks, "_scheduled_tasks", None) or asyncio.tasks._all_tasks  # type: ignore[attr-defined]
    return list(register)
