"""What the server costs beside its engines: `python -m bench.engines [--rounds N] [--piper FILE] [--whisper DIRECTORY]`

The same words go through a server of its own, as a WebSocket caller asks for them, and directly through piper-tts,
espeak-ng and faster-whisper in this process: one after the other, in one run, in turns, with as many threads. Without
real models it makes some that take as long: a Piper voice of medium quality and a Whisper of the size of tiny.

Overhead is the median of the differences within a pair, in percent of what the engine takes by itself. Of a first sound
it is above all the wait for the next packet's time, 10 ms on average, since a caller gets one every 20 ms. Of a reading
the processor time is compared as well, on Linux. The results go to bench/results/engines.json.
"""

import argparse
import asyncio
import base64
import ctypes
import json
import os
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import aiohttp
import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from bench.media.found import place
from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, Samples, resample, silence
from voicechat.config import Settings
from voicechat.terminal import spawn

RESULTS: Final = Path(__file__).parent / "results"
WIRE_RATE: Final = 24_000
SECONDS: Final = 60.0
THREADS: Final = 1

PACKET_SECONDS: Final = 0.02

ECHO: Final = "You said: "
"""The server's agent puts it before the words."""

SHORT: Final = "It is open until six."
LONG: Final = (
    "It is open until six on every day of the week, and the last guided tour of the whole house begins at five"
    " o'clock sharp in front of the tall glass doors"
)
"""The first is said in one go by everybody; the second has a place to breathe."""

HEAVY: Final = {"work": 200, "width": 384, "layers": 4}
"""Of the models that are made."""

SCRIPT: Final = "Where can I see the dinosaurs in this museum, and until when is it open?"
ONE_READING: Final = 0.9
"""Seconds of sound in which Whisper reads once, at its end: that work a direct call has, too."""


@dataclass
class Pairs:
    """Seconds of the same work, directly and through the server, and of the processor's time in it."""

    direct: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    direct_work: list[float] = field(default_factory=list)
    server_work: list[float] = field(default_factory=list)

    @property
    def overhead(self) -> float:
        """Of the engine's own time."""
        return self.extra / median(self.direct)

    @property
    def extra(self) -> float:
        """Seconds."""
        return median(through - alone for through, alone in zip(self.server, self.direct, strict=True))

    @property
    def work(self) -> float | None:
        """What the server computes beside the engine, of the engine's own; None: it was not counted."""
        if not self.server_work:
            return None
        pairs = zip(self.server_work, self.direct_work, strict=True)
        return median(through / alone for through, alone in pairs) - 1

    def as_json(self) -> dict[str, Any]:
        rounded = {name: [round(value, 5) for value in values] for name, values in asdict(self).items()}
        return {**rounded, "extra": round(self.extra, 5), "overhead": round(self.overhead, 4)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--piper", type=Path, help="a real voice, NAME.onnx")
    arguments.add_argument("--whisper", type=Path, help="a real model's directory")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        voice, model = models(root, chosen.piper, chosen.whisper)
        results = asyncio.run(Bench(root, voice, model, chosen.rounds).run())
    results["models"] = {"piper": chosen.piper and voice.stem, "whisper": chosen.whisper and model.name}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "engines.json").write_text(json.dumps(results, indent=1) + "\n")


def models(root: Path, voice: Path | None, model: Path | None) -> tuple[Path, Path]:
    """The given ones, or heavy ones made for the occasion; and a light second voice in the models' folder."""
    from tests.tiny import piper, whisper

    build = partial(whisper.build, width=HEAVY["width"], layers=HEAVY["layers"])
    piper.build(root / "piper" / "en_US-second-medium.onnx")
    return (
        voice or piper.build(root / "piper" / "en_US-first-medium.onnx", work=HEAVY["work"]),
        model or build(root / "whisper" / "tiny.en", f" {SCRIPT}", multilingual=False),
    )


