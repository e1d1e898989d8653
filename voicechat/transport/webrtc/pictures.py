"""Video in an offer, made small: we decline it, and the library compares all of its codecs before we can. Pure.

A browser that offers a camera and a screen lists some ninety codecs, which took 15 ms of the loop (Chromium's list and
H.264's, 22 Nov 2026).
"""

from collections.abc import Iterator, Sequence
from typing import Final

_KNOWN: Final = ("vp8/90000", "h264/90000")
"""Codecs that the library takes."""

_OF_CODECS: Final = ("a=rtpmap:", "a=rtcp-fb:", "a=fmtp:")

_OF_SENDERS: Final = ("a=ssrc:", "a=ssrc-group:", "a=extmap:", "a=msid:", "a=rid:", "a=simulcast:")


def made_small(lines: Sequence[str]) -> list[str]:
    """The lines of an offer, with one codec in each section of video that has one we know."""
    small: list[str] = []
    for section in _sections(lines):
        small += _small(section) if section[0].startswith("m=video") else section
    return small


def _sections(lines: Sequence[str]) -> Iterator[list[str]]:
    """What comes before the first section is one, too."""
    section: list[str] = []
    for line in lines:
        if line.startswith("m=") and section:
            yield section
            section = []
        section.append(line)
    if section:
        yield section


def _small(section: list[str]) -> list[str]:
    media, *rest = section
    codec = next((_number(line) for line in rest if line.startswith("a=rtpmap:") and _is_known(line)), None)
    words = media.split()
    if codec is None or codec not in words[3:]:
        return section
    kept = [line for line in rest if _belongs(line, codec)]
    return [" ".join([*words[:3], codec]), *kept]


def _is_known(line: str) -> bool:
    return line.partition(" ")[2].strip().lower() in _KNOWN


def _belongs(line: str, codec: str) -> bool:
    if line.startswith(_OF_CODECS):
        return _number(line) == codec
    return not line.startswith(_OF_SENDERS)


def _number(line: str) -> str:
    """Of the codec that an attribute is about."""
    return line.partition(":")[2].partition(" ")[0]
