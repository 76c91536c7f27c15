"""Rules follow the gallery, and each lane has one for whom it may admit."""

import json
from typing import Any

import numpy as np
import pytest

from edge.access import Person, Roster
from edge.clock import ManualClock
from edge.deciding import Decider
from edge.health import Alarms
from edge.known import FaceRules, Known, face_rule
from edge.records import Box, Decision, Kind, Sighting, Verdict
from edge.settings import DecisionSettings, Settings
from edge.settings_file import parse_settings
from models.face import FaceMatch, FaceRule, Gallery, Measure

SET = "faces-dlib-resnet"
DECISION = DecisionSettings()


def looks(count: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 128)) * 0.18 * np.exp(-np.arange(128) / 30) + 0.1).astype(np.float32)


def settings(**lanes: dict[str, Any]) -> Settings:
    door = {"type": "door", "cameras": ["cam"], "accepts": ["face"]}
    return parse_settings(
        {
            "device": {"id": "box"},
            "cameras": {"cam": {"type": "replay", "source": "x", "looks_for": ["face"]}},
            "boards": {"relay": {"type": "lcus", "port": "/dev/null"}},
            "lanes": {
                name: door | {"lock": {"board": "relay", "channel": number}} | lane
                for number, (name, lane) in enumerate(lanes.items(), start=1)
            },
            "sync": {"brokers": ["mqtt://platform"], "platform_keys": "keys.json"},
        }
    )


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return Gallery.build(SET, [(f"p{number}", template) for number, template in enumerate(looks(150))])


@pytest.fixture
def roster(gallery: Gallery) -> Roster:
    return Roster.of(
        1,
        [
            Person(name, name, zones=("north",) if number < 15 else ("south",))
            for number, name in enumerate(gallery.names)
        ],
    )


def test_a_lane_that_admits_few_is_calibrated_for_those_few(gallery: Gallery, roster: Roster) -> None:
    lanes = settings(north={"zones": ["north"]}, both={"zones": ["north", "south"]}).lanes
    rules = FaceRules()
    everybody = rules.rule_for(gallery, DECISION)
    made = rules.lane_rules(gallery, roster, DECISION, lanes)
    assert set(made) == {"north"}, "a lane for everybody has everybody's rule"
    assert made["north"].among == frozenset(f"p{number}" for number in range(15))
    assert made["north"].persons == 15
    assert made["north"].threshold > everybody.threshold == made["north"].elsewhere
    known = Known(roster, gallery, everybody, lane_rules=made)
    assert known.rule_at("north") is made["north"]
    assert known.rule_at("both") is everybody


def test_who_is_enrolled_but_not_on_the_roster_is_not_admitted_anywhere(gallery: Gallery) -> None:
    few = Roster.of(1, [Person("p3", "p3")])
    made = FaceRules().lane_rules(gallery, few, DECISION, settings(door={}).lanes)
    assert made["door"].among == {"p3"}


def test_a_lane_may_have_its_own_rate(gallery: Gallery, roster: Roster) -> None:
    lanes = settings(strict={"zones": ["north", "south"], "face_false_accepts": 0.0001}).lanes
    rules = FaceRules()
    made = rules.lane_rules(gallery, roster, DECISION, lanes)
    assert made["strict"].rate == 0.0001
    assert made["strict"].threshold < rules.rule_for(gallery, DECISION).threshold
    assert made["strict"].among is None


def test_a_fixed_distance_is_the_same_rule_at_every_lane(gallery: Gallery, roster: Roster) -> None:
    fixed = DecisionSettings(face_distance=0.45)
    assert face_rule(gallery, fixed) == FaceRule(Measure.DISTANCE, 0.45, fixed.face_margin)
    lanes = settings(north={"zones": ["north"]}).lanes
    assert FaceRules().lane_rules(gallery, roster, fixed, lanes) == {}


def test_a_gallery_is_asked_once_and_anew_when_somebody_comes(gallery: Gallery) -> None:
    rules = FaceRules()
    first = rules.rule_for(gallery, DECISION)
    assert rules.rule_for(gallery, DECISION) is first
    larger = gallery.with_person("new", [looks(1, seed=9)[0]])
    assert rules.rule_for(larger, DECISION).persons == 151


