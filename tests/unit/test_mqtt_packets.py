"""The wire of the fault tests: packets are cut where they end, and what is said twice is answered once."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mqtt_packets import Doubler, Packets, is_qos_1, packet_id

SHORT_SUBSCRIBE = b"\x82\x08\x00\x07\x00\x03a/b\x01"
PING = b"\xc0\x00"


def publish(mid: int, size: int, qos: int = 1) -> bytes:
    name = mid.to_bytes(2, "big") if qos else b""
    body = b"\x00\x03a/b" + name + b"x" * size
    length, left = b"", len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        length += bytes((digit | (0x80 if left else 0),))
        if not left:
            return bytes((0x30 | qos << 1,)) + length + body


def puback(mid: int) -> bytes:
    return b"\x40\x02" + mid.to_bytes(2, "big")


@settings(deadline=None)
@example([1], 20_000)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=8), st.sampled_from([0, 100, 20_000]))
def test_packets_are_found_however_the_stream_is_cut(cuts: list[int], size: int) -> None:
    whole = [publish(5, size), PING, SHORT_SUBSCRIBE, publish(6, size, qos=0), puback(5)]
    stream, packets, found, at = b"".join(whole), Packets(), [], 0
    for cut in itertools.cycle(cuts):
        found += packets.feed(stream[at : at + cut])
        at += cut
        if at >= len(stream):
            break
    assert found == whole
    assert [is_qos_1(packet) for packet in found] == [True, False, False, False, False]
    assert packet_id(found[0]) == packet_id(found[4]) == b"\x00\x05"


def test_what_is_no_mqtt_is_named() -> None:
    with pytest.raises(ValueError, match="no MQTT"):
        list(Packets().feed(b"\x30\xff\xff\xff\xff\x01"))


def test_what_is_said_twice_is_marked_and_answered_once() -> None:
    doubler = Doubler(1.0, 1)
    first, again = doubler.there(publish(9, 3))
    assert first == publish(9, 3)
    assert again[0] == first[0] | 0x08
    assert again[1:] == first[1:]
    assert doubler.there(PING) == [PING]
    assert [doubler.back(puback(9)), doubler.back(puback(9))] == [[], [puback(9)]]
    assert doubler.back(puback(8)) == [puback(8)]
    assert doubler.doubled == 1


def test_the_share_is_kept_and_the_seed_decides() -> None:
    def twice(seed: int) -> list[int]:
        doubler = Doubler(0.3, seed)
        return [len(doubler.there(publish(mid, 1))) for mid in range(1, 1001)]

    assert twice(7) == twice(7) != twice(8)
    assert 1250 < sum(twice(7)) < 1350
