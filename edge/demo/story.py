"""Turns rows of the daemon's journal into lines of the story, and keeps what is counted at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.clock import NS_PER_S
from edge.demo.play import STRANGER
from edge.demo.view import VERDICT_STYLE, VERDICT_ZH, FeedLine
from edge.records import Event
from edge.store import OutboxRow, from_wire

# Events that are told; the others are only counted. A change of phase is told by the phase it leads to.
TELLING: Mapping[str, str] = {
    "barrier.opening": "抬杆 boom rises",
    "barrier.raised": "开到位 boom is up",
    "barrier.passing": "车辆在杆下 car under the boom",
    "barrier.passed": "已通过 car has passed",
    "barrier.closing": "落杆 boom falls",
    "barrier.closed": "关到位 boom is down",
    "barrier.held_open": "常开 held open",
    "barrier.fault": "故障 fault",
    "barrier.taken_over": "杆已抬起,继续 boom is up already, taken over",
    "barrier.reversed": "遇阻回升 raised again for safety",
    "barrier.authorised_not_passed": "授权未通过 let in but did not pass",
    "door.unlocked": "开锁 unlocked",
    "door.opened": "门已开 door opens",
    "door.passed": "已进入 went in",
    "door.locked": "上锁 locked",
    "camera.crossed": "越线 crossed the line",
    "camera.loiters": "滞留 stays for long",
    "daemon.started": "边缘程序启动 daemon started",
    "actuation.unknown": "上次动作结果未知,不重复 an actuation of the last run: unknown, not repeated",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One decision and what came of it; milliseconds from the capture of the deciding frame."""

    lane: str
    kind: str
    verdict: str
    reason: str
    who: str
    stages_ms: Mapping[str, float]
    actuation: str = ""


@dataclass(slots=True)
class Story:
    """What the journal has told so far."""

    epoch_ns: int = 0
    last_row: int = 0
    journaled: int = 0
    feed: list[FeedLine] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    reversals: int = 0

    def take(self, rows: list[OutboxRow]) -> None:
        """Take the next rows."""
        for row in rows:
            self.last_row = row.id
            self.journaled += 1
            self._tell(from_wire(row.payload).event)

    def _tell(self, event: Event) -> None:
        at_s = (event.boot_ns - self.epoch_ns) / NS_PER_S
        data = event.data
        if event.type == "access.decided":
            self._decided(at_s, event.subject, data)
        elif event.type.endswith(".actuated"):
            self._actuated(at_s, event.subject, data)
        elif event.type == "alarm.raised":
            self.alarms.append(str(data.get("name")))
            line = f"报警 alarm {data.get('name')}: {data.get('detail')}"
            self.feed.append(FeedLine(at_s, event.subject, line, "yellow"))
        else:
            self.reversals += event.type == "barrier.reversed"
            noun, _, change = event.type.partition(".")
            word = f"{noun}.{data.get('phase')}" if change == "changed" else event.type
            # Some phases have an event of their own, and are told by that.
            said = {line.what for line in self.feed[-1:]}
            if word in TELLING and TELLING[word] not in said:
                self.feed.append(FeedLine(at_s, event.subject, TELLING[word], "cyan"))

    def _decided(self, at_s: float, lane: str, data: Mapping[str, Any]) -> None:
        verdict = str(data["verdict"])
        who = str(data.get("subject") or "")
        credential = str(data.get("credential") or "")
        kind = str(data.get("kind", "command"))
        if kind == "face" and not who:
            credential = STRANGER
        self.outcomes[str(data["decision"])] = Outcome(
            lane, kind, verdict, str(data["reason"]), who or credential, dict(data.get("stages_ms", {}))
        )
        name = f"{credential} {who}" if kind == "plate" and who else who or credential or "?"
        reason = f"{data['reason_zh']} {data['reason_en']}"
        line = f"{VERDICT_ZH.get(verdict, verdict)} {verdict.upper()} {name}: {reason}"
        self.feed.append(FeedLine(at_s, lane, line, VERDICT_STYLE.get(verdict, "")))

    def _actuated(self, at_s: float, lane: str, data: Mapping[str, Any]) -> None:
        decision = str(data["actuation"])
        before = self.outcomes.get(decision)
        stages = dict(data.get("stages_ms", {}))
        if before is not None:
            self.outcomes[decision] = Outcome(
                before.lane,
                before.kind,
                before.verdict,
                before.reason,
                before.who,
                {**before.stages_ms, **stages},
                str(data["result"]),
            )
        took = stages.get("capture_to_relay")
        if took is not None:
            line = f"继电器 relay {data['result']}: {took:.0f} ms after the picture"
            self.feed.append(FeedLine(at_s, lane, line, "green"))
