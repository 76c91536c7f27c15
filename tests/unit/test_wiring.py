"""Drawn wiring: the right terminals, words for every wire, pictures of the README as the code draws them."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, get_args

import cv2
import pytest
from rich.cells import cell_len

from edge.cli.wiring_layout import Box, Line, Words, lay_out
from edge.cli.wiring_pages import PAGES, drawn, settings_of
from edge.cli.wiring_picture import to_picture, to_svg
from edge.cli.wiring_plan import _DEVICES, Plan, plan_of
from edge.cli.wiring_text import draw
from edge.settings import Input, Output
from edge.settings_file import load_settings, parse_settings
from edge.settings_passages import Lane

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "config" / "wiring"


def plan(board: dict[str, Any], **lane: Any) -> Plan:
    settings = parse_settings(
        {
            "device": {"id": "gate-1"},
            "boards": {"b": board},
            "lanes": {"lane": {"type": "barrier", "accepts": ["plate"]} | lane},
        }
    )
    return plan_of("lane", settings)


LC = {"type": "modbus", "profile": "lc", "port": "/dev/ttyUSB0", "address": 7}


def test_a_pulse_goes_from_com_and_no_to_the_barriers_contact() -> None:
    (row,) = plan(LC, open={"board": "b", "channel": 3}).rows
    assert row.board_terminals == ("COM3", "NO3")
    assert row.device_terminals == ("COM", "OPEN 开")
    assert row.note[0] == "500 ms pulse; safe: coil released"
    assert not row.is_fed


def test_a_stop_that_wants_current_to_run_goes_to_the_nc_contact() -> None:
    stop = {"board": "b", "channel": 2, "contact": "nc", "energise_to": "run"}
    row = plan(LC, open={"board": "b", "channel": 1}, stop=stop).rows[1]
    assert row.board_terminals == ("COM2", "NC2")
    assert "current: run" in row.note[0]


def test_an_inverted_input_is_a_contact_that_opens() -> None:
    beam = {"board": "b", "channel": 4, "inverted": True}
    row = plan(LC, open={"board": "b", "channel": 1}, beam=beam).rows[1]
    assert (row.contact, row.board_terminals, row.device_terminals) == ("NC", ("COM", "IN4"), ("COM", "NC"))
    assert "inverted = true" in row.note[0]


def test_pins_are_named_by_their_place_on_the_header() -> None:
    pins = {"type": "gpio", "output_pins": [17], "input_pins": [27, 22]}
    rows = plan(pins, open={"board": "b", "channel": 1}, open_limit={"board": "b", "channel": 2}).rows
    assert "GPIO17 (11) - IN1" in rows[0].note[0]
    assert rows[1].board_terminals == ("GND", "GPIO22 (15)")


def test_what_takes_its_power_through_a_relay_shows_its_supply() -> None:
    page = lay_out(plan_of("lane", settings_of("machine-door-magnet")))
    assert any(isinstance(shape, Words) and "supply of the device" in shape.text for shape in page.shapes)


def test_every_wire_of_every_lane_has_its_words() -> None:
    for kind in get_args(Lane):
        for option, field in kind.model_fields.items():
            said = [
                part for part in (field.annotation, *get_args(field.annotation)) if isinstance(part, type)
            ]
            if any(issubclass(part, Output | Input) for part in said):
                assert option in _DEVICES, f"{kind.__name__}.{option}: wiring_plan has no words for it"


@pytest.mark.parametrize("page", PAGES)
def test_the_pictures_of_the_readme_are_what_the_code_draws(page: str) -> None:
    path = FOLDER / f"{page}.svg"
    assert path.is_file(), "run: gatehouse lane pages config/wiring"
    assert path.read_text(encoding="utf-8") == drawn(page), "run: gatehouse lane pages config/wiring"


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_drawn_outside_the_page_and_every_wire_ends_at_two_screws(page: str) -> None:
    plan = plan_of("lane", settings_of(page))
    drawing = lay_out(plan)
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            assert shape.x >= 0
            assert shape.y + shape.height <= drawing.height
        if isinstance(shape, Words) and shape.anchor == "start":
            wide = sum(1.0 if ord(letter) > 0x2E80 else 0.56 for letter in shape.text)
            assert shape.x + wide * shape.size <= drawing.width + 12, shape.text
    long_wires = [s for s in drawing.shapes if isinstance(s, Line) and s.points[-1][0] - s.points[0][0] > 100]
    assert len(long_wires) == 2 * len(plan.rows)
    ET.fromstring(to_svg(drawing))


def test_a_png_has_ink_in_it_chinese_too(tmp_path: Path) -> None:
    page = lay_out(plan(LC, open={"board": "b", "channel": 1}))
    picture = to_picture(page)
    assert picture.shape == (2 * page.height, 2 * page.width, 3)
    title = picture[30:100, 40:900]
    assert (title < 128).sum() > 2000
    assert cv2.imwrite(str(tmp_path / "x.png"), picture)


def test_the_terminal_drawing_keeps_its_columns_with_chinese_in_them() -> None:
    settings = load_settings(ROOT / "config" / "gatehouse.toml")
    for lane in settings.lanes:
        lines = [line for line in draw(plan_of(lane, settings)) if "o─" in line.plain]
        assert len({cell_len(line.plain.partition("o─")[0]) for line in lines}) == 1
