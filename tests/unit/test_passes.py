"""QR passes: what a signature is worth, and what a pass may say."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge.access import Moment, Person, Roster
from edge.access.passes import (
    LEEWAY_S,
    LONGEST_S,
    MOST_TEXT,
    Marks,
    Pass,
    PassRefused,
    check_pass,
    holder_of,
    read_pass,
    subject_mark,
    write_pass,
)
from edge.clock import NS_PER_S, ClockState
from edge.errors import UsageError
from edge.jws import COMMAND_TYPE, QR_TYPE, encode_part, sign
from edge.records import Reason

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = {"desk": KEY.public_key()}
START = 1_795_000_000
NOW = Moment(0, (START + 100) * NS_PER_S, ClockState.SYNCED)
WANG = Pass("pass-0001", START, START + 3600, subject=subject_mark("wang-li"), lanes=("door",), kid="desk")
GUEST = Pass("pass-0002", START, START + 3600, zones=("garden",), host=subject_mark("wang-li"), kid="desk")
ROSTER = Roster.of(1, [Person("wang-li", "王丽"), Person("zhou", "周")])

places = st.lists(st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True), max_size=4).map(tuple)
passes = st.builds(
    Pass,
    jti=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{7,31}", fullmatch=True),
    valid_from_utc_s=st.just(START),
    valid_to_utc_s=st.integers(START + 1, START + LONGEST_S),
    subject=st.sampled_from(["", subject_mark("wang-li")]),
    lanes=places,
    zones=places,
    uses=st.integers(0, 1000),
    kid=st.just("desk"),
).filter(lambda given: bool(given.subject or given.lanes or given.zones))


@given(passes)
def test_a_pass_says_what_was_written_and_fits_into_a_code(given: Pass) -> None:
    text = write_pass(given, KEY)
    assert read_pass(text, KEYS) == given
    assert len(text) <= MOST_TEXT


@given(passes, st.data())
def test_a_pass_with_one_character_changed_opens_nothing(given: Pass, data: st.DataObject) -> None:
    text = write_pass(given, KEY)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("AZaz09-_.!").filter(lambda letter: letter != text[place]))
    with pytest.raises(PassRefused):
        read_pass(text[:place] + letter + text[place + 1 :], KEYS)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda noise: noise.decode("latin-1")))
def test_any_other_code_is_not_a_pass(text: str) -> None:
    with pytest.raises(PassRefused) as refused:
        read_pass(text, KEYS)
    assert refused.value.reason is Reason.QR_UNREADABLE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (write_pass(replace(WANG, kid="stranger"), KEY), Reason.QR_UNKNOWN_ISSUER),
        (write_pass(WANG, OTHER), Reason.QR_FORGED),
        (sign({"v": 1}, kid="desk", key=KEY, typ=COMMAND_TYPE).decode(), Reason.QR_UNREADABLE),
        (sign({"v": 1}, kid="desk", key=KEY, typ=QR_TYPE).decode(), Reason.QR_UNREADABLE),
        ("https://example.com/pay?amount=1", Reason.QR_UNREADABLE),
        ("", Reason.QR_UNREADABLE),
        ("a" * (MOST_TEXT + 1), Reason.QR_UNREADABLE),
        ("通行码", Reason.QR_UNREADABLE),
        ("..", Reason.QR_UNREADABLE),
    ],
)
def test_each_bad_code_has_its_reason(text: str, reason: Reason) -> None:
    with pytest.raises(PassRefused) as refused:
        read_pass(text, KEYS)
    assert refused.value.reason is reason


def test_a_header_that_chooses_its_own_algorithm_is_refused() -> None:
    header = encode_part(b'{"alg":"none","kid":"desk","typ":"gh-pass"}')
    body = write_pass(WANG, KEY).split(".")[1]
    with pytest.raises(PassRefused):
        read_pass(f"{header.decode()}.{body}.", KEYS)


@pytest.mark.parametrize(
    "claims",
    [
        {"v": 2},
        {"v": True},
        {"jti": "short"},
        {"jti": 7},
        {"nbf": START + 3600},
        {"exp": START + LONGEST_S + 1},
        {"exp": "soon"},
        {"use": -1},
        {"use": 1001},
        {"use": True},
        {"sub": "王丽"},
        {"sub": "wang-li"},
        {"lan": "door"},
        {"lan": ["Door"]},
        {"lan": ["a/b/c"]},
        {"lan": ["d"] * 17},
        {"zon": ["a/b"]},
        {"name": "王丽"},
    ],
)
def test_a_genuine_signature_under_nonsense_is_refused(claims: dict[str, object]) -> None:
    good = {"v": 1, "jti": "pass-0001", "nbf": START, "exp": START + 3600, "use": 1, "lan": ["door"]}
    assert read_pass(sign(good, kid="desk", key=KEY, typ=QR_TYPE).decode(), KEYS)
    with pytest.raises(PassRefused) as refused:
        read_pass(sign(good | claims, kid="desk", key=KEY, typ=QR_TYPE).decode(), KEYS)
    assert refused.value.reason is Reason.QR_UNREADABLE


def test_a_visitors_pass_must_say_where() -> None:
    with pytest.raises(UsageError, match="names no lane and no zone"):
        write_pass(replace(GUEST, zones=()), KEY)


@pytest.mark.parametrize(
    ("given", "lane", "zones", "now", "reason"),
    [
        (WANG, "door", (), NOW, None),
        (WANG, "gate", (), NOW, Reason.WRONG_LANE),
        (replace(WANG, lanes=("box-1/door",)), "door", (), NOW, None),
        (replace(WANG, lanes=("box-2/door",)), "door", (), NOW, Reason.WRONG_LANE),
        (replace(WANG, lanes=()), "gate", (), NOW, None),
        (GUEST, "gate", ("garden",), NOW, None),
        (GUEST, "gate", ("garage",), NOW, Reason.WRONG_LANE),
        (WANG, "door", (), replace(NOW, clock_state=ClockState.UNSET), Reason.CLOCK_UNSET),
        (WANG, "door", (), replace(NOW, clock_state=ClockState.HOLDOVER), None),
        (WANG, "door", (), replace(NOW, utc_ns=(START - LEEWAY_S) * NS_PER_S), None),
        (WANG, "door", (), replace(NOW, utc_ns=(START - LEEWAY_S - 1) * NS_PER_S), Reason.NOT_YET_VALID),
        (WANG, "door", (), replace(NOW, utc_ns=(START + 3600 + LEEWAY_S) * NS_PER_S), Reason.EXPIRED),
        (WANG, "door", (), replace(NOW, utc_ns=(START + 3599 + LEEWAY_S) * NS_PER_S), None),
    ],
)
def test_where_and_when_a_pass_counts(
    given: Pass, lane: str, zones: tuple[str, ...], now: Moment, reason: Reason | None
) -> None:
    assert check_pass(given, "box-1", lane, zones, now) is reason


def test_a_pass_holds_no_name_and_finds_its_person() -> None:
    text = write_pass(WANG, KEY)
    assert "wang" not in text
    assert b"wang" not in b"".join(_decoded(part) for part in text.split(".")[:2])
    holder = holder_of(WANG, ROSTER, Marks())
    assert holder is not None
    assert holder.id == "wang-li"
    assert holder_of(replace(WANG, subject=subject_mark("nobody")), ROSTER, Marks()) is None


def test_a_visitor_is_a_person_of_their_own_as_long_as_the_host_is_here() -> None:
    marks = Marks()
    guest = holder_of(GUEST, ROSTER, marks)
    assert guest is not None
    assert (guest.id, guest.name, guest.group) == ("visitor-pass-0002", "", "visitor")
    assert holder_of(GUEST, Roster.of(2, [Person("zhou", "周")]), marks) is None
    assert holder_of(replace(GUEST, host=""), Roster.of(3, []), marks) is not None


def _decoded(part: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
