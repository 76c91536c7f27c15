"""The table of boards and what they can do: made from the drivers, the same in the README."""

from pathlib import Path

import pytest

from drivers.relay import BOARD_TYPES
from drivers.relay.capability_table import CHINESE, ENGLISH, MODELS, capabilities_of, markdown, rows

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- boards: begin (gatehouse lane boards --markdown) -->", "<!-- boards: end -->"
BEGIN_ZH = "<!-- boards: begin (gatehouse lane boards --markdown --zh) -->"


@pytest.mark.parametrize(
    ("file", "begin", "language"), [("README.md", BEGIN, ENGLISH), ("README.zh-CN.md", BEGIN_ZH, CHINESE)]
)
def test_the_readme_has_the_table_that_the_drivers_declare(file: str, begin: str, language: int) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert begin in text, f"{file} has no table of boards; put it between {begin} and {END}"
    table = text.partition(begin)[2].partition(END)[0].strip()
    assert table == markdown(language), f"run: {begin.partition('(')[2].partition(')')[0]}"


def test_every_driver_has_a_row() -> None:
    assert {model.type for model in MODELS} == set(BOARD_TYPES) - {"modbus"}


def test_every_row_says_what_its_driver_declares() -> None:
    headings, *body = rows()
    for model, row in zip(MODELS, body, strict=True):
        can = capabilities_of(model)
        told = dict(zip(headings, row, strict=True))
        assert told["relays"] == str(can.outputs)
        assert told["inputs"] == str(can.inputs)
        assert told["acknowledges"] == ("yes" if can.acknowledges else "no")
        assert told["reads back"] == ("yes" if can.reads_back else "no")
        assert told["times pulses itself"] == (f"{can.pulse_step_ms} ms" if can.pulse_step_ms else "no")
        assert (told["exists, never used"] == "-") is (not can.forbidden)


def test_the_chinese_table_leaves_nothing_in_english_but_names() -> None:
    headings, *body = rows(CHINESE)
    assert all(any("一" <= letter <= "鿿" for letter in heading) for heading in headings)
    assert not any(" all " in cell or "relays" in cell for row in body for cell in row[2:])
