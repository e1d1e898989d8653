"""Who speaks: the voice that a caller asks for, as soon as its model is there, and somebody at any time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests import virtual_time
from tests.fakes import InlineLane, ScriptedTts
from voicechat.casting import Casting
from voicechat.conversation import SessionSettings
from voicechat.ensemble import Ensemble
from voicechat.errors import EngineFailed
from voicechat.events import Event, Failed, Noted, SettingsChanged
from voicechat.models.evictor import Evictor
from voicechat.models.machine import Machine
from voicechat.models.manager import ModelManager
from voicechat.models.residency import Limits
from voicechat.models.shelf import original
from voicechat.models.stock import Recipe
from voicechat.placement import Device, Routed, Router
from voicechat.placement.affinity import Memory
from voicechat.pool import Pool
from voicechat.protocols import Capabilities, Lane, TtsEngine, Voice
from voicechat.turnstile import Turnstile, Worker

VOICES = {"plain": ("one", "two"), "fast": ("quick",), "slow": ("deep", "high"), "broken": ("none",)}
LANGUAGES = {"plain": ("en-GB", "fr"), "fast": ("de-AT",)}
LOAD_SECONDS = 10.0


class Engine(ScriptedTts):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        languages = LANGUAGES.get(name, ("en", "en"))
        self.voices = tuple(map(Voice, VOICES[name], languages))
        self.capabilities = Capabilities(streaming=True, languages=languages)


class Shop(dict[str, Recipe[TtsEngine]]):
    """Copies are of the model before the #."""

    def __missing__(self, name: str) -> Recipe[TtsEngine]:
        return self[original(name)]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(original(str(name)))


class SlowLane(InlineLane):
    """Models are made in it; it takes its time for one of them."""

    async def run(self, call, *, urgent=False, deadline=None):  # type: ignore[no-untyped-def]
        result = call()
        await asyncio.sleep(LOAD_SECONDS if getattr(result, "name", "") == "slow" else 0.0)
        return result


def recipe(name: str) -> Recipe[TtsEngine]:
    def make(device: str) -> TtsEngine:
        if name == "broken":
            raise EngineFailed("bad_model", "cut short")
        return Engine(name)

    return Recipe(name, make)


async def nothing(engine: TtsEngine, lane: Lane) -> None:
    """No warm-up."""


@dataclass
class House:
    ensemble: Ensemble
    models: ModelManager[TtsEngine]
    routed: list[Routed] = field(default_factory=list)


@dataclass
class Caller:
    """A session that asks for voices, and the one that speaks its answers."""

    casting: Casting
    told: list[Event]

    def wants(self, voice: str) -> None:
        self.casting.observe(SettingsChanged(SessionSettings(voice=voice)))

    def hears(self, voice: str = "", language: str | None = None) -> tuple[str, str]:
        """The model and the voice of an answer that is over at once."""
        speaker = self.casting.cast(SessionSettings(voice=voice, language=language))
        speaker.begin()()
        return speaker.pool.engine.name, speaker.voice(speaker.named or "")

    @property
    def codes(self) -> list[str]:
        return [event.code for event in self.told if isinstance(event, Failed | Noted)]


@asynccontextmanager
async def opened(interim: str = "", copies: int = 1) -> AsyncIterator[House]:
    routed: list[Routed] = []
    machine = Machine(
        lanes=lambda kind, device: (InlineLane(), InlineLane()),
        makers=[SlowLane(), SlowLane()],
        survey=lambda: (Device("cpu", 1 << 40, 1 << 40),),
        measure=lambda device: 0,
    )
    recipes = Shop({name: recipe(name) for name in VOICES})
    models = ModelManager[TtsEngine]("tts", recipes, machine, Evictor(Limits(ttl=1.0)), warm_up=nothing)
    turnstile = Turnstile()
    ensemble = Ensemble(
        models,
        Router(observers=[routed.append]),
        Memory(),
        pool=lambda model, tell: Pool([Worker(model.engine, lane) for lane in model.lanes], turnstile, [tell]),
        interim=interim,
    )
    models.default = "plain"
    for name in ["plain", *(f"plain#{number}" for number in range(2, copies + 1)), *([interim] if interim else [])]:
        models.keep(name)
        await models.load(name)
    try:
        yield House(ensemble, models, routed)
    finally:
        await models.close()
        await machine.close()


