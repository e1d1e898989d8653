"""Recordings that people send: what they are is told by their first bytes, and nothing but those bytes is read."""

import io
import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from voicechat.audio import LISTEN_RATE, Samples, level
from voicechat.errors import BadMessage
from voicechat.transport.pieces import Pieces
from voicechat.transport.rest import uploads


def hum(seconds: float, rate: int) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    return (8000 * np.sin(2 * np.pi * 220 * times)).astype(np.int16)


def wav(samples: Samples, rate: int, channels: int = 1) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(samples, channels).astype("<i2").tobytes())
    return made.getvalue()


def encoded(format: str, codec: str, seconds: float = 2.0, rate: int = 48_000) -> bytes:
    made = io.BytesIO()
    with av.open(made, "w", format=format) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(hum(seconds, rate)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = rate
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return made.getvalue()


def heard(recording: bytes, most: float = 600.0) -> Samples:
    return np.concatenate(list(uploads.decoded(pieces(recording), most)))


def pieces(recording: bytes, length: int = 1000) -> Pieces:
    """As it may come over the wire."""
    found = Pieces()
    for start in range(0, len(recording), length):
        found.append(recording[start : start + length])
    return found


@pytest.mark.parametrize(
    ("format", "codec", "rate"),
    [
        ("mp3", "libmp3lame", 44_100), ("ogg", "libopus", 48_000), ("flac", "flac", 48_000),
        ("adts", "aac", 44_100), ("ipod", "aac", 44_100), ("mp4", "aac", 48_000), ("webm", "libopus", 48_000),
        ("matroska", "pcm_s16le", 16_000), ("wav", "pcm_f32le", 8_000), ("wav", "pcm_mulaw", 8_000),
    ],
)  # fmt: skip
def test_common_formats_are_heard_at_16_khz(format: str, codec: str, rate: int) -> None:
    found = heard(encoded(format, codec, 2.0, rate))
    assert len(found) / LISTEN_RATE == pytest.approx(2.0, abs=0.1)
    middle = found[LISTEN_RATE // 2 : LISTEN_RATE * 3 // 2]
    assert np.abs(np.fft.rfft(middle)).argmax() == 220
    assert level(middle) == pytest.approx(level(hum(1.0, 16_000)), abs=1.0)


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_channels_become_one(channels: int) -> None:
    assert len(heard(wav(hum(1.0, 22_050), 22_050, channels))) == pytest.approx(LISTEN_RATE, abs=32)


def test_recording_that_was_cut_off_is_heard_as_far_as_it_goes() -> None:
    whole = encoded("mp3", "libmp3lame")
    assert 0.5 < len(heard(whole[: len(whole) // 2])) / LISTEN_RATE < 1.5


def test_what_is_odd_at_the_end_of_an_mp3_is_left_out() -> None:
    whole = encoded("mp3", "libmp3lame")
    assert len(heard(whole + b"TAG" + bytes(125))) == pytest.approx(len(heard(whole)), abs=0.1 * LISTEN_RATE)


def test_long_recordings_come_in_parts() -> None:
    parts = list(uploads.decoded(pieces(wav(hum(25.0, 16_000), 16_000)), 600.0))
    assert len(parts) >= 2
    assert sum(map(len, parts)) == 25 * LISTEN_RATE


def playlist(target: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n".encode()


def broken_header(**fields: int) -> bytes:
    """A WAV whose head says what its sound is not."""
    lies = {"size": 32_000, "rate": 16_000, "channels": 1, "bits": 16, **fields}
    width = lies["channels"] * lies["bits"] // 8
    form = struct.pack(
        "<HHIIHH", 1, lies["channels"], lies["rate"], lies["rate"] * width & 0xFFFFFFFF, width & 0xFFFF, lies["bits"]
    )
    head = b"RIFF" + struct.pack("<I", lies["size"]) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", lies["size"]) + hum(1.0, 16_000).tobytes()


HOSTILE = {
    "nothing": b"",
    "one byte": b"\xff",
    "text": b"Where can I see the dinosaurs?" * 100,
    "zip": b"PK\x03\x04" + bytes(1000),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "elf": b"\x7fELF" + bytes(1000),
    "playlist of files": playlist("file:///etc/passwd"),
    "playlist of addresses": playlist("http://127.0.0.1:9/secret"),
    "list to join": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "riff that is no wave": b"RIFF\xff\xff\xff\xffAVI LIST" + bytes(1000),
    "wav without sound": wav(hum(0.0, 16_000), 16_000),
    "wav of zeros": b"RIFF\xff\xff\xff\xffWAVE" + bytes(1000),
    "wav of 64 channels": broken_header(channels=64),
    "wav of no channel": broken_header(channels=0),
    "wav at 500 kHz": broken_header(rate=500_000),
    "wav at 1 Hz": broken_header(rate=1),
    "flac of zeros": b"fLaC" + bytes(1000),
    "ogg of zeros": b"OggS" + bytes(1000),
    "matroska of zeros": b"\x1aE\xdf\xa3" + bytes(1000),
    "mp4 of zeros": b"\x00\x00\x00\x18ftypM4A " + bytes(1000),
    "mp4 that names a file": b"\x00\x00\x00\x18ftypqt  " + b"\x00\x00\x00\x20moov\x00\x00\x00\x18rdrf" + b"/etc/passwd",
    "id3 of zeros": b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(1000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_recording_is_refused_with_its_code(name: str) -> None:
    with pytest.raises(BadMessage) as refused:
        heard(HOSTILE[name])
    assert refused.value.code == "invalid_audio"
    assert refused.value.param == "file"


@pytest.mark.parametrize(("format", "codec"), [("wav", "adpcm_ms"), ("matroska", "ac3")])
def test_codecs_that_nobody_needs_are_refused(format: str, codec: str) -> None:
    with pytest.raises(BadMessage, match="codec"):
        heard(encoded(format, codec, 1.0))


def test_video_is_left_alone_and_its_sound_heard() -> None:
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as file:
        pictures, sound = file.add_stream("mpeg4", rate=25), file.add_stream("aac", rate=48_000, layout="mono")
        assert isinstance(pictures, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        for _ in range(25):
            file.mux(pictures.encode(av.VideoFrame(64, 64, "yuv420p")))
        frame = av.AudioFrame.from_ndarray(hum(1.0, 48_000)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = 48_000
        file.mux(sound.encode(frame))
        file.mux([*pictures.encode(None), *sound.encode(None)])
    assert len(heard(made.getvalue())) == pytest.approx(LISTEN_RATE, abs=0.1 * LISTEN_RATE)


def test_recording_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadMessage) as refused:
        heard(wav(hum(3.0, 16_000), 16_000), 2.0)
    assert refused.value.code == "audio_too_long"


@pytest.mark.parametrize("lie", [{"size": 0xFFFFFFFF}, {"size": 2**31}, {"size": 100_000}])
def test_lie_about_the_length_brings_no_more_than_there_is(lie: dict[str, int]) -> None:
    assert len(heard(broken_header(**lie))) == pytest.approx(LISTEN_RATE, abs=32)


def test_numbers_that_are_none_become_some_sound() -> None:
    broken = bytearray(encoded("wav", "pcm_f32le", 1.0, 16_000))
    broken[-4000:] = struct.pack("<f", float("nan")) * 1000
    found = heard(bytes(broken))
    assert len(found) == pytest.approx(LISTEN_RATE, abs=32)


def test_bits_that_were_flipped_end_in_sound_or_a_refusal() -> None:
    random = np.random.default_rng(7)
    pairs = (("mp3", "libmp3lame"), ("ogg", "libopus"), ("flac", "flac"), ("mp4", "aac"), ("webm", "libopus"))
    for format, codec in pairs:
        whole = encoded(format, codec, 1.0)
        for _ in range(30):
            broken = np.frombuffer(whole, np.uint8).copy()
            places = random.integers(0, len(broken), 20)
            broken[places] = random.integers(0, 256, 20)
            try:
                assert len(heard(broken.tobytes())) < 60 * LISTEN_RATE
            except BadMessage as refused:
                assert refused.code in ("invalid_audio", "audio_too_long")


def test_no_other_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A playlist beside a sound that could be read: what it names is not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.wav").write_bytes(wav(hum(1.0, 16_000), 16_000))
    for text in (playlist("secret.wav"), b"ffconcat version 1.0\nfile secret.wav\n"):
        for start in (b"", b"ID3\x04\x00\x00\x00\x00\x00\x00", b"RIFF\xff\xff\xff\xffWAVE"):
            with pytest.raises(BadMessage):
                heard(start + text)
