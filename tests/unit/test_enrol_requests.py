"""The platform's enrol command: every argument checked before a picture is looked at."""

import base64
from typing import Any

import pytest

from edge.access import Person
from edge.enrolment import enrol_request
from edge.errors import ConsentMissing, UsageError

NOW = 1_795_000_000
JPEG = b"\xff\xd8\xff\xe0" + b"x" * 50
CONSENT = {"who": "王丽", "when": NOW, "text_version": "v3", "channel": "app", "under_14": False}
GOOD: dict[str, Any] = {
    "person": "wang-li",
    "consent": CONSENT,
    "pictures": [base64.b64encode(JPEG).decode()],
}


def test_a_new_person_comes_onto_the_roster_with_what_the_command_says() -> None:
    args = {**GOOD, "name": "王丽", "room": "3-2-1201", "lanes": ["door"], "zones": ["yard"]}
    request = enrol_request(args, None, NOW, cause="jti-1", operator="desk")
    assert request.person == Person("wang-li", "王丽", "3-2-1201", lanes=("door",), zones=("yard",))
    assert (request.person_id, request.cause, request.operator) == ("wang-li", "jti-1", "desk")
    assert request.pictures == (JPEG,)
    assert request.despite_likeness is False


def test_who_is_on_the_roster_keeps_everything_that_the_command_does_not_name() -> None:
    known = Person("wang-li", "王丽", plates=("粤B12345",), valid_to_utc_s=5_000_000_000)
    assert enrol_request(GOOD, known, NOW).person is None
    moved = enrol_request({**GOOD, "lanes": ["door"]}, known, NOW).person
    assert moved == Person(
        "wang-li", "王丽", plates=("粤B12345",), valid_to_utc_s=5_000_000_000, lanes=("door",)
    )


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        ({"person": "wang li"}, UsageError, "person id 'wang li' is not"),
        ({"person": None}, UsageError, "person id None is not"),
        ({"consent": None}, ConsentMissing, "no consent of 'wang-li' is given"),
        ({"consent": {**CONSENT, "under_14": True}}, ConsentMissing, "under 14"),
        ({"pictures": []}, UsageError, "0 pictures; 1 to 10"),
        ({"pictures": [GOOD["pictures"][0]] * 11}, UsageError, "11 pictures; 1 to 10"),
        ({"pictures": GOOD["pictures"][0]}, UsageError, "pictures is not a list"),
        ({"pictures": None}, UsageError, "pictures is not a list"),
        ({"pictures": ["%%%"]}, UsageError, "picture 1 is no JPEG in base64"),
        ({"pictures": [7]}, UsageError, "picture 1 is no JPEG"),
        ({"pictures": [base64.b64encode(b"GIF89a").decode()]}, UsageError, "picture 1 is no JPEG"),
        ({"despite_likeness": "yes"}, UsageError, "despite_likeness 'yes' is not true or false"),
        ({"lanes": ["Door!"]}, UsageError, "lanes holds 'Door!'"),
        ({"template": [0.1]}, UsageError, "unknown argument 'template'"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_in_one_line(
    changes: dict[str, Any], error: type[UsageError], why: str
) -> None:
    with pytest.raises(error, match=why) as refused:
        enrol_request({**GOOD, **changes}, None, NOW)
    assert "\n" not in str(refused.value)
