"""A text spoken for who holds no session, on virtual time."""

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from tests import virtual_time
from tests.fakes_studio import Small, small
from voicechat.config import ServerSettings, Settings, TtsSettings
from voicechat.errors import EngineFailed, NoRoom
from voicechat.protocols import NamedVoice, Studio
from voicechat.protocols.studio import Kind


async def said(studio: Studio, text: str, voice: str = "") -> float:
    """Speaks it all; its length in seconds."""
    async with aclosing(studio.speak(text, voice, 1.0)) as frames:
        return sum([frame.seconds async for frame in frames])


def rested(house: Small) -> bool:
    """Whether nothing is in work, and every model has been given back."""
    users = [model.users for model in house.tts.loaded()] + [model.users for model in house.recognisers.loaded()]
    return not any(engine.working for engine in house.speakers) and not any(users)


def test_all_clauses_are_spoken_in_order_and_the_model_is_given_back() -> None:
    async def play() -> None:
        async with small() as house:
            text = "One two three. Four five six, seven eight. Nine ten eleven twelve thirteen fourteen."
            assert await said(house.studio, text) == pytest.approx(14 * 0.06)
            assert house.speakers[0].said == text.split()
            assert rested(house)

    virtual_time.run(play())


def test_markup_is_not_spoken() -> None:
    async def play() -> None:
        async with small() as house:
            await said(house.studio, "**Hello** <think>hm</think> there")
            assert house.speakers[0].said == ["Hello", "there"]

    virtual_time.run(play())


def test_text_without_words_has_no_sound() -> None:
    async def play() -> None:
        async with small() as house:
            assert await said(house.studio, "<think>nothing</think> ...") == 0.0
            assert rested(house)

    virtual_time.run(play())


def test_voice_of_a_model_that_is_not_there_is_loaded_first() -> None:
    async def play() -> None:
        async with small() as house:
            assert house.studio.has("late-two")
            await said(house.studio, "Hello", "late-two")
            assert [len(engine.said) for engine in house.speakers] == [0, 1]
            assert rested(house)

    virtual_time.run(play())


def test_voice_that_nobody_has_is_the_default_one() -> None:
    async def play() -> None:
        async with small(Settings(tts=TtsSettings(voice="late"))) as house:
            assert not house.studio.has("nobody")
            await said(house.studio, "Hello", "nobody")
            await said(house.studio, "Hello")
            assert [len(engine.said) for engine in house.speakers] == [0, 2], "the operator's default speaks"

    virtual_time.run(play())


def test_closing_it_stops_the_work_within_a_step() -> None:
    async def play() -> None:
        async with small() as house:
            text = "This is a sentence of eight words here. " * 50
            async with aclosing(house.studio.speak(text, "", 1.0)) as frames:
                first = await anext(frames)
                assert np.any(first.samples)
            await asyncio.sleep(0.01)
            assert rested(house)
            spoken = len(house.speakers[0].said)
            await asyncio.sleep(5.0)
            assert len(house.speakers[0].said) == spoken < 100

    virtual_time.run(play())


def test_who_reads_slowly_holds_the_work_back() -> None:
    async def play() -> None:
        async with small() as house:
            async with aclosing(house.studio.speak("Word after word after word. " * 200, "", 1.0)) as frames:
                await anext(frames)
                await asyncio.sleep(60.0)
                assert len(house.speakers[0].said) < 200, "of a thousand"

    virtual_time.run(play())


def test_voice_that_fails_says_so_after_what_it_had_said() -> None:
    async def play() -> None:
        async with small() as house:
            heard = 0.0
            with pytest.raises(EngineFailed):
                async with aclosing(house.studio.speak("One two. Three FAIL five six seven eight.", "", 1.0)) as frames:
                    async for frame in frames:
                        heard += frame.seconds
            assert heard >= 2 * 0.06
            assert rested(house)

    virtual_time.run(play())


def test_bug_in_an_engine_ends_the_text_and_is_not_hidden() -> None:
    async def play() -> None:
        async with small() as house:
            house.speakers[0].synthesize = lambda *_: 1 / 0  # type: ignore[method-assign, assignment]
            async with asyncio.timeout(10):
                with pytest.raises(ExceptionGroup) as caught:
                    await said(house.studio, "Hello there")
            assert caught.group_contains(ZeroDivisionError)
            assert not any(model.users for model in house.tts.loaded())

    virtual_time.run(play())


def test_cancelled_reader_leaves_nothing_in_work() -> None:
    async def play() -> None:
        async with small() as house:
            reading = asyncio.create_task(said(house.studio, "Word after word after word. " * 200))
            await asyncio.sleep(0.05)
            reading.cancel()
            await asyncio.wait({reading})
            await asyncio.sleep(0.01)
            assert rested(house)

    virtual_time.run(play())


def test_places_are_lent_and_given_back() -> None:
    async def play() -> None:
        async with small(Settings(server=ServerSettings(max_jobs=1))) as house:
            with house.studio.admit(Kind.SPEECH), pytest.raises(NoRoom), house.studio.admit(Kind.TRANSCRIPTION):
                pass
            with house.studio.admit(Kind.SPEECH):
                pass

    virtual_time.run(play())


def test_voices_and_models_are_listed_the_default_first() -> None:
    async def play() -> None:
        async with small() as house:
            assert list(house.studio.models) == ["plain", "late", "ears"]
            assert list(house.studio.voices) == [
                NamedVoice("one", "en", "plain"), NamedVoice("two", "en", "plain"), NamedVoice("late", "", "late"),
            ]  # fmt: skip
            await house.tts.load("late")
            names = [voice.name for voice in house.studio.voices]
            assert names == ["one", "two", "late-one", "late-two"]
            assert all(house.studio.has(name) for name in names)

    virtual_time.run(play())
