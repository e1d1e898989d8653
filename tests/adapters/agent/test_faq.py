from datetime import datetime
from pathlib import Path

import pytest

from voicechat import config
from voicechat.adapters.agent import faq
from voicechat.config import Settings
from voicechat.conversation import Item, Role, SessionSettings, ToolCall
from voicechat.errors import ConfigError

SOME = """
unknown: [I do not know., Ask me something else.]
questions:
  - ask: [where are the toilets, where is the nearest bathroom]
    answer: Down the stairs.
  - ask: what time is it
    answer: It is {time} on {date}.
  - ask: [tell me a joke]
    answer: [Joke one., Joke two.]
  - ask: [how much does it cost to get in]
    answer: Twelve dollars.
"""

PROJECT = Path(__file__).parents[3]


def agent(text: str = SOME, now: datetime = datetime(2026, 11, 22, 15, 5)) -> faq.FaqAgent:
    return faq.FaqAgent(faq.parse(text, "some.yaml"), 78.0, lambda: now)


def user(text: str) -> Item:
    return Item("u", Role.USER, text)


def assistant(text: str) -> Item:
    return Item("a", Role.ASSISTANT, text)


async def said(*history: Item, by: faq.FaqAgent | None = None) -> str:
    return "".join([text async for text in (by or agent()).reply(history, SessionSettings())])


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where are the toilets?", "Down the stairs."),
        ("Excuse me, where is the nearest bathroom, please?", "Down the stairs."),
        ("how much dose it cost to get in", "Twelve dollars."),
        ("How much does a sandwich cost?", "I do not know."),
        ("", "I do not know."),
    ],
)
async def test_known_questions_are_answered_and_no_others(question: str, answer: str) -> None:
    assert await said(user(question)) == answer


async def test_typed_and_spoken_questions_are_the_same() -> None:
    assert await said(Item("1", Role.USER, "WHERE ARE THE TOILETS", spoken=True)) == "Down the stairs."


async def test_not_knowing_is_said_in_turn() -> None:
    history = [user("blah")]
    for expected in ("I do not know.", "Ask me something else.", "I do not know."):
        answer = await said(*history)
        assert answer == expected
        history += [assistant(answer), user("blah blah")]


async def test_several_answers_come_in_turn() -> None:
    joke = user("tell me a joke")
    assert await said(joke) == "Joke one."
    assert await said(joke, assistant("Joke one."), joke) == "Joke two."


async def test_a_question_in_two_pieces_is_understood_as_one() -> None:
    assert await said(user("how much does it"), user("cost to get in")) == "Twelve dollars."


async def test_a_new_question_after_an_unanswered_one_is_understood_alone() -> None:
    assert await said(user("how much does it cost to get in"), user("where are the toilets")) == "Down the stairs."


async def test_pieces_from_before_the_last_answer_do_not_count() -> None:
    assert await said(user("how much does it"), assistant("Sorry?"), user("cost to get in")) == "I do not know."


async def test_a_question_in_lines_is_one_or_its_last_line_is() -> None:
    assert await said(user("how much does it\ncost to get in")) == "Twelve dollars."
    assert await said(user("how much does it cost to get in\nwhere are the toilets")) == "Down the stairs."


@pytest.mark.parametrize(
    ("now", "answer"),
    [
        (datetime(2026, 11, 22, 15, 5), "It is 3:05 p.m. on Sunday, November 22."),
        (datetime(2026, 1, 1, 0, 0), "It is 12 o'clock a.m. on Thursday, January 1."),
        (datetime(2026, 1, 1, 12, 30), "It is 12:30 p.m. on Thursday, January 1."),
    ],
)
async def test_time_and_date_are_those_of_the_answer(now: datetime, answer: str) -> None:
    assert await said(user("what time is it"), by=agent(now=now)) == answer


async def test_what_a_tool_is_asked_and_says_is_nobodys_question() -> None:
    called = ToolCall("call_1", "ask", '{"question": "tell me a joke"}')
    work = (called.item("8"), called.result("9", "what time is it"))
    asked, answered = user("where are the toilets"), assistant("Down the stairs.")
    assert await said(asked, *work) == "Down the stairs."
    assert await said(*work, asked) == "Down the stairs."
    assert await said(asked, answered, *work) == "I do not know."
    assert await said(user("where are the"), *work, user("toilets")) == "Down the stairs."


def test_it_expects_to_hear_all_wordings() -> None:
    assert list(agent().phrases)[:3] == ["where are the toilets", "where is the nearest bathroom", "what time is it"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("questions: [", "some.yaml: is not YAML"),
        ("", "some.yaml: found None; unknown and questions are expected"),
        ("unknown: x", "some.yaml: questions: found None; a list of questions is expected"),
        ("questions: []", "some.yaml: questions: found []"),
        ("qestions: []", "some.yaml: found 'qestions'; allowed: unknown, questions"),
        ("questions: [hello]", "some.yaml: questions[0]: found 'hello'; ask and answer are expected"),
        ("questions: [{ask: a}]", "some.yaml: questions[0]: has no 'answer'"),
        ("questions: [{ask: [], answer: b}]", "some.yaml: questions[0].ask: is empty"),
        ("questions: [{ask: [1], answer: b}]", "some.yaml: questions[0].ask: found 1; a text"),
        ("questions: [{ask: '?', answer: b}]", "some.yaml: questions[0].ask: found '?'; words are expected"),
        ("questions: [{ask: a, answer: 'It is {now}.'}]", "some.yaml: questions[0].answer: found 'It is {now}.'; only"),
        ("questions: [{ask: a, answer: 'A { b.'}]", "some.yaml: questions[0].answer: found 'A { b.'; only"),
        ("questions: [{ask: a, answer: b}, {ask: [c, A!], answer: d}]", "questions[1].ask: 'A!' is asked in"),
        ("questions: [{ask: a, answer: b}]\nunknown: ['']", "some.yaml: unknown: found ''"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        faq.parse(text, "some.yaml")
    assert caught.value.code == "bad_faq"
    assert complaint in caught.value.message and "\n" not in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings.model_validate({"agent": {"faq": {"file": tmp_path / "none.yaml"}}})
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        faq.load(settings)


async def test_a_file_of_the_operator_is_used(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(SOME)
    settings = Settings.model_validate({"agent": {"faq": {"file": tmp_path / "my.yaml"}}})
    assert await said(user("where are the toilets"), by=faq.load(settings)) == "Down the stairs."


async def test_the_built_in_welcome_says_who_it_is() -> None:
    welcome = faq.load(Settings())
    assert "assistant" in await said(user("What is your name?"), by=welcome)
    assert "I do not know" in await said(user("Who won the cup in 1954?"), by=welcome)


@pytest.mark.parametrize("path", [None, PROJECT / "config" / "kiosk.yaml"], ids=["welcome", "kiosk"])
async def test_every_wording_in_the_files_that_come_with_it_finds_its_own_answer(path: Path | None) -> None:
    settings = config.load(path, environ={}, dotenv="")
    ours = faq.load(settings)
    for question in ours.faq.questions:
        for wording in question.ask:
            answers = [faq.filled(answer, ours.now()) for answer in question.answers]
            assert await said(user(wording), by=ours) in answers, wording
