"""One contract for every display card, each against its simulated card on a real pseudo-terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.display import Colour, Display, FkCard, KfCard, KfVoice
from drivers.errors import CommandRefused, DriverClosed, DriverUnavailable, LinkLost, PortBusy, ReplyTimeout
from drivers.link import SerialLink
from drivers.simulated.signboards import SimulatedCard, SimulatedFkCard, SimulatedKfCard

GAP_MS = 40


@dataclass(frozen=True)
class Case:
    """A driver and the simulated card on the other side of its wire."""

    name: str
    driver: Callable[..., Display]
    simulate: Callable[..., SimulatedCard]

    def wired(self, simulated: SimulatedCard, **options: object) -> Display:
        return self.driver(self.name, SerialLink(simulated.port, 9600), **{"gap_ms": GAP_MS, **options})


CASES = [Case("fk", FkCard, SimulatedFkCard), Case("kf", KfCard, SimulatedKfCard)]
each_card = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
Wired = tuple[Display, SimulatedCard]


@pytest.fixture
def wire() -> Iterator[Callable[..., Wired]]:
    """Starts a simulated card and opens its driver; both are closed afterwards."""
    with ExitStack() as opened:

        def make(case: Case, *, simulated: dict[str, object] | None = None, **options: object) -> Wired:
            card = opened.enter_context(case.simulate(**{"drop_faster_than_ms": 5, **(simulated or {})}))
            display = case.wired(card, **options)
            opened.callback(display.close)
            display.open()
            return display, card

        yield make


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.005)


@each_card
def test_opening_and_closing_shows_and_says_nothing(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case)
    display.close()
    display.close()
    assert card.frames == ()


@each_card
def test_every_row_is_written_alone_in_its_colour(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case)
    texts = ("欢迎光临", "粤B12345", "剩余30天", "ABC")
    for row, (text, colour) in enumerate(zip(texts, [*Colour, Colour.RED], strict=True), start=1):
        display.show(row, text, colour)
        until(lambda row=row, text=text: card.texts[row - 1] == text, f"row {row} shows {text}")  # type: ignore[misc]
    assert tuple(row.colour for row in card.rows) == (*Colour, Colour.RED)
    assert card.strange_frames == card.lost_frames == 0


@each_card
def test_a_row_that_is_not_there_is_refused(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case, rows=2)
    for row in (0, 3):
        with pytest.raises(CommandRefused, match=f"no row {row}"):
            display.show(row, "x")
    assert card.frames == ()


@each_card
def test_short_texts_stand_in_the_middle_and_long_ones_are_sent_whole(
    case: Case, wire: Callable[..., Wired]
) -> None:
    display, card = wire(case)
    display.show(1, "满")
    until(lambda: card.rows[0].text == "   满   ", "in the middle")
    display.show(2, "车位已满请稍候再来")
    until(lambda: card.texts[1] == "车位已满请稍候再来", "whole")


@each_card
def test_a_text_for_some_seconds_goes_away_by_itself(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case)
    display.show(1, "请通行", seconds=1)
    until(lambda: card.texts[0] == "请通行", "shown")
    until(lambda: card.texts[0] == "", "gone by itself")


@each_card
def test_a_sentence_is_said(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case)
    display.speak("粤B12345,欢迎光临")
    until(lambda: bool(card.spoken), "said")
    assert card.spoken[0].replace(",", "") == "粤B12345欢迎光临"


@pytest.mark.parametrize("voice", [KfVoice.TEXT, KfVoice.CHIP])
def test_a_kf_card_that_reads_any_text_is_sent_any_text(voice: KfVoice, wire: Callable[..., Wired]) -> None:
    display, card = wire(CASES[1], voice=voice)
    display.speak("车位已满")
    until(lambda: bool(card.spoken), "said")
    assert card.spoken == ("车位已满",)


@each_card
def test_the_volume_is_set_where_that_is_known(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case)
    if display.capabilities.sets_volume:
        display.set_volume(60)
        until(lambda: card.volume == 60, "volume")
        with pytest.raises(CommandRefused, match="not between 0 and 100"):
            display.set_volume(101)
    else:
        with pytest.raises(CommandRefused, match="knob"):
            display.set_volume(60)


def test_an_fk_card_of_ten_steps_is_told_a_step(wire: Callable[..., Wired]) -> None:
    display, card = wire(CASES[0], volume_steps=10)
    display.set_volume(60)
    until(lambda: card.volume == 6, "volume")


@each_card
def test_frames_are_never_closer_than_the_card_can_take(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case, simulated={"drop_faster_than_ms": GAP_MS - 10})
    written_ns = [display.show(1 + i % 4, f"text {i}") for i in range(6)]
    assert all(later - sooner >= GAP_MS * 1_000_000 for sooner, later in pairwise(written_ns))
    until(lambda: len(card.history) + card.lost_frames == 6, "all six")
    assert display.free_ns >= written_ns[-1] + GAP_MS * 1_000_000


@each_card
def test_a_card_at_another_address_shows_nothing(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case, address=0x33)
    display.show(1, "不显示")
    until(lambda: bool(card.frames), "heard")
    assert card.history == ()


@each_card
def test_silence_is_normal_until_a_card_has_answered_once(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case)
    for number in range(8):
        display.show(1, str(number))
    assert not display.capabilities.acknowledges
    until(lambda: len(card.history) + card.lost_frames == 8, "all eight")


@each_card
def test_a_card_that_used_to_answer_is_missed_when_it_does_so_no_more(
    case: Case, wire: Callable[..., Wired]
) -> None:
    display, card = wire(case, simulated={"acknowledges": True})
    display.show(1, "一")
    assert display.capabilities.acknowledges
    card.faults.silent = True
    with pytest.raises(ReplyTimeout, match="without an answer; is the card powered and wired"):  # noqa: PT012
        for _ in range(6):
            display.show(1, "二")


@each_card
def test_an_echo_of_the_adapter_is_no_answer(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case)
    card.faults.echo = True
    display.show(1, "一")
    assert not display.capabilities.acknowledges


@each_card
def test_an_answer_is_heard_in_pieces_and_among_garbage(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case, simulated={"acknowledges": True})
    card.faults.split_bytes, card.faults.garbage_before = 2, b"\xaa\x00\x64"
    display.show(1, "一")
    assert display.capabilities.acknowledges


@each_card
def test_an_unplugged_card_is_named(case: Case, wire: Callable[..., Wired]) -> None:
    display, card = wire(case)
    card.unplug()
    with pytest.raises(LinkLost, match="went away"):
        display.check()
    with pytest.raises(LinkLost, match="plug it in again"):
        display.show(1, "x")


@each_card
def test_a_lost_card_shows_again_after_it_was_opened_again(case: Case, tmp_path: Path) -> None:
    with case.simulate(link=tmp_path / "card", drop_faster_than_ms=5) as card:
        display = case.wired(card)
        display.open()
        card.unplug()
        with pytest.raises(LinkLost):
            display.check()
        with pytest.raises(DriverUnavailable, match="no such port"):
            display.open()
        card.replug()
        display.open()
        display.show(1, "回来了")
        until(lambda: card.texts[0] == "回来了", "shown again")
        display.close()


@each_card
def test_a_port_that_another_one_holds_is_named(case: Case, wire: Callable[..., Wired]) -> None:
    _, card = wire(case)
    with pytest.raises(PortBusy):
        case.wired(card).open()


@each_card
def test_a_closed_card_says_so(case: Case, wire: Callable[..., Wired]) -> None:
    display, _ = wire(case)
    display.close()
    for use in (lambda: display.show(1, "x"), lambda: display.speak("x"), display.check):
        with pytest.raises(DriverClosed, match="not open"):
            use()