def test_what_to_expect_is_said_in_numbers_and_in_two_languages(gallery: Gallery, roster: Roster) -> None:
    rules = FaceRules()
    lanes = settings(north={"zones": ["north"]}).lanes
    made = rules.lane_rules(gallery, roster, DECISION, lanes)
    known = Known(roster, gallery, rules.rule_for(gallery, DECISION), lane_rules=made)
    said = json.loads(json.dumps(known.expected(), allow_nan=False))
    assert (said["persons"], said["templates"]) == (150, 150)
    assert 0 < said["everywhere"]["single_pictures"] < said["everywhere"]["visits"] <= 1
    assert said["everywhere"]["sentence"].startswith("At 150 persons and 1 in 1,000 strangers")
    assert "登记 150 人" in said["everywhere"]["sentence_zh"]
    assert said["lanes"]["north"]["persons"] == 15
    fixed = face_rule(gallery, DecisionSettings(face_distance=0.45))
    plain = Known(roster, gallery, fixed).expected()["everywhere"]
    assert plain == {"persons": 0, "measure": "distance", "limit": 0.45, "margin": 0.03}


class Doors:
    """A decider before two doors with different rules; lanes only remember."""

    def __init__(self, known: Known, clock: ManualClock, **lanes: dict[str, Any]) -> None:
        self.clock, self.told = clock, list[tuple[str, Decision]]()
        self.decider = Decider(
            settings(**lanes),
            known,
            clock,
            Alarms(clock),
            submit=self._submit,
            settle=lambda _sighting: None,
        )

    def _submit(self, lane: str, decision: Decision) -> bool:
        self.told.append((lane, decision))
        return True

    def show(self, template: np.ndarray, times: int) -> None:
        for number in range(1, times + 1):
            self.clock.advance(0.3)
            now_ns = self.clock.boot_ns()
            fields: dict[str, Any] = {"quality": 0.9, "template": template.astype("<f4").tobytes()}
            box = Box(0, 0, 90, 90)
            self.decider.take(Sighting("cam", "run", 1, Kind.FACE, number, now_ns, now_ns, box, **fields))

    def granted(self) -> set[str]:
        return {lane for lane, decision in self.told if decision.verdict is Verdict.GRANT}


def test_the_same_face_may_be_near_enough_at_a_lane_for_few_and_not_at_one_for_all(
    gallery: Gallery, roster: Roster
) -> None:
    rules = FaceRules()
    lanes = {"north": {"zones": ["north"]}, "both": {"zones": ["north", "south"]}}
    made = rules.lane_rules(gallery, roster, DECISION, settings(**lanes).lanes)
    known = Known(roster, gallery, rules.rule_for(gallery, DECISION), lane_rules=made)
    own = gallery.templates_of("p3")[0]
    middle = (made["north"].threshold + known.rule.threshold) / 2
    probe, match = own, FaceMatch(None)
    rng = np.random.default_rng(4)
    away = rng.normal(size=128).astype(np.float32)
    for step in np.linspace(0, 0.2, 400, dtype=np.float32):
        probe = own + step * away
        match = gallery.match(probe)
        if match.subject == "p3" and match.score >= middle:
            break
    assert match.subject == "p3"
    assert known.rule.threshold < match.score < made["north"].threshold
    doors = Doors(known, ManualClock(), **lanes)
    doors.show(probe, 4)
    assert doors.granted() == {"north"}
    near = Doors(known, ManualClock(), **lanes)
    near.show(own, 4)
    assert near.granted() == {"north", "both"}
    elsewhere = Doors(known, ManualClock(), **lanes)
    elsewhere.show(gallery.templates_of("p100")[0], 4)
    assert elsewhere.granted() == {"both"}
    reasons = {str(d.reason) for lane, d in elsewhere.told if lane == "north"}
    assert reasons == {"wrong_lane"}, "known, and told so"
