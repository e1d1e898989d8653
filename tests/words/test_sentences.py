import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicechat.words.markup import BlockEnd, Plain
from voicechat.words.sentences import LONGEST, Clauses, Phrase


def clauses(*deltas: str) -> list[str]:
    cutter = Clauses()
    return [clause for delta in deltas for clause in cutter.push(delta)] + cutter.finish()


def speakable(text: str) -> str:
    """The whole text as one clause."""
    plain, phrase = Plain(), Phrase()
    for part in [*plain.push(text), *plain.finish()]:
        if isinstance(part, BlockEnd):
            phrase.end_block()
        else:
            phrase.add(part)
    return phrase.text if phrase.spoken else ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure! I can help you with that.", ["Sure!", "I can help you with that."]),
        ("Well, yes. I think that we can.", ["Well, yes.", "I think that we can."]),
        ("I have looked at it, and it is fine.", ["I have looked at it,", "and it is fine."]),
        ("Let me think - it is Monday.", ["Let me think -", "it is Monday."]),
        ("Here it comes: one thing.", ["Here it comes:", "one thing."]),
        (
            "one two three four five six seven eight nine ten",
            ["one two three four five six seven eight", "nine ten"],
        ),
        ("I waited, so long—far too long.", ["I waited, so long—", "far too long."]),
    ],
)
def test_first_clause_is_short(text: str, expected: list[str]) -> None:
    assert clauses(text) == expected


def test_later_clauses_are_whole_sentences() -> None:
    text = "Hello. This one, as you hear, is a whole sentence. And here is the next sentence!"
    assert clauses(text)[1:] == ["This one, as you hear, is a whole sentence.", "And here is the next sentence!"]


def test_short_sentences_after_the_first_go_together() -> None:
    assert clauses("Hi. Yes. No. Perhaps so, I think. Or.") == ["Hi.", "Yes. No. Perhaps so, I think.", "Or."]


def test_second_clause_comes_early_when_its_sentence_is_long() -> None:
    text = f"Hello. {'word ' * 14}with a comma, {'and more ' * 20}at last."
    assert clauses(text)[1] == f"{'word ' * 14}with a comma,"


def test_long_sentence_is_cut_at_a_comma() -> None:
    sentence = f"{'some words ' * 16}here, {'other words ' * 12}there."
    first, second, third, *_ = clauses(f"Hello. This is the second sentence. {sentence}")
    assert third == f"{'some words ' * 16}here,"


def test_sentence_without_commas_is_cut_at_a_space() -> None:
    parts = clauses("Hello. " + "word " * 300)
    assert max(map(len, parts)) <= LONGEST
    assert min(map(len, parts[1:-1])) > LONGEST - 10
    assert all(set(part.split()) == {"word"} for part in parts[1:])


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met Mrs. Jones.",
        "Some fruit, e.g. apples, is sweet.",
        "The number 3.14 is pi.",
        "He lives in the U.S. at the moment.",
        "It starts at 10 a.m. on Monday.",
        "J. R. R. Tolkien wrote it.",
        "See the Ph.D. thesis.",
        "(e.g. this one) is fine.",
    ],
)
def test_abbreviation_does_not_end_a_sentence(text: str) -> None:
    assert clauses("Yes.", " ", text)[1:] == [text]


@pytest.mark.parametrize(
    "first",
    ["Well...", "Hmm…", "Really?!", '"Yes."', "“No!”", "(Maybe.)", "好的。", "「はい。」", "你好！", "You and I."],
)
def test_sentence_ends_here(first: str) -> None:
    assert clauses(f"{first} Then came the rest of it.") == [first, "Then came the rest of it."]


