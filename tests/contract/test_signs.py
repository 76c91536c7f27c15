"""The worker of a display with a simulated card on a pseudo-terminal: newest wins, losses are named."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.simulated.signboards import SimulatedFkCard, SimulatedKfCard
from edge.access import Person
from edge.clock import NS_PER_S, ClockState, SystemClock
from edge.health import Alarms
from edge.records import EventDraft, Prompt, Step, Stream
from edge.settings_file import parse_settings
from edge.signs import Saying, Signs
from edge.signs.sign import LOST, Sign
from edge.simulation import with_simulated_displays

IDLE = ("一车一杆", "减速慢行")


class SetClock(SystemClock):
    """This machine's clock, believed."""

    def state(self) -> ClockState:
        return ClockState.SYNCED


CLOCK = SetClock()


@dataclass
class Rig:
    card: Any
    signs: Signs
    sign: Sign
    alarms: Alarms

    def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline_s = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline_s, f"{what}: shows {self.card.texts}, said {self.card.spoken}"
            time.sleep(0.01)

    def shows(self, *texts: str) -> None:
        self.until(lambda: self.card.texts[: len(texts)] == texts, f"the card shows {texts}")

    def decided(self, lane: str = "entry", **data: Any) -> None:
        access = {
            "verdict": "grant",
            "reason": "permit",
            "result": "accepted",
            "visit": "v1",
            "kind": "plate",
            "credential": "粤B12345",
            "subject": "wang-li",
            **data,
        }
        self.signs.note(EventDraft(Stream.ACCESS, "access.decided", lane, access))

    def lost(self) -> str:
        return next((alarm.detail for alarm in self.alarms.standing() if alarm.name == LOST), "")


@contextmanager
def rig(
    folder: Path, *, kf: bool = False, card: dict[str, Any] | None = None, **display: Any
) -> Iterator[Rig]:
    port = folder / "card"
    simulated = (SimulatedKfCard if kf else SimulatedFkCard)(link=port, drop_faster_than_ms=5, **(card or {}))
    options = {
        "type": "kf" if kf else "fk",
        "port": str(port),
        "lanes": ["entry"],
        "gap_ms": 50,
        "show_s": 60,
    }
    settings = parse_settings(
        {
            "device": {"id": "gate-1"},
            "boards": {"relay": {"type": "lcus", "port": "/dev/ttyUSB0"}},
            "lanes": {
                name: {"type": "barrier", "direction": way, "open": {"board": "relay", "channel": channel}}
                for channel, (name, way) in enumerate((("entry", "in"), ("exit", "out")), start=1)
            },
            "displays": {"sign": options | display},
        }
    )
    month_s = CLOCK.utc_ns() // NS_PER_S + 30 * 86_400 - 60
    person = Person("wang-li", "王丽", valid_to_utc_s=month_s)
    alarms = Alarms(CLOCK)
    with ExitStack() as stack:
        stack.enter_context(simulated)
        signs = Signs(settings, CLOCK, alarms, {"wang-li": person}.get)
        sign = signs.cards["sign"]
        stack.callback(sign.close)
        sign.start()
        yield Rig(simulated, signs, sign, alarms)


@pytest.mark.parametrize("kf", [False, True], ids=["fk", "kf"])
def test_the_idle_text_stands_with_date_and_time_until_something_happens(tmp_path: Path, kf: bool) -> None:
    with rig(tmp_path, kf=kf) as sign:
        sign.shows(*IDLE)
        sign.until(lambda: "月" in sign.card.texts[2] and ":" in sign.card.texts[3], "date and time")
        assert sign.card.spoken == ()
        assert sign.card.lost_frames == 0


@pytest.mark.parametrize("kf", [False, True], ids=["fk", "kf"])
def test_a_permitted_car_is_welcomed_by_plate_days_and_voice(tmp_path: Path, kf: bool) -> None:
    with rig(tmp_path, kf=kf) as sign:
        sign.shows(*IDLE)
        sign.decided()
        sign.shows("粤B12345", "欢迎光临", "剩余30天", "")
        assert sign.card.spoken[0].replace(",", "") == "粤B12345欢迎光临"


