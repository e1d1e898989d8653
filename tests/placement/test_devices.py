"""Devices: a model goes where most is free, and never where it does not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.errors import AdapterUnavailable
from voicechat.placement import Device, place

GIB = 1024**3
CPU = Device("cpu", 16 * GIB, 8 * GIB)
SMALL = Device("cuda:0", 8 * GIB, 6 * GIB)
LARGE = Device("cuda:1", 24 * GIB, 20 * GIB)


@pytest.mark.parametrize(
    ("gigabytes", "wanted", "cpu", "device"),
    [
        (1, "auto", True, "cuda:1"),
        (1, "cuda", True, "cuda:1"),
        (1, "cuda:0", True, "cuda:0"),
        (1, "cpu", True, "cpu"),
        (15, "auto", False, "cuda:1"),
        (0, "auto", True, "cuda:1"),
    ],
)
def test_model_goes_where_most_is_free(gigabytes: int, wanted: str, cpu: bool, device: str) -> None:
    assert place("m", gigabytes * GIB, [CPU, SMALL, LARGE], wanted=wanted, cpu=cpu).name == device


def test_processor_takes_what_no_gpu_has_room_for() -> None:
    full = Device("cuda:0", 8 * GIB, GIB // 2)
    assert place("m", 2 * GIB, [CPU, full]) is CPU


def test_model_that_fits_nowhere_is_told_why_for_each_device() -> None:
    with pytest.raises(AdapterUnavailable) as caught:
        place("xtts", 6 * GIB, [CPU, SMALL], cpu=False)
    assert caught.value.code == "no_device"
    assert caught.value.message == (
        "xtts needs 7.2 GiB on auto: cpu cannot run it; cuda:0 has 6.0 GiB of 8.0 GiB free"
    )
    with pytest.raises(AdapterUnavailable, match="cpu was not asked for; cuda:0 was not asked for"):
        place("xtts", GIB, [CPU, SMALL], wanted="cuda:7")
    with pytest.raises(AdapterUnavailable, match="there is no device"):
        place("xtts", GIB, [])


def test_model_that_says_nothing_of_its_size_needs_some_room_all_the_same() -> None:
    with pytest.raises(AdapterUnavailable, match="614 MiB"):
        place("m", 0, [Device("cpu", GIB, GIB // 2)])


def test_two_loads_at_a_time_do_not_share_one_room() -> None:
    devices = [Device("cuda:0", 8 * GIB, 6 * GIB), Device("cuda:1", 8 * GIB, 5 * GIB)]
    first = place("a", 4 * GIB, devices)
    devices = [device.less(4 * GIB) if device is first else device for device in devices]
    assert (first.name, place("b", 4 * GIB, devices).name) == ("cuda:0", "cuda:1")


rooms = st.lists(
    st.tuples(st.sampled_from(["cpu", "cuda:0", "cuda:1", "cuda:2"]), st.integers(0, 100)),
    unique_by=lambda room: room[0],
    max_size=4,
).map(lambda found: [Device(name, 100 * GIB, free * GIB) for name, free in found])


wanteds = st.sampled_from(["auto", "cpu", "cuda", "cuda:1"])


@given(rooms, st.lists(st.integers(1, 40), max_size=12), wanteds, st.booleans())
def test_devices_are_never_filled_above_what_they_have(
    devices: list[Device], models: list[int], wanted: str, cpu: bool
) -> None:
    for gigabytes in models:
        allowed = [one for one in devices if wanted == "auto" or f"{one.name}:".startswith(f"{wanted}:")]
        allowed = [one for one in allowed if cpu or one.name != "cpu"]
        try:
            taken = place("m", gigabytes * GIB, devices, wanted=wanted, cpu=cpu)
        except AdapterUnavailable:
            assert all(one.free < 1.2 * gigabytes * GIB for one in allowed)
        else:
            assert taken in allowed
            assert taken.free >= 1.2 * gigabytes * GIB - 1
            devices = [one.less(gigabytes * GIB) if one is taken else one for one in devices]
