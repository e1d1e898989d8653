"""A recording understood for who holds no session, on virtual time."""

import numpy as np
import pytest

from tests import virtual_time
from tests.fakes import loud, quiet
from tests.fakes_studio import small
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples
from voicechat.errors import EngineFailed


def frames(*sounds: Samples, seconds: float) -> list[AudioFrame]:
    """The sounds as frames of so many seconds."""
    whole = np.concatenate(sounds)
    size = round(seconds * LISTEN_RATE)
    return [AudioFrame(whole[start : start + size], LISTEN_RATE) for start in range(0, len(whole), size)]


@pytest.mark.parametrize("seconds", [0.02, 1.0, 60.0])
def test_each_passage_is_understood_by_itself_and_has_its_times(seconds: float) -> None:
    async def play() -> None:
        async with small(None, "First words.", "More words.") as house:
            hearer = house.studio.listen(None)
            for frame in frames(quiet(2.0), loud(3.0), quiet(2.0), loud(4.0), quiet(1.0), seconds=seconds):
                await hearer.hear(frame)
            transcript = await hearer.finish()
            await hearer.close()
            assert transcript.text == "First words. More words."
            assert transcript.confidence == pytest.approx(0.9)
            times = [(round(passage.start, 1), round(passage.end, 1)) for passage in hearer.passages]
            assert times == [(1.7, 5.0), (6.7, 11.0)]
            assert house.asr.heard == [3.9, 4.8]
            assert house.asr.open_streams == 0
            assert not any(model.users for model in house.recognisers.loaded())

    virtual_time.run(play())


def test_silence_is_not_given_to_the_recogniser() -> None:
    async def play() -> None:
        async with small() as house:
            hearer = house.studio.listen("en")
            for frame in frames(quiet(600.0), seconds=10.0):
                assert await hearer.hear(frame) is None
            assert (await hearer.finish()).text == ""
            await hearer.close()
            assert house.asr.heard == []

    virtual_time.run(play())


def test_speech_without_a_pause_is_cut_before_it_is_too_long() -> None:
    async def play() -> None:
        async with small(None, *["Words."] * 4) as house:
            hearer = house.studio.listen("en")
            for frame in frames(loud(100.0), seconds=10.0):
                await hearer.hear(frame)
            assert (await hearer.finish()).text == "Words. Words. Words. Words."
            await hearer.close()
            assert house.asr.heard == [28.0, 28.0, 28.0, 16.0]

    virtual_time.run(play())


def test_what_is_understood_so_far_is_told_once() -> None:
    async def play() -> None:
        async with small(None, "First words.", "More words.") as house:
            hearer = house.studio.listen("en")
            told = [
                text
                for frame in frames(loud(2.0), quiet(2.0), loud(2.0), quiet(2.0), seconds=0.5)
                if (text := await hearer.hear(frame)) is not None
            ]
            assert told == ["First words.", "First words. More words."]
            await hearer.finish()
            await hearer.close()

    virtual_time.run(play())


def test_failure_is_told_and_what_is_open_is_given_back() -> None:
    async def play() -> None:
        async with small(None, "!") as house:
            hearer = house.studio.listen("en")
            with pytest.raises(EngineFailed):
                for frame in frames(loud(2.0), quiet(2.0), seconds=1.0):
                    await hearer.hear(frame)
            await hearer.close()
            assert house.asr.open_streams == 0
            assert not any(model.users for model in house.recognisers.loaded())

    virtual_time.run(play())


def test_recording_that_is_left_gives_back_its_stream() -> None:
    async def play() -> None:
        async with small(None, "Words.") as house:
            hearer = house.studio.listen("en")
            await hearer.hear(AudioFrame(loud(2.0), LISTEN_RATE))
            assert house.asr.open_streams == 1
            await hearer.close()
            assert house.asr.open_streams == 0
            assert not any(model.users for model in house.recognisers.loaded())

    virtual_time.run(play())
