"""What another call is told of the one before."""

from voicechat.commands import AddItem
from voicechat.conversation import Item, Kind, Role
from voicechat.events import (
    Event,
    ItemAdded,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    TranscriptFinal,
    TranscriptPartial,
)
from voicechat.transport.rtvi import past
from voicechat.transport.rtvi.past import Past, is_past


def heard(*events: Event) -> list[tuple[str, str]]:
    kept = Past()
    for event in events:
        kept.hear(event)
    return lines(kept)


def lines(kept: Past) -> list[tuple[str, str]]:
    return [(command.item.role.value, command.item.text) for command in kept.begin()]


def spoken(text: str) -> TranscriptFinal:
    return TranscriptFinal("item_1", text, 1.0, 1.0, 0.1)


def answered(text: str, reply: str = "resp_1", heard: str | None = None) -> ReplyFinished:
    item = Item("item_2", Role.ASSISTANT, text if heard is None else heard, True)
    return ReplyFinished(reply, item, ReplyStatus.COMPLETED, text, 1.0)


def typed(text: str, role: Role = Role.USER, kind: Kind = Kind.MESSAGE) -> ItemAdded:
    return ItemAdded(Item("item_3", role, text, kind=kind), None)


def test_both_sides_are_kept_in_order_and_of_answers_what_was_heard() -> None:
    assert heard(
        TranscriptPartial("item_1", "Where"), spoken("Where are you?"), answered("I am here.", heard="I am"),
        typed("Why?"), typed("Because.", Role.ASSISTANT), spoken("  "), answered("So it is.", heard=""),
    ) == [("user", "Where are you?"), ("assistant", "I am"), ("user", "Why?"), ("assistant", "Because.")]  # fmt: skip


def test_answers_beside_the_conversation_and_the_work_of_tools_are_not_kept() -> None:
    beside = ReplyStarted("resp_9", 1, Item("item_9", Role.ASSISTANT, ""), None, False, stored=False)
    assert heard(beside, answered("For somebody else.", "resp_9"), typed("{}", kind=Kind.OUTPUT), answered("Yes.")) == [
        ("assistant", "Yes.")
    ]


def test_a_call_that_goes_on_keeps_all_of_the_one_before() -> None:
    before = Past()
    before.hear(spoken("Hello"))
    begun = before.begin()
    assert all(isinstance(command, AddItem) and is_past(command.item) for command in begun)
    after = Past()
    for command in begun:
        after.hear(ItemAdded(command.item, None))
    after.hear(answered("Good day."))
    assert lines(after) == [("user", "Hello"), ("assistant", "Good day.")]
    assert len({command.item.id for command in after.begin()}) == 2


def test_the_latest_lines_are_kept() -> None:
    found = heard(*(spoken(f"line {number}") for number in range(past.MOST + 5)))
    assert (len(found), found[0], found[-1]) == (past.MOST, ("user", "line 5"), ("user", f"line {past.MOST + 4}"))
