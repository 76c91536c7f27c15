"""When a condition of the picture becomes an alarm, and when it ends; the test moves the time."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.settings_cameras import ALL_CONDITIONS
from edge.vision.condition import RULES, Condition, Edge, Rule, rules_for

S = 1_000_000_000
GOOD: Mapping[str, float] = {
    "brightness": 110.0,
    "contrast": 45.0,
    "dark": 0.02,
    "bright": 0.01,
    "focus": 2.0,
    "focus_share": 1.0,
    "likeness": 0.5,
    "shift": 0.002,
    "turn": 0.0,
    "dirt": 0.0,
}
# Name of the rule, and what of the numbers makes it bad, good, and neither.
BLACK = {"brightness": 3.0, "contrast": 1.0, "dark": 1.0}
CASES: list[tuple[str, dict[str, float], dict[str, float]]] = [
    ("black", BLACK, {"brightness": 20.0, "contrast": 5.0, "dark": 0.95}),
    ("dark", {"brightness": 25.0, "dark": 0.5}, {"brightness": 34.0}),
    ("bright", {"brightness": 240.0}, {"brightness": 220.0}),
    ("bright", {"bright": 0.7}, {"bright": 0.55}),
    ("defocused", {"focus_share": 0.3}, {"focus_share": 0.45}),
    ("moved", {"shift": 0.05}, {"shift": 0.025}),
    ("moved", {"turn": 2.5}, {"likeness": 0.2}),
    ("covered", {"likeness": 0.2}, {"brightness": 10.0}),
    ("dirty", {"dirt": 0.08}, {"dirt": 0.03}),
]


class Judged:
    """The condition of one camera, shown two sets of numbers a second."""

    def __init__(self) -> None:
        self.condition = Condition(RULES)
        self.now_ns = 1000 * S

    def show(self, seconds: float, **changes: float) -> list[tuple[float, Edge]]:
        """Edges with the time at which they came."""
        edges = []
        for step in range(round(seconds * 2)):
            self.now_ns += S // 2
            edges += [(step / 2, edge) for edge in self.condition.judge({**GOOD, **changes}, self.now_ns)]
        return edges


def rule_named(name: str) -> Rule:
    (rule,) = rules_for([name])
    return rule


def test_every_condition_of_the_settings_has_its_rule_and_no_other() -> None:
    assert sorted(rule.name for rule in RULES) == sorted(ALL_CONDITIONS)
    assert rules_for([]) == ()


def test_a_good_picture_raises_nothing_in_an_hour() -> None:
    assert Judged().show(3600) == []


@pytest.mark.parametrize(("name", "bad", "between"), CASES)
def test_an_alarm_comes_after_its_time_and_goes_after_its_time(
    name: str, bad: dict[str, float], between: dict[str, float]
) -> None:
    rule, judged = rule_named(name), Judged()
    judged.show(10)
    ((raised_s, edge),) = judged.show(rule.raise_s + 3, **bad)
    assert (edge.name, edge.standing) == (f"camera.{name}", True)
    assert edge.detail
    assert rule.raise_s <= raised_s <= rule.raise_s + 1.0
    assert judged.show(20, **between) == [], "between the two limits it stays as it is"
    ((cleared_s, edge),) = judged.show(rule.clear_s + 3)
    assert edge == Edge(f"camera.{name}", False, "")
    assert rule.clear_s <= cleared_s <= rule.clear_s + 1.0


@pytest.mark.parametrize(("name", "bad", "between"), CASES)
def test_half_the_time_raises_nothing_and_is_forgotten(
    name: str, bad: dict[str, float], between: dict[str, float]
) -> None:
    rule, judged = rule_named(name), Judged()
    for _ in range(5):
        assert judged.show(rule.raise_s / 2, **bad) == []
        assert judged.show(rule.clear_s + 1) == []


def test_a_picture_that_comes_and_goes_does_not_ring_all_the_time() -> None:
    judged = Judged()
    edges = []
    for _ in range(200):  # ten minutes in which it is bad half of the time
        edges += judged.show(1.5, shift=0.1) + judged.show(1.5)
    assert len(edges) <= 1


def test_a_black_picture_is_named_within_a_second_and_a_half() -> None:
    judged = Judged()
    judged.show(5)
    ((raised_s, edge),) = judged.show(4, **BLACK)
    assert edge.name == "camera.black"
    assert raised_s <= 1.0, "half a second more until the first measurement"


def test_a_black_picture_is_not_called_dark_as_well() -> None:
    judged = Judged()
    names = {edge.name for _, edge in judged.show(200, **BLACK)}
    assert names == {"camera.black"}


def test_what_cannot_be_said_neither_raises_nor_clears() -> None:
    judged = Judged()
    judged.show(20, shift=0.1)
    assert judged.condition.standing == {"moved"}
    for _ in range(100):
        judged.now_ns += S // 2
        assert judged.condition.judge({}, judged.now_ns) == []
    assert judged.condition.standing == {"moved"}


def test_what_was_between_two_measurements_that_lie_far_apart_does_not_count() -> None:
    judged = Judged()
    judged.show(5)
    for _ in range(10):  # a process that dies and comes back every minute, always with a moved picture
        judged.now_ns += 60 * S
        assert judged.condition.judge({**GOOD, "shift": 0.1}, judged.now_ns) == []


def test_a_blurred_picture_is_named_without_a_reference_too() -> None:
    judged = Judged()
    blurred = {key: value for key, value in GOOD.items() if key != "focus_share"} | {
        "focus": 0.3,
        "learnt": 0.5,
    }
    edges = []
    for _ in range(80):
        judged.now_ns += S // 2
        edges += judged.condition.judge(blurred, judged.now_ns)
    assert [edge.name for edge in edges] == ["camera.defocused"]


def test_a_new_reference_ends_what_stood() -> None:
    judged = Judged()
    judged.show(20, shift=0.1)
    assert judged.condition.forget() == [Edge("camera.moved", False, "")]
    assert judged.condition.forget() == []
    assert judged.condition.standing == frozenset()


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(sorted(GOOD)), st.floats(0, 300), max_size=10),
            st.floats(0.01, 20),
        ),
        max_size=60,
    )
)
def test_whatever_is_measured_edges_alternate(history: list[tuple[dict[str, float], float]]) -> None:
    condition, now_ns, standing = Condition(RULES), 0, set()
    for numbers, pause_s in history:
        now_ns += round(pause_s * S)
        whole = {**GOOD, **numbers}
        for edge in condition.judge(whole, now_ns):
            assert edge.standing is (edge.name not in standing)
            standing ^= {edge.name}
    assert {f"camera.{name}" for name in condition.standing} == standing
