"""The servers that are measured: how each is installed, started, and pinned, and what its process costs."""

import asyncio
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from voicechat import config
from voicechat.terminal import spawn
from voicechat.words.sentences import FIRST_WORDS

ROOT: Final = Path(__file__).parents[2]
PEERS: Final = ROOT / "bench" / "peers"
VENVS: Final = ROOT / ".venv-bench"

START_SECONDS: Final = 90.0
INSTALL_SECONDS: Final = 900.0

SERVER_CPU, CALLERS_CPU = 0, 1

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ServerFailed(Exception):
    """A server that cannot be installed, does not start, is gone, or does not come to an end."""


@dataclass(frozen=True, slots=True)
class System:
    """`venv` names the peer's own environment.

    Of a caller's wait, `silence` and `mocks` are not the server's doing, in seconds. `silence` is the quiet after
    which it is set to answer, or the mean of it. `mocks` is what the engines take for the first sound: 50 ms for the
    recogniser, 50 ms for the voice, and 5 ms for each token until the system can hand the voice its first words.
    """

    name: str
    command: tuple[str, ...]
    silence: float
    mocks: float = 0.15
    path: str = "/v1/realtime/calls"
    venv: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    metrics: bool = False

    def install(self) -> None:
        """Makes its environment, once for each list of pinned packages. Blocking; minutes. Raises ServerFailed."""
        if not self.venv:
            return
        pins = PEERS / f"{self.venv}.txt"
        folder = VENVS / self.venv
        stamp = folder / hashlib.sha256(pins.read_bytes()).hexdigest()
        if stamp.exists():
            return
        sys.stderr.write(f"Installing {pins.name} into {folder.relative_to(ROOT)}.\n")
        pip = [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", "-r", str(pins)]
        try:
            for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip):
                subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
        except (subprocess.SubprocessError, OSError) as error:
            raise ServerFailed(f"cannot be installed: {error}") from error
        stamp.touch()

    @property
    def python(self) -> str:
        return str(VENVS / self.venv / "bin" / "python") if self.venv else sys.executable


_OURS: Final = ("-m", "voicechat", "serve", "--config", "config/bench.yaml", "--host", "127.0.0.1", "--port", "0")


def peer(name: str, *arguments: str, silence: float, mocks: float = 0.15, venv: str) -> System:
    return System(name, (f"bench/peers/{venv}_server.py", *arguments), silence, mocks, "/offer", venv)


def systems() -> dict[str, System]:
    """All that can be measured here, ours first."""
    settings = config.load(ROOT / "config" / "bench.yaml")
    script = settings.agent.scripted
    # That the first clause ends without punctuation, the token after it tells.
    mocks = script.delay + script.token * min(FIRST_WORDS + 1, script.words)
    ours = System("voicechat", _OURS, settings.turn.silence, mocks, metrics=True)
    found = [
        ours,
        replace(ours, name="stock aiortc", environ={"VOICECHAT__TRANSPORT__MEDIA": "stock"}),
        # Its sentence is over when the next one's first token, the 11th, is there.
        peer("pipecat", silence=0.2, mocks=0.155, venv="pipecat"),
        peer("pipecat smart turn", "--smart-turn", silence=0.2, mocks=0.155, venv="pipecat"),
        # It answers after the first whole chunk of 0.6 s without speech: 0.6 to 1.2 s after the last sound.
        peer("FastRTC", "--silero", _silero(), silence=0.9, venv="fastrtc"),
    ]
    return {system.name: system for system in found}


LOOPBACKS: Final = (
    System("voicechat", ("-m", "bench.media.loopback"), 0.0),
    System("stock aiortc", ("bench/peers/aiortc_loopback.py",), 0.0, path="/offer"),
)
"""pipecat and FastRTC hear through stock aiortc."""


def _silero() -> str:
    """The detector that is installed with us: FastRTC would download its own."""
    package = importlib.util.find_spec("faster_whisper")
    assert package is not None and package.origin is not None
    return str(next((Path(package.origin).parent / "assets").glob("silero_vad*.onnx")))


@dataclass(frozen=True, slots=True)
class Server:
    """A running one."""

    system: System
    url: str
    pid: int

    @property
    def offer(self) -> str:
        return f"{self.url}{self.system.path}"

    def cpu(self) -> float:
        """Processor seconds so far. Raises ServerFailed when it is gone."""
        numbers = self._read("stat").rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / _TICKS

    def memory(self) -> float:
        """MiB in memory. Raises ServerFailed when it is gone."""
        found = re.search(r"VmRSS:\s+(\d+)", self._read("status"))
        if found is None:  # it has ended, and nobody has asked how yet
            raise ServerFailed("it has ended")
        return int(found.group(1)) / 1024

    def _read(self, name: str) -> str:
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text()
        except OSError as error:
            raise ServerFailed("it has ended") from error


def core_seconds(cpu: int) -> float:
    """For how long processes have used this core so far."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *numbers = line.split()
        if name == f"cpu{cpu}":
            return sum(map(int, numbers[:3])) / _TICKS
    return 0.0


@asynccontextmanager
async def running(system: System, log: Path) -> AsyncIterator[Server]:
    """Starts it on its own core. Raises ServerFailed when it does not come up."""
    with pinned(SERVER_CPU), log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            system.python,
            *system.command,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "OMP_NUM_THREADS": "1", "VOICECHAT__LOG__LEVEL": "warning", **system.environ},
        )
    assert process.stdout is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        url = None
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                url = await _url(process.stdout)
        if url is None:
            raise ServerFailed(f"did not start; {log} may tell why")
        drain = asyncio.create_task(process.stdout.read())
        yield Server(system, url, process.pid)
    finally:
        await spawn.stop(process)
        if drain is not None:
            drain.cancel()  # a child that it left behind may hold the pipe open
            with suppress(asyncio.CancelledError):
                await drain


async def _url(out: asyncio.StreamReader) -> str | None:
    while line := (await out.readline()).decode(errors="replace"):
        found = re.search(r"ready at (http://\S+)", line)
        if found is not None:
            return found.group(1)
    return None


@contextmanager
def pinned(cpu: int) -> Iterator[None]:
    """What is started inside runs on this core, where the machine has it."""
    before = os.sched_getaffinity(0)
    pin(cpu)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin(cpu: int) -> None:
    """This thread, and those it starts, from now on."""
    if cpu < (os.cpu_count() or 1):
        os.sched_setaffinity(0, {cpu})
