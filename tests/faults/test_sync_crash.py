"""Short form of ``sync_crash.py``, and proof that its judge sees every kind of broken promise."""

from pathlib import Path
from typing import Any

import pytest
from crash_history import History, judge
from sync_bench import PROTOCOLS
from sync_crash import DELIVERY_POINTS, run, schedule

from edge.faults import (
    ACTUATION_POINTS,
    CONFIG_POINTS,
    FAULT_POINTS,
    PICTURE_POINTS,
    SALVAGE_POINTS,
    SET_POINTS,
)

ROOT = Path(__file__).resolve().parents[2]
SEED = 20_261_123


@pytest.mark.mosquitto
@pytest.mark.slow
def test_DEL_1_DEL_2_SAFE_3_killed_at_every_fault_point_nothing_is_lost_doubled_or_done_twice(
    tmp_path: Path, record_property: Any
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    faults, figures = run(folder, seed=SEED, kills=24, broker_kills=4, events=1500, protocol=PROTOCOLS[0])
    record_property("figures", figures)
    assert faults == [], f"seed {SEED}: {figures}"
    assert figures["kills"] == 24
    assert figures["broker_kills"] == 4
    assert figures["promised"] > 100
    reached = set(DELIVERY_POINTS) & set(figures["deaths"])
    assert len(reached) >= len(DELIVERY_POINTS) - 3, "on a slow machine one or two may be too far away"


def test_the_same_seed_gives_the_same_schedule_and_every_point_has_its_turn() -> None:
    one, other = schedule(SEED, 100, 20), schedule(SEED, 100, 20)
    assert one == other
    assert schedule(SEED + 1, 100, 20) != one
    assert {death.fault.partition(":")[0] for death in one} >= set(DELIVERY_POINTS)
    assert sum(death.broker_after_s is not None for death in one) == 20


def test_every_fault_point_is_in_the_code_and_killed_at_by_one_of_the_fault_benches() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "edge").rglob("*.py"))
    assert [point for point in FAULT_POINTS if f'fault_point("{point}")' not in source] == []
    benches = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "faults").glob("*.py"))
    groups = {"ACTUATION_POINTS": ACTUATION_POINTS, "DELIVERY_POINTS": DELIVERY_POINTS}
    groups |= {"SALVAGE_POINTS": SALVAGE_POINTS, "CONFIG_POINTS": CONFIG_POINTS}
    groups |= {"PICTURE_POINTS": PICTURE_POINTS, "SET_POINTS": SET_POINTS}
    for name in groups:
        assert benches.count(name) > 3, f"nobody enumerates {name}"
    assert sorted(point for group in groups.values() for point in group) == sorted(FAULT_POINTS)


def event(number: int, seq: int, **more: Any) -> dict[str, Any]:
    data = {"number": number} | more.pop("data", {})
    whole = {"id": f"id-{number}", "type": "gh.thing.seen.v1", "ghstream": "access", "ghepoch": "e"}
    return {**whole, "ghseq": seq, "data": data, **more}


def act(kind: str, name: str, seq: int) -> dict[str, Any]:
    body = event(0, seq, id=f"{kind}-{name}-{seq}", type=f"gh.{kind}.v1", ghstream="barrier")
    return {**body, "data": {"actuation": name}}


def good() -> tuple[History, list[dict[str, Any]]]:
    history = History()
    history.try_events([(1, "access"), (2, "access"), (3, "access"), (4, "access")])
    history.keep([1, 2])
    history.ask("act-1")
    history.ask("act-1")
    history.pulse("act-1", "act-1")
    history.revoke("wang")
    history.grant("li", asked_after_revocation=False)
    table = [event(1, 1), event(2, 2), event(4, 3)]
    return history, [*table, act("barrier.commanded", "act-1", 1), act("actuation.unknown", "act-1", 2)]


def test_the_judge_has_nothing_to_say_about_promises_that_were_kept() -> None:
    assert judge(*good()) == []


@pytest.mark.parametrize(
    ("word", "spoil"),
    [
        ("lost", lambda h, t: h.keep([3])),
        ("phantom", lambda h, t: t.append(event(9, 4))),
        ("duplicate", lambda h, t: t.append(event(4, 4, id="other"))),
        ("duplicate: id", lambda h, t: t.append(event(3, 4, id="id-4"))),
        ("order", lambda h, t: t.__setitem__(slice(2, 3), [event(4, 3), event(3, 4)])),
        ("place", lambda h, t: t.pop(1)),
        ("double actuation", lambda h, t: h.pulse("act-1", "act-1")),
        ("pulse of nobody", lambda h, t: h.pulse("act-2", "act-1")),
        ("unrecorded pulse", lambda h, t: h.pulse("act-1", "act-9")),
        ("ends", lambda h, t: t.pop()),
        ("grant after acknowledged revocation", lambda h, t: h.grant("wang", asked_after_revocation=True)),
    ],
)
def test_the_judge_finds_every_kind_of_broken_promise(word: str, spoil: Any) -> None:
    history, table = good()
    spoil(history, table)
    assert any(fault.startswith(word) for fault in judge(history, table))


def test_the_judge_finds_a_chain_that_is_broken() -> None:
    history, table = good()
    assert judge(history, table, ["access"]) == ["broken chain: access"]
