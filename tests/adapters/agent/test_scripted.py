import asyncio

import pytest

from voicechat.adapters.agent import scripted
from voicechat.config import Settings
from voicechat.conversation import SessionSettings


async def times(**script: float) -> list[tuple[float, str]]:
    """When each word came, in seconds from the question."""
    agent = scripted.load(Settings.model_validate({"agent": {"scripted": script}}))
    loop = asyncio.get_running_loop()
    start = loop.time()
    return [(loop.time() - start, word) async for word in agent.reply((), SessionSettings())]


async def test_the_script_is_counted_out() -> None:
    words = "".join(word for _, word in await times(sentences=2, words=3, token=0)).split()
    assert words == ["One", "two", "three.", "One", "two", "three."]


async def test_words_come_no_sooner_than_the_script_says() -> None:
    came = [at for at, _ in await times(sentences=2, words=2, token=0.005, delay=0.02)]
    assert all(at >= due - 0.002 for at, due in zip(came, (0.025, 0.03, 0.035, 0.04), strict=True))


async def test_a_script_without_words_is_no_script() -> None:
    with pytest.raises(ValueError, match="words"):
        Settings.model_validate({"agent": {"scripted": {"words": 0}}})
