"""Pure: text as it is spoken, so that what is typed, configured and heard can be compared."""

import re
import unicodedata
from typing import Final

LEADS: Final = (
    "please", "hello", "hi", "excuse me", "sorry", "can you tell me", "could you tell me", "please tell me",
    "i would like to know", "do you know",
)  # fmt: skip
"""What people say before a question."""

ENDS: Final = ("please", "thank you")
"""What people say after one."""

_ONES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
_TENS: Final = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SIGNS: Final = {"&": " and ", "%": " percent ", "+": " plus ", "@": " at ", "$": " dollars ", "€": " euros "}
_LEAD: Final = re.compile(rf"^(?:{'|'.join(sorted(LEADS, key=len, reverse=True))})\b ?")
_END: Final = re.compile(rf" (?:{'|'.join(ENDS)})$")


def plain(text: str) -> str:
    """Lower-case words with single spaces: no punctuation but apostrophes, no accents, numbers as words."""
    text = unicodedata.normalize("NFKD", text.lower().replace("’", "'"))
    text = "".join(_SIGNS.get(letter, letter) for letter in text if not unicodedata.combining(letter))
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"\d+", lambda match: f" {number(match.group())} ", text)
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text)
    return " ".join(words)


def number(digits: str) -> str:
    """Digits as words: whole numbers up to 999,999, longer ones or those with a leading zero digit by digit."""
    if len(digits) > 6 or (len(digits) > 1 and digits[0] == "0"):
        return " ".join(_ONES[int(digit)] for digit in digits)
    return _cardinal(int(digits))


def _cardinal(value: int) -> str:
    if value < 20:
        return _ONES[value]
    if value < 100:
        return f"{_TENS[value // 10]} {_ONES[value % 10]}" if value % 10 else _TENS[value // 10]
    unit, name = (1000, "thousand") if value >= 1000 else (100, "hundred")
    head = f"{_cardinal(value // unit)} {name}"
    return f"{head} {_cardinal(value % unit)}" if value % unit else head


def core(text: str) -> str:
    """Plain text without the leads and ends of politeness; itself where nothing else is in it."""
    rest = text
    while (shorter := _END.sub("", _LEAD.sub("", rest))) != rest:
        rest = shorter
    return rest or text
