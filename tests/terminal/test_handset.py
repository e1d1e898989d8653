"""A WAV in place of a microphone and a speaker."""

from pathlib import Path

import numpy as np
import pytest

from tests import virtual_time
from voicechat.audio import Samples, read_wav, write_wav
from voicechat.errors import VoicechatError
from voicechat.terminal.handset import FRAME, QUIET, RATE, WavHandset


async def frames(handset: WavHandset, count: int) -> list[Samples]:
    """What the microphone hears, while its speaker is given the numbers of the frames."""
    heard: list[Samples] = []
    async for frame in handset.frames():
        handset.speak(np.full(FRAME, len(heard), np.int16))
        heard.append(frame)
        if len(heard) == count:
            break
    return heard


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_wav_of_any_rate_is_spoken_once_and_then_there_is_silence(tmp_path: Path, rate: int) -> None:
    write_wav(tmp_path / "in.wav", rate, np.full(rate // 5, 1000, np.int16))
    handset = WavHandset(tmp_path / "in.wav", None)
    heard = virtual_time.run(frames(handset, 15))
    assert all(frame.shape == (FRAME,) for frame in heard)
    assert np.median(np.concatenate(heard[1:9])) == pytest.approx(1000, abs=10)
    assert all((frame == QUIET).all() for frame in heard[10:])
    assert handset.over


def test_what_is_heard_is_written_when_it_is_closed(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", RATE, np.full(FRAME, 1000, np.int16))
    handset = WavHandset(tmp_path / "in.wav", tmp_path / "out.wav")
    virtual_time.run(frames(handset, 3))
    handset.close()
    out = read_wav(tmp_path / "out.wav")
    assert out.rate == RATE
    assert out.samples[::FRAME].tolist() == [0, 1, 2]


def test_file_that_is_no_wav_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a sound")
    with pytest.raises(VoicechatError, match=r"notes\.txt: is not a WAV"):
        WavHandset(path, None)
