"""Whether what the caller has said so far may be all: rules for English text, a few microseconds each.

They read the end of a partial transcript, with or without punctuation and capitals. Words are judged by closed lists
(conjunctions, prepositions, articles, auxiliaries), so a word that is not listed speaks for nothing.
"""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Final


class Completeness(StrEnum):
    """From what surely goes on to what is surely whole."""

    NUMBER = "number"  # digits or letters are being read out: nobody knows how many will come
    OPEN = "open"  # something must follow: "and", "to the", "um", a comma
    UNKNOWN = "unknown"
    WHOLE = "whole"  # ends with a full stop, as far as a recogniser can know
    SURE = "sure"  # a phrase that was expected, or an answer to what was asked


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


FILLERS: Final = _set("um umm uh uhm er erm hmm hm mmm eh ah like")

LEADING: Final = _set(
    """and or but because cause cuz so if when while although though unless until whereas whether than that
    which who whose where as since the a an this these those my your his her its our their some any every each
    another no of to in on at by for from with without into onto about between among through during against
    toward towards over under near per via plus minus times i we they he she you'd i'd i'm we're they're he's
    she's it's that's there's what's who's where's i'll we'll you'll i've we've you've let's is are was were am
    be been being do does did have has had can could will would shall should may might must very not really
    quite too more most less such just only also even maybe perhaps mr mrs ms dr mister want wants wanted need
    needs going gonna wanna trying tell give show"""
)
"""Words after which something has to follow."""

MAY_END: Final = _set(
    "in on about over under through by that this these those like so too more less her when where who no"
)
"""Of them, words that end many a sentence too: "turn it on", "what about that". They tell nothing without a pause."""

SHORT_END: Final = _set("is are was were am do does did have has had can could will would should may might must be")
"""Auxiliaries; they end short answers such as "yes it is" and "I think I can"."""

PAIRS: Final = frozenset(
    tuple(pair.split("+"))
    for pair in (
        "tell+me give+me show+me let+me i+think i+mean you+know can+you could+you would+you do+you if+you i+don't "
        "i+can't so+that how+many how+much"
    ).split()
)
"""Ends that the last word alone does not show to be open."""

NOT_AFTER: Final = _set(
    "why course hope guess rather or maybe perhaps probably certainly absolutely definitely if i'm it's"
)
"""Words after which "not" may be the last."""

OPENERS: Final = _set(
    "and but so now well okay ok then yeah yes no oh hey hi hello look listen actually also or because"
)
"""Words that begin a turn and say nothing yet."""

VERBS: Final = _set(
    """is are was were am be been do does did done have has had can could will would shall should may might must
    isn't aren't wasn't weren't don't doesn't didn't haven't hasn't hadn't can't couldn't won't wouldn't
    shouldn't i'm you're he's she's it's we're they're that's there's what's where's who's how's i'll you'll
    we'll i've we've let's i'd go goes went gone come comes came get gets got give gives gave take takes took
    make makes made say says said see sees saw know knows knew think thinks thought want wants need needs like
    likes love look looks find finds found tell tells told ask asks asked work works call calls put puts keep
    let leave left feel try tries use uses run runs turn turns show shows play plays stop start open opens close
    closes help set send read write bring buy move wait hear hears drop add eat drink sit stand sleep book order
    cancel change check pay live lives mean means please thank thanks"""
)

NUMBERS: Final = _set(
    """zero oh nought one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
    double triple dash dot point slash alpha bravo charlie delta echo foxtrot"""
)

ANSWERS: Final = _set(
    """yes no yeah yep nope sure okay ok right correct exactly maybe please thanks none nothing never always
    today tomorrow yesterday tonight now later both neither either"""
)

READ_OUT: Final = 3
"""Digits or letters in a row: a number is being read out. One or two are a count."""

ANSWER_WORDS: Final = 4
"""As many are an answer to a question, if nothing says that more will come."""

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_FULL: Final = re.compile(r"[.?!][\"')\]]*\s*$")
_ELLIPSIS: Final = re.compile(r"(?:\.\.\.|…|[-–—])\s*$")
_SOFT: Final = re.compile(r"[,;:]\s*$")


def completeness(
    text: str, *, asked: bool = False, english: bool = True, phrases: Collection[str] = ()
) -> Completeness:
    """How whole the text is; `asked`: it answers a question; `phrases`: sentences expected, as `plain` gives them.

    Of other languages only the punctuation is read.
    """
    words = tuple(word.replace("’", "'") for word in _WORD.findall(text.lower()))
    if not words:
        return Completeness.UNKNOWN
    if " ".join(words) in phrases:
        return Completeness.SURE
    if _read_out(words):
        return Completeness.NUMBER
    if _ELLIPSIS.search(text) or _SOFT.search(text):
        return Completeness.OPEN
    stopped = _FULL.search(text) is not None
    if not english:
        return Completeness.WHOLE if stopped else Completeness.UNKNOWN
    if _opens(words, stopped):
        return Completeness.OPEN
    if asked and (len(words) <= ANSWER_WORDS or words[0] in ANSWERS):
        return Completeness.SURE
    return Completeness.WHOLE if stopped else Completeness.UNKNOWN


def plain(sentence: str) -> str:
    """A sentence as `completeness` compares it: small words with single spaces."""
    return " ".join(word.replace("’", "'") for word in _WORD.findall(sentence.lower()))


def _read_out(words: tuple[str, ...]) -> bool:
    run = 0
    for word in reversed(words):
        if not (word in NUMBERS or word.isdigit() or len(word) == 1):
            break
        run += len(word) if word.isdigit() else 1
    return run >= READ_OUT or (run == len(words) and run > 1)


def _opens(words: tuple[str, ...], stopped: bool) -> bool:
    """Whether something must follow. A full stop is believed only where the last word may end a sentence."""
    last = words[-1]
    if words[-2:] in PAIRS:
        return not stopped
    if last in FILLERS:
        return True
    if last in LEADING and last not in MAY_END:
        return not _may_end(words, stopped)
    return words[0] in OPENERS and not any(_is_verb(word) for word in words) and not _is_answer(words)


def _may_end(words: tuple[str, ...], stopped: bool) -> bool:
    before = words[-2] if len(words) > 1 else ""
    if words[-1] == "not":
        return before in NOT_AFTER
    return words[-1] in SHORT_END and (stopped or _short(words))


def _short(words: tuple[str, ...]) -> bool:
    """Such as "yes it is", "I think I can"."""
    return 2 <= len(words) <= 5 and words[-2] in ("i", "it", "you", "we", "they", "he", "she", "there", "that", "this")


def _is_verb(word: str) -> bool:
    return word in VERBS or (len(word) > 4 and word.endswith(("ing", "ed")))


def _is_answer(words: tuple[str, ...]) -> bool:
    return all(word in ANSWERS or word in ("thank", "you", "hello", "hi", "hey", "please") for word in words)
