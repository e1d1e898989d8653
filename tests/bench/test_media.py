"""The parts of the media benchmark that decide what a figure is."""

from itertools import islice

import numpy as np
import pytest

from bench.media import capacity, loss
from bench.media.clips import FRAME, Decoder, encoded, ends, silent
from bench.media.line import losses
from bench.media.measure import Run, percentile
from bench.media.talk import stopped


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
    assert stopped([*old, *new], spoken=1.2) == 0.06
    assert stopped([*old, 0.4, 0.42, *new], spoken=1.2) == 0.42, "it came back while the caller spoke"
    assert stopped([0.02 * tick for tick in range(150)], spoken=1.2) is None


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
