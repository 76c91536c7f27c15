"""A wiring plan as lines of text for a terminal; Chinese characters are two columns wide. Pure."""

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from edge.cli.wiring_plan import Plan, Row

_LEFT, _WIRES, _RIGHT = 40, 9, 32


def draw(plan: Plan) -> Iterator[Text]:
    """The plan line by line."""
    yield Text(f"{plan.lane}: {plan.title[0]} {plan.title[1]}", style="bold")
    before: Row | None = None
    for row in plan.rows:
        is_new_board = before is None or row.board != before.board
        if is_new_board or (before is not None and row.device != before.device):
            yield from _heading(plan, row, with_board=is_new_board)
        yield from _pair(row)
        before = row
    yield Text("Contacts at rest: no power, nothing active. 触点为静止状态(无电、未动作)。", style="dim")


def _heading(plan: Plan, row: Row, *, with_board: bool) -> Iterator[Text]:
    yield Text()
    plate = plan.boards[row.board]
    left = f"[{plate.name}] {plate.title[0]}" if with_board else ""
    line = Text(_fit(left, _LEFT + _WIRES), style="bold cyan")
    line.append(f"[{row.device[0]} {row.device[1]}]", style="bold yellow")
    yield line
    if with_board:
        for words in (plate.where, f"{plate.title[1]}; {plate.reached[0]}"):
            if words:
                yield Text(words, style="dim")


def _pair(row: Row) -> Iterator[Text]:
    style = "red" if row.is_relay else "blue"
    wire = "─" * (_WIRES - 2)
    fed = "─ +|- ─" if row.is_fed else wire
    said = (f"{row.title[0]} {row.title[1]}", f"{'─╱ ─' if row.contact == 'NO' else '─┴──'} {row.contact}")
    for i, (near, far) in enumerate(zip(row.board_terminals, row.device_terminals, strict=True)):
        line = Text(_fit(said[i], _LEFT - 14), style=f"bold {style}")
        line.append(_right(near, 14))
        line.append(f"o{fed if i == 0 else wire}o", style="dim" if i == 0 else style)
        line.append(" " + _fit(far, _RIGHT - 8))
        line.append(row.note[i], style="dim")
        yield line


def _fit(text: str, width: int) -> str:
    return set_cell_size(text, width)


def _right(text: str, width: int) -> str:
    return " " * max(0, width - cell_len(text) - 1) + text + " "
