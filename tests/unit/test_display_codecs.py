"""FK and KF frames: published bytes, and streams that were split, damaged and buried in noise."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.checksum import crc16
from drivers.display import Colour, Row, fk_codec, kf_codec, panel_svg, panel_text
from drivers.display.text import cells, decode, encode, fit, pad
from drivers.scanning import scan

PUBLISHED_VOICE = [
    ("欢迎光临,请入场停车", "00 64 FF FF 30 14 01", "A9 36"),
    ("粤B12345,欢迎光临", "00 64 FF FF 30 12 01", "6A 91"),
    ("欢迎光临", "00 64 FF FF 30 09 01", "32 58"),
    ("欢迎回家", "00 64 FF FF 30 09 01", "73 7A"),
    ("此车为黑名单车辆", "00 64 FF FF 30 11 01", "7E 9D"),
]
PUBLISHED_KF_TEXT = [
    (0x05, "正在洗车", "AA 55 05 64 00 27 00 0C 01 00 01 00", "42 74 AF"),
    (0x05, "工位空闲", "AA 55 05 64 00 27 00 0C 01 00 01 00", "52 6F AF"),
    (0x14, "欢迎光临，皖A12345", "AA 55 14 64 00 27 00 16 01 00 01 00", "16 94 AF"),
]
gbk_texts = st.text(st.sampled_from("粤B12345欢迎光临, 剩余30天ABC"), max_size=40)
pieces = st.lists(st.integers(1, 40), max_size=30)


def test_the_checksum_is_that_of_the_published_check_value() -> None:
    assert crc16(b"123456789") == 0x4B37


@pytest.mark.parametrize(("text", "head", "tail"), PUBLISHED_VOICE)
def test_an_fk_card_is_told_to_speak_in_the_published_bytes(text: str, head: str, tail: str) -> None:
    frame = fk_codec.encode_voice(text, mode=fk_codec.APPEND_AND_PLAY)
    assert frame == bytes.fromhex(head) + text.encode("gbk") + bytes.fromhex(tail)


@pytest.mark.parametrize(
    ("command", "data", "frame"),
    [
        (0x00, b"159753", "00 64 FF FF 00 06 31 35 39 37 35 33 FB 06"),
        (0x3F, b"\x40\0\0\0Hello world!", "0064FFFF3F1040000000" + b"Hello world!".hex() + "EA28"),
        (0x0D, b"\x0a", "00 64 FF FF 0D 01 0A 27 70"),
        (0x0D, b"\x64", "00 64 FF FF 0D 01 64 A6 9C"),
    ],
)  # fmt: skip
def test_fk_commands_are_the_published_bytes(command: int, data: bytes, frame: str) -> None:
    assert fk_codec.encode(command, data) == bytes.fromhex(frame)


def test_an_fk_text_is_the_published_frame_field_by_field() -> None:
    text = "欢迎光临请入场停车".encode("gbk")
    content = fk_codec.Text(window=0, text=text, entry=fk_codec.SCROLL_LEFT, stay_s=2)
    published = "00 64 FF FF 62 25 00 15 01 00 02 15 01 03 00 FF 00 00 00 00 00 00 00 12 00"
    assert fk_codec.encode_text(content) == bytes.fromhex(published) + text + bytes.fromhex("F4 F5")
    other = fk_codec.Text(window=1, text="您还未缴费，请缴费在通行".encode("gbk"), entry=1, stay_s=0)
    # The second published text goes out another way than it came in, which we never do.
    assert fk_codec.encode_text(other)[:9] == bytes.fromhex("00 64 FF FF 62 2B 01 01 01")


@pytest.mark.parametrize(("seq", "text", "head", "tail"), PUBLISHED_KF_TEXT)
def test_a_kf_text_is_the_published_frame(seq: int, text: str, head: str, tail: str) -> None:
    # 01 00 01 00: line 1, no end, red.
    frame = kf_codec.encode_text(seq, 0x64, 1, 0, Colour.RED, text.encode("gbk"))
    assert frame == bytes.fromhex(head) + text.encode("gbk") + bytes.fromhex(tail)


def test_a_kf_phrase_is_the_published_frame() -> None:
    assert kf_codec.encode(0x01, 0x64, kf_codec.VOICE, b"\x0b") == bytes.fromhex("AA550164002200010B0776AF")


def test_a_kf_card_says_plates_by_their_characters_and_sentences_by_their_numbers() -> None:
    assert kf_codec.phrases("渝A12345,欢迎光临") == "渝A12345".encode("gbk") + b"\x01"
    assert kf_codec.phrases("欢迎光临,请入场停车") == b"\x01\x14"
    assert kf_codec.phrases("粤AD12345一路平安") == "粤AD12345".encode("gbk") + b"\x5f"
    assert kf_codec.said(kf_codec.phrases("粤AD12345,一路平安!")) == "粤AD12345一路顺风"


def test_what_a_phrase_store_does_not_hold_is_left_out() -> None:
    assert kf_codec.phrases("车位已满") == b""


def test_a_sentence_for_the_speech_chip_can_be_read_back() -> None:
    frame = kf_codec.encode_speech("粤B12345,欢迎光临")
    assert frame[:2] == b"\xfd\x00"
    assert kf_codec.decode_speech(frame) == "粤B12345,欢迎光临"
    assert kf_codec.decode_speech(frame[:-1]) == ""


def test_data_that_no_length_can_say_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit an FK frame"):
        fk_codec.encode(0x30, bytes(256))
    with pytest.raises(ValueError, match="do not fit a KF frame"):
        kf_codec.encode(1, 1, 0x22, bytes(513))


def fk_frame(text: str) -> bytes:
    return fk_codec.encode_voice(text)


def kf_frame(text: str) -> bytes:
    return kf_codec.encode(7, 0x64, kf_codec.VOICE, b"\x00" + encode(text))


CODECS: list[tuple[Callable[[str], bytes], Callable[[bytes], tuple[Sequence[object], bytes]]]] = [
    (fk_frame, fk_codec.decode),
    (kf_frame, kf_codec.decode),
]


@pytest.mark.parametrize(("make", "find"), CODECS)
@given(texts=st.lists(gbk_texts, min_size=1, max_size=4), noise=st.binary(max_size=30), cuts=pieces)
def test_every_frame_is_found_however_the_stream_was_cut_and_whatever_stood_before(
    make: Callable[[str], bytes],
    find: Callable[[bytes], tuple[Sequence[object], bytes]],
    texts: list[str],
    noise: bytes,
    cuts: list[int],
) -> None:
    # Noise may be the beginning of a frame by itself, and wait for bytes: the zeros behind end that.
    stream = noise + b"".join(make(text) for text in texts) + bytes(600)
    found: list[object] = []
    buffer = b""
    for cut in [*cuts, len(stream)]:
        piece, stream = stream[:cut], stream[cut:]
        frames, buffer = find(buffer + piece)
        found += frames
    wanted = [find(make(text))[0][0] for text in texts]
    assert [frame for frame in found if frame in wanted] == wanted


@pytest.mark.parametrize(("make", "find"), CODECS)
@given(text=gbk_texts, data=st.data())
def test_a_frame_with_one_damaged_byte_is_never_obeyed_as_another(
    make: Callable[[str], bytes],
    find: Callable[[bytes], tuple[Sequence[object], bytes]],
    text: str,
    data: st.DataObject,
) -> None:
    whole = bytearray(make(text))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    frames, _ = find(bytes(whole))
    # The address of an FK frame is its first byte: another value is a sound start only with its own checksum.
    assert not frames


@pytest.mark.parametrize(("make", "find"), CODECS)
@given(junk=st.binary(max_size=3000))
def test_any_bytes_at_all_are_survived_and_never_kept_for_long(
    make: Callable[[str], bytes], find: Callable[[bytes], tuple[Sequence[object], bytes]], junk: bytes
) -> None:
    _, tail = find(junk)
    assert len(tail) <= 530


def test_a_false_start_does_not_hide_the_frame_behind_it() -> None:
    false_start = bytes.fromhex("00 64 FF FF 30 F0")
    frames, _ = fk_codec.decode(false_start + fk_frame("欢迎光临"))
    assert len(frames) == 1


def test_the_search_takes_frames_one_after_the_other() -> None:
    def measure(data: bytes, start: int) -> int:
        return start + 2 if data[start : start + 2] == b"ab" else 0

    assert scan(b"xabab-ab", measure) == ([b"ab", b"ab", b"ab"], b"")


def test_text_is_measured_in_half_width_cells_and_cut_between_characters() -> None:
    assert cells("粤B12345") == 8
    assert fit("欢迎光临", 7) == "欢迎光"
    assert pad("满", 8) == "   满   "
    assert decode(encode("粤B・12345\n剩余")) == "粤B·12345 剩余"


def test_a_character_that_no_card_has_becomes_a_question_mark() -> None:
    assert encode("欢\U0001f600") == "欢".encode("gbk") + b"?"


def test_the_panel_is_drawn_for_a_terminal() -> None:
    drawn = panel_text([Row("欢迎光临"), Row("12月31日 23:59"), Row()], 8)
    assert drawn.splitlines() == ["┌────────┐", "│欢迎光临│", "│12月31 »│", "│        │", "└────────┘"]


def test_the_panel_is_drawn_as_a_picture_that_shows_text_as_text() -> None:
    drawn = panel_svg([Row("<欢迎>", Colour.GREEN), Row("很长的一行文字在这里")], 8, "entry")
    assert "&lt;欢迎&gt;" in drawn
    assert "#4be36b" in drawn
    assert drawn.count("animateTransform") == 1
