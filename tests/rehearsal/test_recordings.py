"""Recordings and their labels, read from files."""

from pathlib import Path

import numpy as np
import pytest

from tests.turns import mixing
from tests.turns.voices import say
from voicechat.audio import LISTEN_RATE, Samples, silence, write_wav
from voicechat.config import Settings
from voicechat.errors import VoicechatError
from voicechat.rehearsal import recordings
from voicechat.rehearsal.score import Label, Meaning

WORDS = "I would like to know more about this."


def speech(text: str = WORDS) -> Samples:
    return mixing.trimmed(say(text))


def laid(seconds: float, *pairs: tuple[float, Samples]) -> Samples:
    sound = silence(seconds, LISTEN_RATE)
    for at, part in pairs:
        start = round(at * LISTEN_RATE)
        sound[start : start + len(part)] = part
    return sound


def load(path: Path, labels: Path | None = None) -> recordings.Recording:
    return recordings.load(Settings(), path, labels)


def test_labels_lie_beside_the_recording(tmp_path: Path) -> None:
    write_wav(tmp_path / "call.wav", LISTEN_RATE, silence(5.0, LISTEN_RATE))
    (tmp_path / "call.labels.txt").write_text("1.0\t2.0\tspeech\n3\t4\tbot\n")
    recording = load(tmp_path / "call.wav")
    assert recording.labels == (Label(1.0, 2.0, Meaning.SPEECH), Label(3.0, 4.0, Meaning.BOT))
    assert recording.scene.bot == ((3.0, 4.0),)
    assert not recording.guessed


def test_given_labels_come_before_those_beside(tmp_path: Path) -> None:
    write_wav(tmp_path / "call.wav", LISTEN_RATE, silence(5.0, LISTEN_RATE))
    (tmp_path / "call.labels.txt").write_text("1.0\t2.0\tspeech\n")
    (tmp_path / "others.txt").write_text("2.5\t3.5\tinterruption\n")
    recording = load(tmp_path / "call.wav", tmp_path / "others.txt")
    assert recording.labels == (Label(2.5, 3.5, Meaning.INTERRUPTION),)
    assert recording.scene.bot == ((0.5, 3.5),), "a bot there must be, for an interruption"


def test_without_labels_long_silences_part_utterances(tmp_path: Path) -> None:
    one = speech()
    write_wav(tmp_path / "call.wav", LISTEN_RATE, laid(8.0, (0.5, one), (5.0, one)))
    recording = load(tmp_path / "call.wav")
    assert recording.guessed
    assert [label.meaning for label in recording.labels] == [Meaning.SPEECH, Meaning.SPEECH]
    assert [label.start for label in recording.labels] == pytest.approx([0.5, 5.0], abs=0.15)
    assert recording.scene.bot == ()


def test_the_second_channel_is_the_bot(tmp_path: Path) -> None:
    caller = laid(12.0, (1.0, speech("Okay.")), (5.0, speech()), (9.5, speech()))
    bot = laid(12.0, (0.5, np.full(round(6.0 * LISTEN_RATE), 3000, np.int16)))
    write_wav(tmp_path / "call.wav", LISTEN_RATE, caller, bot)
    recording = load(tmp_path / "call.wav")
    assert recording.scene.bot[0] == pytest.approx((0.5, 6.5), abs=0.05)
    assert [label.meaning for label in recording.labels] == [
        Meaning.BACKCHANNEL, Meaning.INTERRUPTION, Meaning.SPEECH,
    ]  # fmt: skip
    assert np.array_equal(recording.scene.sound, caller)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"1\t2\tsinging\n", "line 1: found 'singing'; allowed: speech, interruption, backchannel, noise, bot"),
        (b"", "holds no label"),
        (b"\xff\xfe1", "is not UTF-8 text: byte 0"),
    ],
)
def test_labels_that_cannot_be_used_are_told_in_a_line(tmp_path: Path, content: bytes, says: str) -> None:
    write_wav(tmp_path / "call.wav", LISTEN_RATE, silence(1.0, LISTEN_RATE))
    file = tmp_path / "call.labels.txt"
    file.write_bytes(content)
    with pytest.raises(VoicechatError) as error:
        load(tmp_path / "call.wav")
    assert error.value.message == f"{file}: {says}"
