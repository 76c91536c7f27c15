"""Modbus RTU frames: published bytes of each family, and replies in noise, in pieces, and from others."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.relay.modbus_codec import (
    Request,
    append_crc,
    find_other_unit,
    find_reply,
    has_sound_crc,
    read_coils,
    read_inputs,
    read_registers,
    write_coil,
    write_coils,
    write_register,
)
from drivers.relay.modbus_profiles import PROFILES

WAVESHARE, LC, QUIRK, R421 = (PROFILES[name] for name in ("waveshare", "lc", "quirk0100", "r421a08"))
ALL_ON = (True,) * 8

REQUESTS = [
    ("waveshare on", WAVESHARE.switch(1, 1, True), "01 05 00 00 FF 00 8C 3A"),
    ("waveshare off", WAVESHARE.switch(1, 1, False), "01 05 00 00 00 00 CD CA"),
    ("waveshare flash 700 ms", WAVESHARE.pulse.request(1, 1, 7), "01 05 02 00 00 07 8D B0"),
    ("waveshare flash 800 ms", WAVESHARE.pulse.request(1, 2, 8), "01 05 02 01 00 08 9C 74"),
    ("waveshare coils", WAVESHARE.read_outputs(1, 8)[0], "01 01 00 00 00 08 3D CC"),
    ("waveshare all on", WAVESHARE.switch_all(1, ALL_ON), "01 0F 00 00 00 08 01 FF BE D5"),
    ("waveshare inputs", WAVESHARE.input_request(1, 8), "01 02 00 00 00 08 79 CC"),
    ("lc on", LC.switch(255, 1, True), "FF 05 00 00 FF 00 99 E4"),
    ("lc off", LC.switch(255, 1, False), "FF 05 00 00 00 00 D8 14"),
    ("lc all on", LC.switch_all(255, ALL_ON), "FF 0F 00 00 00 08 01 FF 30 1D"),
    ("lc coils", LC.read_outputs(255, 8)[0], "FF 01 00 00 00 08 28 12"),
    ("lc inputs of a 2-input board", LC.input_request(255, 2), "FF 02 00 00 00 08 6C 12"),
    ("lc coil, 1 bit", read_coils(1, 0, 1), "01 01 00 00 00 01 FD CA"),
    ("quirk on", QUIRK.switch(1, 1, True), "01 05 00 01 01 00 9D 9A"),
    ("quirk off", QUIRK.switch(1, 1, False), "01 05 00 01 00 00 9C 0A"),
    ("r421 on", R421.switch(1, 1, True), "01 06 00 01 01 00 D9 9A"),
    ("r421 off", R421.switch(1, 1, False), "01 06 00 01 02 00 D9 6A"),
    ("r421 10 s", R421.pulse.request(1, 1, 10), "01 06 00 01 06 0A 5B AD"),
    ("r421 read", R421.read_outputs(1, 8)[0], "01 03 00 01 00 01 D5 CA"),
    ("who is there", read_registers(0, 0, 1), "00 03 00 00 00 01 85 DB"),
]
REPLIES = [
    (read_inputs(255, 0, 8), "FF 02 01 01 51 A0", (True,) + (False,) * 7),
    (read_inputs(1, 0, 8), "01 02 01 20 A0 50", (False,) * 5 + (True, False, False)),
    (read_coils(1, 0, 1), "01 01 01 00 51 88", (False,)),
]
units = st.integers(1, 255)
requests = st.one_of(
    st.builds(read_coils, units, st.just(0), st.sampled_from([8, 16, 32])),
    st.builds(read_inputs, units, st.just(0), st.sampled_from([8, 16])),
    st.builds(read_registers, units, st.integers(0, 0xFFFF), st.integers(1, 8)),
    st.builds(write_coil, units, st.integers(0, 0xFFFF), st.sampled_from([0xFF00, 0, 0x0100, 7])),
    st.builds(write_register, units, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)),
    st.builds(write_coils, units, st.just(0), st.just(ALL_ON)),
)


def reply_to(request: Request, fill: bytes = b"") -> bytes:
    """A right answer of the board that is asked."""
    if request.is_echoed:
        return append_crc(request.frame[:6])
    count = request.reply_bytes - 5
    return append_crc(request.frame[:2] + bytes([count]) + (fill * count)[:count].ljust(count, b"\x05"))


@pytest.mark.parametrize(("name", "request_", "frame"), REQUESTS, ids=[row[0] for row in REQUESTS])
def test_requests_are_the_published_bytes(name: str, request_: Request, frame: str) -> None:
    assert request_.frame == bytes.fromhex(frame)


@pytest.mark.parametrize(("request_", "frame", "states"), REPLIES)
def test_published_replies_read_as_their_states(
    request_: Request, frame: str, states: tuple[bool, ...]
) -> None:
    reply = find_reply(bytes.fromhex(frame), request_)
    assert reply is not None
    assert reply.bits(len(states)) == states


def test_the_published_reply_to_a_write_of_all_relays_is_accepted() -> None:
    request = LC.switch_all(255, ALL_ON)
    assert find_reply(bytes.fromhex("FF 0F 00 00 00 08 41 D3"), request) is not None


def test_the_published_reply_with_the_boards_address_reads_as_a_register() -> None:
    reply = find_reply(bytes.fromhex("00 03 02 00 01 44 44"), read_registers(0, 0, 1))
    assert reply is not None
    assert reply.registers() == (1,)


@given(requests, st.binary(max_size=24), st.binary(max_size=24))
def test_a_reply_is_found_in_any_noise(request_: Request, before: bytes, after: bytes) -> None:
    noisy = before + reply_to(request_) + after
    # Noise that is itself a sound reply to this request is a reply, also for a board.
    assume(find_reply(before + reply_to(request_)[:-1], request_) is None)
    found = find_reply(noisy, request_)
    assert found is not None
    assert noisy[found.end - request_.reply_bytes : found.end] == reply_to(request_)


@given(requests, st.data())
def test_no_part_of_a_reply_counts_before_the_last_byte(request_: Request, data: st.DataObject) -> None:
    whole = reply_to(request_)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert find_reply(whole[:cut], request_) is None
    assert find_reply(whole, request_) is not None


@given(requests, st.data())
def test_a_reply_with_one_or_two_damaged_bits_is_none(request_: Request, data: st.DataObject) -> None:
    # CRC-16 finds every error of up to three bits in frames of this length, so this has no exception.
    whole = bytearray(reply_to(request_))
    for _ in range(data.draw(st.integers(1, 2))):
        bit = data.draw(st.integers(0, 8 * len(whole) - 1))
        whole[bit // 8] ^= 1 << (bit % 8)
    assume(bytes(whole) != reply_to(request_))
    assert find_reply(bytes(whole), request_) is None


@given(requests, st.binary(min_size=1, max_size=6), st.data())
def test_bytes_pushed_into_a_reply_spoil_it(request_: Request, extra: bytes, data: st.DataObject) -> None:
    whole = reply_to(request_)
    at = data.draw(st.integers(1, len(whole) - 1))
    spoilt = whole[:at] + extra + whole[at:]
    assume(whole not in spoilt)
    found = find_reply(spoilt, request_)
    # A CRC-16 lets one in 65,536 spoilt frames through; what must never pass is a frame without a sound CRC.
    assert found is None or has_sound_crc(spoilt[found.end - request_.reply_bytes : found.end])


@given(units, units, st.integers(0, 7))
def test_the_answer_of_another_board_is_no_answer(ours: int, other: int, channel: int) -> None:
    assume(ours != other)
    request = write_coil(ours, channel, 0xFF00)
    foreign = append_crc(bytes([other]) + request.frame[1:6])
    assert find_reply(foreign, request) is None
    assert find_other_unit(foreign, request) == other


def test_the_acknowledgement_of_another_write_is_no_acknowledgement() -> None:
    on, off = WAVESHARE.switch(1, 1, True), WAVESHARE.switch(1, 1, False)
    assert find_reply(reply_to(off), on) is None
    assert find_reply(reply_to(WAVESHARE.switch(1, 2, True)), on) is None
    assert find_reply(reply_to(off) + reply_to(on), on) is not None


def test_a_refusal_is_found_and_named() -> None:
    reply = find_reply(append_crc(bytes([1, 0x85, 2])), write_coil(1, 99, 0xFF00))
    assert reply is not None
    assert reply.refusal == 2


@given(requests)
def test_the_echo_of_a_read_is_never_its_answer(request_: Request) -> None:
    if not request_.is_echoed:
        assert find_reply(request_.frame, request_) is None


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_no_family_has_a_request_that_toggles_or_latches(name: str) -> None:
    profile = PROFILES[name]
    for channel in range(1, 9):
        frames = [profile.switch(1, channel, on).frame for on in (True, False)]
        if profile.pulse is not None:
            frames.append(profile.pulse.request(1, channel, 1).frame)
        for frame in frames:
            value = int.from_bytes(frame[4:6], "big")
            address = int.from_bytes(frame[2:4], "big")
            assert value != 0x5500
            assert address not in (0x00FF, 0x01FF)
            if frame[1] == 6:
                assert value >> 8 not in (3, 4)
