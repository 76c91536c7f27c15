"""How lanes, boards, displays and readers look on a terminal: tables from the JSON of ``edge.overview``."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivers.display import Colour, Row, panel_text
from edge.vision.condition import MOST_SHIFT, MOST_TURN

_PHASE_STYLES = {"fault": "bold red", "held_open": "bold yellow", "closed": "green", "locked": "green"}


def view(state: Mapping[str, Any], only: str = "") -> RenderableType:
    """Everything: lanes, boards, displays, readers, alarms.

    Args:
        state: As ``edge.overview`` gives it.
        only: Name of the one lane to show; empty for all.
    """
    lanes = [lane for lane in state["lanes"] if only in ("", lane["name"])]
    parts: list[RenderableType] = [_lanes(lanes), _boards(state["boards"])]
    if displays := [sign for sign in state.get("displays", ()) if only in ("", *sign["lanes"])]:
        parts.append(_displays(displays))
    if readers := [reader for reader in state.get("readers", ()) if only in ("", reader["lane"])]:
        parts.append(_readers(readers))
    if cameras := state.get("cameras", ()):
        parts.append(camera_table(cameras))
    if state["alarms"]:
        parts.append(_alarms(state["alarms"]))
    return Group(*parts)


def _lanes(lanes: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Lanes 通道", title_justify="left", expand=False)
    for heading in (
        "lane 通道",
        "phase 状态",
        "inputs 输入",
        "acting 动作中",
        "notes 说明",
    ):
        table.add_column(heading)
    for lane in lanes:
        phase = Text(lane["phase"] or "-", style=_PHASE_STYLES.get(lane["phase"], ""))
        if "for_s" in lane:
            phase.append(f"  {_age(lane['for_s'])}", style="dim")
        table.add_row(
            f"{lane['name']}\n[dim]{lane['kind']}[/]",
            phase,
            _contacts(lane["contacts"]),
            ", ".join(lane["away"]) or "-",
            _notes(lane),
        )
    return table


def _contacts(contacts: Mapping[str, bool | None]) -> Text:
    text = Text()
    for meaning, value in contacts.items():
        mark, style = {True: ("●", "bold yellow"), False: ("○", "dim"), None: ("?", "bold red")}[value]
        text.append(f"{mark}\N{NO-BREAK SPACE}{meaning}", style=style)
        text.append("  ")
    return text or Text("-")


def _notes(lane: Mapping[str, Any]) -> Text:
    text = Text()
    if lane.get("fault"):
        text.append(f"fault: {lane['fault']}\n", style="bold red")
    for key, word in (("alarms", "alarm"), ("holds", "held by"), ("waiting", "waiting"), ("shows", "shows")):
        if lane.get(key):
            text.append(f"{word}: {', '.join(lane[key])}\n")
    if lane.get("dry_run"):
        text.append("dry run: nothing is switched 试运行\n", style="yellow")
    text.rstrip()
    return text


def _boards(boards: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Boards 板卡", title_justify="left", expand=False)
    for heading in ("board 板卡", "port 端口", "state 状态", "inputs 输入", "relays 继电器", "troubles 异常"):
        table.add_column(heading, overflow="fold")
    for board in boards:
        style = "green" if board["is_up"] else "bold red"
        away = ", ".join(str(channel) for channel in board.get("away", ()))
        table.add_row(
            f"{board['name']}\n[dim]{board['type']}[/]",
            board["port"],
            Text(board["detail"], style=style),
            _bits(board["inputs"]) if board["inputs"] or not board["is_up"] else "-",
            _bits(board["outputs"]) if "outputs" in board else (f"away: {away}" if away else "-"),
            _faults(board),
        )
    return table


def _faults(board: Mapping[str, Any]) -> str:
    faults = [f"{fault} x{times}" for fault, times in board.get("faults", {}).items()]
    if board.get("reconnects"):
        faults.append(f"lost and found x{board['reconnects']}")
    return "\n".join(faults) or "-"


def _bits(values: Sequence[bool] | None) -> Text:
    if values is None:
        return Text("?", style="bold red")
    text = Text()
    for value in values:
        text.append("●" if value else "○", style="bold yellow" if value else "dim")
    return text or Text("-")


def _displays(displays: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Displays 显示屏", title_justify="left", expand=False)
    for heading in ("display 显示屏", "lanes 通道", "state 状态", "shows 显示"):
        table.add_column(heading, overflow="fold")
    for sign in displays:
        rows = [Row(row["text"], Colour(row["colour"])) for row in sign["rows"]]
        table.add_row(
            f"{sign['name']}\n[dim]{sign['type']}[/]",
            "\n".join(sign["lanes"]),
            Text(sign["detail"], style="green" if sign["is_up"] else "bold red"),
            Text(panel_text(rows, sign["columns"])) if rows else "-",
        )
    return table


def _readers(readers: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Readers 读卡器", title_justify="left", expand=False)
    for heading in ("reader 读卡器", "lane 通道", "state 状态"):
        table.add_column(heading, overflow="fold")
    for reader in readers:
        style = "green" if reader["is_up"] else "bold red"
        table.add_row(
            f"{reader['name']}\n[dim]{reader['type']}[/]", reader["lane"], Text(reader["detail"], style=style)
        )
    return table


def camera_table(cameras: Sequence[Mapping[str, Any]]) -> Table:
    """How each camera does, with the numbers of its picture."""
    table = Table(title="Cameras 摄像机", title_justify="left", expand=False)
    for heading in (
        "camera 摄像机",
        "state 状态",
        "picture 画面",
        "light 亮度",
        "focus 清晰度",
        "place 位置",
        "dirt 脏污",
    ):
        table.add_column(heading, overflow="fold")
    for camera in cameras:
        numbers = camera["picture"]
        state = Text("sees 正常", "green") if camera["is_seeing"] else Text("blind 无画面", "bold red")
        state.append(f"\n{camera['fps']:.1f}/s", style="dim")
        size = f"{numbers['width_px']:.0f}x{numbers['height_px']:.0f}" if "width_px" in numbers else "-"
        table.add_row(
            f"{camera['name']}\n[dim]{camera['type']}[/]",
            state,
            size,
            _number(numbers, "brightness", "{:.0f}"),
            _number(numbers, "focus", "{:.2f}"),
            _place(numbers),
            _number(numbers, "dirt", "{:.0%}"),
        )
    return table


def seen_lines(cameras: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who came into view since the daemon started, who was read, who crossed the line: a line a camera."""
    lines = []
    for camera in cameras:
        if counts := camera["counts"]:
            english = f"{camera['name']}: {counts['tracks']} came into view, {counts['read']} were read"
            chinese = f"出现 {counts['tracks']},识别 {counts['read']}"
            if counts.get("in") or counts.get("out"):
                english += f"; over the line {counts['in']} in, {counts['out']} out"
                chinese += f";越线进 {counts['in']},出 {counts['out']}"
            lines.append(f"{english} {chinese}")
    return lines


