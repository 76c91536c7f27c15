"""A lane that challenges: a head that does what the display says opens, a picture of it does not."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from decision_desk import LIVE_CUES, Desk
from heads import FLAT, HEAD, points_of

from edge.clock import NS_PER_S, ManualClock
from edge.prompting import Prompts
from edge.records import Prompt, Reason, Step, Verdict


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock, liveness="challenge")


def show(desk: Desk, thing: np.ndarray, yaw: float, track: int = 1, who: int = 0) -> None:
    """One frame; a face that is turned far is flawed, as the quality gate says."""
    fields: dict[str, Any] = {"points": points_of(thing, yaw=yaw)}
    if abs(yaw) > 20:
        fields["flaw"] = "turned"
    desk.face(who=who, cues=LIVE_CUES, reads=1, track=track, **fields)


def show_until_asked(desk: Desk) -> None:
    for _ in range(30):
        if not desk.prompts:
            show(desk, HEAD, 0.0)


def swing(to: float) -> Iterator[float]:
    yield from np.linspace(0, to, 8)
    yield from np.linspace(to, 0, 8)


def obey(desk: Desk, thing: np.ndarray, frames: int = 120, **fields: Any) -> None:
    """Do what the newest prompt says, frame by frame."""
    way: Iterator[float] = iter(())
    for _ in range(frames):
        step = desk.prompts[-1].step if desk.prompts else Step.NOTHING
        yaw = next(way, None)
        if yaw is None:
            yaw = 0.0
            if step in (Step.TURN_LEFT, Step.TURN_RIGHT):
                way = swing(40.0 if step is Step.TURN_LEFT else -40.0)
        show(desk, thing, float(yaw), **fields)


def test_a_head_that_turns_as_it_is_told_opens(desk: Desk) -> None:
    obey(desk, HEAD, frames=60)
    assert set(desk.of("door")) == {(Verdict.GRANT, Reason.PERMIT, "face")}
    identity = desk.told[0].identity
    assert identity is not None
    challenge = identity.explanation["liveness"]["challenge"]
    assert challenge["phase"] == "passed"
    asked = [prompt.step for prompt in desk.prompts]
    assert asked[0] in (Step.TURN_LEFT, Step.TURN_RIGHT)
    assert [step.value for step in asked[::2]][:2] == [f"turn_{turn}" for turn in challenge["turns"]]
    assert desk.prompts[-1].step is Step.NOTHING
    assert desk.attended == [1]
    ended = [note for note in desk.notes if note.type == "access.challenge_ended"]
    assert [note.data["phase"] for note in ended] == ["passed"]
    assert [note.type for note in desk.notes].count("access.factor_asked") == 1


def test_ACC_1_a_picture_moved_as_the_display_says_never_opens_and_a_second_factor_does(desk: Desk) -> None:
    obey(desk, FLAT, frames=250)
    assert Verdict.GRANT not in {decision.verdict for decision in desk.told}
    ended = [note.data for note in desk.notes if note.type == "access.challenge_ended"]
    assert [data["phase"] for data in ended] == ["failed", "failed"], "two tries in a visit, no more"
    assert desk.prompts[-1].step is Step.SECOND_FACTOR
    desk.face(cues=LIVE_CUES, reads=2, points=points_of(FLAT))
    desk.present("pin", "482915")
    assert desk.told[-1].credential == "face+pin"


def test_ACC_1_a_still_picture_never_opens(desk: Desk) -> None:
    for _ in range(300):
        show(desk, FLAT, 0.0)
    assert Verdict.GRANT not in {decision.verdict for decision in desk.told}


def test_who_turns_must_still_be_the_person_who_was_recognised(desk: Desk) -> None:
    """A picture of Eileen is recognised; then somebody else puts their own head into the same track."""
    show(desk, HEAD, 0.0)
    show(desk, HEAD, 0.0)
    show(desk, HEAD, 0.0)
    obey(desk, HEAD, frames=60, who=5)
    assert Verdict.GRANT not in {decision.verdict for decision in desk.told}


def test_without_five_points_there_is_no_challenge_but_a_second_factor(desk: Desk) -> None:
    desk.face(cues=LIVE_CUES, reads=5)
    assert [prompt.step for prompt in desk.prompts] == [Step.SECOND_FACTOR]
    desk.present("pin", "482915")
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT, "face+pin")]


def test_a_pin_opens_in_the_middle_of_a_challenge_too(desk: Desk) -> None:
    obey(desk, HEAD, frames=12)
    desk.present("pin", "482915")
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT, "face+pin")]
    assert desk.prompts[-1].step is Step.NOTHING


def test_the_order_is_not_the_same_each_time(clock: ManualClock) -> None:
    orders = set()
    for _ in range(24):
        desk = Desk(clock, liveness="challenge")
        show_until_asked(desk)
        (watched,) = desk.decider._asker._watched.values()
        assert watched.challenge is not None
        orders.add(watched.challenge.turns)
    assert len(orders) >= 3, "24 draws of four orders: fewer happens once in 10,000"


def test_prompts_stand_until_their_time_is_over(clock: ManualClock) -> None:
    prompts, heard = Prompts(clock), list[Prompt]()
    prompts.listen(heard.append)
    prompt = Prompt("door", Step.TURN_LEFT, "left", "左", clock.boot_ns() + NS_PER_S)
    prompts.show(prompt)
    assert prompts.standing() == (prompt,)
    clock.advance(1.0)
    assert prompts.standing() == ()
    prompts.show(Prompt("door", Step.NOTHING, "", "", clock.boot_ns() + NS_PER_S))
    assert prompts.standing() == ()
    assert len(heard) == 2
