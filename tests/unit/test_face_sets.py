"""Templates of two networks are never compared, whatever their length."""

from typing import Any

import numpy as np
import pytest
from test_deciding import SET, Desk, face_of

from edge.clock import ManualClock
from edge.records import Kind, Reason, Verdict


@pytest.mark.parametrize("template_set", [SET, ""])
def test_a_face_of_the_set_that_is_known_opens(clock: ManualClock, template_set: str) -> None:
    desk = Desk(clock)
    for _ in range(2):
        desk.face(face_of(0), template_set=template_set)
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT)]
    assert not desk.alarms.standing()


@pytest.mark.parametrize("length", [128, 512])
def test_ACC_1_a_face_described_by_another_network_opens_nothing_and_raises_an_alarm(
    clock: ManualClock, length: int
) -> None:
    desk = Desk(clock)
    template: np.ndarray[Any, Any] = np.zeros(length, "<f4")
    template[0] = 1.0  # the very numbers of the resident, in another space
    for _ in range(30):
        desk.see(Kind.FACE, template=template.tobytes(), template_set="faces-sface", after_s=0.2)
    assert Verdict.GRANT not in [verdict for verdict, _ in desk.of("door")]
    (alarm,) = desk.alarms.standing()
    assert (alarm.name, alarm.subject) == ("faces.other_set", "cam")
    assert "faces-sface" in alarm.detail
    assert SET in alarm.detail
