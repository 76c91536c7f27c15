"""The pipe between a vision process and the daemon: any cut of the bytes, any nonsense in them."""

import json
import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import Box, Kind, Sighting
from edge.vision.messages import (
    MOST_CROP,
    Attend,
    Compare,
    Configure,
    Failed,
    Health,
    Learnt,
    Look,
    Message,
    Passed,
    Ready,
    Settled,
    Start,
    Stats,
    decode,
    encode,
)
from edge.vision.passing import EDGES, WAYS
from edge.vision.wire import MAGIC, MOST_BLOB, MOST_HEADER, Unframer, WireError, frame

whole = st.integers(0, 2**63 - 1)
words = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20)
real = st.floats(0, 1e6, allow_nan=False)
coordinate = st.floats(-1000, 5000)
stages = st.dictionaries(words, real, max_size=5)
character = st.sampled_from(["皖", "A", "8", "挂", ""])
lattices = st.lists(st.lists(st.tuples(character, st.floats(-30, 0)), max_size=4).map(tuple), max_size=8).map(
    tuple
)

sightings = st.builds(
    Sighting,
    camera=words,
    session=words,
    track_id=st.integers(1, 2**40),
    kind=st.sampled_from((Kind.FACE, Kind.PLATE, Kind.QR)),
    seq=whole,
    taken_ns=whole,
    sent_ns=whole,
    box=st.builds(Box, coordinate, coordinate, coordinate, coordinate),
    quality=st.floats(0, 1),
    lattice=lattices,
    template=st.binary(max_size=512),
    crop_jpeg=st.binary(max_size=500),
    stages_ms=stages,
    ended=st.booleans(),
    flaw=words,
    text=words,
    points=st.just(()) | st.lists(coordinate, min_size=10, max_size=10).map(tuple),
    cues=stages,
    in_view_ms=whole,
    came=st.sampled_from(EDGES),
    went=st.sampled_from(EDGES),
    crossed=st.sampled_from(WAYS),
)
section = st.dictionaries(words, st.one_of(words, st.integers(-5, 5), st.booleans()), max_size=5)
messages = st.one_of(
    sightings,
    st.builds(Start, words, words, section, section, words, whole),
    st.builds(Look, st.integers(0, 600_000)),
    st.builds(Settled, st.integers(1, 2**40)),
    st.builds(Attend, st.integers(1, 2**40), st.integers(0, 600_000)),
    st.builds(Configure, section),
    st.builds(Compare, st.binary(max_size=500), st.floats(0, 1000), st.booleans()),
    st.builds(Learnt, st.binary(max_size=500), st.floats(0, 1000), st.booleans()),
    st.builds(Ready, words, whole, st.dictionaries(words, words, max_size=3)),
    st.builds(Health, words, st.booleans(), words),
    st.builds(Failed, words),
    st.builds(
        Passed,
        st.integers(1, 2**40),
        st.sampled_from((Kind.FACE, Kind.PLATE)),
        st.sampled_from(("in", "out", "loiters")),
        whole,
        whole,
        st.sampled_from(EDGES),
    ),
    st.builds(
        Stats,
        *(whole,) * 7,
        st.floats(0, 1000),
        st.floats(0, 1000),
        stages,
        stages,
    ),
)


def received(pieces: list[bytes]) -> list[Message]:
    unframer = Unframer()
    return [decode(header, blob) for piece in pieces for header, blob in unframer.feed(piece)]


@given(st.lists(messages, max_size=4), st.data())
def test_what_was_said_is_what_is_heard_however_the_bytes_are_cut(
    said: list[Message], data: st.DataObject
) -> None:
    stream = b"".join(encode(message) for message in said)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert received(pieces) == said


@given(st.binary(max_size=300))
def test_noise_is_refused_or_waited_on_and_never_anything_else(noise: bytes) -> None:
    with suppress(WireError):
        assert received([noise]) == []


@given(messages, st.data())
def test_a_message_with_one_byte_changed_never_gets_past_the_checks_in_another_way(
    message: Message, data: st.DataObject
) -> None:
    stream = bytearray(encode(message))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    try:
        heard = received([bytes(stream)])
    except WireError:
        return
    assert len(heard) <= 1