@asynccontextmanager
async def calling(house: House, session: str = "sess_one", caller: str = "") -> AsyncIterator[Caller]:
    told: list[Event] = []
    casting = Casting(house.ensemble, session, in_flight=2, left=lambda: 0.0, tell=told.append, caller=caller)
    await casting.open()
    running = asyncio.create_task(casting.run())
    try:
        yield Caller(casting, told)
    finally:
        running.cancel()
        await asyncio.wait({running})
        await casting.close()


def test_interim_model_speaks_while_the_wanted_one_loads() -> None:
    async def play() -> None:
        async with opened(interim="fast") as house, calling(house) as caller:
            assert caller.hears() == ("plain", "")
            caller.wants("slow-high")
            assert caller.hears("slow-high") == ("fast", "")
            await asyncio.sleep(LOAD_SECONDS - 1)
            assert caller.hears("slow-high") == ("fast", "")
            await asyncio.sleep(2)
            assert caller.hears("slow-high") == ("slow", "high")
            assert caller.codes == []

    virtual_time.run(play())


def test_without_an_interim_model_the_one_before_speaks_on() -> None:
    async def play() -> None:
        async with opened() as house, calling(house) as caller:
            caller.wants("fast")
            await asyncio.sleep(1)
            assert caller.hears("fast") == ("fast", "")
            caller.wants("slow")
            assert caller.hears("slow") == ("fast", "")
            await asyncio.sleep(LOAD_SECONDS + 1)
            assert caller.hears("slow") == ("slow", "")

    virtual_time.run(play())


def test_voice_of_a_model_that_is_there_speaks_at_once() -> None:
    async def play() -> None:
        async with opened() as house, calling(house) as caller:
            assert caller.hears("two") == ("plain", "two")
            assert caller.hears("plain-two") == ("plain", "two")
            assert caller.hears("pl*") == ("plain", "")

    virtual_time.run(play())


def test_voice_that_nobody_has_is_told_once_and_the_default_speaks() -> None:
    async def play() -> None:
        async with opened() as house, calling(house) as caller:
            caller.wants("alloy")
            assert [caller.hears("alloy") for _ in range(3)] == [("plain", "")] * 3
            assert caller.hears("../../model.onnx") == ("plain", "")
            assert caller.codes == ["voice_unknown"] * 2
            assert not any(isinstance(event, Failed) for event in caller.told), "to some clients an error is the end"

    virtual_time.run(play())


def test_voice_that_its_model_proves_to_lack_is_told_when_it_is_loaded() -> None:
    async def play() -> None:
        async with opened() as house, calling(house) as caller:
            caller.wants("fast-deep")
            await asyncio.sleep(1)
            assert caller.codes == []
            assert caller.hears("fast-deep") == ("plain", "")
            assert caller.codes == ["voice_unknown"]

    virtual_time.run(play())


def test_model_that_cannot_be_loaded_is_told_once_and_the_session_goes_on() -> None:
    async def play() -> None:
        async with opened(interim="fast") as house, calling(house) as caller:
            caller.wants("broken")
            await asyncio.sleep(1)
            for _ in range(3):
                assert caller.hears("broken") == ("fast", "")
                await asyncio.sleep(1)
            assert caller.codes == ["bad_model"]
            assert caller.hears() == ("plain", "")

    virtual_time.run(play())


def test_caller_who_changes_their_mind_does_not_wait_for_the_first_wish() -> None:
    async def play() -> None:
        async with opened() as house, calling(house) as caller:
            caller.wants("slow")
            await asyncio.sleep(0.1)
            caller.wants("fast")
            await asyncio.sleep(0.1)
            assert caller.hears("fast") == ("fast", "")
            await asyncio.sleep(LOAD_SECONDS)
            assert "slow" in [model.name for model in house.models.loaded()], "a load that has begun goes on"

    virtual_time.run(play())