class Bench:
    def __init__(self, root: Path, voice: Path, model: Path, rounds: int) -> None:
        self._root, self._voice, self._model, self._rounds = root, voice, model, rounds
        self._question = question()  # before espeak is called directly: it has one callback for all
        self._screen = Console(highlight=False, width=120)
        self.short = self._question[LISTEN_RATE // 2 :][: round(ONE_READING * LISTEN_RATE)]
        self._results: dict[str, Any] = {"place": place()}
        self._rows = Table("", "direct, ms", "server, ms", "p95", "extra, ms", "overhead", "of CPU time")

    async def run(self) -> dict[str, Any]:
        where = self._results["place"]
        self._screen.print(f"{where['date']}, {where['processor']}, {where['cores']} cores, load {where['load']:.1f}")
        starts = {"espeak, pocketsphinx": self._settings("espeak", "pocketsphinx")}
        starts["piper, whisper"] = self._settings("piper", "whisper")
        self._results["start_seconds"] = {name: await self._started(given) for name, given in starts.items()}
        self._results["load_seconds"] = loads(self._voice, self._model)
        async with self._caller("espeak", "pocketsphinx") as caller:
            await self._speak("espeak", caller, direct_espeak())
        async with self._caller("piper", "whisper") as caller:
            await self._speak("piper", caller, direct_piper(self._voice))
            await self._understand(caller, direct_whisper(self._model))
            self._results["swap_seconds"] = await caller.swap("piper-second")
            self._results["factors"] = await caller.factors()
        self._screen.print(self._rows)
        for name in ("start_seconds", "load_seconds", "swap_seconds", "factors", "real_time_factor"):
            self._screen.print(name.replace("_", " "), self._results.get(name))
        return self._results

    async def _speak(self, engine: str, caller: "Caller", direct: Callable[[str], Iterator[Samples]]) -> None:
        """First sounds: of words said in one go, and of a sentence with a place to breathe."""
        rate, factors = 22_050, []
        for length, words in (("short", SHORT), ("long", LONG)):
            pairs = Pairs()
            await caller.first_sound(words)
            for _ in range(self._rounds):
                begun = time.perf_counter()
                pieces = direct(ECHO + words)
                samples = len(next(pieces))
                pairs.direct.append(time.perf_counter() - begun)
                samples += sum(map(len, pieces))
                factors.append((time.perf_counter() - begun) / (samples / rate))
                await asyncio.sleep(random.uniform(0, PACKET_SECONDS))  # at any moment between two packets
                pairs.server.append(await caller.first_sound(words))
            self._add(f"{engine}, first sound, {length}", pairs)
        self._results.setdefault("real_time_factor", {})[engine] = round(median(factors), 4)

    async def _understand(self, caller: "Caller", direct: Callable[[Samples], str]) -> None:
        """One reading of a short sound; and the wait for the words of a caller who speaks in real time."""
        once, live = Pairs(), Pairs()
        for pairs, heard, ask in ((once, self.short, caller.commit), (live, self._question, caller.talk)):
            await caller.listens(pairs is once)
            await ask(heard)
            for _ in range(self._rounds if pairs is once else max(3, self._rounds // 3)):
                begun, used = time.perf_counter(), time.process_time()
                direct(heard)
                pairs.direct.append(time.perf_counter() - begun)
                if pairs is once:
                    pairs.direct_work.append(time.process_time() - used)
                pairs.server.append(await ask(heard))
                if pairs is once:
                    pairs.server_work.append(caller.work)
        self._add("whisper, one reading", once)
        self._add("whisper, after the end of a turn", live)

    def _add(self, name: str, pairs: Pairs) -> None:
        self._results.setdefault("pairs", {})[name] = pairs.as_json()
        p95 = quantiles(pairs.server, n=20, method="inclusive")[-1]
        times = (median(pairs.direct), median(pairs.server), p95, pairs.extra)
        work = "" if pairs.work is None else f"{pairs.work:+.1%}"
        self._rows.add_row(name, *(f"{1000 * value:.1f}" for value in times), f"{pairs.overhead:+.1%}", work)

    async def _started(self, config: Path) -> float:
        begun = time.perf_counter()
        async with spawn.server(config):
            return round(time.perf_counter() - begun, 2)

    @asynccontextmanager
    async def _caller(self, tts: str, asr: str) -> AsyncIterator["Caller"]:
        async with spawn.server(self._settings(tts, asr)) as (url, _), aiohttp.ClientSession() as http:
            caller = Caller(url, http)
            try:
                yield caller
            finally:
                await caller.hang_up()

    def _settings(self, tts: str, asr: str) -> Path:
        path = self._root / f"{tts}-{asr}.yaml"
        sections = {
            "models": {"root": str(self._root)},
            "agent": {"engine": "echo"},
            "asr": {"engine": asr, "device": "cpu", "whisper": {"model": str(self._model), "threads": THREADS}},
            "tts": {"engine": tts, "device": "cpu", "piper": {"model": str(self._voice), "threads": THREADS}},
        }
        path.write_text(yaml.safe_dump(sections))
        return path


class Caller:
    """Types and speaks over a WebSocket; all it gives are seconds."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = url, http
        self.work = 0.0
        """Processor seconds of the server in the latest `commit`."""
        self._socket: aiohttp.ClientWebSocketResponse

    async def call(self) -> None:
        """Anew, with nothing said before."""
        await self.hang_up()
        self._socket = await self._http.ws_connect(f"{self._url}/v1/realtime", max_msg_size=0)
        await self._until("session.created")

    async def hang_up(self) -> None:
        if hasattr(self, "_socket"):
            await self._socket.close()

    async def listens(self, pushes: bool) -> None:
        """In a new call: whether it says itself when it has finished. Nobody answers what it speaks."""
        await self.call()
        detection = None if pushes else {"type": "server_vad", "create_response": False}
        session = {
            "type": "realtime",
            "audio": {"input": {"turn_detection": detection, "transcription": {}}},
        }
        await self._send("session.update", session=session)
        await self._until("session.updated")

    async def first_sound(self, words: str) -> float:
        """From the wish for an answer to its first sound, in a call of its own."""
        await self.call()
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
        await self._send("conversation.item.create", item=item)
        await self._until("conversation.item.added")
        begun = time.perf_counter()
        await self._send("response.create")
        await self._until("response.output_audio.delta")
        return time.perf_counter() - begun

    async def commit(self, sound: Samples) -> float:
        """From the end of a sound to its words; it is sent in real time, and the caller says that it is over."""
        await self._say(resample(sound, LISTEN_RATE, WIRE_RATE))
        begun, used = time.perf_counter(), _used_by_children()
        await self._send("input_audio_buffer.commit")
        await self._until("conversation.item.input_audio_transcription.completed")
        self.work = _used_by_children() - used
        return time.perf_counter() - begun

    async def talk(self, sound: Samples) -> float:
        """From the moment the server finds the turn over to its words; the sound is sent in real time."""
        speaking = asyncio.create_task(self._say(resample(sound, LISTEN_RATE, WIRE_RATE)))
        try:
            await self._until("input_audio_buffer.speech_stopped")
            begun = time.perf_counter()
            await self._until("conversation.item.input_audio_transcription.completed")
            return time.perf_counter() - begun
        finally:
            await speaking

    async def swap(self, name: str) -> dict[str, float] | None:
        """Loading another voice into the running server, and unloading it; None where it has no such route."""
        taken = {}
        for what in ("load", "unload"):
            begun = time.perf_counter()
            async with self._http.post(f"{self._url}/admin/models/{name}/{what}") as response:
                if response.status != 200:
                    return None
            taken[what] = round(time.perf_counter() - begun, 4)
        return taken

    async def factors(self) -> dict[str, float]:
        """Mean real-time factors as the server counts them."""
        async with self._http.get(f"{self._url}/metrics") as response:
            text = await response.text()
        found = re.findall(r"^(voicechat_\w+_factor)_sum (\S+)$", text, re.MULTILINE)
        counts = dict(re.findall(r"^(voicechat_\w+_factor)_count (\S+)$", text, re.MULTILINE))
        return {name: round(float(total) / max(1.0, float(counts[name])), 4) for name, total in found}

    async def _say(self, sound: Samples) -> None:
        due = time.perf_counter()
        for start in range(0, len(sound), WIRE_RATE // 50):
            await self._append(sound[start : start + WIRE_RATE // 50])
            due += 0.02
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def _append(self, sound: Samples) -> None:
        await self._send("input_audio_buffer.append", audio=base64.b64encode(sound.tobytes()).decode())

    async def _send(self, kind: str, **fields: object) -> None:
        await self._socket.send_json({"type": kind, **fields})

    async def _until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            async for message in self._socket:
                event: dict[str, Any] = message.json()
                if event["type"] == kind:
                    return event
                if event["type"] == "error":
                    raise RuntimeError(event["error"]["message"])
        raise RuntimeError(f"the server hung up before {kind}")


def _used_by_children() -> float:
    """Processor seconds of the servers that we have started; 0.0 where the system does not tell."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    processes = children.read_text().split() if children.exists() else []
    threads = [thread for process in processes for thread in Path(f"/proc/{process}/task").glob("*/schedstat")]
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def question() -> Samples:
    """(n,) at 16 kHz, with the quiet after which a turn is over."""
    voice = espeak.load(Settings())
    sound = np.concatenate([piece.samples for piece in voice.synthesize(SCRIPT, "en-gb")])
    return np.concatenate((resample(sound, voice.rate, LISTEN_RATE), silence(2.0, LISTEN_RATE)))


def loads(voice: Path, model: Path) -> dict[str, float]:
    """Seconds of loading by the libraries themselves, imports left out."""
    direct_piper(voice), direct_whisper(model)
    taken = {}
    for name, load in (("piper", lambda: direct_piper(voice)), ("whisper", lambda: direct_whisper(model))):
        begun = time.perf_counter()
        load()
        taken[name] = round(time.perf_counter() - begun, 4)
    return taken


def direct_piper(path: Path) -> Callable[[str], Iterator[Samples]]:
    import onnxruntime
    from piper import PiperConfig, PiperVoice

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    config = PiperConfig.from_dict(json.loads(path.with_name(f"{path.name}.json").read_text()))
    voice = PiperVoice(session=session, config=config)

    def speak(words: str) -> Iterator[Samples]:
        return (sentence.audio_int16_array for sentence in voice.synthesize(words))

    return speak


def direct_whisper(directory: Path) -> Callable[[Samples], str]:
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(directory), device="cpu", compute_type="int8", cpu_threads=THREADS, local_files_only=True
    )

    def read(sound: Samples) -> str:
        segments, _ = model.transcribe(
            sound.astype(np.float32) / 32768,
            language="en",
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return "".join(segment.text for segment in segments)

    return read


def direct_espeak() -> Callable[[str], Iterator[Samples]]:
    """espeak_Synth of the library, its whole text in one call."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize(2, 60, espeakng_loader.get_data_path().encode(), 0x8000)
    pieces: list[Samples] = []

    def take(samples: int | None, count: int, _: int) -> int:
        if samples and count:
            pieces.append(np.frombuffer(ctypes.string_at(samples, 2 * count), np.int16))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(take)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(b"en-us")

    def speak(words: str) -> Iterator[Samples]:
        pieces.clear()
        assert callback  # it lives as long as the library may call it
        data = words.encode()
        library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
        return iter(pieces)

    return speak


if __name__ == "__main__":
    main()