def test_a_length_beyond_the_limit_is_refused_before_anything_is_kept() -> None:
    for header, blob in ((MOST_HEADER + 1, 0), (0, MOST_BLOB + 1), (2**32 - 1, 2**32 - 1)):
        with pytest.raises(WireError, match="announces"):
            list(Unframer().feed(struct.pack(">4sII", MAGIC, header, blob)))


def test_what_is_too_large_is_not_sent() -> None:
    with pytest.raises(WireError, match="too large"):
        frame({"say": "x" * MOST_HEADER})
    with pytest.raises(WireError, match="too large"):
        frame({}, bytes(MOST_BLOB + 1))


def test_what_json_cannot_say_is_not_sent() -> None:
    with pytest.raises(WireError, match="cannot be sent"):
        encode(Stats(fps=float("nan")))


GOOD = Sighting("gate", "s", 1, Kind.PLATE, 1, 1, 2, Box(0, 0, 1, 1), 0.5)


def altered(**changes: object) -> tuple[dict[str, object], bytes]:
    (header, blob), *_ = Unframer().feed(encode(GOOD))
    return {**header, **changes}, blob


@pytest.mark.parametrize(
    "changes",
    [
        {"track_id": 0},
        {"track_id": True},
        {"track_id": "1"},
        {"track_id": 2**63},
        {"taken_ns": -1},
        {"seq": 1.5},
        {"kind": "ghost"},
        {"kind": ["plate"]},
        {"box": [0, 0, 1]},
        {"box": [0, 0, 1, 1e9]},
        {"box": [0, 0, 1, "1"]},
        {"box": [0, 0, 1, True]},
        {"quality": 1.01},
        {"quality": 10**400},
        {"quality": None},
        {"lattice": [[["A", 0.5]]]},
        {"lattice": [[["A"]]]},
        {"lattice": [["A", 0]]},
        {"lattice": "A"},
        {"lattice": [[["TOO LONG", -1]]]},
        {"lattice": [[]] * 17},
        {"template": 1},
        {"crop": -1},
        {"crop": MOST_CROP + 1},
        {"ended": 1},
        {"flaw": "two\nlines"},
        {"flaw": "\x1b[2J"},
        {"flaw": "x" * 81},
        {"camera": 7},
        {"stages_ms": {"read": -1}},
        {"stages_ms": {"read": "1"}},
        {"stages_ms": {str(i): 1 for i in range(17)}},
        {"stages_ms": [1]},
        {"in_view_ms": -1},
        {"came": "middle"},
        {"went": None},
        {"crossed": "through"},
        {"extra": 1},
        {"say": "Nothing"},
        {"say": ["Sighting"]},
        {"say": "Settled"},
    ],
)
def test_a_field_out_of_bounds_is_refused(changes: dict[str, object]) -> None:
    assert decode(*altered()) == GOOD
    with pytest.raises(WireError):
        decode(*altered(**changes))


def test_a_missing_field_and_a_blob_that_nobody_announced_are_refused() -> None:
    header, _ = altered()
    del header["box"]
    with pytest.raises(WireError, match="lacks box"):
        decode(header, b"")
    with pytest.raises(WireError, match="more than its kind"):
        decode(altered()[0], b"x")


@pytest.mark.parametrize(
    "text", [b"[1]", b"{", b"\xff", b'{"a":NaN}', b'{"a":Infinity}', b"[" * 30_000, b"1" * 5000]
)
def test_a_header_that_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(WireError):
        list(Unframer().feed(struct.pack(">4sII", MAGIC, len(text), 0) + text))


def test_the_largest_evidence_fits() -> None:
    candidates = tuple(("皖", -float(i)) for i in range(16))
    large = replace(GOOD, crop_jpeg=bytes(MOST_CROP), template=bytes(4096), lattice=(candidates,) * 16)
    assert received([encode(large)]) == [large]


def test_start_carries_any_section_of_the_configuration() -> None:
    section = {"source": "rtsp://admin:pass@host/1", "region": [0, 0, 1, 1], "fps": None}
    message = Start("gate", "s", section, {})
    assert received([encode(message)]) == [message]
    assert "Start" in json.loads(encode(message)[12:].decode())["say"]
