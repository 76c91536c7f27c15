"""Events as bytes: CloudEvents 1.0, there and back, and the chain that shows every change."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import Event, Stream
from edge.store import EnvelopeInvalid, from_wire, to_wire, verify_chain
from edge.store.envelope import FIRST_PREV, digest

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Lone surrogates are no text and cannot be UTF-8.
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc京"), inner, max_size=3),
    max_leaves=8,
)


def an_event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "id": "019f0000-0000-7000-8000-000000000001",
        "stream": Stream.ACCESS,
        "type": "access.decided",
        "subject": "gate-1",
        "data": {"plate": "京A12345", "verdict": "grant"},
        "chain": ("track-1", "decision-1"),
        "epoch": "ab" * 16,
        "seq": 1,
        "prev": FIRST_PREV,
        "utc_ns": 1_795_403_645_137_091_000,
        "clock_state": "synced",
        "boot_id": "boot-1",
        "boot_ns": 1_750_866_625_049,
    }
    return Event(**(fields | changes))


def changed(**changes: Any) -> bytes:
    document = json.loads(to_wire(an_event(), "home", "box-1")) | changes
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


def test_the_wire_form_is_the_cloudevents_json_of_the_design() -> None:
    document = json.loads(to_wire(an_event(), "home", "box-1"))
    assert document == {
        "specversion": "1.0",
        "id": "019f0000-0000-7000-8000-000000000001",
        "source": "gh:home/box-1",
        "type": "gh.access.decided.v1",
        "subject": "gate-1",
        "time": "2026-11-23T03:14:05.137091Z",
        "datacontenttype": "application/json",
        "ghstream": "access",
        "ghepoch": "ab" * 16,
        "ghseq": 1,
        "ghprev": "0" * 32,
        "ghboot": "boot-1",
        "ghmono": "1750866625049",
        "ghclk": "synced",
        "ghchain": "track-1 decision-1",
        "data": {"plate": "京A12345", "verdict": "grant"},
    }
    for name in document:  # CloudEvents 1.0, section 3.1: lower-case letters and digits, at most 20 of them
        assert name.isalnum()
        assert name == name.lower()
        assert len(name) <= 20


@given(
    data=st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4).filter(
        lambda d: all(key.isprintable() for key in d)
    ),
    stream=st.sampled_from(Stream),
    seq=st.integers(1, 2**31 - 1),
    utc_us=st.integers(0, 4_000_000_000_000_000),
    boot_ns=st.integers(0, 2**62),
    chain=st.lists(st.text("abc-1", min_size=1), max_size=3),
)
def test_what_goes_onto_the_wire_comes_back_the_same(
    data: dict[str, Any], stream: Stream, seq: int, utc_us: int, boot_ns: int, chain: list[str]
) -> None:
    event = an_event(
        data=data, stream=stream, seq=seq, utc_ns=utc_us * 1000, boot_ns=boot_ns, chain=tuple(chain)
    )
    envelope = from_wire(to_wire(event, "home", "box-1"))
    assert envelope.event == event
    assert (envelope.tenant, envelope.device, envelope.version) == ("home", "box-1", 1)


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b" " * 200_000, "bytes, more than"),
        (changed(specversion="0.3"), "specversion"),
        (changed(id=None), "id is missing"),
        (changed(id=7), "id is missing or not a text"),
        (changed(source="gh:home"), "source is malformed"),
        (changed(source="xx:home/box-1"), "source is malformed"),
        (changed(type="gh.access.v1"), "type is malformed"),
        (changed(type="access.decided.v1"), "type is malformed"),
        (changed(subject=""), "subject is missing"),
        (changed(time="2026-11-23 03:14:05Z"), "time is malformed"),
        (changed(time="2026-13-23T03:14:05Z"), "time is no date"),
        (changed(ghstream="secrets"), "ghstream is 'secrets'"),
        (changed(ghepoch="AB" * 16), "ghepoch is malformed"),
        (changed(ghseq=0), "ghseq is 0"),
        (changed(ghseq=True), "ghseq is True"),
        (changed(ghseq="1"), "ghseq is '1'"),
        (changed(ghprev="ab"), "ghprev is malformed"),
        (changed(ghmono=5), "ghmono is missing or not a text"),
        (changed(ghclk="maybe"), "ghclk is 'maybe'"),
        (changed(data=None), "data is missing"),
        (changed(data=[1]), "data is missing or not an object"),
    ],
)
def test_what_is_no_event_is_refused_with_the_attribute_and_the_fault(wire: bytes, words: str) -> None:
    with pytest.raises(EnvelopeInvalid, match=words):
        from_wire(wire)


def test_attributes_of_a_later_version_are_passed_over() -> None:
    assert from_wire(changed(ghlater="x", type="gh.access.decided.v2")).version == 2


@given(st.binary(max_size=400))
def test_no_bytes_whatever_end_in_anything_but_an_envelope_error(wire: bytes) -> None:
    with pytest.raises(EnvelopeInvalid):
        from_wire(wire)


def chain_of(
    count: int, stream: Stream = Stream.ACCESS, start: int = 1, prev: str = FIRST_PREV
) -> list[bytes]:
    wires: list[bytes] = []
    for seq in range(start, start + count):
        wires.append(to_wire(an_event(stream=stream, seq=seq, prev=prev), "home", "box-1"))
        prev = digest(wires[-1])
    return wires


def test_an_unbroken_chain_verifies_also_mixed_and_cut_at_its_beginning() -> None:
    access, alarm = chain_of(9), chain_of(9, Stream.ALARM)
    mixed = [wire for pair in zip(access, alarm, strict=True) for wire in pair]
    assert verify_chain(mixed) is None
    assert verify_chain(access[4:]) is None
    assert verify_chain([]) is None


@given(row=st.integers(0, 7), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_but_in_the_last_event_is_found(row: int, place: int, bit: int) -> None:
    wires = chain_of(9)
    content = bytearray(wires[row])
    content[place % len(content)] ^= 1 << bit
    wires[row] = bytes(content)
    found = verify_chain(wires, "ab" * 16)
    assert found is not None
    # The change shows in the changed event itself or in the hash that the next one carries.
    assert found.index in (row, row + 1)


def test_a_removed_an_added_and_a_swapped_event_are_found_with_their_number() -> None:
    wires = chain_of(6)
    removed = verify_chain(wires[:2] + wires[3:])
    swapped = verify_chain([wires[0], wires[2], wires[1], *wires[3:]])
    forged = verify_chain([*wires[:3], to_wire(an_event(seq=4, prev="12" * 16), "home", "box-1")])
    assert removed is not None
    assert (removed.seq, removed.problem) == (4, "sequence jumps from 2 to 4")
    assert swapped is not None
    assert swapped.seq == 3
    assert forged is not None
    assert (forged.seq, forged.problem) == (4, "does not carry the hash of event 3")
    assert verify_chain(chain_of(1, start=1, prev="12" * 16)) is not None
