"""The end of the demo: decisions and latencies, what was delivered, and whether everything was shown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge.demo.story import Outcome


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is to say at the end.

    Attributes:
        expected: Kind, who, and verdict of each visit that the play has.
        journaled, stored, acknowledged: Events on the box, in the platform's table, confirmed by it.
        hits: How often the boom came onto a car; closes_on_presence: CLOSE commands while a car was there.
        away: Relays that are energised at the end.
        pulses: Times that each relay was energised.
        reversals: Times that a falling boom was raised again for safety, in as many pulses as it took.
    """

    outcomes: Sequence[Outcome]
    expected: Sequence[tuple[str, str, str]]
    journaled: int
    stored: int
    acknowledged: int
    duplicates: int
    hits: int
    closes_on_presence: int
    away: int
    pulses: Sequence[int]
    reversals: int
    restarts: Mapping[str, int]
    broker: str
    alarms: Sequence[str]

    def missing(self) -> tuple[str, ...]:
        """What should have been shown and was not, or should not have been; empty when all is well."""
        shown = Counter((outcome.kind, outcome.who, outcome.verdict) for outcome in self.outcomes)
        wanted = Counter(self.expected)
        faults = [f"no {verdict.upper()} for the {kind} of {who}" for kind, who, verdict in wanted - shown]
        faults += [
            f"{verdict.upper()} for the {kind} of {who}: unexpected" for kind, who, verdict in shown - wanted
        ]
        moved = [outcome for outcome in self.outcomes if outcome.verdict == "grant"]
        faults += [
            f"{o.who}: granted, but the relay says {o.actuation!r}" for o in moved if o.actuation != "done"
        ]
        if self.stored < self.journaled:
            lost = self.journaled - self.stored
            faults.append(f"{lost} of {self.journaled} events are not in the platform's table")
        if self.hits or self.closes_on_presence:
            faults.append(
                f"the boom came onto a car {self.hits} times, by our word {self.closes_on_presence}"
            )
        if max(self.pulses, default=0) > 1 and not self.reversals:
            faults.append(f"a relay was energised more than once: {list(self.pulses)}")
        if self.away:
            faults.append(f"{self.away} relays are still energised")
        return tuple(faults)

    def to_json(self) -> dict[str, Any]:
        """For files and tests."""
        return {**asdict(self), "missing": list(self.missing())}


def draw_summary(summary: Summary) -> RenderableType:
    """The table for the terminal."""
    title = "判定与时延(毫秒)  decisions, and milliseconds from the picture"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("通道\nlane", "凭证\nby", "结果\nsaid", "谁\nwho", "原因\nreason"):
        table.add_column(column, overflow="fold")
    stages = ("识别\nlook", "判定\ndecide", "落盘\ndisk", "继电器\nrelay", "总计\nto byte")
    for stage in stages:
        table.add_column(stage, justify="right")
    for outcome in summary.outcomes:
        ms = outcome.stages_ms
        look = sum(ms.get(stage, 0.0) for stage in ("detect", "read", "embed"))
        total = f"{ms['capture_to_relay']:.0f}" if "capture_to_relay" in ms else "none"
        style = "green" if outcome.verdict == "grant" else "red"
        table.add_row(
            outcome.lane,
            outcome.kind,
            Text(outcome.verdict.upper(), style=style),
            outcome.who,
            outcome.reason,
            f"{look:.0f}",
            f"{ms['decide']:.0f}" if "decide" in ms else "",
            _ms(ms, "journal"),
            _ms(ms, "relay"),
            total,
        )
    counts = Text.assemble(
        ("\n事件 events  ", "bold"),
        f"journaled {summary.journaled}, in the platform's table {summary.stored}, duplicates there "
        f"{summary.duplicates}, broker {summary.broker}\n",
        ("硬件 hardware  ", "bold"),
        f"relay pulses {list(summary.pulses)}, boom reversed {summary.reversals} times and onto a car "
        f"{summary.hits}, relays left on {summary.away}\n",
        ("重启 restarts  ", "bold"),
        ", ".join(f"{name} {count}" for name, count in summary.restarts.items() if count) or "none",
        "\n",
    )
    faults = summary.missing()
    verdict = (
        Text("\n".join(f"✘ {fault}" for fault in faults), style="bold red")
        if faults
        else Text("✔ 全部完成 everything was shown", style="bold green")
    )
    return Group(table, counts, verdict)


def _ms(stages: Mapping[str, float], name: str) -> str:
    return f"{stages[name]:.1f}" if name in stages else ""
