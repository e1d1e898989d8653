"""Subtitles: sentences with their times, as files that players read."""

import pytest

from voicechat.conversation import TimedWord, Transcript
from voicechat.protocols import Passage
from voicechat.transport.rest import subtitles
from voicechat.transport.rest.subtitles import LONGEST, LONGEST_SECONDS, Cue

KNOWN = Passage(
    Transcript(
        "Where is it? There & here.",
        0.8,
        "en",
        (
            TimedWord("Where", 1.0, 1.2), TimedWord("is", 1.2, 1.4), TimedWord("it?", 1.5, 1.75),
            TimedWord("There", 3.0, 3.4), TimedWord("&", 3.4, 3.5), TimedWord("here.", 3.5, 4.0),
        ),
    ),
    0.8,
    4.2,
)  # fmt: skip
GUESSED = Passage(Transcript("One two. Three four five six.", 0.5), 3601.0, 3604.0)

SRT = """\
1
00:00:01,000 --> 00:00:01,750
Where is it?

2
00:00:03,000 --> 00:00:04,000
There & here.
"""

VTT = """\
WEBVTT

00:00:01.000 --> 00:00:01.750
Where is it?

00:00:03.000 --> 00:00:04.000
There &amp; here.
"""


def test_files_are_these_to_the_letter() -> None:
    shown = subtitles.cues([KNOWN])
    assert subtitles.srt(shown) == SRT
    assert subtitles.vtt(shown) == VTT


def test_nothing_said_is_an_empty_file() -> None:
    assert subtitles.cues([]) == []
    assert subtitles.srt([]) == ""
    assert subtitles.vtt([]) == "WEBVTT\n\n"


def test_words_without_times_share_their_passage() -> None:
    words = subtitles.timed(GUESSED)
    assert [word.text for word in words] == GUESSED.transcript.text.split()
    assert words[0].start == 3601.0
    assert words[-1].end == pytest.approx(3604.0)
    assert all(one.end == other.start for one, other in zip(words, words[1:], strict=False))
    first, second = subtitles.cues([GUESSED])
    assert (first.text, second.text) == ("One two.", "Three four five six.")
    assert first.end == second.start
    assert "01:00:01,000 --> 01:00:0" in subtitles.srt([first])


def test_what_is_shown_at_once_can_be_read() -> None:
    text = " ".join(f"word{number}" for number in range(200))
    shown = subtitles.cues([Passage(Transcript(text), 0.0, 60.0)])
    assert " ".join(cue.text for cue in shown) == text
    assert all(len(cue.text) <= LONGEST and cue.end - cue.start <= LONGEST_SECONDS + 1e-6 for cue in shown)
    assert all(one.end <= other.start + 1e-6 for one, other in zip(shown, shown[1:], strict=False))


def test_long_sentences_are_cut_at_their_commas() -> None:
    text = "It is in the hall on the left of the entrance, where the stairs are, and beside the lift."
    shown = subtitles.cues([Passage(Transcript(text), 0.0, 6.0)])
    assert shown[0].text.endswith("entrance,")


def test_text_cannot_pretend_to_be_a_time() -> None:
    cue = Cue("1 --> 2 <b>", 0.0, 1.0)
    assert subtitles.srt([cue]).count("-->") == 1
    assert subtitles.vtt([cue]).count("-->") == 1
    assert "<" not in subtitles.vtt([cue])


def test_word_as_long_as_no_word_is_shown_alone() -> None:
    text = "a " + "x" * 300 + " b"
    assert [cue.text for cue in subtitles.cues([Passage(Transcript(text), 0.0, 2.0)])] == text.split()


def test_verbose_json_has_what_it_is_asked_for() -> None:
    transcript = Transcript("Where is it? There & here.", 0.8, "en")
    both = subtitles.verbose(transcript, [KNOWN], 4.24, words=True, segments=True)
    assert both["duration"] == 4.24
    assert both["usage"] == {"type": "duration", "seconds": 5}
    words, segments = both["words"], both["segments"]
    assert isinstance(words, list)
    assert isinstance(segments, list)
    assert words[0] == {"word": "Where", "start": 1.0, "end": 1.2}
    assert [segment["text"] for segment in segments] == ["Where is it?", "There & here."]
    assert segments[1] == {
        "id": 1, "seek": 0, "start": 3.0, "end": 4.0, "text": "There & here.", "tokens": [], "temperature": 0.0,
        "avg_logprob": -0.223, "compression_ratio": segments[1]["compression_ratio"], "no_speech_prob": 0.0,
    }  # fmt: skip
    assert "words" not in subtitles.verbose(transcript, [KNOWN], 4.24, words=False, segments=True)
    assert "segments" not in subtitles.verbose(transcript, [KNOWN], 4.24, words=True, segments=False)