def test_models_are_held_by_who_wants_them_and_by_answers_that_last() -> None:
    async def play() -> None:
        async with opened() as house:
            async with calling(house) as caller:
                caller.wants("fast")
                await asyncio.sleep(1)
                speaker = caller.casting.cast(SessionSettings(voice="fast"))
                over = speaker.begin()
                caller.wants("")
                await asyncio.sleep(1)
                assert {model.name: model.users for model in house.models.loaded()} == {"plain": 1, "fast": 1}
                over()
                assert {model.name: model.users for model in house.models.loaded()} == {"plain": 1, "fast": 0}
            assert [model.users for model in house.models.loaded()] == [0, 0]

    virtual_time.run(play())


def test_callers_stay_with_their_copy_and_copies_share_the_work() -> None:
    async def play() -> None:
        async with opened(copies=2) as house:
            copies: list[object] = []
            for number in range(10):
                async with calling(house, f"sess_{number}") as caller:
                    ends = []
                    engines = set()
                    for _ in range(4):
                        speaker = caller.casting.cast(SessionSettings())
                        ends.append(speaker.begin())
                        engines.add(speaker.pool.engine)
                    assert len(engines) == 1
                    copies += engines
                    for over in ends:
                        over()
            assert {copies.count(engine) for engine in set(copies)} == {5}
            assert [routed.affinity for routed in house.routed] == ["", "kept", "kept", "kept"] * 10

    virtual_time.run(play())


def test_affinity_knows_a_caller_as_long_as_they_call() -> None:
    async def play() -> None:
        async with opened() as house:
            async with calling(house) as caller:
                caller.hears()
                await asyncio.sleep(1)
                assert await house.ensemble.affinity.get("sess_one:plain") == "plain@cpu"
            assert await house.ensemble.affinity.get("sess_one:plain") == ""

    virtual_time.run(play())


def test_caller_who_is_known_finds_the_same_copy_when_they_call_again() -> None:
    async def play() -> None:
        async with opened(copies=2) as house:
            engines = []
            for number in range(4):
                async with calling(house, f"sess_{number}", "anna" if number % 2 else "") as caller:
                    speaker = caller.casting.cast(SessionSettings())
                    speaker.begin()()
                    engines.append(speaker.pool.engine)
                    await asyncio.sleep(1)
                    if number == 1:
                        speaker.begin()  # their copy has an answer in work from now on: whoever is new gets the other
            assert engines[1] is engines[3] is not engines[2]

    virtual_time.run(play())


def test_each_voice_of_a_caller_stays_with_its_copy() -> None:
    async def play() -> None:
        async with opened(copies=2) as house, calling(house) as caller:
            first = caller.casting.cast(SessionSettings()).pool
            caller.wants("fast")
            await asyncio.sleep(0.1)
            assert caller.hears("fast") == ("fast", "")
            caller.wants("")
            caller.casting.cast(SessionSettings()).begin()
            assert caller.casting.cast(SessionSettings()).pool is first
            assert "moved" not in [routed.affinity for routed in house.routed]

    virtual_time.run(play())


def test_caller_who_asks_for_no_voice_is_answered_in_their_language() -> None:
    async def play() -> None:
        async with opened(interim="fast") as house, calling(house) as caller:
            assert caller.hears(language="en") == ("plain", "one")
            assert caller.hears(language="fr-CA") == ("plain", "two")
            assert caller.hears(language="de") == ("fast", "quick")
            assert caller.hears("two", language="de") == ("plain", "two"), "a voice that is asked for speaks"
            assert caller.hears(language="ja") == ("plain", ""), "nobody does: the default speaks as well as it can"
            assert house.routed[-2].excluded == {"language": 1, "engine": 1}
            assert caller.codes == []

    virtual_time.run(play())


def test_somebody_speaks_when_all_seem_stuck() -> None:
    async def play() -> None:
        async with opened() as house, calling(house) as caller:
            caller.hears()
            voice = house.ensemble.any()
            voice.pool.in_work = 1  # and nothing comes of it
            await asyncio.sleep(120)
            assert caller.hears() == ("plain", "")
            assert house.routed[-1].outcome == "none"

    virtual_time.run(play())