def test_chinese_needs_no_spaces() -> None:
    assert clauses("你好，世界。今天天气很好！我们去公园吧？") == ["你好，世界。", "今天天气很好！我们去公园吧？"]
    assert speakable("你好，世界。今天天气很好！") == "你好，世界。今天天气很好！"


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("This is **very** important.", "This is very important."),
        ("It is *so* _good_, ~~not~~ `really`.", "It is so good, not really."),
        ("***Both*** and __init__ but snake_case.", "Both and init but snake_case."),
        ("这是**重点**内容。", "这是重点内容。"),
        ("2 * 3 = 6, 2*3 and 2**3", "2 * 3 = 6, 2*3 and 2**3"),
        ("It costs \\$5 \\*net\\*.", "It costs $5 net."),
        ("# Title\nText.", "Title. Text."),
        ("- apples\n- pears\n\nDone", "apples. pears. Done"),
        ("1. First\n2) Second!", "1. First. 2) Second!"),
        ("- [ ] open\n- [x] done", "open. done"),
        ("> quoted\n> text", "quoted. text"),
        ("One.\n\n---\n\nTwo.", "One. Two."),
        ("| Name | Age |\n|---|:-:|\n| Ann Lee | 7 |\n", "Name, Age. Ann Lee, 7."),
        ("Before.\n```python\nprint('hi')\n```\nAfter.", "Before. After."),
        ("Before:```js\nx = 1", "Before:"),
        ("Read [the manual](https://example.com/a_(b)?c=d#e), please.", "Read the manual, please."),
        ('Read [this](https://example.com "A nice title"), please.', "Read this, please."),
        ("![A cat](cat.png) sits.", "A cat sits."),
        ("See https://www.example.com/path?q=1.", "See www.example.com."),
        ("See <http://user:secret@example.com:8080/x> or www.example.org/x!", "See example.com or example.org!"),
        ("It is so[1] they say[^2].", "It is so they say."),
        ("Line<br/>break and <b>bold</b>", "Linebreak and bold"),
        ("Great 😀! 👍🏽 ❤️ 🇩🇪 Fine.", "Great! Fine."),
        ("1️⃣ first", "1 first"),
        ("20 °C — that is 68 °F™", "20 °C — that is 68 °F™"),
        ("  many \t spaces\n and \r\n lines\u00a0here ", "many spaces and lines here"),
        ("Is 5 < 6 > 4?", "Is 5 < 6 > 4?"),
        ("Half a pair \ud83d here\x07.", "Half a pair here."),
        ("😀 *** ```", ""),
        ("", ""),
    ],
)
def test_only_words_are_spoken(text: str, spoken: str) -> None:
    assert speakable(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("<think>Let me\n\nsee.</think>Yes.", "Yes."),
        ("<Thinking>Hm.</THINKING>\n\nYes.", "Yes."),
        ("Yes<think>hm</think>and no.", "Yes and no."),
        ("<think>one</think>A <think>two</think>B", "A B"),
        ("Yes. <think>and then it never ended", "Yes."),
        ("</think>Yes.", "Yes."),
        ("I <thi", "I <thi"),
        ("I <thinker> you", "I you"),
        ("<think>```</think>Yes.", "Yes."),
    ],
)
def test_thoughts_are_not_spoken(text: str, spoken: str) -> None:
    assert speakable(text) == spoken
    assert " ".join(clauses(*text)) == spoken


def test_long_address_is_not_read() -> None:
    assert speakable(f"See https://example.com/{'a' * 900} now.") == "See example.com now."
    assert speakable(f"See [it](https://example.com/{'a' * 900}) now.") == "See it now."


def test_link_that_never_ends_does_not_swallow_the_answer() -> None:
    assert speakable("[it](a b\n) and on") == "it ) and on"
    assert speakable("[](a )\n.") == ""
    assert speakable("See [it](here and\nthen we go on.") == "See it then we go on."
    assert speakable(f"See [it](here {'a ' * 12}then we go on.").endswith("then we go on.")


def test_clause_is_given_as_soon_as_the_next_word_begins() -> None:
    cutter = Clauses()
    assert cutter.push("Hello there") == []
    assert cutter.push("!") == []
    assert cutter.push(" ") == ["Hello there!"]
    assert cutter.push("How are you doing today") == []
    assert cutter.push("?\n") == ["How are you doing today?"]
    assert cutter.finish() == []


def test_nothing_that_can_be_spoken_gives_no_clause() -> None:
    assert clauses("😀 ... — !") == []
    assert clauses() == []


MARKUP = st.sampled_from(
    [
        *"*_`~[]()|#>-.,:;!?\"'<>/\\ \n\t1aZ。，！—…😀é你",
        *["**", "```", "~~~", "](", "<think>", "</think>", "<thin", "https://", "www.", "\n\n", "- ", "1. ", "# "],
        *["Dr. ", "e.g. ", "U.S. ", "3.14", "Hello, ", "world. ", "a" * 90, "word " * 20, "\r\n", "\u200b", "\ud83d"],
    ]
)
PLAIN_WORD = st.from_regex(r"[A-Za-zéß][a-z0-9]{0,12}[.,!?;:]?", fullmatch=True)


@settings(deadline=None)
@given(st.lists(MARKUP, max_size=40), st.data())
def test_cutting_the_text_differently_changes_nothing(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=20)))
    deltas = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert clauses(*deltas) == clauses(text) == clauses(*text)


@settings(deadline=None)
@given(st.lists(MARKUP, max_size=60))
def test_clauses_together_are_the_whole_text(parts: list[str]) -> None:
    text = "".join(parts)
    together, whole = clauses(text), speakable(text)
    joined, squeezed = ("".join(part.split()) for part in ("".join(together), whole))
    assert squeezed.startswith(joined)
    assert not any(map(str.isalnum, squeezed[len(joined) :]))
    for clause in together:
        assert clause == " ".join(clause.split())
        assert len(clause) <= LONGEST
        assert any(map(str.isalnum, clause))


@settings(deadline=None)
@given(st.lists(PLAIN_WORD, max_size=120), st.sampled_from([" ", "  ", "\n", " \n "]))
def test_plain_words_are_neither_lost_nor_doubled(words: list[str], space: str) -> None:
    spoken = [word for clause in clauses(space.join(words)) for word in clause.split()]
    assert spoken == words
