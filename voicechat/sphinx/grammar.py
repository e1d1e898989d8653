"""Pure: a grammar of the expected phrases, and the words of the dictionary that it needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voicechat.words.spoken import ENDS, LEADS, core, plain


@dataclass(frozen=True, slots=True)
class Grammar:
    """`text` in JSGF, "" without phrases; `dictionary` has the lines that pronounce its words.

    `unknown` maps each phrase that was left out to those of its words that nobody knows how to pronounce.
    `sentences` are the phrases that are in it, as plain words; `asides` are those of them that nobody is asked about.
    """

    text: str
    dictionary: str
    unknown: Mapping[str, tuple[str, ...]]
    sentences: frozenset[str] = frozenset()
    asides: frozenset[str] = frozenset()

    def is_whole(self, text: str) -> bool:
        """Whether the text is one of the phrases, and not only how one begins."""
        return text in self.sentences or core(text) in self.sentences

    def is_aside(self, text: str) -> bool:
        return text in self.asides or core(text) in self.asides

    def pronunciations(self) -> dict[str, tuple[str, ...]]:
        """The phones of each line's `word` or `word(2)`."""
        return {name: tuple(phones) for name, *phones in map(str.split, self.dictionary.splitlines())}


def read_dictionary(path: Path, words: Iterable[str]) -> dict[str, list[str]]:
    """The lines of a dictionary for these words: `word` or `word(2)`, then its phones. Takes about 50 ms."""
    wanted = set(words)
    lines: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name = line.partition(" ")[0].partition("(")[0]
        if name in wanted:
            lines.setdefault(name, []).append(line)
    return lines


def build(phrases: Sequence[str], dictionary: Path, asides: Sequence[str] = ()) -> Grammar:
    """A grammar of the phrases, each with an optional lead before and an end after, such as "please".

    Beside phrases it knows the `asides`, as far as they can be pronounced.
    """
    wanted = {plain(phrase) for phrase in phrases}
    known = {plain(aside) for aside in asides} - wanted if phrases else set()
    grammar = _built([*phrases, *sorted(known)], dictionary)
    unknown = {phrase: words for phrase, words in grammar.unknown.items() if phrase not in known}
    return replace(grammar, unknown=unknown, asides=frozenset(known) & grammar.sentences)


def _built(phrases: Sequence[str], dictionary: Path) -> Grammar:
    spoken = {phrase: plain(phrase) for phrase in phrases}
    extras = [*LEADS, *ENDS]
    known = read_dictionary(dictionary, " ".join((*spoken.values(), *extras)).split())
    unknown = {
        phrase: missing
        for phrase, text in spoken.items()
        if (missing := tuple(word for word in text.split() if word not in known)) or not text
    }
    sentences = sorted({text for phrase, text in spoken.items() if phrase not in unknown})
    if not sentences:
        return Grammar("", "", unknown)
    used = sorted(set(" ".join((*sentences, *extras)).split()))
    lines = "".join(f"{line}\n" for word in used for line in known[word])
    return Grammar(_jsgf(sentences), lines, unknown, frozenset(sentences))


def _jsgf(sentences: Sequence[str]) -> str:
    """Sentences that are polite already take no lead."""
    polite = [text for text in sentences if core(text) != text]
    direct = [text for text in sentences if core(text) == text]
    choices = [f"( {' | '.join(polite)} )"] if polite else []
    if direct:
        choices.append(f"[ <lead> ] ( {' | '.join(direct)} ) [ <end> ]")
    return (
        "#JSGF V1.0;\ngrammar phrases;\n"
        f"<lead> = {' | '.join(LEADS)};\n<end> = {' | '.join(ENDS)};\n"
        f"public <phrase> = {' | '.join(choices)};\n"
    )
