"""Card numbers and the bridge's lines: published numbers; streams split, damaged and buried in noise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BadReply
from drivers.reader import CardRead, card_number
from drivers.reader.bridge import LONGEST_LINE, Message, decode, encode
from drivers.reader.cards import bits_of, keys_of, packed, with_parity

fields = st.lists(st.integers(0, 10**6) | st.sampled_from(["EA0DC080", "G", "0"]), max_size=5)
types = st.sampled_from(["H", "C", "T", "A", "F", "Q"])


def read(bits: str) -> CardRead:
    return CardRead("door", 0, bits)


def data_bits(value: int, count: int) -> str:
    return f"{value:0{count}b}"


def test_the_published_wiegand_frames_have_their_published_parity() -> None:
    assert with_parity(data_bits(0xD41B81, 24)) == "1" + "110101000001101110000001" + "0"
    assert with_parity(data_bits(0x89D41B81, 32)) == "1" + data_bits(0x89D41B81, 32) + "1"


def test_facility_and_number_of_26_bits_are_one_number() -> None:
    assert card_number(read(with_parity(data_bits(212 << 16 | 7041, 24)))) == str(212 << 16 | 7041)


def test_34_bits_keep_all_their_data() -> None:
    assert card_number(read(with_parity(data_bits(0x89D41B81, 32)))) == str(0x89D41B81)


@pytest.mark.parametrize(("value", "count"), [(0xD41B81, 24), (0x89D41B81, 32)])
def test_a_reader_that_sends_the_last_byte_first_is_turned_round(value: int, count: int) -> None:
    turned = int.from_bytes(value.to_bytes(count // 8, "big"), "little")
    assert card_number(read(with_parity(data_bits(turned, count))), order="little") == str(value)


def test_other_lengths_are_one_number_with_all_their_bits() -> None:
    assert card_number(read(data_bits(0x1F2E3D4C5B, 37))) == str(0x1F2E3D4C5B)
    assert card_number(read(data_bits(5, 26)), form="raw") == "5"


@given(st.integers(1, (1 << 24) - 1), st.integers(0, 25))
def test_one_flipped_bit_of_26_is_never_another_card(value: int, at: int) -> None:
    bits = with_parity(data_bits(value, 24))
    flipped = bits[:at] + ("0" if bits[at] == "1" else "1") + bits[at + 1 :]
    with pytest.raises(BadReply, match="parity"):
        card_number(read(flipped))


@pytest.mark.parametrize(
    ("bits", "form", "order", "said"),
    [
        ("0" * 26, "raw", "big", "zeros"),
        ("1" * 37, "w26", "big", "set to w26"),
        ("1" * 37, "auto", "little", "no whole bytes"),
        ("1" * 8, "auto", "big", "is none"),
        ("1" * 513, "auto", "big", "is none"),
        ("2" * 26, "auto", "big", "is none"),
    ],
)
def test_what_is_no_card_is_said_to_be_none(bits: str, form: str, order: str, said: str) -> None:
    with pytest.raises(BadReply, match=said):
        card_number(read(bits), form, order)  # type: ignore[arg-type]


def test_a_card_number_stands_in_no_log() -> None:
    assert "1111" not in repr(read("1111" * 8))


def test_keys_come_as_four_bits_or_as_eight_with_their_inverse() -> None:
    assert [keys_of(data_bits(n, 4)) for n in range(16)] == [*"0123456789*#", "", "", "", ""]
    assert keys_of("11010010") == "2"
    assert keys_of("11010011") == ""
    assert keys_of("") == keys_of("1" * 26) == ""


@given(st.text("01", min_size=1, max_size=80))
def test_bits_are_packed_and_unpacked(bits: str) -> None:
    assert bits_of(packed(bits), len(bits)) == bits


def test_the_lines_of_the_documentation_are_what_is_sent() -> None:
    assert encode("C", 7, 1, 26, "EA0DC080", 12) == b"$C,7,1,26,EA0DC080,12*934D\r\n"
    assert encode("A", 7) == b"$A,7*C27C\r\n"


@given(st.lists(st.tuples(types, fields), max_size=5), st.binary(max_size=40), st.lists(st.integers(1, 30)))
def test_every_line_is_found_however_the_stream_was_cut_and_whatever_stood_before(
    lines: list[tuple[str, list[int | str]]], noise: bytes, cuts: list[int]
) -> None:
    stream = noise + b"\n" + b"".join(encode(type_, *given) for type_, given in lines)
    found: list[Message] = []
    buffer = b""
    for cut in [*cuts, len(stream)]:
        piece, stream = stream[:cut], stream[cut:]
        messages, buffer = decode(buffer + piece)
        found += messages
    assert found == [Message(type_, tuple(str(field) for field in given)) for type_, given in lines]


@given(types, fields, st.data())
def test_a_line_with_one_damaged_byte_is_never_obeyed(
    type_: str, given_fields: list[int | str], data: st.DataObject
) -> None:
    whole = bytearray(encode(type_, *given_fields))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    messages, _ = decode(bytes(whole) + b"\n")
    # Only the end of the line may be written in another way.
    assert not messages or at >= len(whole) - 2


@given(st.binary(max_size=2000))
def test_any_bytes_at_all_are_survived_and_never_kept_for_long(junk: bytes) -> None:
    _, tail = decode(junk)
    assert len(tail) < LONGEST_LINE
