"""What signs say: every reason in short words, in both languages, on lines that fit a card."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from drivers.display import Colour, panel_text
from drivers.display.panel import Row
from drivers.display.text import cells, encode
from edge.access import Person
from edge.clock import NS_PER_S
from edge.records import Reason
from edge.settings_signs import PLACEHOLDERS, FkDisplay, KfDisplay
from edge.signs.composing import (
    compose,
    event_of,
    fill,
    is_quiet,
    lay_out,
    now_values,
    permit_values,
    plate_of,
    reason_words,
    shown_name,
)
from edge.signs.texts import REASONS, TEMPLATES, VOICES

BEIJING = timezone(timedelta(hours=8))
NOW_NS = int(datetime(2026, 11, 23, 14, 5, tzinfo=BEIJING).timestamp()) * NS_PER_S
ENTRY = FkDisplay(port="/dev/ttyUSB0", lanes=("entry",))
ENGLISH = FkDisplay(port="/dev/ttyUSB0", lanes=("entry",), language="en", columns=16)


def access(**changes: Any) -> dict[str, Any]:
    return {
        "verdict": "grant",
        "reason": "permit",
        "result": "accepted",
        "visit": "v1",
        "kind": "plate",
        "credential": "粤B12345",
        "subject": "wang-li",
        **changes,
    }


def test_every_reason_has_short_words_in_both_languages() -> None:
    assert not set(Reason) - set(REASONS), "give every reason its words in edge.signs.texts"
    for reason, (english, chinese) in REASONS.items():
        assert 0 < cells(chinese) <= 16, reason
        assert 0 < cells(english) <= 24, reason
        assert b"?" not in encode(chinese), reason


def test_whoever_is_denied_is_not_accused_in_public() -> None:
    for words in REASONS[Reason.DENY_LISTED]:
        assert "deny" not in words.lower()
        assert "名单" not in words
        assert "黑" not in words


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_event_has_templates_that_ask_only_for_what_it_can_say(language: str) -> None:
    display = ENTRY.model_copy(update={"language": language})
    for event, names in PLACEHOLDERS.items():
        values = dict.fromkeys(names, "1")
        message = compose(display, event, values)
        assert 0 < len(message.lines) <= 4
        assert "{" not in "".join(message.lines) + message.speech
    assert set(TEMPLATES["zh"]) == set(TEMPLATES["en"]) == set(PLACEHOLDERS)
    assert set(VOICES["zh"]) == set(VOICES["en"])


def test_a_resident_is_welcomed_with_plate_and_days_left() -> None:
    message = compose(ENTRY, "welcome", {"plate": "粤B12345", "days": "30"}, "v1")
    assert message.lines == ("粤B12345", "欢迎光临", "剩余30天")
    assert message.speech == "粤B12345,欢迎光临"
    assert message.colour is Colour.GREEN
    english = compose(ENGLISH, "welcome", {"plate": "粤B12345", "days": "30"})
    assert english.lines == ("粤B12345", "Welcome", "30 days")


def test_a_line_with_nothing_to_say_is_left_out_and_the_sentence_goes_on_without_it() -> None:
    message = compose(ENTRY, "welcome", {"plate": "", "days": ""})
    assert message.lines == ("欢迎光临",)
    assert message.speech == "欢迎光临"
    assert fill("{plate}, welcome", {"plate": ""}, leaves_out=False) == "welcome"


def test_a_card_that_shall_not_speak_is_told_nothing_to_say() -> None:
    silent = ENTRY.model_copy(update={"speaks": False})
    assert compose(silent, "welcome", {"plate": "粤B12345"}).speech == ""


def test_a_site_may_use_its_own_words() -> None:
    own = FkDisplay(
        port="/dev/ttyUSB0",
        lanes=("entry",),
        templates={"welcome": ("{plate}", "金桂花园", "{weekday}")},
        voices={"welcome": ""},
    )
    message = compose(own, "welcome", {"plate": "粤B12345", "weekday": "星期一"})
    assert message.lines == ("粤B12345", "金桂花园", "星期一")
    assert message.speech == ""


def test_a_text_too_long_for_a_line_goes_on_in_the_next_while_lines_are_left() -> None:
    assert lay_out(["粤B12345", "此处不可用"], 4, 8) == ("粤B12345", "此处不可", "用")
    assert lay_out(["粤B12345", "此处不可用"], 2, 8) == ("粤B12345", "此处不可用")
    assert lay_out(["QR, card or PIN please"], 4, 10) == ("QR, card", "or PIN", "please")
    assert lay_out(["ABCDEFGHIJKLMNOP"], 4, 8) == ("ABCDEFGH", "IJKLMNOP")
    assert lay_out(["一", "二", "三", "四", "五"], 4, 8) == ("一", "二", "三", "四")


@pytest.mark.parametrize("reason", REASONS)
def test_every_refusal_fits_a_card_of_four_lines_without_scrolling(reason: Reason) -> None:
    for display, language in ((ENTRY, "zh"), (ENGLISH, "en")):
        values = {"plate": "粤AD12345", "reason": reason_words(reason.value, language)}  # type: ignore[arg-type]
        message = compose(display, "refused", values)
        # A plate of a new energy car is one half-width cell too long for eight, and scrolls.
        assert all(cells(line) <= display.columns for line in message.lines[1:]), message.lines
        assert len(message.lines) <= 4


def test_time_and_date_are_local_and_absent_while_the_clock_is_not_set() -> None:
    assert now_values(NOW_NS, True, "zh", BEIJING) == {
        "date": "11月23日",
        "time": "14:05",
        "weekday": "星期一",
    }
    assert now_values(NOW_NS, True, "en", BEIJING) == {"date": "23 Nov", "time": "14:05", "weekday": "Mon"}
    assert set(now_values(NOW_NS, False, "zh").values()) == {""}
    assert compose(ENTRY, "idle", dict(now_values(NOW_NS, False, "zh"))).lines == ("一车一杆", "减速慢行")


@pytest.mark.parametrize(
    ("ends", "days"),
    [
        (timedelta(days=30), "30"),
        (timedelta(days=29, seconds=1), "30"),
        (timedelta(hours=2), "1"),
        (timedelta(seconds=-1), ""),
    ],
)
def test_days_left_are_counted_up_to_the_end_of_the_permit(ends: timedelta, days: str) -> None:
    person = Person("wang-li", "王丽", valid_to_utc_s=NOW_NS // NS_PER_S + int(ends.total_seconds()))
    assert permit_values(person, NOW_NS, True, "zh")["days"] == days
    assert permit_values(person, NOW_NS, False, "zh")["days"] == ""


def test_the_last_day_is_the_one_on_which_the_permit_still_holds() -> None:
    midnight = int(datetime(2027, 1, 1).astimezone(UTC).timestamp())
    person = Person("wang-li", "王丽", valid_to_utc_s=midnight)
    assert permit_values(person, NOW_NS, True, "zh")["until"] == "12月31日"
    assert permit_values(Person("x", "y"), NOW_NS, True, "zh") == {"days": "", "until": ""}
    assert permit_values(None, NOW_NS, True, "zh") == {"days": "", "until": ""}


def test_names_are_shown_only_as_far_as_the_site_says() -> None:
    assert [shown_name("王小丽", how) for how in ("none", "masked", "full")] == ["", "王**", "王小丽"]
    assert ENTRY.names == "none"


@pytest.mark.parametrize(
    ("data", "direction", "event"),
    [
        (access(), "in", ("welcome", "")),
        (access(), "both", ("welcome", "")),
        (access(), "out", ("farewell", "")),
        (access(result="dry_run"), "in", None),
        (access(result="lane_fault"), "in", ("refused", "lane_fault")),
        (access(result="occupied"), "in", ("refused", "occupied")),
        (access(verdict="deny", reason="expired", result="refused"), "in", ("refused", "expired")),
        (access(reason="staff_command", credential="command", kind=None), "in", ("opened", "")),
    ],
)
def test_an_access_event_is_what_people_at_the_lane_see(
    data: dict[str, Any], direction: str, event: tuple[str, str] | None
) -> None:
    assert event_of(data, direction) == event


def test_the_plate_is_that_which_was_matched_else_that_which_was_read() -> None:
    assert plate_of(access()) == "粤B12345"
    assert plate_of(access(credential="", evidence={"subject": "粤B99999"})) == "粤B99999"
    assert plate_of(access(kind="card", credential="card")) == ""


def test_a_result_or_reason_without_words_of_its_own_asks_to_wait() -> None:
    assert reason_words("occupied", "zh") == "请稍候"
    assert reason_words("occupied", "en") == "Please wait"
    assert reason_words("lane_fault", "zh") == "通道故障"
    assert reason_words("new_reason", "en", {"reason_en": "something new"}) == "something new"


@pytest.mark.parametrize(
    ("time", "quiet"), [("21:59", False), ("22:00", True), ("03:00", True), ("07:00", False)]
)
def test_quiet_hours_may_span_midnight(time: str, quiet: bool) -> None:
    assert is_quiet("22:00-07:00", time) is quiet
    assert not is_quiet(None, time)
    assert not is_quiet("22:00-07:00", "")


def test_a_whole_card_can_be_looked_at() -> None:
    message = compose(
        KfDisplay(port="/dev/ttyUSB0", lanes=("entry",)),
        "refused",
        {"plate": "粤B12345", "reason": "请走其他通道"},
    )
    rows = [Row(line) for line in (*message.lines, "")]
    assert panel_text(rows, 8).splitlines()[1:4] == ["│粤B12345│", "│请走其他│", "│  通道  │"]
