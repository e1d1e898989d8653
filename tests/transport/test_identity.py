"""Who calls: the same name for the same person, and no more than that."""

from aiohttp.test_utils import make_mocked_request

from voicechat.transport.identity import HEADER, caller


def test_caller_has_the_same_name_in_every_call() -> None:
    first, again, other = (
        caller(make_mocked_request("GET", "/", {HEADER: said}))
        for said in ("anna@example.org", " anna@example.org ", "b")
    )
    assert first == again != other
    assert "anna" not in first and len(other) == len(first) == 32


def test_caller_whose_program_says_nothing_is_not_known() -> None:
    assert caller(make_mocked_request("GET", "/")) == "" == caller(make_mocked_request("GET", "/", {HEADER: " "}))
