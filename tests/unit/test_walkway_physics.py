"""The simulated turnstile and mantrap behave like steel and people, by injected time."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from drivers.errors import DriverError
from drivers.simulated.door import DoorTraits
from drivers.simulated.mantrap import SimulatedMantrap
from drivers.simulated.turnstile import SimulatedTurnstile, TurnstileTraits
from drivers.simulated.walkway import SimulatedWalkway
from edge.errors import SettingsError
from edge.settings import LcusBoard, ModbusBoard, Settings
from edge.simulation import with_simulated_boards

S = 1_000_000_000
MS = 1_000_000


def pulse(turnstile: SimulatedTurnstile, way: str, at_ns: int) -> None:
    turnstile.set_way(way, True, at_ns)
    turnstile.set_way(way, False, at_ns + 500 * MS)


def looks(turnstile: SimulatedTurnstile, start_ns: int) -> list[str]:
    """What the contacts show every 100 ms of a walk."""
    shown = []
    for step in range(12):
        turnstile.step(start_ns + step * 100 * MS)
        names = ("zone_in", "zone_out", "passage_in", "passage_out")
        shown.append("".join(str(int(getattr(turnstile, name))) for name in names))
    return shown


def test_one_pulse_is_one_credit_and_the_walk_covers_both_zones_and_gives_one_feedback() -> None:
    turnstile = SimulatedTurnstile(0)
    assert not turnstile.walk("in", 1 * S)
    pulse(turnstile, "in", 2 * S)
    assert turnstile.walk("in", 3 * S)
    assert not turnstile.has_credit("in")
    shown = looks(turnstile, 3 * S)
    assert shown == [*["1000"] * 3, *["1100"] * 2, "0100", *["0110"] * 2, "0010", *["0000"] * 3]
    assert [way for _, way in turnstile.passed] == ["in"]
    assert [way for _, way in turnstile.refused] == ["in"]


def test_the_way_out_is_the_mirror_image() -> None:
    turnstile = SimulatedTurnstile(0)
    pulse(turnstile, "out", 2 * S)
    assert turnstile.walk("out", 3 * S)
    assert looks(turnstile, 3 * S)[4:7] == ["1100", "1000", "1001"]


def test_a_credit_that_nobody_uses_is_lost() -> None:
    turnstile = SimulatedTurnstile(0, TurnstileTraits(credit_s=5.0))
    pulse(turnstile, "in", 1 * S)
    turnstile.step(5 * S)
    assert turnstile.has_credit("in")
    turnstile.step(7 * S)
    assert not turnstile.walk("in", 7 * S)


def test_whoever_follows_gives_a_second_feedback_and_is_counted_apart() -> None:
    turnstile = SimulatedTurnstile(0)
    pulse(turnstile, "in", 1 * S)
    turnstile.walk("in", 2 * S, followed=True)
    edges, before = 0, False
    for at_ns in range(2 * S, 5 * S, 20 * MS):
        turnstile.step(at_ns)
        edges += turnstile.passage_in and not before
        before = turnstile.passage_in
    assert edges == 2
    assert len(turnstile.passed) == 1
    assert len(turnstile.slipped) == 1


def test_an_arm_that_comes_back_onto_somebody_is_counted_against_us() -> None:
    turnstile = SimulatedTurnstile(0)
    turnstile.set_release(True, 1 * S)
    assert turnstile.walk("out", 2 * S)
    turnstile.set_release(False, 2 * S + 200 * MS)
    assert turnstile.hits == [2 * S + 200 * MS]


def test_a_walker_goes_through_a_mantrap_door_by_door_and_both_open_is_seen() -> None:
    mantrap = SimulatedMantrap(0)
    mantrap.walk("in", 1 * S)
    mantrap.step(2 * S)
    assert not mantrap.is_occupied
    mantrap.set_lock("outer", True, 3 * S)
    mantrap.step(3 * S)
    mantrap.step(3 * S + 300 * MS)
    assert mantrap.doors["outer"].is_open
    assert mantrap.is_occupied
    mantrap.set_lock("outer", False, 3 * S + 400 * MS)
    assert not mantrap.is_bolted("outer"), "the leaf stands open"
    mantrap.step(5 * S)
    assert mantrap.is_bolted("outer")
    mantrap.set_lock("inner", True, 6 * S)
    mantrap.step(6 * S + 100 * MS)
    assert [way for _, way in mantrap.through] == ["in"]
    assert mantrap.both_open_ns == []
    mantrap.set_lock("outer", True, 7 * S)
    for name in ("outer", "inner"):
        mantrap.doors[name].push(7 * S, open_for_s=2.0)
    mantrap.step(8 * S)
    assert mantrap.both_open_ns != []


def test_who_is_not_let_on_goes_back_and_who_is_not_let_in_gives_up() -> None:
    mantrap = SimulatedMantrap(0, DoorTraits(energised_unlocks=False))
    assert mantrap.doors["inner"].unlocked, "a magnet without current holds nothing"
    for name in ("outer", "inner"):
        mantrap.set_lock(name, True, 0)
    mantrap.walk("out", 1 * S, patience_s=2.0)
    mantrap.step(4 * S)
    mantrap.set_lock("inner", False, 5 * S)
    mantrap.step(6 * S)
    assert not mantrap.is_occupied
    mantrap.walk("out", 7 * S)
    mantrap.step(7 * S)
    assert mantrap.is_occupied
    mantrap.step(9 * S)
    assert [way for _, way in mantrap.back] == ["out"]


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "walker"},
        {"kind": "walker", "at": 1, "way": "up"},
        {"kind": "walker", "at": 1, "gate": "gap"},
        {"kind": "walker", "at": 1, "speed": 2},
        {"kind": "level", "input": "rain", "during": [0, 1]},
        {"kind": "level", "input": "fire", "during": [0]},
        {"kind": "car"},
    ],
)
def test_a_script_that_cannot_be_meant_is_refused_with_its_number(entry: dict[str, object]) -> None:
    with pytest.raises(DriverError, match="script entry 2"):
        SimulatedWalkway(script=[{"kind": "walker", "at": 1.0}, entry])


def boards(**changes: str) -> Settings:
    named = {"relays": {"type": "simulated", "part": "relays", "site": "walkway"}}
    named["inputs"] = {"type": "simulated", "part": "inputs", "site": "walkway"}
    for name, part in changes.items():
        named[name] = {"type": "simulated", "part": part, "site": "walkway"}
    return Settings.model_validate(
        {
            "device": {"id": "box"},
            "boards": named,
            "lanes": {
                "tripod": {
                    "type": "turnstile",
                    "pass_in": {"board": "relays", "channel": 8},
                    "passage": {"board": "inputs", "channel": 16},
                }
            },
        }
    )


def test_the_configuration_can_ask_for_a_simulated_walkway(tmp_path: Path) -> None:
    with ExitStack() as stops:
        settings = with_simulated_boards(boards(), tmp_path, stops)
        relays, inputs = settings.boards["relays"], settings.boards["inputs"]
        assert isinstance(relays, LcusBoard)
        assert (relays.channels, Path(relays.port).exists()) == (8, True)
        assert isinstance(inputs, ModbusBoard)
        assert (inputs.inputs, Path(inputs.port).exists()) == (16, True)
    assert not Path(relays.port).exists()


def test_two_simulated_boards_for_one_part_are_refused(tmp_path: Path) -> None:
    with ExitStack() as stops, pytest.raises(SettingsError, match="relays of the walkway"):
        with_simulated_boards(boards(more="relays"), tmp_path, stops)
