"""What is told of a studio's jobs, and counted."""

import asyncio

import pytest

from tests import virtual_time
from tests.fakes_studio import small
from voicechat.config import ServerSettings, Settings
from voicechat.errors import BadMessage, EngineFailed, NoRoom
from voicechat.metrics import Metrics
from voicechat.protocols import Outcome
from voicechat.protocols.studio import JobBegun, JobEnded, Kind


def test_job_is_told_from_its_beginning_to_its_end() -> None:
    async def play() -> None:
        async with small() as house:
            with house.studio.admit(Kind.TRANSCRIPTION):
                assert house.done == [JobBegun(Kind.TRANSCRIPTION)]
                await asyncio.sleep(2.5)
            assert house.done[1:] == [JobEnded(Kind.TRANSCRIPTION, Outcome.DONE, 2.5)]

    virtual_time.run(play())


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (EngineFailed("engine_failed", "it broke"), Outcome.FAILED),
        (ZeroDivisionError(), Outcome.FAILED),
        (BadMessage("invalid_audio", "it is none"), Outcome.REJECTED),
        (NoRoom("no memory"), Outcome.REFUSED),
        (asyncio.CancelledError(), Outcome.LEFT),
        (ConnectionResetError(), Outcome.LEFT),
        (TimeoutError(), Outcome.LEFT),
    ],
)
def test_error_says_how_the_job_ended(error: BaseException, outcome: Outcome) -> None:
    async def play() -> None:
        async with small() as house:
            with pytest.raises(type(error)), house.studio.admit(Kind.SPEECH):
                raise error
            assert house.done[1:] == [JobEnded(Kind.SPEECH, outcome, 0.0)]

    virtual_time.run(play())


def test_who_works_at_a_job_may_say_how_it_ended() -> None:
    async def play() -> None:
        async with small() as house:
            with house.studio.admit(Kind.SPEECH) as job:
                job.outcome = Outcome.LEFT
            assert house.done[1:] == [JobEnded(Kind.SPEECH, Outcome.LEFT, 0.0)]

    virtual_time.run(play())


def test_refusal_is_told_and_takes_no_time() -> None:
    async def play() -> None:
        async with small(Settings(server=ServerSettings(max_jobs=1))) as house:
            with house.studio.admit(Kind.SPEECH):
                with pytest.raises(NoRoom), house.studio.admit(Kind.TRANSCRIPTION):
                    pass
                assert house.done[1:] == [JobEnded(Kind.TRANSCRIPTION, Outcome.REFUSED, None)]

    virtual_time.run(play())


def test_jobs_are_counted_by_kind_and_outcome() -> None:
    metrics = Metrics()

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    metrics.observe_jobs(JobEnded(Kind.SPEECH, Outcome.REFUSED, None))
    for outcome in (Outcome.DONE, Outcome.LEFT):
        metrics.observe_jobs(JobBegun(Kind.SPEECH))
        assert value("voicechat_jobs_now", kind="speech") == 1
        metrics.observe_jobs(JobEnded(Kind.SPEECH, outcome, 0.2))
    metrics.observe_jobs(JobBegun(Kind.TRANSCRIPTION))
    assert {kind: value("voicechat_jobs_now", kind=kind) for kind in Kind} == {"speech": 0, "transcription": 1}
    counted = {outcome: value("voicechat_jobs_total", kind="speech", outcome=outcome) for outcome in Outcome}
    assert counted == {"done": 1, "left": 1, "refused": 1, "failed": None, "rejected": None}
    assert value("voicechat_job_seconds_count", kind="speech", outcome="done") == 1
    assert value("voicechat_job_seconds_bucket", kind="speech", outcome="left", le="0.25") == 1
    assert value("voicechat_job_seconds_count", kind="speech", outcome="refused") is None
