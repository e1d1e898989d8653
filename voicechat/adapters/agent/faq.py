"""Answers from a file of questions: no model, no network, never an invented answer."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

import yaml

from voicechat.config import Settings
from voicechat.conversation import Item, Kind, Role, SessionSettings
from voicechat.errors import ConfigError
from voicechat.words.likeness import Likeness
from voicechat.words.spoken import plain

WELCOME: Final = "welcome.yaml"
"""The built-in file, beside this one."""

DEFAULT_UNKNOWN: Final = ("I am sorry, I do not know that.",)

CONTINUED: Final = 4
"""Pieces of an interrupted question that are joined at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question in its wordings, and its answers, said one after the other."""

    ask: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Faq:
    questions: tuple[Question, ...]
    unknown: tuple[str, ...]


def load(settings: Settings) -> "FaqAgent":
    """Reads the file. Raises ConfigError with the place of the mistake."""
    path = settings.agent.faq.file
    if path is None:
        source = files("voicechat.adapters.agent").joinpath(WELCOME)
        return FaqAgent(parse(source.read_text(encoding="utf-8"), WELCOME), settings.agent.faq.cutoff)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError("bad_faq", f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError("bad_faq", f"{path}: is not UTF-8 text") from None
    return FaqAgent(parse(text, str(path)), settings.agent.faq.cutoff)


def parse(text: str, where: str) -> Faq:
    """A file's questions; `where` names it in errors. Raises ConfigError."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError("bad_faq", f"{where}: is not YAML: {' '.join(str(error).split())[:160]}") from None
    table = _table(values, where, ("unknown", "questions"))
    listed = table.get("questions")
    if not isinstance(listed, list) or not listed:
        raise ConfigError("bad_faq", f"{where}: questions: found {_short(listed)}; a list of questions is expected")
    questions = tuple(_question(entry, f"{where}: questions[{number}]") for number, entry in enumerate(listed))
    _check_distinct(questions, where)
    unknown = _sentences(table["unknown"], f"{where}: unknown") if "unknown" in table else DEFAULT_UNKNOWN
    return Faq(questions, unknown)


def _question(entry: Any, where: str) -> Question:
    table = _table(entry, where, ("ask", "answer"))
    for key in ("ask", "answer"):
        if key not in table:
            raise ConfigError("bad_faq", f"{where}: has no '{key}'")
    ask = _sentences(table["ask"], f"{where}.ask")
    for wording in ask:
        if not plain(wording):
            raise ConfigError("bad_faq", f"{where}.ask: found {_short(wording)}; words are expected")
    answers = _sentences(table["answer"], f"{where}.answer")
    for answer in answers:
        try:
            filled(answer, datetime.min)
        except (KeyError, ValueError, IndexError, AttributeError):
            raise ConfigError(
                "bad_faq", f"{where}.answer: found {_short(answer)}; only {{time}} and {{date}} stand in braces"
            ) from None
    return Question(ask, answers)


def _table(value: Any, where: str, keys: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError("bad_faq", f"{where}: found {_short(value)}; {' and '.join(keys)} are expected")
    for key in value:
        if key not in keys:
            raise ConfigError("bad_faq", f"{where}: found {_short(key)}; allowed: {', '.join(keys)}")
    return value


def _sentences(value: Any, where: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    for sentence in listed:
        if not isinstance(sentence, str) or not sentence.strip():
            raise ConfigError("bad_faq", f"{where}: found {_short(sentence)}; a text or a list of texts is expected")
    if not listed:
        raise ConfigError("bad_faq", f"{where}: is empty")
    return tuple(sentence.strip() for sentence in listed)


def _check_distinct(questions: Sequence[Question], where: str) -> None:
    """The same words under two questions would make one of them unreachable."""
    seen: dict[str, int] = {}
    for number, question in enumerate(questions):
        for wording in question.ask:
            other = seen.setdefault(plain(wording), number)
            if other != number:
                place = f"{where}: questions[{number}].ask"
                raise ConfigError("bad_faq", f"{place}: {_short(wording)} is asked in questions[{other}] already")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def filled(answer: str, now: datetime) -> str:
    """The answer with {time} and {date} as they are spoken."""
    hour = now.hour % 12 or 12
    time = f"{hour} o'clock" if now.minute == 0 else f"{hour}:{now.minute:02d}"
    time += f" {'a.m.' if now.hour < 12 else 'p.m.'}"
    return answer.format(time=time, date=f"{now:%A}, {now:%B} {now.day}")


class FaqAgent:
    """Answers the question likest to what was said, from a likeness of `cutoff` (0 to 100) on; else does not know.

    Several answers, and several ways to say so, are used in turn within a conversation.
    """

    name = "faq"
    speculates = True

    def __init__(self, faq: Faq, cutoff: float, now: Callable[[], datetime] = datetime.now) -> None:
        self.phrases: Sequence[str] = [wording for question in faq.questions for wording in question.ask]
        self.faq, self.now, self._cutoff = faq, now, cutoff
        self._likeness = Likeness([question.ask for question in faq.questions])

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[str]:
        counts: Counter[str] = Counter(item.text for item in history if item.role is Role.ASSISTANT)
        found = self._find(history)
        choices = self.faq.unknown if found is None else found.answers
        spoken = [filled(choice, self.now()) for choice in choices]
        yield min(spoken, key=lambda text: counts[text])

    def _find(self, history: Sequence[Item]) -> Question | None:
        """An interrupted question may go on in the next line: all since the last answer is tried, and the last."""
        asked = _since_last_answer(history)
        likeness, number = max(self._likeness.best(text) for text in (" ".join(asked), *asked[-1:]))
        return self.faq.questions[number] if likeness >= self._cutoff and number >= 0 else None

    async def close(self) -> None:
        """Nothing to give back."""


def _since_last_answer(history: Sequence[Item]) -> list[str]:
    """The caller's latest lines without an answer in between, oldest first. What tools are asked and say is none."""
    texts: list[str] = []
    for item in reversed(history):
        if item.kind is not Kind.MESSAGE:
            continue
        if item.role is Role.ASSISTANT and item.text:
            break
        if item.role is Role.USER:
            texts += reversed(item.text.splitlines())
    return texts[:CONTINUED][::-1]
