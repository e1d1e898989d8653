"""The house: whom it lets in, what a session may do to it, and how it closes."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import generate_latest

from tests.fakes import FakePeer
from voicechat.audio import AudioFrame
from voicechat.commands import AddItem, Command, CreateReply, UpdateSettings
from voicechat.config import AgentSettings, AsrSettings, ServerSettings, Settings, TtsSettings
from voicechat.conversation import Item, Role
from voicechat.errors import NoRoom
from voicechat.events import Failed, ReplyFinished, SessionEnded, SessionStarted, SettingsChanged
from voicechat.house import House

SMALL = Settings(
    agent=AgentSettings(engine="echo"), asr=AsrSettings(engine="pocketsphinx"), tts=TtsSettings(engine="tone")
)


@asynccontextmanager
async def house(settings: Settings) -> AsyncIterator[House]:
    open_house = House(settings)
    try:
        await open_house.open()
        yield open_house
    finally:
        await open_house.close()


async def test_the_house_lends_its_places_and_takes_them_back() -> None:
    async with house(SMALL.model_copy(update={"server": ServerSettings(max_sessions=2)})) as open_house:
        with open_house.admit() as first, open_house.admit() as second:
            assert first != second
            with pytest.raises(NoRoom) as refused, open_house.admit():
                pass
            assert refused.value.retry_after > 0
        with open_house.admit():
            pass
        assert open_house.describe() == "asr pocketsphinx, tts tone, agent echo"


async def test_closing_does_not_wait_for_an_engine_that_is_busy() -> None:
    release = threading.Event()
    loop = asyncio.get_running_loop()
    async with house(SMALL) as open_house:
        for lane in open_house.engines.asr.loaded()[0].lanes:
            lane.post(lambda: release.wait(30))
        began = loop.time()
    release.set()
    assert loop.time() - began < 10, "far from the 20 s that a step of recognition may take"


class BrokenPeer(FakePeer):
    """Fails in a way nobody foresaw."""

    async def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        if self.events:
            raise RuntimeError("nobody foresaw this")
        yield  # type: ignore[misc]  # makes this a generator


async def test_a_bug_ends_its_session_and_not_the_house() -> None:
    async with house(SMALL) as open_house:
        broken, fine = BrokenPeer(), FakePeer()
        await open_house.serve("sess_broken", broken)
        assert isinstance(broken.events[-1], Failed)
        assert SessionEnded("sess_broken", "failed") in broken.events
        fine.hangs_up()
        await open_house.serve("sess_fine", fine)
        assert fine.events[-1] == SessionEnded("sess_fine", "hung_up")


async def test_ending_sessions_tells_their_reason() -> None:
    async with house(SMALL) as open_house:
        peer = FakePeer()
        serving = asyncio.create_task(open_house.serve("sess_one", peer))
        await peer.until(SessionStarted)
        open_house.end_sessions()
        await serving
        assert peer.events[-1] == SessionEnded("sess_one", "shutdown")


async def test_engines_are_lent_only_while_a_session_lasts() -> None:
    async with house(SMALL) as open_house:
        peer = FakePeer()
        peer.hangs_up()
        await open_house.serve("sess_one", peer)
        assert [model.users for model in open_house.engines.asr.loaded()] == [0]
        assert [model.users for model in open_house.engines.tts.loaded()] == [0]


async def test_who_asks_for_a_voice_of_another_model_gets_it_in_the_next_answer() -> None:
    settings = SMALL.model_copy(update={"agent": AgentSettings(engine="echo", greeting="Hello there.")})
    async with house(settings) as open_house:
        peer = FakePeer()
        wire = asyncio.create_task(peer.speak())
        serving = asyncio.create_task(open_house.serve("sess_one", peer))
        await peer.until(ReplyFinished)
        peer.asks(UpdateSettings({"voice": "espeak-en-gb"}))
        await peer.until(SettingsChanged)
        async with open_house.engines.tts.lend("espeak"):
            pass  # it has been loaded
        peer.asks(AddItem(Item("item_mine", Role.USER, "Say it again")))
        peer.asks(CreateReply())
        await peer.until(ReplyFinished, 2)
        in_use = {model.name: model.users for model in open_house.engines.tts.loaded()}
        peer.hangs_up()
        await serving
        wire.cancel()
        await asyncio.wait({wire})
        assert in_use == {"tone": 0, "espeak": 1}
        spoken = 'voicechat_synthesis_clauses_total{engine="%s",outcome="done"}'
        metrics = generate_latest(open_house.metrics.registry).decode()
        assert all(f"{spoken % engine} 1.0" in metrics for engine in ("tone", "espeak"))
        assert 'voicechat_models{kind="tts"} 2.0' in metrics
        assert not [event for event in peer.events if isinstance(event, Failed)]