def read_rates(rates: Mapping[str, Mapping[str, int]]) -> list[str]:
    """How many of the cars that crossed were read, a line for each lane."""
    return [
        f"{lane}: {rate['crossed']} cars crossed, {rate['read']} were read;"
        f" of the last {rate['lately_crossed']}: {rate['lately_read']}"
        f" 过车 {rate['crossed']} 辆,识别 {rate['read']} 辆"
        for lane, rate in rates.items()
    ]


def _number(numbers: Mapping[str, float], name: str, form: str) -> str:
    return form.format(numbers[name]) if name in numbers else "-"


def _place(numbers: Mapping[str, float]) -> str:
    """Where the scene stands against the reference picture."""
    if "learnt" in numbers:
        return f"learning 学习中 {numbers['learnt']:.0%}"
    if "shift" not in numbers:
        return "not to be found 无法比对" if "likeness" in numbers else "-"
    turn = numbers.get("turn", 0.0)
    words = "in place 未移位" if numbers["shift"] <= MOST_SHIFT and turn <= MOST_TURN else "moved 移位"
    return f"{words} {numbers['shift']:.1%} {turn:g}°"


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Alarms 报警", title_justify="left", title_style="bold red", expand=False)
    for heading in ("alarm 报警", "where 位置", "since 已持续", "what 说明"):
        table.add_column(heading, overflow="fold")
    for alarm in alarms:
        table.add_row(alarm["name"], alarm["subject"], _age(alarm["for_s"]), alarm["detail"])
    return table


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
