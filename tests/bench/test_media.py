"""The parts of the media benchmark that decide what a figure is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

from bench.media import capacity, chart, found, loss
from bench.media.capacity import Capacity
from bench.media.clips import FRAME, Decoder, Packet, encoded, ends, silent
from bench.media.clock import Clock
from bench.media.found import Found, Report
from bench.media.line import Line, losses
from bench.media.measure import Run, percentile
from bench.media.systems import Server, ServerFailed, System, running
from bench.media.talk import spread, stopped


@pytest.mark.parametrize("holds", [16, 19, 31, 47, 60, 96, 200])
def test_the_search_ends_within_an_eighth_of_what_holds(holds: int) -> None:
    good, bad, number, tries = 1, 0, 16, 0
    while number:
        good, bad = (number, bad) if number <= holds else (good, number)
        number = capacity.next_number(good, bad)
        tries += 1
    assert holds * 7 / 9 <= good <= holds
    assert tries <= 8


def test_a_code_is_read_back_through_the_codec() -> None:
    code, sound = loss.coded(3, 100)
    decoder = Decoder()
    heard = np.concatenate([decoder.samples(packet.payload) for packet in encoded(sound, "lowdelay")])
    assert loss.intact(code, loss.read(heard)) == 100


@pytest.mark.parametrize("kind", ["wrong", "left out", "late"])
def test_what_is_not_in_its_place_is_missing(kind: str) -> None:
    code, _ = loss.coded(3, 200)
    found = list(code)
    match kind:
        case "wrong":
            found[50:60] = code[49:50] * 10
        case "left out":
            del found[50:60]
        case "late":
            found[50:60] = [-1] * 15 + code[50:60]
    assert loss.intact(code, found) == (200 if kind == "late" else 190)


def test_exactly_the_wanted_share_is_lost() -> None:
    lost = list(islice(losses(0.05, 1), 1000))
    assert sum(lost) == 50
    assert lost == list(islice(losses(0.05, 1), 1000)) != list(islice(losses(0.05, 2), 1000))


def test_an_interruption_ends_an_answer_at_its_last_packet() -> None:
    old, new = [0.02, 0.04, 0.06], [1.7, 1.72]
    assert stopped([*old, *new], onset=0.0, spoken=1.2) == 0.06
    assert stopped([*old, 0.4, 0.42, *new], onset=0.0, spoken=1.2) == 0.42, "it came back while the caller spoke"
    assert stopped([*old, 2.0, 2.02, *(at + 2 for at in new)], onset=1.0, spoken=2.2) == 2.02, "a gap before it"


def test_an_answer_that_is_heard_whole_was_not_interrupted() -> None:
    whole = [0.02 * tick for tick in range(150)]
    assert stopped(whole, onset=0.3, spoken=1.2) is None
    assert stopped([*whole, 3.4, 3.42], onset=0.3, spoken=1.2) is None
    assert stopped([*whole[:-20], 3.4, 3.42], onset=0.3, spoken=1.2) == pytest.approx(2.58)


def test_a_clip_is_audible_between_its_silences_only() -> None:
    packets = encoded(np.full(10 * FRAME, 8000, np.int16) * np.tile([1, -1], 5 * FRAME).astype(np.int16))
    first, last = ends(packets)
    assert 4 <= first <= 6 and first + 9 <= last <= first + 11
    assert not silent().audible


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile(range(100), 0.95) == 95
    assert np.isnan(percentile([], 0.5))


def run(**found: object) -> Run:
    values: dict[str, object] = {name: 0 for name in Run.__dataclass_fields__}
    values.update(callers=4, connected=4, asked=20, waits=[500.0] * 20, gaps=[25.0] * 20, stops=[])
    return Run(**{**values, **found})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({"connected": 3}, "1 not connected"),
        ({"unanswered": 2}, "2 of 20 unanswered"),
        ({"gaps": [25.0] * 18 + [61.0] * 2}, "gap 61 ms"),
        ({"waits": [500.0] * 18 + [1001.0] * 2}, "wait 1001 ms"),
    ],
)
def test_each_rule_of_holding_is_a_fault_of_its_own(found: dict[str, object], fault: str) -> None:
    assert run().faults(single_wait=500) == []
    assert run(**found).faults(single_wait=500) == [fault]


async def test_a_number_whose_server_fails_is_not_held() -> None:
    tried: list[int] = []

    async def trial(callers: int) -> Run:
        tried.append(callers)
        if callers > 20:
            raise ServerFailed("it has ended")
        return run(callers=callers, connected=callers)

    told: list[str] = []
    result = await capacity.search(trial, run(callers=1, connected=1), run(callers=8, connected=8), told.append)
    assert result == Capacity(20, 22, ["it has ended"])
    assert tried == [16, 32, 24, 20, 22]
    assert len(told) == 1 + len(tried)


async def test_a_search_ends_when_its_time_is_over() -> None:
    async def trial(callers: int) -> Run:
        return run(callers=callers, connected=callers)

    told: list[str] = []
    result = await capacity.search(trial, run(), run(callers=8, connected=8), told.append, seconds=-1)
    assert result == Capacity(8)
    assert told[1:] == ["no more is tried after -1 s"]


@pytest.mark.parametrize(
    ("disturbed", "why"),
    [({"late": 16.0}, "we were 16 ms late ourselves"), ({"others": 0.2}, "others used 20% of its core")],
)
async def test_a_run_that_failed_while_disturbed_is_repeated(disturbed: dict[str, object], why: str) -> None:
    single, bad = run(callers=1, connected=1), run(callers=8, connected=8, gaps=[70.0] * 20, **disturbed)

    async def better(callers: int) -> Run:
        return run(callers=callers, connected=callers, **disturbed)

    async def again(callers: int) -> Run:
        return bad

    told: list[str] = []
    assert await capacity.search(better, single, bad, told.append, most=8) == Capacity(8)
    assert told[0] == f"8 callers: gap 70 ms; void: {why}; once more"
    result = await capacity.search(again, single, bad, told.append, seconds=-1)
    assert result == Capacity(1, 8, ["gap 70 ms", f"void: {why}"])


@pytest.mark.parametrize("command", ["print('no')", "import sys; sys.exit('no')"])
async def test_a_server_that_does_not_start_is_told_of(tmp_path: Path, command: str) -> None:
    with pytest.raises(ServerFailed, match="did not start"):
        async with running(System("none", ("-c", command), 0.3), tmp_path / "log"):
            pass


def test_a_server_that_is_gone_is_told_of() -> None:
    gone = Server(System("none", (), 0.3), "http://127.0.0.1:1", pid=2**22 + 1)
    with pytest.raises(ServerFailed):
        gone.cpu()
    with pytest.raises(ServerFailed):
        gone.memory()


def test_questions_are_spread_evenly_however_many_there_are() -> None:
    for count in (6, 12, 30):
        moments = sorted(islice(spread(), count))
        assert max(after - before for before, after in pairwise([*moments, 1 + moments[0]])) < 2.7 / count


class Echo(MediaStreamTrack):
    """What comes in, as it comes."""

    kind = "audio"

    def __init__(self, source: MediaStreamTrack) -> None:
        super().__init__()
        self._source = source

    async def recv(self) -> Any:
        return await self._source.recv()


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """A stock aiortc server that says back what it hears; its URL."""
    connections: list[RTCPeerConnection] = []

    async def offer(request: web.Request) -> web.Response:
        connection = RTCPeerConnection()
        connections.append(connection)
        connection.on("track", lambda track: connection.addTrack(Echo(track)))
        await connection.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return web.Response(text=connection.localDescription.sdp)

    site = web.Application()
    site.router.add_post("/offer", offer)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/offer"
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
        await runner.cleanup()


def beep() -> list[Packet]:
    return encoded((8_000 * np.sin(2 * np.pi * 440 / 48_000 * np.arange(10 * FRAME))).astype(np.int16))


async def test_a_line_hears_what_a_stock_server_says_back() -> None:
    async with echoing() as url, Clock() as clock, Line(url, silent(), clock) as line:
        await asyncio.sleep(0.5)
        assert line.heard == []
        first, last = await line.mouth.say(beep())
        heard = await line.voice(first, 3.0)
        await line.quiet(0.3, 3.0)
        assert heard is not None and heard > first
        assert line.heard[0] == heard
        assert 9 <= len(line.heard) <= 13
        assert last > first
        assert line.packets > 20


async def test_a_line_that_loses_all_is_not_heard() -> None:
    async with echoing() as url, Clock() as clock, Line(url, silent(), clock, loss=1.0) as line:
        first, _ = await line.mouth.say(beep())
        assert await line.voice(first, 0.5) is None


def report() -> Report:
    whole = Found(0.3, 0.145, 130.0, run(), run(stops=[60.0]), run(callers=8, connected=8), capacity=Capacity(50, 54))
    place = {"date": "today", "commit": "abc", "processor": "P<1>", "cores": 2, "load": 0.5}
    return Report(place, systems={"ours": whole, "theirs & others": Found(0.2, 0.15, failed=["it has ended"])})


def test_a_system_that_failed_has_empty_rows_beside_the_others() -> None:
    table = report().as_json()["table"]
    assert table["ours"]["overhead p50"] == pytest.approx(55.0)
    assert table["ours"]["callers on a core"] == 50
    assert table["theirs & others"]["overhead p50"] is None
    [main, _] = found.tables(report())
    assert [list(column.cells)[0] for column in main.columns] == ["wait p50", "500", "-"]


def test_the_chart_is_well_formed_and_names_what_was_not_measured() -> None:
    drawn = chart.svg(report())
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "theirs &amp; others" in drawn
    assert "not measured" in drawn
