"""The thread ``decide``: sightings in, one decision per visit to each lane of the camera."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from edge.access import Person, Roster
from edge.clock import ManualClock
from edge.deciding import MAX_WAITING, Decider
from edge.health import Alarms
from edge.known import Known
from edge.records import Box, Decision, Kind, Reason, Sighting, Verdict
from edge.settings import Settings
from edge.settings_file import parse_settings
from models.face import Gallery

SET = "faces-dlib-resnet"
OWNER = Person("wang-li", "王丽", plates=("粤B12345",))
FACE = Person("eileen", "Eileen")


def settings(**decision: Any) -> Settings:
    lane = {"type": "barrier", "cameras": ["cam"], "open": {"board": "relay", "channel": 1}}
    door = {"type": "door", "cameras": ["cam"], "lock": {"board": "relay", "channel": 2}, "accepts": ["face"]}
    return parse_settings(
        {
            "device": {"id": "box"},
            "decision": decision,
            "cameras": {"cam": {"type": "replay", "source": "x", "looks_for": ["plate", "face"]}},
            "boards": {"relay": {"type": "lcus", "port": "/dev/null"}},
            "lanes": {"entry": lane | {"accepts": ["plate"]}, "door": door},
            "sync": {"brokers": ["mqtt://platform"], "platform_keys": "keys.json"},
        }
    )


def face_of(direction: int, noise: float = 0.0) -> "np.ndarray[Any, Any]":
    template = np.zeros(128, np.float32)
    template[direction] = 1.0
    template[127] = noise
    return template


class Desk:
    """A decider whose lanes and camera only remember."""

    def __init__(self, clock: ManualClock, **decision: Any) -> None:
        self.clock, self.alarms = clock, Alarms(clock)
        self.told: list[tuple[str, Decision]] = []
        self.settled: list[int] = []
        self.decider = Decider(
            settings(**decision),
            Known(Roster.of(1, [OWNER, FACE]), Gallery.build(SET, [("eileen", face_of(0))])),
            clock,
            self.alarms,
            submit=self._submit,
            settle=lambda sighting: self.settled.append(sighting.track_id),
        )
        self.seq = 0

    def _submit(self, lane: str, decision: Decision) -> bool:
        self.told.append((lane, decision))
        return True

    def see(
        self, kind: Kind, track: int = 1, *, after_s: float = 0.1, taken_ago_s: float = 0.0, **fields: Any
    ) -> None:
        self.clock.advance(after_s)
        self.seq += 1
        now_ns = self.clock.boot_ns() - round(taken_ago_s * 1e9)
        given: Mapping[str, Any] = {"quality": 0.9, "box": Box(0, 0, 100, 40), **fields}
        self.decider.take(Sighting("cam", "run-1", track, kind, self.seq, now_ns, now_ns, **given))

    def plate(self, text: str, track: int = 1, **fields: Any) -> None:
        lattice = tuple(((sign, math.log(0.99)),) for sign in text)
        self.see(Kind.PLATE, track, lattice=lattice, **fields)

    def face(self, template: "np.ndarray[Any, Any]", track: int = 1, **fields: Any) -> None:
        self.see(Kind.FACE, track, template=template.astype("<f4").tobytes(), **fields)

    def of(self, lane: str) -> list[tuple[Verdict, Reason]]:
        return [(decision.verdict, decision.reason) for name, decision in self.told if name == lane]


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


def test_one_read_decides_nothing_and_two_agreeing_reads_open(desk: Desk) -> None:
    desk.plate("粤B12345")
    assert desk.told == []
    desk.plate("粤B12345")
    assert desk.of("entry") == [(Verdict.GRANT, Reason.PERMIT)]
    (_, decision) = desk.told[0]
    assert (decision.subject, decision.credential) == ("wang-li", "粤B12345")
    assert desk.settled == [1]


def test_a_lane_hears_only_of_what_it_accepts(desk: Desk) -> None:
    for _ in range(2):
        desk.face(face_of(0))
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT)]
    assert desk.of("entry") == []


def test_a_stranger_is_refused_once_per_visit_over_several_tracks(desk: Desk) -> None:
    for track in (1, 2, 3):
        for _ in range(4):
            desk.face(face_of(5, noise=0.01 * track), track, after_s=0.5)
    assert desk.of("door") == [(Verdict.DENY, Reason.UNKNOWN_FACE)]


def test_a_stranger_who_turns_out_to_be_a_resident_is_let_in(desk: Desk) -> None:
    for _ in range(4):
        desk.face(face_of(5), after_s=0.5)
    for _ in range(6):
        desk.face(face_of(0))
    assert desk.of("door") == [(Verdict.DENY, Reason.UNKNOWN_FACE), (Verdict.GRANT, Reason.PERMIT)]
    visits = {decision.identity.visit for _, decision in desk.told if decision.identity}
    assert len(visits) >= 1


def test_a_grant_is_offered_again_while_the_track_goes_on_but_not_at_every_frame(desk: Desk) -> None:
    for _ in range(12):
        desk.plate("粤B12345", after_s=0.2)
    grants = desk.of("entry")
    assert set(grants) == {(Verdict.GRANT, Reason.PERMIT)}
    assert 2 <= len(grants) <= 4, "the lane itself keeps a visit from opening twice"
    assert len({d.identity.visit for _, d in desk.told if d.identity}) == 1


def test_ACC_2_a_revocation_acts_on_the_very_next_sighting(desk: Desk) -> None:
    desk.plate("粤B12345")
    desk.decider.swap_known(Known(Roster.of(2, [FACE]), Gallery.build(SET, [])))
    desk.plate("粤B12345")
    assert desk.of("entry") == [(Verdict.DENY, Reason.UNKNOWN_PLATE)]


def test_a_new_configuration_acts_on_the_next_sighting(desk: Desk) -> None:
    desk.plate("粤B12345")
    desk.decider.swap_settings(settings(automatic_opening=False), 7)
    desk.plate("粤B12345")
    assert desk.of("entry") == [(Verdict.DENY, Reason.KILL_SWITCH)]
    assert desk.told[0][1].config_rev == 7


def test_a_decision_dies_with_its_frame(desk: Desk, clock: ManualClock) -> None:
    desk.plate("粤B12345")
    desk.plate("粤B12345")
    (_, decision) = desk.told[0]
    assert decision.identity is not None
    assert decision.not_after_ns == decision.identity.last_ns + 2_000_000_000


def test_SAFE_3_a_late_read_moves_nothing_and_the_next_one_in_time_opens(desk: Desk) -> None:
    desk.plate("粤B12345")
    desk.plate("粤B12345", taken_ago_s=3.0)
    assert desk.told == []
    desk.plate("粤B12345")
    assert desk.of("entry") == [(Verdict.GRANT, Reason.PERMIT)]


def test_a_visit_whose_reads_were_all_too_late_ends_as_too_late(desk: Desk) -> None:
    for _ in range(3):
        desk.plate("粤B12345", taken_ago_s=3.0)
    desk.plate("粤B12345", taken_ago_s=3.0, ended=True)
    assert desk.of("entry") == [(Verdict.DENY, Reason.TOO_LATE)]


def test_an_official_plate_is_read_only_where_it_is_expected(clock: ManualClock) -> None:
    for official, told in ((False, []), (True, [(Verdict.DENY, Reason.UNKNOWN_PLATE)])):
        desk = Desk(clock, official_plates=official)
        for _ in range(3):
            desk.plate("VA12345")
        assert desk.of("entry") == told


def test_flawed_faces_neither_open_nor_refuse(desk: Desk) -> None:
    for _ in range(20):
        desk.face(face_of(0), flaw="blurred", after_s=0.5)
    assert desk.told == []


def test_a_sighting_of_an_unknown_camera_or_an_ended_track_is_nothing(desk: Desk) -> None:
    desk.plate("粤B12345", track=9, ended=True)
    desk.decider.swap_settings(parse_settings({"device": {"id": "box"}}), 0)
    desk.plate("粤B12345")
    assert desk.told == []


def test_too_many_waiting_sightings_raise_an_alarm_and_are_forgotten(desk: Desk) -> None:
    now_ns = desk.clock.boot_ns()
    sighting = Sighting("cam", "run-1", 1, Kind.PLATE, 1, now_ns, now_ns, Box(0, 0, 1, 1), 0.5)
    for _ in range(MAX_WAITING + 1):
        desk.decider.offer(sighting)
    assert [alarm.name for alarm in desk.alarms.standing()] == ["decide.overloaded"]
    desk.decider.start()
    desk.decider.close()
