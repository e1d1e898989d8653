"""What is checked in a caller's offer before the WebRTC library sees it. Pure.

The library parses an offer in superlinear time and trusts its shape: 3,000 candidate lines stopped the loop for 1.2 s,
and a name out of place becomes an AttributeError deep inside. So the offer is counted first, parsed second, and what
the library would trip over is refused in words.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

from aiortc import RTCIceCandidate
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from voicechat.config import ServerSettings
from voicechat.errors import BadOffer
from voicechat.transport.webrtc.pictures import made_small

MALFORMED: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)
"""What the library raises for a text that is no session description."""

_LONGEST: Final = 512
"""Characters of a network candidate that are read."""

_MOST: Final = {"a=rtpmap:": 64, "a=rtcp-fb:": 128, "a=fmtp:": 64, "a=ssrc:": 64, "a=extmap:": 64}
"""Lines that the library compares with each other; a browser's stay far below."""


def check_offer(body: bytes, limits: ServerSettings) -> str:
    """The offer, ready for the library. Raises BadOffer.

    Candidates with an mDNS name are left out: looking one up takes up to a second, and the caller's own connectivity
    checks reach us sooner.
    """
    text = _text(body, limits)
    try:
        description = SessionDescription.parse(text)
    except MALFORMED as error:
        raise BadOffer("not_sdp", f"the offer cannot be parsed: {type(error).__name__} {error}"[:200]) from error
    _check_sections(description)
    _check_audio([media for media in description.media if media.kind == "audio"])
    for media in description.media:
        _check_transport(media)
    return text


def credentials(offer: str) -> str:
    """What a connection's own checks carry, the same in all of its offers until it begins anew; empty: none."""
    return next((line.strip() for line in offer.splitlines() if line.startswith("a=ice-ufrag:")), "")


def candidates(offer: str) -> Sequence[str]:
    """The network candidates in an offer, as `read_candidate` takes them."""
    return [line.removeprefix("a=") for line in offer.splitlines() if line.startswith("a=candidate:")]


def read_candidate(text: str, section: str | None, index: int | None) -> RTCIceCandidate | None:
    """A network candidate of the section of that name or index; None for the mark of the last, and for one with a name.

    Raises BadOffer.
    """
    if not text:
        return None
    try:
        candidate = candidate_from_sdp(text[:_LONGEST].strip().removeprefix("candidate:"))
    except MALFORMED as error:
        raise BadOffer("bad_candidate", f"{text[:80]!r} is no network candidate") from error
    try:
        ipaddress.ip_address(candidate.ip)
    except ValueError:
        return None  # as in offers: the caller's own checks reach us sooner
    candidate.sdpMid, candidate.sdpMLineIndex = section, index
    return candidate


def _text(body: bytes, limits: ServerSettings) -> str:
    """The body as text of a size that can be parsed without holding up other callers."""
    if len(body) > limits.offer_bytes:
        raise BadOffer("offer_too_large", f"the offer has {len(body)} bytes; {limits.offer_bytes} are allowed")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadOffer("not_sdp", f"the offer is not UTF-8 at byte {error.start}") from None
    if not text.startswith("v=0"):
        raise BadOffer("not_sdp", f"the offer begins with {text[:20]!r}; 'v=0' is expected")
    lines = made_small(text.splitlines())
    _check_count(lines, "a=candidate:", limits.offer_candidates, "too_many_candidates")
    _check_count(lines, "m=", limits.offer_media_lines, "too_many_media_lines")
    for start, most in _MOST.items():
        _check_count(lines, start, most, "too_many_attributes")
    return "".join(f"{line}\r\n" for line in _without_names(lines))


def _check_count(lines: list[str], start: str, most: int, code: str) -> None:
    count = sum(line.startswith(start) for line in lines)
    if count > most:
        raise BadOffer(code, f"the offer has {count} lines with '{start}'; {most} are allowed")


def _without_names(lines: list[str]) -> list[str]:
    """Without mDNS candidates; then the list of candidates is no longer said to be complete."""
    named = [line for line in lines if line.startswith("a=candidate:") and _host(line).lower().endswith(".local")]
    if not named:
        return lines
    return [line for line in lines if line not in named and line.strip() != "a=end-of-candidates"]


def _host(candidate: str) -> str:
    """The fifth word of a candidate line: an address or a name (RFC 8839, 5.1)."""
    words = candidate.split()
    return words[4] if len(words) > 4 else ""


def _check_sections(description: SessionDescription) -> None:
    """Sections of kinds we know, each with a name of its own, and groups of names that are there."""
    kinds = [media.kind for media in description.media]
    strange = sorted(set(kinds) - {"audio", "video", "application"})
    if strange:
        raise BadOffer("unknown_media", f"the offer has a section '{strange[0][:20]}'; audio and data are understood")
    if kinds.count("application") > 1:
        raise BadOffer("too_many_media_lines", "the offer has more than one data section")
    names = [media.rtp.muxId for media in description.media]
    if len(set(names)) < len(names):
        raise BadOffer("bad_names", "two sections of the offer have the same mid")
    for group in description.group:
        if group.semantic == "BUNDLE" and not set(group.items) <= set(names):
            raise BadOffer("bad_names", "the offer bundles a section that it does not have")


def _check_audio(sections: list[MediaDescription]) -> None:
    usable = [media for media in sections if media.port and media.direction != "inactive"]
    if not usable:
        raise BadOffer("no_audio", "the offer has no usable audio section")
    if len(sections) > 1:
        raise BadOffer("too_many_media_lines", "the offer has more than one audio section")
    if not any(codec.mimeType.lower() == "audio/opus" and codec.clockRate == 48_000 for codec in usable[0].rtp.codecs):
        raise BadOffer("no_opus", "the audio section does not offer opus/48000")
    if usable[0].direction is None:
        raise BadOffer("no_direction", "the audio section has no direction; a=sendrecv is expected")


def _check_transport(media: MediaDescription) -> None:
    """What every section needs before a packet can flow: ICE, DTLS, RTCP on the same port, or an SCTP port."""
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise BadOffer("no_ice", f"the {media.kind} section has no ice-ufrag and ice-pwd")
    if media.dtls is None or not media.dtls.fingerprints:
        raise BadOffer("no_fingerprint", f"the {media.kind} section has no fingerprint and setup")
    if media.kind == "application":
        if media.sctp_port is None and not (media.profile == "DTLS/SCTP" and str(media.fmt[0]).isdecimal()):
            raise BadOffer("no_sctp_port", "the data section has no sctp-port")
    elif not media.rtcp_mux:
        raise BadOffer("no_rtcp_mux", f"the {media.kind} section has no rtcp-mux")
