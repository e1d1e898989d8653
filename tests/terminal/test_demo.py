"""The demo: its figures from a made-up call, and the whole of it with a real server."""

import re
import socket
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from voicechat.audio import AudioFrame, Samples, silence
from voicechat.terminal import demo
from voicechat.terminal.dialogue import Question, Turn
from voicechat.transport.media.opus import RATE

ROOT = Path(__file__).parents[2]


def line(seconds: float, *sounds: tuple[float, float]) -> Samples:
    """A silent line of time with sound from and to the given moments."""
    samples = silence(seconds, RATE)
    for begin, end in sounds:
        samples[round(begin * RATE) : round(end * RATE)] = 5000
    return samples


def turn(at: float, first_sound: int, cut_after: float | None = None) -> Turn:
    latency = {"endpointed_ms": 300, "understood_ms": 310, "first_word_ms": 311, "first_sound_ms": first_sound}
    return Turn(Question("?", AudioFrame(silence(1.0, RATE), RATE), cut_after), at=at, latency=latency)


def test_latency_at_the_ear_runs_from_the_end_of_the_question_to_the_first_sound_of_its_answer() -> None:
    mine = line(10.0, (1.1, 2.0))
    theirs = line(10.0, (0.0, 0.5), (2.4, 5.0))
    assert demo.ear(turn(1.0, 350), 10.0, mine, theirs) == pytest.approx(0.4, abs=0.001)


def test_unanswered_question_has_no_latency_at_the_ear() -> None:
    assert demo.ear(turn(1.0, 350), 10.0, line(10.0, (1.1, 2.0)), line(10.0)) is None


def test_table_shows_the_parts_their_sum_and_how_fast_the_interrupted_answer_fell_silent() -> None:
    turns = [turn(1.0, 350, cut_after=1.0), turn(4.0, 360)]
    mine = line(10.0, (1.0, 2.0), (4.0, 5.0))
    theirs = line(10.0, (2.4, 4.12), (5.4, 8.0))
    console = Console(width=120)
    with console.capture() as captured:
        console.print(demo.latencies(turns, mine, theirs))
    shown = captured.get()
    rows = [re.findall(r"\d+", row) for row in shown.splitlines() if row.startswith("│")]
    assert rows == [["1", "300", "10", "1", "39", "350", "400"], ["2", "300", "10", "1", "49", "360", "400"]]
    assert "fell silent 120 ms after" in shown


@pytest.mark.timeout(150)
def test_demo_holds_three_turns_interrupts_one_and_keeps_both_voices(tmp_path: Path) -> None:
    out = tmp_path / "call.wav"
    result = subprocess.run(
        [sys.executable, "-m", "voicechat", "demo", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for words, _ in demo.SCRIPT:
        assert f"caller: {words}" in result.stdout
        assert f"understood: {words.lower().rstrip('?')}" in result.stdout
    assert result.stdout.count("server: ") == len(demo.SCRIPT)
    assert result.stdout.count("(interrupted)") == 1
    with wave.open(str(out)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert (np.abs(sound).max(axis=0) > 3000).all()


def test_demo_that_is_terminated_takes_its_server_with_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "voicechat", "demo", "--out", str(tmp_path / "call.wav")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout as shown:
        ready = shown.readline()
        process.terminate()
        assert process.wait(30) == 143
    url = re.search(r"http://([\d.]+):(\d+)", ready)
    assert url is not None
    with pytest.raises(ConnectionRefusedError), socket.create_connection((url[1], int(url[2])), 5):
        pass
