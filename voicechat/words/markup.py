"""A chat model's text, as it comes → the words a voice can speak.

Models write for the eye: markup, links, emoji, and some think aloud. Everything here works a character at a time with
little held back, so that the way the text is cut into pieces never changes what comes out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

LONGEST_WORD: Final = 200
"""Characters; longer ones are cut."""

TARGET_WORDS: Final = 12
"""Words that a link's address and title may have; then the text goes on."""


class Stop(IntEnum):
    """How much of an end a word is."""

    NONE = 0
    SOFT = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its punctuation; `glued`: no space stands before it."""

    text: str
    stop: Stop = Stop.NONE
    glued: bool = False


class BlockEnd:
    """The end of a paragraph, heading, list item or row of a table."""


BLOCK_END: Final = BlockEnd()

THOUGHT_TAGS: Final = tuple(
    f"<{slash}{name}>" for slash in ("", "/") for name in ("think", "thinking", "thought", "reasoning")
)
THOUGHT: Final = re.compile("|".join(THOUGHT_TAGS), re.IGNORECASE)

SPLITTERS: Final = frozenset("。！？，、；：…—")
"""A word may end after these without a space; Chinese and Japanese have none."""
CLOSERS: Final = "\"'”’»›)]}」』）】》*_`~"
FULL_STOPS: Final = frozenset(".!?…。！？")
SOFT_STOPS: Final = frozenset(",;:—–，、；：")
DASHES: Final = frozenset(("-", "--", "---"))

DOTTED: Final = re.compile(r"(?:[^\W\d_]\.)+")
ABBREVIATIONS: Final = frozenset(
    "dr mr mrs ms prof rev hon gen col sgt capt lt sen rep gov pres st mt jr sr vs etc approx dept est inc ltd corp"
    " jan feb apr aug sept oct nov dec ph.d e.g i.e cf al bzw ca usw vgl nr z.b d.h".split()
)
"""Without those that are also plain words at the end of a sentence, such as no, sat and sun."""

FENCE: Final = re.compile(r"`{3,}|~{3,}")
RULE: Final = re.compile(r"[-*_=:+|]{2,}")
BULLET: Final = re.compile(r"[-*+•·–—]")
NUMBER: Final = re.compile(r"\d{1,3}[.)]")
HEADING: Final = re.compile(r"#{1,6}")
CHECKBOX: Final = re.compile(r"\[[xX]?\]?|\]")

LINK_TARGET: Final = re.compile(r"\]\((?:[^()]|\([^()]*\))*\)")
FOOTNOTE: Final = re.compile(r"\[\^?\d+\]")
TAG: Final = re.compile(r"</?[A-Za-z][\w-]*/?>")
ADDRESS: Final = re.compile(r"<?(?:\w+://(?:[^\s/@]*@)?|www\.)([\w.-]*\w)\S*")
ADDRESS_END: Final = re.compile(r"[.,!?;:)\]>\"'”’*_~`]*$")
ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
MARKS: Final = re.compile(r"`|~~|!?\[|\]|(?<!\d)\*\*|\*\*(?!\d)")
EMPHASIS: Final = re.compile(r"(?<![\w*_])[*_]+(?=\S)|(?<=\S)[*_]+(?![\w*_])")
UNSPOKEN: Final = re.compile(
    "[\U0001f000-\U0001faff\U000e0020-\U000e007f"  # emoji, flags and their tags
    "\u2600-\u27bf\u2b00-\u2bff\u231a-\u23ff"  # older symbols that are drawn as emoji
    "\u20e3\ufe00-\ufe0f\u200b-\u200f\u2060\ufeff"  # joiners, variants and other invisible characters
    "\x00-\x1f\x7f\ud800-\udfff]"
)
ONLY_PUNCTUATION: Final = re.compile(r"[.,!?;:…。！？，、；：]+")


class Thoughts:
    """Takes out what a reasoning model thinks aloud between <think> and </think>; each tag leaves a space."""

    def __init__(self) -> None:
        self._inside = False
        self._held = ""  # the beginning of what may become a tag

    def push(self, delta: str) -> str:
        text = self._held + delta
        kept: list[str] = []
        position = 0
        for tag in THOUGHT.finditer(text):
            if not self._inside:
                kept.append(text[position : tag.start()])
            kept.append(" ")
            self._inside = not tag[0].startswith("</")
            position = tag.end()
        end = _open_tag(text, position)
        self._held = text[end:]
        if not self._inside:
            kept.append(text[position:end])
        return "".join(kept)

    def finish(self) -> str:
        held, self._held = self._held, ""
        return "" if self._inside else held


def _open_tag(text: str, start: int) -> int:
    """Where a thought's tag begins that the end of the text may have cut; the text's length without one."""
    begin = text.rfind("<", max(start, len(text) - max(map(len, THOUGHT_TAGS))))
    if begin >= 0 and any(tag.startswith(text[begin:].lower()) for tag in THOUGHT_TAGS):
        return begin
    return len(text)


class Plain:
    """Text in, words out; what is markup steers or vanishes.

    Code blocks are left out; of links the text stays and of bare addresses the host; tables are read row by row.
    """

    def __init__(self) -> None:
        self._thoughts = Thoughts()
        self._run: list[str] = []  # characters of the word that is coming
        self._glued = False  # the coming word follows without a space
        self._line_start = True
        self._marked = False  # this line is a heading, list item or row: it ends a block
        self._in_fence = False
        self._in_address = False  # a bare address longer than a word may be
        self._target = 0  # words of a link's target that may still come
        self._cell: Stop | None = None  # stop of the last word of the table cell
        self._comma = False  # a new cell has begun

    def push(self, delta: str) -> Iterator[Word | BlockEnd]:
        """The words that are complete; must be read to the end."""
        return self._read(self._thoughts.push(delta))

    def finish(self) -> Iterator[Word | BlockEnd]:
        """The rest, when no more text comes."""
        yield from self._read(self._thoughts.finish())
        yield from self._end_run()

    def _read(self, text: str) -> Iterator[Word | BlockEnd]:
        run = self._run
        for char in text:
            if char.isspace():
                yield from self._end_run()
                self._glued = self._in_address = False
                if char == "\n":
                    yield from self._end_line()
                continue
            if run and (
                len(run) >= LONGEST_WORD or (run[-1] in SPLITTERS and char not in SPLITTERS and char not in CLOSERS)
            ):
                yield from self._end_run()
                self._glued = True
            run.append(char)

    def _end_line(self) -> Iterator[BlockEnd]:
        if not self._in_fence and (self._line_start or self._marked):
            yield BLOCK_END
        self._line_start, self._marked = True, False
        self._target = 0
        self._cell, self._comma = None, False

    def _end_run(self) -> Iterator[Word | BlockEnd]:
        if not self._run:
            return
        text = "".join(self._run)
        cut = len(self._run) >= LONGEST_WORD
        self._run.clear()
        for number, part in enumerate(FENCE.split(text)):
            if number > 0:
                self._in_fence = not self._in_fence
                yield BLOCK_END
            if part and not self._in_fence and not self._in_address:
                yield from self._part(part)
        if cut and "://" in text and not self._target:
            self._in_address = True

    def _part(self, part: str) -> Iterator[Word | BlockEnd]:
        if self._target:
            _, closed, part = part.partition(")")
            self._target = 0 if closed else self._target - 1
            self._glued = True
            if not part:
                return
        if self._line_start:
            part, marks = self._marker(part)
            if marks:
                yield BLOCK_END
        for number, cell in enumerate(part.split("|")):
            if number > 0:
                self._marked = True
                self._comma = self._cell is Stop.NONE
            if cell and not (self._marked and RULE.fullmatch(cell)):
                yield from self._word(cell)

    def _marker(self, part: str) -> tuple[str, bool]:
        """The first word of a line without its marker, and whether it was one."""
        if part[0] == ">":
            return part.lstrip(">"), True
        if RULE.fullmatch(part) or BULLET.fullmatch(part) or HEADING.fullmatch(part):
            self._marked = True
            return "", True
        if self._marked and CHECKBOX.fullmatch(part):
            return "", False
        if NUMBER.fullmatch(part):
            self._marked = True
            return part, True
        return part, part[0] == "|"

    def _word(self, cell: str) -> Iterator[Word]:
        text = LINK_TARGET.sub("", cell)
        if "](" in text:
            text = text[: text.index("](")]
            self._target = TARGET_WORDS
        text = _without_marks(text)
        if not text:
            return
        if self._comma:
            self._comma = False
            yield Word(",", Stop.SOFT, glued=True)
        numbering = self._line_start and NUMBER.fullmatch(text) is not None
        stop = Stop.NONE if numbering else _stop(text)
        glued = self._glued or ONLY_PUNCTUATION.fullmatch(text) is not None
        self._line_start, self._glued = False, False
        self._cell = stop
        yield Word(text, stop, glued)


def _without_marks(word: str) -> str:
    """The word without emphasis, brackets, emoji and the like; an address becomes its host."""
    word = UNSPOKEN.sub("", word)
    if word.isalnum():
        return word
    word = TAG.sub("", ADDRESS.sub(_host, word))
    word = MARKS.sub("", FOOTNOTE.sub("", ESCAPED.sub(r"\1", word)))
    return EMPHASIS.sub("", word)


def _host(address: re.Match[str]) -> str:
    """The host and the punctuation that follows the address: no tongue wants the rest."""
    end = ADDRESS_END.search(address[0])
    punctuation = end[0] if end else ""
    return address[1] + (punctuation.replace(">", "") if address[0][0] == "<" else punctuation)


def _stop(text: str) -> Stop:
    core = text.rstrip(CLOSERS)
    if not core:
        return Stop.NONE
    if text in DASHES or core[-1] in SOFT_STOPS:
        return Stop.SOFT
    if core[-1] not in FULL_STOPS or (core[-1] == "." and _abbreviated(core)):
        return Stop.NONE
    return Stop.FULL


def _abbreviated(word: str) -> bool:
    """Whether the dot ends an abbreviation: Dr. or U.S., but not "and I."."""
    word = word.lstrip("([{\"'“‘«„")
    return word != "I." and (DOTTED.fullmatch(word) is not None or word[:-1].lower() in ABBREVIATIONS)
