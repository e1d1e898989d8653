"""What was understood of a recording, as text with times: subtitles in two formats, and OpenAI's verbose JSON. Pure."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from voicechat.conversation import TimedWord, Transcript
from voicechat.protocols import Passage
from voicechat.words import pace

LINE: Final = 42
"""Characters of a line that can be read while it is spoken."""

LONGEST: Final = 2 * LINE
LONGEST_SECONDS: Final = 7.0

_ENDS: Final = (".", "!", "?", "…", "。", "！", "？")
_COMMAS: Final = (",", ";", ":", "–", "—", "，", "；", "：", "、")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown from `start` to `end`, in seconds, and of how sure a passage it is."""

    text: str
    start: float
    end: float
    confidence: float = 1.0


def timed(passage: Passage) -> Sequence[TimedWord]:
    """A passage's words with their times; where the recogniser knows none, each has its share of the passage by its
    letters."""
    known = passage.transcript
    if known.words:
        return known.words
    words = known.text.split()
    lengths = [0.0, *accumulate(map(pace.length, words))]
    scale = (passage.end - passage.start) / (lengths[-1] or 1.0)
    begins = [passage.start + length * scale for length in lengths]
    return [
        TimedWord(word, start, end, known.confidence)
        for word, start, end in zip(words, begins, begins[1:], strict=False)
    ]


def cues(passages: Sequence[Passage]) -> list[Cue]:
    """Subtitles: a sentence each, or as much of it as can be read at once."""
    found: list[Cue] = []
    for passage in passages:
        run: list[TimedWord] = []
        for word in timed(passage):
            if run and not _fits(run, word):
                found.append(_cue(run, passage))
                run = []
            run.append(word)
            if word.text.endswith(_ENDS) or (word.text.endswith(_COMMAS) and _length(run) >= LINE):
                found.append(_cue(run, passage))
                run = []
        if run:
            found.append(_cue(run, passage))
    return found


def _fits(run: Sequence[TimedWord], word: TimedWord) -> bool:
    return _length(run) + 1 + len(word.text) <= LONGEST and word.end - run[0].start <= LONGEST_SECONDS


def _length(run: Sequence[TimedWord]) -> int:
    return sum(len(word.text) + 1 for word in run) - 1


def _cue(run: Sequence[TimedWord], passage: Passage) -> Cue:
    text = " ".join(word.text for word in run)
    return Cue(text, run[0].start, max(run[-1].end, run[0].start), passage.transcript.confidence)


def srt(shown: Sequence[Cue]) -> str:
    """SubRip."""
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_plain(cue.text)}\n"
        for number, cue in enumerate(shown, 1)
    )


def vtt(shown: Sequence[Cue]) -> str:
    """WebVTT."""
    return "WEBVTT\n\n" + "\n".join(
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_escaped(cue.text)}\n" for cue in shown
    )


def verbose(
    transcript: Transcript, passages: Sequence[Passage], seconds: float, *, words: bool, segments: bool
) -> dict[str, object]:
    """OpenAI's verbose JSON. What no recogniser here tells is the same in all segments: their place in the search,
    their tokens and how likely they are no speech."""
    told: dict[str, object] = {
        "task": "transcribe",
        "language": transcript.language,
        "duration": round(seconds, 2),
        "text": transcript.text,
    }
    if segments:
        told["segments"] = [_segment(number, cue) for number, cue in enumerate(cues(passages))]
    if words:
        told["words"] = [
            {"word": word.text, "start": round(word.start, 2), "end": round(word.end, 2)}
            for passage in passages
            for word in timed(passage)
        ]
    return {**told, "usage": usage(seconds)}


def usage(seconds: float) -> dict[str, object]:
    return {"type": "duration", "seconds": math.ceil(seconds)}


def _segment(number: int, cue: Cue) -> dict[str, object]:
    text = cue.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": round(cue.start, 2),
        "end": round(cue.end, 2),
        "text": cue.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(math.log(max(cue.confidence, 1e-4)), 3),
        "compression_ratio": round(len(text) / max(1, len(zlib.compress(text))), 3),
        "no_speech_prob": 0.0,
    }


def _clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and thousandths."""
    thousandths = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _plain(text: str) -> str:
    """An arrow would end the cue."""
    return text.replace("-->", "->")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
