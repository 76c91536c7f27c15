"""PINs: a slow digest, five tries, ten minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.access.pins import LOCKED_S, WITHIN_S, WRONG_ALLOWED, PinDigest, PinGuard, check_pin
from edge.clock import NS_PER_S
from edge.errors import UsageError

SALT = bytes(range(16))


def test_a_digest_fits_its_pin_only_and_survives_the_store() -> None:
    digest = PinDigest.of("482915", SALT)
    assert digest.fits("482915")
    assert not digest.fits("482916")
    assert not digest.fits("")
    assert PinDigest.from_bytes(digest.to_bytes()) == digest
    assert b"482915" not in digest.to_bytes()
    assert PinDigest.of("482915", bytes(16)).digest != digest.digest


@pytest.mark.parametrize("data", [b"", bytes(49), b"\x02" + bytes(48), b"\x01" + bytes(47)])
def test_what_is_no_digest_is_an_error(data: bytes) -> None:
    with pytest.raises(UsageError):
        PinDigest.from_bytes(data)


@pytest.mark.parametrize(
    "pin",
    ["", "12345", "123456789", "48291a", "４８２９１５", "111111", "123456", "987654", "890123", "246802"],
)
def test_pins_that_may_not_be_set(pin: str) -> None:
    with pytest.raises(UsageError):
        check_pin(pin)


def test_a_good_pin_may_be_set() -> None:
    assert check_pin("482915") == "482915"
    assert check_pin("11223344") == "11223344"


def test_five_wrong_pins_lock_their_lane_only_and_for_ten_minutes() -> None:
    guard = PinGuard()
    assert [guard.wrong("door", second * NS_PER_S) for second in range(5)] == [False] * 4 + [True]
    assert guard.is_locked("door", 5 * NS_PER_S)
    assert not guard.is_locked("gate", 5 * NS_PER_S)
    assert guard.unlocked((4 + LOCKED_S) * NS_PER_S - 1) == ()
    assert not guard.is_locked("door", (4 + LOCKED_S) * NS_PER_S)
    assert guard.unlocked((4 + LOCKED_S) * NS_PER_S) == ("door",)
    assert guard.unlocked((4 + LOCKED_S) * NS_PER_S) == ()


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_no_lane_is_ever_tried_more_than_five_times_in_ten_minutes(pauses_s: list[int]) -> None:
    guard, now_s, tried = PinGuard(), 0, []
    for pause_s in pauses_s:
        now_s += pause_s
        if not guard.is_locked("door", now_s * NS_PER_S):
            guard.wrong("door", now_s * NS_PER_S)
            tried.append(now_s)
    for first in tried:
        assert sum(first <= t < first + min(WITHIN_S, LOCKED_S) for t in tried) <= WRONG_ALLOWED
