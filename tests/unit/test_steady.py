"""The helper that repeats a scene on a machine that stops for moments hides no failure on a steady one."""

import time

import pytest
from steady import UNSTEADY_S, Watch, on_a_steady_machine


def test_a_scene_that_passes_is_played_once() -> None:
    played: list[int] = []
    on_a_steady_machine(lambda: played.append(1))
    assert played == [1]


def test_a_failure_on_a_machine_that_never_stopped_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steady.UNSTEADY_S", 3600.0)
    with pytest.raises(ZeroDivisionError):
        on_a_steady_machine(lambda: 1 / 0)


def test_a_failure_that_comes_every_time_is_one_on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steady.UNSTEADY_S", 0.0)
    played: list[int] = []

    def scene() -> None:
        played.append(1)
        time.sleep(0.05)
        pytest.fail("never right")

    with pytest.raises(pytest.fail.Exception):
        on_a_steady_machine(scene, tries=3)
    assert len(played) == 3


def test_a_machine_that_stops_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steady.TURN_S", -1.0)  # every turn is a second late
    with Watch() as watch:
        time.sleep(0.02)
    assert watch.longest_s > UNSTEADY_S