def test_a_refusal_says_why_and_a_staff_opening_that_one_may_pass(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        sign.decided(verdict="deny", reason="expired", result="refused")
        sign.shows("粤B12345", "授权已过", "期")
        sign.decided(visit="v2", reason="staff_command", credential="command", kind=None, subject=None)
        sign.shows("请通行", "", "")


def test_what_happens_at_another_lane_does_not_stand_here(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        sign.shows(*IDLE)
        sign.decided("exit")
        sign.decided("entry", visit="v2")
        sign.shows("粤B12345", "欢迎光临")
    with rig(tmp_path, lanes=["exit"]) as sign:
        sign.decided("exit")
        sign.shows("粤B12345", "一路平安")


def test_after_its_time_an_event_makes_way_for_the_idle_text(tmp_path: Path) -> None:
    with rig(tmp_path, show_s=2) as sign:
        sign.decided()
        sign.shows("粤B12345", "欢迎光临")
        sign.shows(*IDLE)


def test_the_newest_wins_and_one_showing_is_said_once(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        sign.shows(*IDLE)
        for number in range(20):
            sign.decided(visit=f"v{number}", credential=f"粤B{number:05d}")
        sign.shows("粤B00019", "欢迎光临")
        for _ in range(3):
            sign.decided(visit="v19", credential="粤B00019")
        sign.decided(visit="last", credential="粤B77777")
        sign.shows("粤B77777", "欢迎光临")
        assert [said for said in sign.card.spoken if "00019" in said] == ["粤B00019,欢迎光临"]
        assert sign.card.lost_frames == sign.card.strange_frames == 0


def test_what_a_person_is_asked_to_do_stands_until_it_is_withdrawn(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        until_ns = CLOCK.boot_ns() + 60 * NS_PER_S
        sign.signs.prompt(Prompt("entry", Step.TURN_LEFT, "Turn left", "请缓慢向左转头", until_ns, "v1"))
        sign.shows("请缓慢向", "左转头")
        sign.signs.prompt(Prompt("entry", Step.NOTHING, "", "", CLOCK.boot_ns(), "v1"))
        sign.shows(*IDLE)


def test_withdrawing_a_question_does_not_take_a_welcome_away(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        sign.decided()
        sign.shows("粤B12345", "欢迎光临")
        sign.signs.prompt(Prompt("entry", Step.NOTHING, "", "", CLOCK.boot_ns(), "v1"))
        sign.until(lambda: not sign.sign._slot.is_filled, "the prompt was taken")
        assert sign.card.texts[:2] == ("粤B12345", "欢迎光临")


def test_a_full_car_park_is_said_in_the_idle_text(tmp_path: Path) -> None:
    with rig(tmp_path, templates={"idle": ["余位{free}", "欢迎光临"]}) as sign:
        sign.shows("欢迎光临")
        assert sign.signs.set_free("entry", 12)
        sign.shows("余位12", "欢迎光临")
        sign.signs.set_free("entry", 0)
        sign.shows("车位已满", "请稍候")
        assert not sign.signs.set_free("exit", 3)


def test_the_volume_is_set_when_the_card_is_opened(tmp_path: Path) -> None:
    with rig(tmp_path, volume=60) as sign:
        sign.until(lambda: sign.card.volume == 60, "volume")


def test_a_quiet_card_shows_and_says_nothing(tmp_path: Path) -> None:
    with rig(tmp_path, quiet="00:00-23:59") as quiet, rig(tmp_path / "..", speaks=False) as silent:
        for sign in (quiet, silent):
            sign.decided()
            sign.shows("粤B12345", "欢迎光临")
            assert sign.card.spoken == ()


def test_an_unplugged_card_is_an_alarm_and_shows_again_when_it_is_back(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        sign.shows(*IDLE)
        sign.card.unplug()
        sign.until(lambda: "went away" in sign.lost() or "no such port" in sign.lost(), "an alarm")
        assert not sign.sign.status.is_up
        sign.decided()
        sign.card.replug()
        sign.until(lambda: not sign.lost(), "the alarm is over")
        sign.shows("粤B12345", "欢迎光临")
        sign.until(lambda: sign.sign.status.is_up, "up")
        assert sign.sign.status.rows[0].text == "粤B12345"
        # What was to be said while it was away is not said late.
        assert sign.card.spoken == ()


def test_a_card_that_is_not_there_at_start_is_named_and_found_when_it_comes(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        pass
    port = tmp_path / "card"
    alarms = Alarms(CLOCK)
    settings = sign.signs._settings
    signs = Signs(settings, CLOCK, alarms, {}.get)
    late = signs.cards["sign"]
    late.start()
    try:
        sign.alarms = alarms
        sign.until(lambda: "no such port" in sign.lost(), "an alarm that says what is missing")
        with SimulatedFkCard(link=port, drop_faster_than_ms=5) as card:
            sign.card = card
            sign.until(lambda: not sign.lost(), "found")
            sign.shows(*IDLE)
    finally:
        late.close()


def test_a_dead_card_behind_a_living_adapter_is_noticed_if_it_used_to_answer(tmp_path: Path) -> None:
    with rig(tmp_path, card={"acknowledges": True}) as sign:
        sign.shows(*IDLE)
        sign.card.faults.silent = True
        for number in range(3):
            sign.decided(visit=f"v{number}", credential=f"粤B0000{number}")
            sign.until(lambda: not sign.sign._slot.is_filled, "taken")
        sign.until(lambda: "without an answer" in sign.lost(), "an alarm")
        sign.card.faults.silent = False
        sign.until(lambda: not sign.lost(), "the alarm is over")


def test_everything_is_written_again_for_a_card_that_lost_its_power(tmp_path: Path) -> None:
    with rig(tmp_path) as first:
        settings = first.signs._settings
    with SimulatedFkCard(link=tmp_path / "card", drop_faster_than_ms=5) as card:
        made = Signs(settings, CLOCK, Alarms(CLOCK), {}.get).cards["sign"]
        made._rewrite_ns = NS_PER_S
        made.start()
        try:
            first.card = card
            first.shows(*IDLE)
            card.do(card.power_up)
            first.shows(*IDLE)
        finally:
            made.close()


def test_a_frame_that_was_lost_on_the_line_is_made_good_soon(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        sign.shows(*IDLE)
        sign.card.faults.silent = True
        sign.decided()
        sign.until(
            lambda: sign.sign.status.rows[:1] and sign.sign.status.rows[0].text == "粤B12345", "written"
        )
        assert sign.card.texts[:2] == IDLE, "nothing of it has arrived"
        sign.card.faults.silent = False
        sign.shows("粤B12345", "欢迎光临")


def test_two_cards_share_a_line_and_each_shows_its_own(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        base = sign.signs._settings
    kf = {"type": "kf", "port": str(tmp_path / "card"), "gap_ms": 50, "show_s": 60}
    displays = {"in": kf | {"lanes": ["entry"]}, "out": kf | {"lanes": ["exit"], "address": 101}}
    settings = parse_settings({**base.model_dump(mode="json", exclude_none=True), "displays": displays})
    alarms = Alarms(CLOCK)
    with (
        SimulatedKfCard(link=tmp_path / "card", address=101, drop_faster_than_ms=5) as card,
        ExitStack() as stack,
    ):
        signs = Signs(settings, CLOCK, alarms, {}.get)
        for worker in signs.cards.values():
            stack.callback(worker.close)
            worker.start()
        both = Rig(card, signs, signs.cards["out"], alarms)
        both.decided("entry", credential="粤B11111")
        both.decided("exit", credential="粤B22222")
        both.shows("粤B22222", "一路平安")
        both.until(lambda: signs.cards["in"].status.is_up, "the other card was written as well")
        assert not alarms.standing()
        assert not any("11111" in row.text for _, _, row in card.history)


def test_a_simulated_display_of_the_configuration_is_a_card_like_any_other(tmp_path: Path) -> None:
    with rig(tmp_path) as sign:
        base = sign.signs._settings
    kf = {"type": "kf", "port": "simulated", "lanes": ["exit"], "show_s": 60}
    document = {**base.model_dump(mode="json", exclude_none=True), "displays": {"out": kf}}
    with ExitStack() as stops:
        settings = with_simulated_displays(parse_settings(document), tmp_path, stops)
        signs = Signs(settings, CLOCK, Alarms(CLOCK), {}.get)
        worker = signs.cards["out"]
        stops.callback(worker.close)
        worker.start()
        shown = Rig(None, signs, worker, Alarms(CLOCK))
        shown.card = type("Seen", (), {"texts": property(lambda _: ()), "spoken": ()})()
        shown.decided("exit")
        shown.until(lambda: [row.text for row in worker.status.rows][:2] == ["粤B12345", "一路平安"], "shown")


def test_a_slow_card_never_keeps_anybody_waiting(tmp_path: Path) -> None:
    with rig(tmp_path, gap_ms=1000) as sign:
        for number in range(1000):
            sign.sign.say(
                Saying("welcome", {"plate": str(number)}, str(number), CLOCK.boot_ns() + 60 * NS_PER_S)
            )
        sign.until(lambda: sign.card.texts[0] == "999", "the newest in the end")
        assert len(sign.card.history) < 20
