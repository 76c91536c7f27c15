"""Consent to face recognition: what it must say, who gives it for a child, and how messages write it."""

from datetime import date
from typing import Any

import pytest

from edge.access import Consent, check_consent, consent_from_json, consent_to_json, is_under_14
from edge.errors import ConsentMissing, Exit

NOW = 1_795_000_000  # 2026-11-18
GOOD: dict[str, Any] = {
    "who": "王丽",
    "when": NOW - 60,
    "text_version": "v3",
    "channel": "app",
    "under_14": False,
}
GUARDIAN = {"name": "王强", "relation": "father"}


def read(**changes: Any) -> Consent:
    return consent_from_json({**GOOD, **changes}, "wang-li", NOW)


def test_PRIV_1_a_consent_says_who_when_which_text_and_where_and_survives_json() -> None:
    consent = read()
    assert consent == Consent("王丽", NOW - 60, "v3", "app")
    assert consent_from_json(consent_to_json(consent), "wang-li", NOW) == consent
    child = read(under_14=True, guardian=GUARDIAN, keep_pictures=True)
    assert (child.guardian, child.relation, child.keep_pictures) == ("王强", "father", True)
    assert consent_from_json(consent_to_json(child), "wang-li", NOW) == child


def test_PRIV_1_pictures_of_passages_need_a_word_of_their_own() -> None:
    assert read(keep_pictures=True).passage_pictures == "no"
    assert "passage_pictures" not in consent_to_json(read())
    for word in ("keep", "send"):
        consent = read(passage_pictures=word)
        assert consent_from_json(consent_to_json(consent), "wang-li", NOW) == consent
        assert consent.passage_pictures == word


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"who": ""}, "must say who gave it"),
        ({"text_version": " "}, "must say who gave it"),
        ({"channel": 7}, "channel 7 is not a text"),
        ({"when": None}, "when None is not seconds"),
        ({"when": True}, "when True is not seconds"),
        ({"when": NOW + 10 * 86_400}, "when lies in the future"),
        ({"under_14": "no"}, "under_14 'no' is not true or false"),
        ({"under_14": True}, "is under 14: the consent must name the guardian"),
        ({"under_14": True, "guardian": {"name": "王强"}}, "the guardian and the relation"),
        ({"guardian": ["王强"]}, "guardian is not an object"),
        ({"guardian": {"name": "王强", "phone": "1"}}, "guardian is not an object of name and relation"),
        ({"birth": "yesterday"}, "is not a day like"),
        ({"birth": "2030-01-01"}, "birth lies after the consent"),
        ({"birth": "2020-01-01"}, "contradict each other"),
        ({"keep_pictures": 1}, "keep_pictures 1 is not true or false"),
        ({"passage_pictures": "yes"}, "passage_pictures 'yes' is none of no, keep, send"),
        ({"passage_pictures": True}, "passage_pictures True is not a text"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
    ids=str,
)
def test_PRIV_1_an_incomplete_consent_is_refused_in_one_line(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConsentMissing, match=why) as refused:
        read(**changes)
    assert refused.value.exit_code is Exit.REFUSED
    assert "\n" not in str(refused.value)


def test_PRIV_1_a_message_must_say_whether_the_person_is_a_child() -> None:
    silent = {name: value for name, value in GOOD.items() if name != "under_14"}
    with pytest.raises(ConsentMissing, match="say under_14"):
        consent_from_json(silent, "wang-li", NOW)
    grown = consent_from_json({**silent, "birth": "1990-05-04"}, "wang-li", NOW)
    assert grown.under_14 is False
    with pytest.raises(ConsentMissing, match="under 14"):
        consent_from_json({**silent, "birth": "2019-05-04"}, "wang-li", NOW)
    child = consent_from_json({**silent, "birth": "2019-05-04", "guardian": GUARDIAN}, "wang-li", NOW)
    assert child.under_14
    assert "2019" not in str(consent_to_json(child)), "the birth date itself is not recorded"


@pytest.mark.parametrize(
    ("birth", "on", "child"),
    [
        (date(2012, 11, 18), date(2026, 11, 17), True),
        (date(2012, 11, 18), date(2026, 11, 18), True),
        (date(2012, 11, 18), date(2026, 11, 19), False),
        (date(2012, 2, 29), date(2026, 3, 1), True),
        (date(2012, 2, 29), date(2026, 3, 2), False),
        (date(1950, 1, 1), date(2026, 1, 1), False),
    ],
)
def test_a_child_is_fourteen_on_the_day_after_the_birthday(birth: date, on: date, child: bool) -> None:
    assert is_under_14(birth, on) is child


def test_a_complete_consent_passes_the_check_and_a_childs_without_guardian_does_not() -> None:
    check_consent("x", Consent("X", 1, "v3", "paper"))
    with pytest.raises(ConsentMissing):
        check_consent("x", Consent("X", 1, "v3", "paper", under_14=True))
