"""A call to a real server with real engines on tiny models: Whisper understands, Piper is heard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from tests.tiny import piper as tiny_piper
from tests.tiny import whisper as tiny_whisper
from voicechat.adapters.tts import espeak, piper
from voicechat.audio import Samples, resample
from voicechat.config import ModelSettings, Settings
from voicechat.protocols import TtsEngine
from voicechat.terminal import spawn
from voicechat.terminal.caller import Caller
from voicechat.transport.media.opus import RATE

QUESTION: Final = "Where can I see the dinosaurs?"
ANSWER: Final = f"You said: {QUESTION}"
SECONDS: Final = 20.0
TOP_HERTZ: Final = 1_000
"""The tiny voice's tones are below; Opus keeps them as they are."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tiny_piper.build(tmp_path / "models/piper/en_US-amy-medium.onnx")
    tiny_whisper.build(tmp_path / "models/whisper/tiny.en", f" {QUESTION}", multilingual=False)
    return tmp_path / "models"


@asynccontextmanager
async def call(root: Path, **asr: object) -> AsyncIterator[tuple[Caller, str]]:
    """A caller of a server with these models, and its ready line."""
    config = root.parent / "config.yaml"
    sections: dict[str, Any] = {
        "models": {"root": str(root)},
        "asr": {"engine": "whisper", "device": "cpu", "whisper": {"threads": 1}, **asr},
        "tts": {"engine": "piper", "device": "cpu"},
        "agent": {"engine": "echo"},
        "turn": {"echo": {"gate": False}},
    }
    config.write_text(yaml.safe_dump(sections))
    async with spawn.server(config) as (url, ready), Caller(url) as caller:
        yield caller, ready


def sound(engine: TtsEngine, text: str) -> Samples:
    """(n,) at 48 kHz."""
    return resample(np.concatenate([piece.samples for piece in engine.synthesize(text, "")]), engine.rate, RATE)


def tones(samples: Samples) -> NDArray[np.float64]:
    """How much of each frequency up to 1 kHz, as a vector of length one: mean powers over windows of a fifth second."""
    size = RATE // 5
    windows = samples[: len(samples) // size * size].reshape(-1, size) * np.hanning(size)
    powers = (np.abs(np.fft.rfft(windows)) ** 2).sum(axis=0)[: TOP_HERTZ * size // RATE]
    return np.asarray(powers / np.linalg.norm(powers))


async def ask(caller: Caller, question: Samples) -> str:
    """Speaks, hears the whole answer; returns what was understood."""
    await caller.say(question, RATE)
    understood = await caller.wait_for("conversation.item.input_audio_transcription.completed", SECONDS)
    await caller.wait_for("output_audio_buffer.stopped", SECONDS)
    return str(understood["transcript"])


@pytest.fixture
def question() -> Samples:
    voice = espeak.load(Settings())
    try:
        return sound(voice, QUESTION)
    finally:
        voice.close()


@pytest.mark.parametrize("recogniser", ["whisper", "whisperx"])
async def test_whisper_understands_and_the_caller_hears_piper(root: Path, question: Samples, recogniser: str) -> None:
    async with call(root, engine=recogniser) as (caller, ready):
        assert await ask(caller, question) == QUESTION
        heard = caller.heard
    assert f"asr {recogniser}" in ready and "tts piper" in ready
    answer = sound(piper.load(Settings(models=ModelSettings(root=root))), ANSWER)
    likeness = float(tones(heard) @ tones(answer))
    assert likeness > 0.9
    assert likeness > 2 * float(tones(heard) @ tones(question))
    loud = np.abs(heard.astype(np.int32)) > 1000
    assert np.count_nonzero(loud) == pytest.approx(np.count_nonzero(np.abs(answer.astype(np.int32)) > 1000), rel=0.1)


async def test_the_answer_stops_when_the_caller_says_so(root: Path, question: Samples) -> None:
    async with call(root) as (caller, _):
        await caller.say(question, RATE)
        await caller.wait_for("output_audio_buffer.started", SECONDS)
        await caller.send({"type": "response.cancel"})
        done = await caller.wait_for("response.done", SECONDS)
        assert done["response"]["status"] == "cancelled"
        await asyncio.sleep(0.5)
        before = len(np.flatnonzero(np.abs(caller.heard.astype(np.int32)) > 1000))
        await asyncio.sleep(0.5)
        assert len(np.flatnonzero(np.abs(caller.heard.astype(np.int32)) > 1000)) == before
        assert await ask(caller, question) == QUESTION


BROKEN: Final[dict[str, bytes]] = {
    "piper/en_US-garbage-medium.onnx": b"junk" * 100,
    "piper/en_US-empty-medium.onnx": b"",
    "whisper/garbage/model.bin": b"junk" * 100,
    "whisper/empty/model.bin": b"",
}


@pytest.mark.parametrize("file", BROKEN)
async def test_a_second_model_that_is_broken_leaves_the_first_its_callers(
    root: Path, question: Samples, file: str
) -> None:
    kind, name = Path(file).parts[0], Path(Path(file).parts[1]).stem
    if kind == "piper":
        tiny_piper.build(root / file)
    else:
        tiny_whisper.build((root / file).parent)
    (root / file).write_bytes(BROKEN[file])
    async with call(root) as (caller, _), aiohttp.ClientSession() as http:
        url = caller.location.split("/v1/")[0]
        async with http.post(f"{url}/admin/models/{kind}-{name}/load") as response:
            assert response.status == 500
            error = (await response.json())["error"]
        assert error["code"] == "bad_model"
        assert name in error["message"] and "\n" not in error["message"]
        assert await ask(caller, question) == QUESTION
