"""Video in offers: what is left of it, and that nothing else is touched."""

from voicechat.transport.webrtc.pictures import made_small

AUDIO = ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "a=mid:0", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10"]
VIDEO = [
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102",
    "a=mid:1",
    "a=ice-ufrag:abcd",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:toffset",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:96 VP8/90000",
    "a=rtcp-fb:96 nack pli",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
    "a=rtpmap:102 H264/90000",
    "a=rtcp-fb:102 nack",
    "a=ssrc:1 cname:x",
]


def test_one_codec_of_each_camera_is_left() -> None:
    assert made_small([*AUDIO, *VIDEO, *VIDEO, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"]) == [
        *AUDIO,
        *(SMALL := [
            "m=video 9 UDP/TLS/RTP/SAVPF 96",
            "a=mid:1",
            "a=ice-ufrag:abcd",
            "a=sendrecv",
            "a=rtcp-mux",
            "a=rtpmap:96 VP8/90000",
            "a=rtcp-fb:96 nack pli",
        ]),
        *SMALL,
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ]


def test_video_of_codecs_that_nobody_knows_is_left_for_the_library_to_refuse() -> None:
    strange = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP1/90000"]
    assert made_small([*AUDIO, *strange]) == [*AUDIO, *strange]


def test_malformed_video_is_left_for_the_parser() -> None:
    for broken in (["m=video"], ["m=video 9 x 97", "a=rtpmap:96 VP8/90000"], ["m=video 9 x", "a=rtpmap:", "a=rtpmap"]):
        assert made_small([*AUDIO, *broken]) == [*AUDIO, *broken]


def test_nothing_is_nothing() -> None:
    assert made_small([]) == []
