"""A configuration to many boxes in stages: one, a tenth, all; and an end to it when too many do not keep it.

Pure: whoever drives it publishes to ``due`` boxes and tells what they report. Each stage begins when every
box of the one before has an end; boxes that were not reached in time count as failed, for nobody knows.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from edge.errors import UsageError
from edge.records import JsonObject

_STAGE = re.compile(r"(\d+)(%?)")
GOOD, BAD = ("applied",), ("rejected", "rolled_back")


class Standing(StrEnum):
    """How far one box is."""

    WAITING = "waiting"
    SENT = "sent"
    APPLIED = "applied"
    FAILED = "failed"
    SILENT = "silent"


def stages_of(text: str, count: int) -> tuple[int, ...]:
    """How many boxes have it after each stage: ``1,10,100%`` or ``1,1%,10%,100%``.

    Raises:
        UsageError: Not such a list, not rising, or it does not end with all.
    """
    totals: list[int] = []
    for word in text.split(","):
        match = _STAGE.fullmatch(word.strip())
        if match is None or not int(match[1]):
            raise UsageError(f"stage {word!r}: write numbers of boxes or percentages, as in 1,10,100%")
        share = int(match[1])
        if match[2] and share > 100:
            raise UsageError(f"stage {word!r}: more than all")
        totals.append(min(count, math.ceil(count * share / 100) if match[2] else share))
    if not totals or totals[-1] < count:
        raise UsageError(f"stages {text!r} end before all {count} boxes; let the last one be 100%")
    if totals != sorted(totals):
        raise UsageError(f"stages {text!r} do not rise")
    return tuple(dict.fromkeys(totals))


@dataclass(slots=True)
class _Box:
    rev: int = 0
    standing: Standing = Standing.WAITING
    sent_s: float = 0.0
    words: str = ""


@dataclass(slots=True)
class Rollout:
    """One roll-out.

    Attributes:
        devices: In the order in which they get it; the first is the one to be sorry for.
        stages: See ``stages_of``. timeout_s: A box that says nothing final for so long is silent.
        abort_share: Above this part of failed and silent boxes among those sent, it ends.
    """

    devices: Sequence[str]
    stages: tuple[int, ...]
    timeout_s: float
    abort_share: float = 0.0
    _boxes: dict[str, _Box] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._boxes = {device: _Box() for device in self.devices}

    @property
    def stage(self) -> int:
        """Index of the stage that runs, or of the last."""
        ended = sum(box.standing not in (Standing.WAITING, Standing.SENT) for box in self._boxes.values())
        return min(sum(ended >= total for total in self.stages), len(self.stages) - 1)

    @property
    def is_aborted(self) -> bool:
        """Whether too many failed; nobody gets it any more."""
        sent = [box for box in self._boxes.values() if box.standing is not Standing.WAITING]
        bad = [box for box in sent if box.standing in (Standing.FAILED, Standing.SILENT)]
        return bool(bad) and len(bad) > self.abort_share * len(sent)

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        waits_for_none = all(box.standing is not Standing.SENT for box in self._boxes.values())
        return waits_for_none and (self.is_aborted or not self.due())

    def due(self) -> tuple[str, ...]:
        """Boxes that get it now."""
        if self.is_aborted:
            return ()
        names = list(self.devices)[: self.stages[self.stage]]
        return tuple(name for name in names if self._boxes[name].standing is Standing.WAITING)

    def sent(self, device: str, rev: int, now_s: float) -> None:
        """It was published for a box, as this revision."""
        box = self._boxes[device]
        box.rev, box.standing, box.sent_s = rev, Standing.SENT, now_s

    def heard(self, device: str, reported: JsonObject) -> None:
        """A box has reported; about another revision it says nothing."""
        box = self._boxes.get(device)
        if box is None or box.standing is not Standing.SENT or reported.get("rev") != box.rev:
            return
        if reported.get("state") in GOOD:
            box.standing = Standing.APPLIED
        elif reported.get("state") in BAD:
            box.standing = Standing.FAILED
            errors = reported.get("errors") or ()
            box.words = "; ".join(str(error.get("message", "")) for error in errors)[:200]

    def tick(self, now_s: float) -> None:
        """Give up boxes that say nothing."""
        for box in self._boxes.values():
            if box.standing is Standing.SENT and now_s - box.sent_s > self.timeout_s:
                box.standing, box.words = Standing.SILENT, f"no word for {self.timeout_s:.0f} s"

    def standings(self) -> Mapping[str, tuple[Standing, str]]:
        """Every box with a word why."""
        return {name: (box.standing, box.words) for name, box in self._boxes.items()}
