import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from voicechat.config import ServerSettings
from voicechat.errors import BadOffer
from voicechat.transport.webrtc import sdp
from voicechat.transport.webrtc.sdp import check_offer

LIMITS = ServerSettings()

OFFER = """v=0
o=- 4215775240449105457 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic: WMS *
m=audio 54321 UDP/TLS/RTP/SAVPF 111 0
c=IN IP4 192.0.2.7
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 192.0.2.7 54321 typ host generation 0
a=ice-ufrag:EsAw
a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y
a=fingerprint:sha-256 DA:7B:57:DC:28:CE:04:4F:31:79:85:C4:31:67:EB:27:58:29:ED:77:2A:0D:24:AE:ED:AD:30:BC:BD:F1:9C:02
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:EsAw
a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y
a=fingerprint:sha-256 DA:7B:57:DC:28:CE:04:4F:31:79:85:C4:31:67:EB:27:58:29:ED:77:2A:0D:24:AE:ED:AD:30:BC:BD:F1:9C:02
a=setup:actpass
a=mid:1
a=sctp-port:5000
a=max-message-size:262144
""".replace("\n", "\r\n")

AUDIO = OFFER[OFFER.index("m=audio") : OFFER.index("m=application")]
DATA = OFFER[OFFER.index("m=application") :]
CANDIDATE = "a=candidate:1 1 udp 2113937151 192.0.2.7 54321 typ host generation 0\r\n"


def without(start: str, offer: str = OFFER) -> str:
    return "".join(line for line in offer.splitlines(keepends=True) if not line.startswith(start))


def test_a_browsers_offer_passes_unchanged() -> None:
    assert check_offer(OFFER.encode(), LIMITS) == OFFER


def test_line_feeds_alone_are_understood() -> None:
    assert check_offer(OFFER.replace("\r\n", "\n").encode(), LIMITS) == OFFER


async def test_an_offer_of_our_own_library_passes() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio")
    connection.createDataChannel("oai-events")
    await connection.setLocalDescription()
    offer = connection.localDescription.sdp
    await connection.close()
    assert check_offer(offer.encode(), LIMITS) == offer


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        ("", "not_sdp"),
        ("{}", "not_sdp"),
        ("v=0", "no_audio"),
        ("v=0\r\nm=nonsense\r\n", "not_sdp"),
        (OFFER + "a=padding:" + "x" * 33_000, "offer_too_large"),
        (OFFER.replace(CANDIDATE, CANDIDATE * 33), "too_many_candidates"),
        (OFFER + DATA + DATA, "too_many_media_lines"),
        (OFFER + DATA.replace("mid:1", "mid:2"), "too_many_media_lines"),
        (OFFER.replace(DATA, AUDIO.replace("mid:0", "mid:1")), "too_many_media_lines"),
        (OFFER.replace(AUDIO, AUDIO + "a=rtpmap:96 x/1\r\n" * 65), "too_many_attributes"),
        (OFFER.replace(AUDIO, AUDIO + "a=rtcp-fb:* nack\r\n" * 129), "too_many_attributes"),
        (OFFER.replace(AUDIO, "").replace("BUNDLE 0 1", "BUNDLE 1"), "no_audio"),
        (OFFER.replace("m=audio 54321", "m=audio 0"), "no_audio"),
        (OFFER.replace("a=sendrecv", "a=inactive"), "no_audio"),
        (OFFER.replace("opus/48000/2", "telephone-event/48000"), "no_opus"),
        (OFFER.replace("opus/48000/2", "opus/16000"), "no_opus"),
        (without("a=sendrecv"), "no_direction"),
        (without("a=ice-ufrag"), "no_ice"),
        (without("a=ice-pwd"), "no_ice"),
        (without("a=fingerprint"), "no_fingerprint"),
        (without("a=setup"), "no_fingerprint"),
        (without("a=rtcp-mux"), "no_rtcp_mux"),
        (without("a=sctp-port"), "no_sctp_port"),
        (OFFER.replace("BUNDLE 0 1", "BUNDLE 0 7"), "bad_names"),
        (OFFER.replace("a=mid:1", "a=mid:0"), "bad_names"),
        (OFFER.replace("m=application", "m=text"), "unknown_media"),
        (OFFER.replace("a=setup:actpass", "a=setup:whenever"), "not_sdp"),
        (OFFER.replace("a=fmtp:111", "a=fmtp:112"), "not_sdp"),
        (OFFER.replace("a=fingerprint:sha-256 ", "a=fingerprint:"), "not_sdp"),
    ],
)
def test_offers_we_refuse_say_why(offer: str, code: str) -> None:
    with pytest.raises(BadOffer) as refusal:
        check_offer(offer.encode(), LIMITS)
    assert refusal.value.code == code
    assert refusal.value.message


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(BadOffer) as refusal:
        check_offer(b"v=0\r\n\xff\xfe", LIMITS)
    assert refusal.value.code == "not_sdp"


