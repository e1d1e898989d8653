import asyncio

import pytest

from voicechat.transport.outbox import MOST, Outbox


async def taken(outbox: Outbox) -> list[str]:
    outbox.close()
    messages = []
    while (message := await outbox.take()) is not None:
        messages.append(message)
    return messages


async def test_cut_drops_older_sound_and_no_news() -> None:
    outbox = Outbox()
    for message, turn in (("a", None), ("one", 1), ("b", None), ("two", 2), ("c", None)):
        assert outbox.put(message, turn)
    outbox.cut(2)
    assert await taken(outbox) == ["a", "b", "two", "c"]


async def test_delivery_ends_with_the_last_message_once_it_is_closed() -> None:
    outbox, sent = Outbox(), list[str]()

    async def send(message: str) -> None:
        sent.append(message)

    outbox.put("a")
    outbox.put("b")
    outbox.close()
    assert await outbox.deliver(send) is None
    assert sent == ["a", "b"]


@pytest.mark.parametrize(
    ("fault", "reason"), [(TimeoutError(), "not_reading"), (ConnectionResetError(), "hung_up")]
)
async def test_delivery_says_why_it_cannot_go_on(fault: Exception, reason: str) -> None:
    async def send(message: str) -> None:
        raise fault

    outbox = Outbox()
    outbox.put("a")
    assert await outbox.deliver(send) == reason
    assert not outbox.put("late")


async def test_full_outbox_takes_no_more() -> None:
    outbox = Outbox()
    assert [outbox.put(str(number)) for number in range(MOST + 1)] == [True] * MOST + [False]
    assert len(await taken(outbox)) == MOST
    assert not outbox.put("late")


async def test_take_waits_for_a_message() -> None:
    outbox = Outbox()
    taking = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not taking.done()
    outbox.put("here")
    assert await taking == "here"
