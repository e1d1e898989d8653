"""The servers that are measured: how each is installed, started, and pinned, and what its process costs."""

import asyncio
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from voicechat import spawn
from voicechat.config import Settings

ROOT: Final = Path(__file__).parents[2]
PEERS: Final = ROOT / "bench" / "peers"
VENVS: Final = ROOT / ".venv-bench"

START_SECONDS: Final = 90.0

SERVER_CPU, CALLERS_CPU = 0, 1


@dataclass(frozen=True, slots=True)
class System:
    """`silence` is the quiet, in seconds, after which it is set to answer. `venv` names the peer's own environment."""

    name: str
    command: tuple[str, ...]
    path: str = "/v1/realtime/calls"
    silence: float = 0.3
    venv: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    metrics: bool = False

    def install(self) -> None:
        """Makes its environment, once for each list of pinned packages. Blocking; minutes."""
        if not self.venv:
            return
        pins = PEERS / f"{self.venv}.txt"
        folder = VENVS / self.venv
        stamp = folder / hashlib.sha256(pins.read_bytes()).hexdigest()
        if stamp.exists():
            return
        sys.stderr.write(f"Installing {pins.name} into {folder.relative_to(ROOT)}.\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", "-r", str(pins)]
        subprocess.run(pip, check=True)
        stamp.touch()

    @property
    def python(self) -> str:
        return str(VENVS / self.venv / "bin" / "python") if self.venv else sys.executable


_OURS: Final = ("-m", "voicechat", "serve", "--config", "config/bench.yaml", "--host", "127.0.0.1", "--port", "0")


def peer(name: str, *arguments: str, silence: float, venv: str = "") -> System:
    return System(name, (f"bench/peers/{venv or name}_server.py", *arguments), "/offer", silence, venv=venv or name)


def systems() -> dict[str, System]:
    """All that can be measured here, ours first."""
    found = [System("voicechat", _OURS, metrics=True)]
    if hasattr(Settings(), "transport"):
        stock = {"VOICECHAT__TRANSPORT__MEDIA": "stock"}
        found.append(System("stock aiortc", _OURS, environ=stock, metrics=True))
    found.append(peer("pipecat", silence=0.2))
    found.append(peer("pipecat smart turn", "--smart-turn", silence=0.2, venv="pipecat"))
    found.append(peer("FastRTC", "--silero", _silero(), silence=0.9, venv="fastrtc"))
    found.append(peer("FastRTC 0.2 s", "--silero", _silero(), "--chunk", "0.2", silence=0.25, venv="fastrtc"))
    return {system.name: system for system in found}


LOOPBACKS: Final = (
    System("voicechat", ("-m", "bench.media.loopback")),
    System("stock aiortc", ("bench/peers/aiortc_loopback.py",), "/offer"),
)


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
        """Processor seconds so far."""
        numbers = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """MiB in memory."""
        [line] = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        return int(line) / 1024


@asynccontextmanager
async def running(system: System, log: Path) -> AsyncIterator[Server]:
    """Starts it on its own core. Raises TimeoutError or RuntimeError when it does not come up."""
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
        async with asyncio.timeout(START_SECONDS):
            url = await _url(process.stdout)
        if url is None:
            raise RuntimeError(f"{system.name} did not start; {log} may tell why")
        drain = asyncio.create_task(process.stdout.read())
        yield Server(system, url, process.pid)
    finally:
        await spawn.stop(process)
        if drain is not None:
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
