"""Pins as a board, on gpiozero's own mock pins."""

from collections.abc import Iterator
from typing import Any

import pytest

from drivers.errors import CommandRefused, DriverClosed, DriverError, DriverUnavailable, PortBusy
from drivers.relay import Board, open_board


@pytest.fixture
def pins() -> Iterator[Any]:
    """gpiozero's mock factory in place of the real pins."""
    gpiozero = pytest.importorskip("gpiozero", reason="gpiozero is not installed (pip install gpiozero)")
    mock = pytest.importorskip("gpiozero.pins.mock")
    before, gpiozero.Device.pin_factory = gpiozero.Device.pin_factory, mock.MockFactory()
    yield gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory.reset()
    gpiozero.Device.pin_factory = before


def board_of(**options: object) -> Board:
    return open_board("hat", "gpio", port="", output_pins=[5, 6], input_pins=[20, 21], **options)


@pytest.mark.parametrize("active_low", [False, True])
def test_relays_are_released_from_the_first_moment_and_switch_their_pin(pins: Any, active_low: bool) -> None:
    board = board_of(active_low=active_low)
    board.open()
    assert [pins.pin(n).state for n in (5, 6)] == [active_low, active_low]
    board.write_output(2, True)
    assert board.read_outputs() == (False, True)
    assert pins.pin(6).state is not active_low
    assert all(state == active_low for state in (s.state for s in pins.pin(5).states[1:]))
    board.close()
    assert pins.pin(6).function == "input"


def test_a_contact_to_ground_is_active(pins: Any) -> None:
    board = board_of()
    board.open()
    assert board.read_inputs() == (False, False)
    pins.pin(21).drive_low()
    assert board.read_inputs() == (False, True)
    board.close()


def test_channels_and_life_cycle_are_those_of_every_board(pins: Any) -> None:
    board = board_of()
    with pytest.raises(DriverClosed):
        board.write_output(1, True)
    board.open()
    with pytest.raises(CommandRefused, match="no channel 3"):
        board.write_output(3, True)
    with pytest.raises(PortBusy):
        board_of().open()
    board.close()
    board.close()
    board.open()
    board.close()


def test_pins_that_make_no_sense_are_refused_without_gpiozero() -> None:
    with pytest.raises(DriverError, match="only once"):
        open_board("hat", "gpio", port="", output_pins=[5, 5])


def test_a_machine_without_gpiozero_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gpiozero", None)
    with pytest.raises(DriverUnavailable, match="python3-gpiozero"):
        board_of().open()
