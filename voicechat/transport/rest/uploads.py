"""A recording that somebody sent, as sound at 16 kHz. Its format is told by its first bytes, never guessed at, and
nothing but those bytes is read: FFmpeg knows formats that name other files and addresses."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import av
import numpy as np

from voicechat.audio import LISTEN_RATE, Samples
from voicechat.errors import BadMessage
from voicechat.transport.pieces import Pieces

PIECE: Final = 10 * LISTEN_RATE
"""Samples decoded in one step."""

MOST_CHANNELS: Final = 8
LOWEST_RATE, HIGHEST_RATE = 4_000, 192_000

DECODERS: Final = frozenset((
    "aac", "alac", "flac", "libopus", "mp3", "mp3float", "opus", "vorbis", "pcm_alaw", "pcm_f32le", "pcm_f64le",
    "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32le", "pcm_u8",
))  # fmt: skip
"""Of FFmpeg's, those that are let near a stranger's bytes; no video's, even to look whether there is one."""

_STARTS: Final = (
    (0, b"fLaC", "flac"), (0, b"OggS", "ogg"), (0, b"ID3", "mp3"), (4, b"ftyp", "mp4"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
)  # fmt: skip


_STRICT: Final = {"codec_whitelist": ",".join(sorted(DECODERS)), "protocol_whitelist": "none"}


def demuxer(head: bytes) -> str | None:
    """FFmpeg's name for the format of a file that begins so; None: it is none of ours."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    for place, mark, name in _STARTS:
        if head[place : place + len(mark)] == mark:
            return name
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "mp3"
    return None


def decoded(recording: Pieces, most_seconds: float) -> Iterator[Samples]:
    """Its sound, mono at 16 kHz, ten seconds at a time. Blocking: each step belongs on a lane.

    Raises BadMessage for what is no recording, holds no sound, or is longer than `most_seconds`.
    """
    format = demuxer(recording.head(12))
    if format is None:
        raise _refused("it is no FLAC, MP3, MP4, AAC, Ogg, WAV or WebM")
    left = round(most_seconds * LISTEN_RATE)
    found = False
    waiting: list[Samples] = []
    try:
        with av.open(recording, "r", format=format, options=_STRICT, io_open=_refuse) as container:
            for samples in _sound(container):
                left -= len(samples)
                if left < 0:
                    raise BadMessage("audio_too_long", f"file: at most {most_seconds:g} s are taken", param="file")
                waiting.append(samples)
                if sum(map(len, waiting)) >= PIECE:
                    found = True
                    yield np.concatenate(waiting)
                    waiting.clear()
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise _refused(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if waiting:
        yield np.concatenate(waiting)
    elif not found:
        raise _refused("it holds no sound")


def _sound(container: Any) -> Iterator[Samples]:
    if not container.streams.audio:
        raise _refused("it holds no sound")
    stream = container.streams.audio[0]
    if stream.codec_context is None or stream.codec_context.codec.name not in DECODERS:
        raise _refused("its codec is none that is taken")
    if not (LOWEST_RATE <= stream.rate <= HIGHEST_RATE and 1 <= stream.channels <= MOST_CHANNELS):
        raise _refused(
            f"{stream.channels} channels at {stream.rate} Hz; up to {MOST_CHANNELS} at {LOWEST_RATE}-{HIGHEST_RATE}"
        )
    resampler = av.AudioResampler(format="s16", layout="mono", rate=LISTEN_RATE)
    for packet in container.demux(stream):
        with suppress(av.InvalidDataError):  # what is broken is left out, as by players: MP3s end in odd tags
            for frame in packet.decode():
                for part in resampler.resample(frame):
                    yield part.to_ndarray()[0]
    for part in resampler.resample(None):
        yield part.to_ndarray()[0]


def _refuse(*arguments: object) -> Any:
    """In place of opening what a file names."""
    raise ValueError("it names other files")


def _refused(why: str) -> BadMessage:
    return BadMessage("invalid_audio", f"file: {why}", param="file")
