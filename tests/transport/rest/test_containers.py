"""Files that are written as their sound comes: every kind decodes to the sound that went in."""

import io
import wave

import av
import numpy as np
import pytest

from voicechat.audio import Samples, level
from voicechat.transport.rest import containers
from voicechat.transport.rest.containers import KINDS, RATE

PIECE = RATE // 5


def hum(seconds: float) -> Samples:
    times = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * 220 * times)).astype(np.int16)


def written(kind: str, sound: Samples, piece: int = PIECE) -> list[bytes]:
    """The bytes after each piece, and the last ones."""
    file = containers.opened(kind)
    return [*(file.push(sound[at : at + piece]) for at in range(0, len(sound), piece)), file.finish()]


def decoded(kind: str, data: bytes) -> Samples:
    """The samples of a file at 24 kHz, read by FFmpeg."""
    if kind == "pcm":
        return np.frombuffer(data, "<i2")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(data), "r") as file:
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.int16)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_decodes_to_the_sound_that_went_in(kind: str) -> None:
    found = decoded(kind, b"".join(written(kind, hum(2.0))))
    assert len(found) / RATE == pytest.approx(2.0, abs=0.1), "codecs pad their first and last frames"
    middle = found[RATE // 2 : RATE * 3 // 2]
    assert level(middle) == pytest.approx(level(hum(1.0)), abs=1.0)
    assert np.abs(np.fft.rfft(middle)).argmax() == 220, "it is the same note"


@pytest.mark.parametrize("kind", ["wav", "pcm", "flac"])
def test_what_loses_nothing_loses_nothing(kind: str) -> None:
    sound = hum(1.0)
    assert np.array_equal(decoded(kind, b"".join(written(kind, sound))), sound)


@pytest.mark.parametrize("kind", KINDS)
def test_sound_leaves_while_more_is_coming(kind: str) -> None:
    pieces = written(kind, hum(2.0))
    assert sum(map(len, pieces[:3])) > 0, "after 0.6 s at most"
    assert max(map(len, pieces)) < 0.5 * sum(map(len, pieces)), "and not all at once"


@pytest.mark.parametrize("kind", KINDS)
def test_a_beginning_of_a_file_can_be_played(kind: str) -> None:
    pieces = written(kind, hum(2.0))
    assert len(decoded(kind, b"".join(pieces[:6]))) > 0.4 * RATE


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_of_the_pieces_change_little(kind: str) -> None:
    one, other = (decoded(kind, b"".join(written(kind, hum(1.0), piece))) for piece in (241, RATE))
    assert abs(len(one) - len(other)) <= 0.05 * RATE


def test_wav_of_unknown_length_is_read_to_its_end() -> None:
    with wave.open(io.BytesIO(b"".join(written("wav", hum(1.0))))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        assert len(file.readframes(10 * RATE)) == 2 * RATE


def test_file_without_sound_is_a_file_all_the_same() -> None:
    assert len(b"".join(written("wav", hum(0.0)))) == 44
    assert written("pcm", hum(0.0)) == [b""]
    for kind in ("mp3", "opus", "aac", "flac"):
        written(kind, hum(0.0))
