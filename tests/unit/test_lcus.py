"""LCUS frames: published bytes, and streams that were split, damaged and buried in noise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.relay.lcus_codec import (
    decode_binary_status,
    decode_switches,
    decode_text_status,
    encode_switch,
    encode_text_status,
)

PUBLISHED = [
    (1, True, "A0 01 01 A2"),
    (1, False, "A0 01 00 A1"),
    (2, True, "A0 02 01 A3"),
    (2, False, "A0 02 00 A2"),
    (3, True, "A0 03 01 A4"),
    (4, True, "A0 04 01 A5"),
]
commands = st.tuples(st.integers(1, 8), st.booleans())
boards = st.sampled_from([1, 2, 4, 8]).flatmap(lambda n: st.tuples(*[st.booleans()] * n))
# Noise that can be no part of a status text: neither CH lines nor anything that could complete one.
noise = st.binary(max_size=30).filter(lambda data: b"C" not in data)


@pytest.mark.parametrize(("channel", "on", "frame"), PUBLISHED)
def test_commands_are_the_published_bytes(channel: int, on: bool, frame: str) -> None:
    assert encode_switch(channel, on) == bytes.fromhex(frame)


@pytest.mark.parametrize("channel", [0, -1, 256])
def test_a_channel_that_no_byte_can_hold_is_refused(channel: int) -> None:
    with pytest.raises(ValueError, match="channel"):
        encode_switch(channel, True)


def test_the_text_status_has_ten_bytes_per_channel_and_a_padded_on() -> None:
    assert encode_text_status((False, True)) == b"CH1: OFF\r\nCH2: ON \r\n"
    assert decode_text_status(b"CH1: OFF\r\nCH2: ON \r\n") == (False, True)


@given(boards, noise, noise)
def test_a_text_status_is_read_whatever_surrounds_it(
    states: tuple[bool, ...], before: bytes, after: bytes
) -> None:
    assert decode_text_status(before + encode_text_status(states) + after) == states


@given(boards, st.data())
def test_a_text_status_with_one_damaged_byte_never_reads_as_another_state(
    states: tuple[bool, ...], data: st.DataObject
) -> None:
    whole = bytearray(encode_text_status(states))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    seen = decode_text_status(bytes(whole))
    # Losing the last lines is possible and is caught by the channel count; a wrong state is not.
    assert seen is None or seen == states[: len(seen)]
    assert seen != states


def test_contradicting_and_missing_lines_are_no_status() -> None:
    assert decode_text_status(b"CH1: ON \r\nCH1: OFF\r\n") is None
    assert decode_text_status(b"CH1: ON \r\nCH3: OFF\r\n") is None
    assert decode_text_status(b"CH2: ON \r\n") is None
    assert decode_text_status(b"") is None


def test_a_binary_status_is_one_byte_per_channel_and_nothing_else() -> None:
    assert decode_binary_status(bytes([0, 1, 1, 0])) == (False, True, True, False)
    assert decode_binary_status(bytes([0, 1, 2, 0])) is None
    assert decode_binary_status(b"") is None


@given(st.lists(st.one_of(commands, st.none()), max_size=12), st.lists(st.integers(1, 7), max_size=40))
def test_commands_survive_any_split_of_the_stream(
    sent: list[tuple[int, bool] | None], cuts: list[int]
) -> None:
    stream = b"".join(b"\xff" if item is None else encode_switch(*item) for item in sent)
    found: list[tuple[int, bool] | None] = []
    rest = b""
    for size in [*cuts, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        more, rest = decode_switches(rest + piece)
        found += more
    assert found == sent
    assert rest == b""


@given(st.binary(max_size=20).filter(lambda b: 0xA0 not in b and 0xFF not in b), commands, commands)
def test_commands_are_found_behind_and_between_noise(
    garbage: bytes, first: tuple[int, bool], second: tuple[int, bool]
) -> None:
    stream = garbage + encode_switch(*first) + garbage + encode_switch(*second)
    assert decode_switches(stream)[0] == [first, second]


@given(commands, st.integers(0, 3), st.integers(1, 255))
def test_a_command_with_a_damaged_byte_switches_nothing(
    command: tuple[int, bool], at: int, flip: int
) -> None:
    frame = bytearray(encode_switch(*command))
    frame[at] ^= flip
    assert all(item is None for item in decode_switches(bytes(frame))[0])
