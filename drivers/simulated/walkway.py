r"""A simulated site on foot: a turnstile and a mantrap on an LCUS-8 board and 16 contacts.

    LCUS relays   1 pass in   2 pass out   3 release   4 outer lock   5 inner lock
                  6 red lamp   7 green lamp   8 alarm
    IO inputs     1 passage in   2 passage out   3 zone in   4 zone out   5 fire   6 hold key
                  7 outer contact   8 inner contact (active while the leaf is open)
                  9 outer bolt   10 inner bolt   11 occupied   12 cabin button   13 exit button   14 tamper

Scripts (JSON, times in seconds after the start) have two kinds of entries:

    {"kind": "walker", "at": 4, "way": "in", "gate": "turnstile", "patience_s": 8, "followed": false}
    {"kind": "level", "input": "fire", "during": [30, 40]}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.errors import DriverError
from drivers.link import boot_ns
from drivers.simulated.door import DoorTraits
from drivers.simulated.lcus import SimulatedLcusBoard
from drivers.simulated.mantrap import DOORS, SimulatedMantrap
from drivers.simulated.modbus import SimulatedModbusBoard
from drivers.simulated.turnstile import WAYS, SimulatedTurnstile, TurnstileTraits
from drivers.simulated.two_boards import TwoBoards

RELAY_NAMES = ("pass_in", "pass_out", "release", "outer_lock", "inner_lock", "red", "green", "alarm")
LEVELS = ("fire", "hold_key", "cabin_button", "exit_button", "tamper")
INPUT_NAMES = (
    *(
        "passage_in",
        "passage_out",
        "zone_in",
        "zone_out",
        "fire",
        "hold_key",
        "outer_contact",
        "inner_contact",
    ),
    *(
        "outer_bolt",
        "inner_bolt",
        "occupied",
        "cabin_button",
        "exit_button",
        "tamper",
        "spare_15",
        "spare_16",
    ),
)


class SimulatedWalkway(TwoBoards):
    """Boards, turnstile and mantrap.

    Args:
        lcus_link, io_link: Symbolic links to keep pointed at the ports ``lcus.port`` and ``io.port``.
        script: See the module; more can be added with ``play``.
        turnstile: How the turnstile is built.
        doors: How both doors of the mantrap are built.
        dialect, drop_faster_than_ms: Of the LCUS board; patient, because a busy machine delays frames.

    Thread: ``simulated-walkway`` moves people; each board has its own. Methods may be called from any.
    """

    title = "walkway"
    levels = LEVELS

    def __init__(
        self,
        *,
        lcus_link: Path | None = None,
        io_link: Path | None = None,
        script: Sequence[Mapping[str, Any]] = (),
        turnstile: TurnstileTraits | None = None,
        doors: DoorTraits | None = None,
        dialect: str = "text",
        drop_faster_than_ms: float = 10.0,
    ) -> None:
        super().__init__(
            SimulatedLcusBoard(8, dialect, drop_faster_than_ms=drop_faster_than_ms, link=lcus_link),
            SimulatedModbusBoard("waveshare", 1, outputs=0, inputs=len(INPUT_NAMES), name="io", link=io_link),
        )
        self.turnstile = SimulatedTurnstile(self.epoch_ns, turnstile)
        self.mantrap = SimulatedMantrap(self.epoch_ns, doors)
        self._walkers: list[Mapping[str, Any]] = []
        self._levels: list[tuple[str, float, float]] = []
        self.play(script)
        self.lcus.on_change(self._relay_changed)

    def play(self, script: Sequence[Mapping[str, Any]]) -> None:
        """Add entries to the script.

        Raises:
            DriverError: An entry that cannot be meant, with its number.
        """
        walkers, levels = [], []
        for number, entry in enumerate(script, start=1):
            try:
                if entry["kind"] == "walker":
                    walkers.append(_read_walker(entry))
                elif entry["kind"] == "level" and entry["input"] in LEVELS:
                    start_s, end_s = (float(value) for value in entry["during"])
                    levels.append((entry["input"], start_s, end_s))
                else:
                    raise ValueError(f"kinds are walker and level, levels are {', '.join(LEVELS)}")
            except (KeyError, TypeError, ValueError) as failure:
                raise DriverError(f"script entry {number}", f"cannot be used: {failure!r}") from failure
        with self._lock:
            self._walkers += walkers
            self._levels += levels

    def walk(self, gate: str, way: str, **options: Any) -> None:
        """Somebody comes to the ``turnstile`` or the ``mantrap`` now; they wait until it lets them."""
        now_s = (boot_ns() - self.epoch_ns) / 1e9
        self.play([{"kind": "walker", "at": now_s, "gate": gate, "way": way, **options}])

    def state(self) -> dict[str, Any]:
        """Everything there is to see now, as JSON can hold it."""
        with self._lock:
            turnstile, mantrap = self.turnstile, self.mantrap
            return {
                "boot_ns": boot_ns(),
                "relays": dict(zip(RELAY_NAMES, self.lcus.relays, strict=True)),
                "inputs": dict(zip(INPUT_NAMES, self.io.inputs, strict=True)),
                "turnstile": {
                    "free": turnstile.is_free,
                    "passed": len(turnstile.passed),
                    "slipped": len(turnstile.slipped),
                    "hits": len(turnstile.hits),
                },
                "mantrap": {
                    "occupied": mantrap.is_occupied,
                    "through": len(mantrap.through),
                    "back": len(mantrap.back),
                    "both_open": len(mantrap.both_open_ns),
                },
            }

    # Time.

    def _advance(self) -> None:
        with self._lock:
            now_ns = boot_ns()
            now_s = (now_ns - self.epoch_ns) / 1e9
            self._walkers = [entry for entry in self._walkers if self._still_waits(entry, now_s, now_ns)]
            self.turnstile.step(now_ns)
            self.mantrap.step(now_ns)
            turnstile, mantrap = self.turnstile, self.mantrap
            scripted = {name for name, start_s, end_s in self._levels if start_s <= now_s < end_s}
            levels = {name: self._held.get(name, name in scripted) for name in LEVELS}
            levels |= {name: getattr(turnstile, name) for name in INPUT_NAMES[:4]}
            for door in DOORS:
                levels[f"{door}_contact"] = mantrap.doors[door].is_open
                levels[f"{door}_bolt"] = mantrap.is_bolted(door)
            levels["occupied"] = mantrap.is_occupied
            for channel, name in enumerate(INPUT_NAMES, start=1):
                self.io.set_input(channel, levels.get(name, False))

    def _still_waits(self, entry: Mapping[str, Any], now_s: float, now_ns: int) -> bool:
        if now_s < entry["at"]:
            return True
        way, patience_s = entry["way"], entry["patience_s"]
        if entry["gate"] == "mantrap":
            self.mantrap.walk(way, now_ns, patience_s=patience_s)
            return False
        if self.turnstile.has_credit(way) or entry["force"]:
            self.turnstile.walk(way, now_ns, followed=entry["followed"], force=entry["force"])
            return False
        return bool(now_s < entry["at"] + patience_s)

    def _relay_changed(self, channel: int, on: bool, now_ns: int) -> None:
        name = RELAY_NAMES[channel - 1]
        with self._lock:
            if name in ("pass_in", "pass_out"):
                self.turnstile.set_way(name.removeprefix("pass_"), on, now_ns)
            elif name == "release":
                self.turnstile.set_release(on, now_ns)
            elif name.endswith("_lock"):
                self.mantrap.set_lock(name.removesuffix("_lock"), on, now_ns)


def _read_walker(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    walker = {"gate": "turnstile", "way": "in", "patience_s": 8.0, "followed": False, "force": False, **entry}
    if walker["gate"] not in ("turnstile", "mantrap") or walker["way"] not in WAYS:
        raise ValueError("a walker's gate is turnstile or mantrap, and the way is in or out")
    if unknown := set(walker) - {"kind", "at", "gate", "way", "patience_s", "followed", "force"}:
        raise ValueError(f"a walker has no {min(unknown)!r}")
    return walker | {"at": float(walker["at"]), "patience_s": float(walker["patience_s"])}
