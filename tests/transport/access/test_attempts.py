"""Wrong keys are counted by address, for a minute."""

from voicechat.transport.access.attempts import Attempts


def test_address_waits_a_minute_after_its_last_wrong_key() -> None:
    attempts = Attempts(3)
    for now in (0.0, 10.0, 20.0):
        assert not attempts.too_many("192.0.2.1", now)
        attempts.failed("192.0.2.1", now)
    assert attempts.too_many("192.0.2.1", 20.0)
    assert attempts.too_many("192.0.2.1", 79.9)
    assert not attempts.too_many("192.0.2.1", 80.0)
    attempts.failed("192.0.2.1", 80.0)
    assert not attempts.too_many("192.0.2.1", 80.0)


def test_others_do_not_wait() -> None:
    attempts = Attempts(1)
    attempts.failed("192.0.2.1", 0.0)
    attempts.failed("2001:db8:1:2::1", 0.0)
    assert not attempts.too_many("192.0.2.2", 0.0)
    assert not attempts.too_many("2001:db8:1:3::1", 0.0)
    assert attempts.too_many("2001:db8:1:2:ffff::9", 0.0), "an IPv6 network is one customer"


def test_wrong_keys_now_and_then_are_forgiven() -> None:
    attempts = Attempts(3)
    for minute in range(10):
        attempts.failed("192.0.2.1", 61.0 * minute)
        assert not attempts.too_many("192.0.2.1", 61.0 * minute)


def test_what_is_remembered_is_bounded() -> None:
    attempts = Attempts(1)
    for number in range(10_000):
        attempts.failed(f"10.0.{number // 256}.{number % 256}", 0.0)
    assert len(attempts._counts) == 4096
    assert attempts.too_many("10.0.39.15", 0.0)
