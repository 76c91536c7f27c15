"""What the demo shows in the terminal while it runs: the lane, the door, the wire, the platform's table.

Pure: a ``Scene`` in, something rich can print out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

VERDICT_STYLE = {"grant": "bold green", "deny": "bold red"}
VERDICT_ZH = {"grant": "放行", "deny": "拒绝"}
BOOM_CELLS = 22


@dataclass(frozen=True, slots=True)
class FeedLine:
    """One line of the story: seconds since the film began, where, what, and how it looks."""

    at_s: float
    where: str
    what: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the picture needs.

    Attributes:
        film_s, duration_s: How far the film is; negative before it begins.
        site: The simulated site's last status (relays, boom angle, limits, loop, beam, lock, contact).
        lane_text, door_text: What each lane was last decided to do, with its style.
        journaled, stored, acknowledged: Events on this box, in the platform's table, and confirmed by it.
        wires: Last bytes on the relay line, newest last.
    """

    film_s: float
    duration_s: float
    site: Mapping[str, Any]
    feed: Sequence[FeedLine]
    journaled: int
    stored: int
    acknowledged: int
    restarts: Mapping[str, int]
    broker: str
    wires: Sequence[str] = field(default_factory=tuple)


def boom_picture(angle_deg: float, presence: bool) -> Text:
    """The barrier from the side: post, boom at its angle (0 down, 90 up), car on the loop."""
    rows = 6
    grid = [[" "] * (BOOM_CELLS + 3) for _ in range(rows)]
    for row in range(1, rows):
        grid[row][0] = "█"
    steep = max(0.0, min(90.0, angle_deg)) / 90.0
    for cell in range(1, BOOM_CELLS + 1):
        reach = round(cell * (1.0 - steep) ** 0.5) if steep < 1 else 0
        height = round(min(rows - 2, cell * steep * 1.2))
        row = rows - 3 - min(rows - 3, height)
        column = 1 + reach
        if grid[row][column] == " ":
            grid[row][column] = "═" if steep < 0.15 else "/" if steep < 0.85 else "║"
    if presence:
        for offset, shape in ((rows - 2, "▟███████▙"), (rows - 1, "▀◉▀▀▀▀◉▀▀")):
            for index, sign in enumerate(shape):
                grid[offset][8 + index] = sign
    text = Text()
    for row in range(rows):
        text.append("".join(grid[row]) + "\n", style="yellow" if row < rows - 2 else "cyan")
    return text


def _lamp(on: bool | None, word: str) -> Text:
    if on is None:
        return Text(f"? {word}  ", style="dim")
    return Text(f"{'●' if on else '○'} {word}  ", style="bold green" if on else "dim")


def _barrier_panel(site: Mapping[str, Any]) -> Panel:
    barrier = site.get("barrier", {})
    relays = list(site.get("relays", ()))
    line = Text.assemble(
        _lamp(barrier.get("open_limit"), "开到位 up"),
        _lamp(barrier.get("closed_limit"), "关到位 down"),
        _lamp(barrier.get("loop"), "地感 loop"),
        _lamp(barrier.get("beam"), "红外 beam"),
    )
    wires = Text.assemble(*(_lamp(on, f"R{n}") for n, on in enumerate(relays, 1)))
    picture = boom_picture(float(barrier.get("angle_deg", 0.0)), bool(barrier.get("loop")))
    return Panel(
        Group(picture, line, wires), title="车道 entry (道闸 barrier)", width=58, border_style="blue"
    )


def _door_panel(site: Mapping[str, Any]) -> Panel:
    door = site.get("door", {})
    unlocked = bool(door.get("unlocked"))
    leaf = Text("\n  ┌──────┐\n  │      │\n  │     ●│   ", style="bold green" if unlocked else "white")
    leaf.append("已开锁 unlocked" if unlocked else "已上锁 locked")
    leaf.append("\n  │      │\n  └──────┘\n")
    return Panel(leaf, title="单元门 front-door", width=36, border_style="blue")


def _feed_table(feed: Sequence[FeedLine], rows: int) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    table.add_column("时间 s", justify="right", width=7, style="dim")
    table.add_column("通道 lane", width=11)
    table.add_column("发生了什么 what happened", ratio=1, no_wrap=True, overflow="ellipsis")
    for line in feed[-rows:]:
        table.add_row(f"{line.at_s:6.2f}", line.where, Text(line.what, style=line.style))
    return table


def draw(scene: Scene, feed_rows: int = 16) -> RenderableType:
    """The whole picture."""
    bar = ProgressBar(total=scene.duration_s, completed=max(0.0, scene.film_s), width=40)
    waiting = (
        "  准备中 getting ready ..."
        if scene.film_s < 0
        else f"  {scene.film_s:5.1f} / {scene.duration_s:.0f} s"
    )
    restarted = ", ".join(f"{name} x{count}" for name, count in scene.restarts.items() if count)
    platform = Text.assemble(
        ("平台 platform  ", "bold"),
        f"journal {scene.journaled} → table {scene.stored} → acknowledged {scene.acknowledged}   ",
        (f"MQTT: {scene.broker}", "dim"),
        (f"   restarted: {restarted}" if restarted else "", "yellow"),
    )
    body: list[RenderableType] = [
        Columns([Text("录像 film "), bar, Text(waiting)]),
        Columns([_barrier_panel(scene.site), _door_panel(scene.site)]),
        Panel(_feed_table(scene.feed, feed_rows), title="日志 journal", border_style="blue"),
        platform,
    ]
    return Panel(Group(*body), title="[bold]Gatehouse 演示 demo[/bold]", border_style="green", width=104)
