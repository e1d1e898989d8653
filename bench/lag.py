"""How late the server's loop is while it answers requests: `python -m bench.lag [--rounds N]`

Four recordings of 20 to 25 MB are sent at once and understood, a text of 4,000 characters is spoken in every format,
and both together. A probe in the server's own loop wants to wake each millisecond. "Late" is by how much it does not,
which on a busy machine others cause as well; "held" is how long the loop's thread itself worked in between, which only
we cause.

The recogniser is scripted, so that the work is that of the doors; the voice is espeak's. The clients are a process of
their own.
"""

import argparse
import asyncio
import io
import os
import platform
import resource
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from statistics import median, quantiles
from typing import Any, Final, cast

import aiohttp
import av
import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from voicechat import app
from voicechat.audio import Samples, silence
from voicechat.config import AgentSettings, AsrSettings, ServerSettings, Settings
from voicechat.config.hearing import ScriptedAsrSettings

TICK: Final = 0.001
REST_SECONDS: Final = 2.0
PATIENCE: Final = aiohttp.ClientTimeout(total=300)

SENTENCE: Final = "The hall of the dinosaurs is on the second floor, behind the tall glass doors, and open until six. "
TEXT: Final = SENTENCE * 40
FORMATS: Final = ("mp3", "opus", "aac", "flac", "wav", "pcm")

RECORDINGS: Final = {
    "wav": ("wav", "pcm_s16le", 48_000, 255.0, None),
    "flac": ("flac", "flac", 16_000, 595.0, None),
    "mp3": ("mp3", "libmp3lame", 44_100, 595.0, 320_000),
    "mp4": ("mp4", "aac", 48_000, 595.0, 320_000),
}
"""Muxer, codec, rate, seconds and bits a second of each; the limits are 25 MiB and ten minutes."""

ANSWERS: Final = ("verbose_json", "srt", "vtt", "stream")


@dataclass
class Phase:
    """What the probe saw while something was done, in seconds."""

    late: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)


class Probe:
    """`run` it in the loop that is looked at; it counts for the phase that was begun last."""

    def __init__(self) -> None:
        self.phases: dict[str, Phase] = {}
        self._phase = Phase()

    def begin(self, name: str) -> None:
        self._phase = self.phases.setdefault(name, Phase())

    async def run(self) -> None:
        while True:
            due, worked = time.perf_counter() + TICK, time.thread_time()
            await asyncio.sleep(TICK)
            self._phase.late.append(max(0.0, time.perf_counter() - due))
            self._phase.held.append(time.thread_time() - worked)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--ask", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.ask:
        asyncio.run(ask(chosen.ask, chosen.rounds))
        return
    sys.setswitchinterval(app.SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        probe = runner.run(measure(chosen.rounds))
    screen = Console(highlight=False)
    screen.print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, {chosen.rounds} rounds")
    screen.print(table(probe))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    screen.print(f"The server's memory was {memory:.0f} MiB at most.")


async def measure(rounds: int) -> Probe:
    """A server in this loop, and those who ask in a process beside it."""
    probe = Probe()
    async with serving() as url:
        probing = asyncio.create_task(probe.run())
        command = [sys.executable, "-m", "bench.lag", "--ask", url, "--rounds", str(rounds)]
        asking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert asking.stdout is not None
        async for line in asking.stdout:
            probe.begin(line.decode().strip())
        probing.cancel()
        if await asking.wait():
            sys.exit("those who ask failed")
    del probe.phases[""]
    return probe


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    settings = Settings(
        agent=AgentSettings(engine="echo"),
        asr=AsrSettings(engine="scripted", scripted=ScriptedAsrSettings(text=SENTENCE)),
        server=ServerSettings(port=0, max_jobs=32),
    )
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(settings, ready=ready.set_result, stop=stop))
    running.add_done_callback(lambda _: ready.cancel())
    try:
        yield (await ready).split()[3]
    finally:
        stop.set()
        await running


async def ask(url: str, rounds: int) -> None:
    """Prints what begins, and an empty line where it ends."""
    recordings = {kind: recording(kind) for kind in RECORDINGS}
    async with aiohttp.ClientSession(timeout=PATIENCE) as client:

        def uploads() -> list[Coroutine[Any, Any, None]]:
            pairs = zip(recordings.items(), ANSWERS, strict=True)
            return [understood(client, url, kind, sound, answer) for (kind, sound), answer in pairs]

        def speeches() -> list[Coroutine[Any, Any, None]]:
            events = {"response_format": "pcm", "stream_format": "sse"}
            return [spoken(client, url, wish) for wish in ({"response_format": name} for name in FORMATS)] + [
                spoken(client, url, events)
            ]

        for _ in range(rounds):
            await phase("nothing", [asyncio.sleep(REST_SECONDS)])
            await phase("four uploads", uploads())
            await phase("seven speeches", speeches())
            await phase("all of them", [*uploads(), *speeches()])


async def phase(name: str, work: list[Coroutine[Any, Any, None]]) -> None:
    _say(name)
    await asyncio.gather(*work)
    _say("")


async def understood(client: aiohttp.ClientSession, url: str, kind: str, sound: bytes, answer: str) -> None:
    form = aiohttp.FormData({"timestamp_granularities[]": "word"})
    if answer == "stream":
        form.add_field("stream", "true")
    else:
        form.add_field("response_format", answer)
    form.add_field("file", io.BytesIO(sound), filename=f"recording.{kind}")
    async with client.post(f"{url}/v1/audio/transcriptions", data=form) as told:
        told.raise_for_status()
        assert "dinosaurs" in await told.text()


async def spoken(client: aiohttp.ClientSession, url: str, wish: dict[str, str]) -> None:
    async with client.post(f"{url}/v1/audio/speech", json={"input": TEXT, **wish}) as sound:
        sound.raise_for_status()
        assert len(await sound.read()) > 100_000


def recording(kind: str) -> bytes:
    """Noise with pauses: nothing packs it well."""
    muxer, codec, rate, seconds, bitrate = RECORDINGS[kind]
    passage = np.random.default_rng(0).normal(0, 4000, 3 * rate).astype(np.int16)
    piece = np.concatenate([passage, silence(0.7, rate)])
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as container:
        stream = cast(av.AudioStream, container.add_stream(codec, rate=rate, layout="mono"))
        if bitrate is not None:
            stream.bit_rate = bitrate
        for number in range(int(seconds / 3.7)):
            container.mux(stream.encode(_frame(piece, rate, number)))
        container.mux(stream.encode(None))
    return file.getvalue()


def _frame(samples: Samples, rate: int, number: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
    frame.sample_rate, frame.pts = rate, number * len(samples)
    return frame


def table(probe: Probe) -> Table:
    rows = Table("ms", "late, median", "p99", "max", "held, p99", "max")
    for name, seen in probe.phases.items():
        late, held = ([1000 * seconds for seconds in each] for each in (seen.late, seen.held))
        figures = (median(late), quantiles(late, n=100)[-1], max(late), quantiles(held, n=100)[-1], max(held))
        rows.add_row(name, *(f"{figure:.1f}" for figure in figures))
    return rows


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
