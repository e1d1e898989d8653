"""A WAV that a person named on the command line."""

import wave
from pathlib import Path

from voicechat.audio import AudioFrame, Samples, mono, read_channels, write_wav
from voicechat.errors import VoicechatError


def load(path: Path) -> AudioFrame:
    """The file as one mono frame at its own rate; VoicechatError says why it cannot be read."""
    return mono(load_channels(path))


def load_channels(path: Path) -> tuple[AudioFrame, ...]:
    """The file's one or two channels; VoicechatError says why it cannot be read."""
    try:
        channels = read_channels(path)
    except OSError as error:
        raise VoicechatError("bad_wav", f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, wave.Error, EOFError) as error:
        reason = str(error).removeprefix(f"{path}: ") or "it ends too early"
        raise VoicechatError("bad_wav", f"{path}: is not a WAV that can be used: {reason}") from error
    if len(channels[0].samples) == 0:
        raise VoicechatError("bad_wav", f"{path}: holds no sound")
    return channels


def reserve(path: Path) -> None:
    """Finds out early whether it can be written, and changes nothing; VoicechatError says why it cannot."""
    there = path.exists()
    try:
        path.open("ab").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def save(path: Path, rate: int, *channels: Samples) -> None:
    """VoicechatError says why it cannot be written."""
    try:
        path.open("wb").close()  # wave itself leaves noise on stderr when it cannot
        write_wav(path, rate, *channels)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> VoicechatError:
    return VoicechatError("unwritable_wav", f"{path}: cannot be written: {error.strerror}")