@pytest.mark.parametrize("direction", ["sendrecv", "sendonly", "recvonly"])
def test_audio_in_any_direction_passes(direction: str) -> None:
    offer = OFFER.replace("a=sendrecv", f"a={direction}")
    assert check_offer(offer.encode(), LIMITS) == offer


def test_mdns_candidates_are_left_out_and_the_list_is_no_longer_complete() -> None:
    named = CANDIDATE.replace("192.0.2.7", "1f9e2f4a-9a3b-4d0e-a6a4-6c3fd1a35b0e.local")
    offer = OFFER.replace(CANDIDATE, CANDIDATE + named + "a=end-of-candidates\r\n")
    assert check_offer(offer.encode(), LIMITS) == OFFER


def test_limits_come_from_the_settings() -> None:
    with pytest.raises(BadOffer) as refusal:
        check_offer(OFFER.encode(), ServerSettings(offer_bytes=100))
    assert refusal.value.code == "offer_too_large"
    many = OFFER.replace(CANDIDATE, CANDIDATE * 33)
    assert check_offer(many.encode(), ServerSettings(offer_candidates=33)) == many


LINES = OFFER.splitlines()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_bad_offer(body: bytes) -> None:
    for offer in (body, b"v=0\r\n" + body):
        try:
            check_offer(offer, LIMITS)
        except BadOffer:
            pass


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.sampled_from(["drop", "double", "cut", "swap", "text"]),
            st.text(max_size=12),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_no_damaged_offer_raises_anything_but_bad_offer(damages: list[tuple[int, str, str]]) -> None:
    lines = list(LINES)
    for index, damage, text in damages:
        line = lines[index % len(lines)]
        where = len(text) % (len(line) + 1)
        lines[index % len(lines)] = {
            "drop": "",
            "double": f"{line}\r\n{line}",
            "cut": line[:where],
            "swap": line[::-1],
            "text": line[:where] + text + line[where:],
        }[damage]
    lines = lines or [""]
    try:
        check_offer("\r\n".join(lines).encode("utf-8", "surrogatepass"), LIMITS)
    except BadOffer:
        pass


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0", "192.0.2.7"),
        ("1 1 udp 2113937151 2001:db8::7 50000 typ host", "2001:db8::7"),
        ("candidate:1 1 udp 2113937151 4c7a.local 50000 typ host", None),
        ("candidate:1 1 udp 2113937151 example.org 50000 typ host", None),
        ("", None),
    ],
)
def test_candidates_that_come_later_are_read_unless_they_have_a_name(text: str, address: str | None) -> None:
    candidate = sdp.read_candidate(text, "0", None)
    assert (candidate and candidate.ip) == address
    assert candidate is None or candidate.sdpMid == "0"


@pytest.mark.parametrize("text", ["x", "1 one udp 1 192.0.2.7 1 typ host", "9" * 999 + " 1 udp 1 192.0.2.7 1 typ host"])
def test_what_is_no_candidate_is_refused(text: str) -> None:
    with pytest.raises(BadOffer):
        sdp.read_candidate(text, "0", 0)


def test_credentials_tell_one_connection_from_another() -> None:
    offer = "v=0\r\nm=audio 9 RTP/SAVPF 111\r\na=ice-ufrag:AbCd\r\na=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n"
    assert sdp.credentials(offer) == "a=ice-ufrag:AbCd"
    assert sdp.credentials("v=0\r\n") == ""
    assert sdp.candidates(offer) == ["candidate:1 1 udp 1 192.0.2.7 9 typ host"]
