r"""A whole simulated site: an LCUS board and a Modbus input board, wired to a barrier and a door.

    LCUS relays   1 open   2 close   3 stop   4 door lock
    IO inputs     1 open limit   2 closed limit   3 loop   4 beam   5 fire   6 hold key
                  7 door contact (active while the leaf is open)   8 exit button
    extended, on an LCUS-8 and 16 contacts, besides:
    LCUS relays   5 red lamp   6 green lamp   7 alarm
    IO inputs     9 second loop   10 safety edge   11 tamper

As a program it lives on when the daemon dies, like the concrete it stands for:

    python -m drivers.simulated.site --lcus LINK --io LINK --status FILE \
        [--edges FILE] [--script FILE --epoch-ns N]

It writes its state as one line of JSON to the status file about twenty times a second, and appends every
change of a relay to the edges file. It ends on SIGTERM, SIGINT, and when its parent dies.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.link import boot_ns
from drivers.simulated.barrier import CONTACTS, BarrierTraits, SimulatedBarrier
from drivers.simulated.boards import SimulatedBoard
from drivers.simulated.catalog import simulate
from drivers.simulated.door import DoorTraits, SimulatedDoor
from drivers.simulated.modbus import SimulatedModbusBoard
from drivers.simulated.script import LEVELS, Car, CarOnTheWay, Fault, Level, Person, read_script
from drivers.simulated.two_boards import TwoBoards

LOCK_RELAY = 4
INPUT_NAMES = (
    "open_limit",
    "closed_limit",
    "loop",
    "beam",
    "fire",
    "hold_key",
    "door_contact",
    "exit_button",
)
EXTRA_INPUTS = ("second_loop", "edge", "tamper")
EXTENDED_RELAYS, EXTENDED_INPUTS = 8, 16
_UP_ENOUGH_DEG = 80.0  # a driver starts when the boom is about up


class SimulatedSite(TwoBoards):
    """Boards, barrier and door, and a script of cars and persons.

    Args:
        lcus_link, io_link: Symbolic links to keep pointed at the ports ``lcus.port`` and ``io.port``.
        script: See ``script``; more can be added with ``play``.
        epoch_ns: CLOCK_BOOTTIME that the times of the script count from; None = the start of the site.
        barrier: How the barrier is built.
        door: How the door is built.
        dialect, drop_faster_than_ms: Of the LCUS board; a little patient, because our own scheduler
            may delay a frame by ten milliseconds.
        io_address: Unit address of the input board (a family ``lc`` board without relays).
        wire_baud: Let bytes take their time on both wires.
        family: Of the relay board, which is called ``lcus`` here whatever it is.
        extended: With more relays and contacts, see the module; the relay board is then an LCUS-8.

    Thread: ``simulated-site`` moves boom and leaf; each board has its own. Methods may be called from any.
    """

    title = "site"
    levels = LEVELS

    def __init__(
        self,
        *,
        lcus_link: Path | None = None,
        io_link: Path | None = None,
        script: Sequence[Mapping[str, Any]] = (),
        epoch_ns: int | None = None,
        barrier: BarrierTraits | None = None,
        door: DoorTraits | None = None,
        dialect: str = "text",
        drop_faster_than_ms: float = 40.0,
        io_address: int = 1,
        wire_baud: int | None = None,
        family: str = "lcus",
        extended: bool = False,
    ) -> None:
        self._extra_inputs = EXTRA_INPUTS if extended else ()
        super().__init__(
            simulate(
                family,
                link=lcus_link,
                wire_baud=wire_baud,
                dialect=dialect,
                drop_faster_than_ms=drop_faster_than_ms,
                channels=EXTENDED_RELAYS if extended else 0,
            ),
            SimulatedModbusBoard(
                "waveshare" if extended else "lc",
                io_address,
                outputs=0,
                inputs=EXTENDED_INPUTS if extended else len(INPUT_NAMES),
                name="io",
                link=io_link,
                wire_baud=wire_baud,
            ),
            epoch_ns=epoch_ns,
        )
        now_ns = boot_ns()
        self.barrier = SimulatedBarrier(now_ns, barrier)
        self.door = SimulatedDoor(now_ns, door)
        self._cars: list[CarOnTheWay] = []
        self._persons: list[Person] = []
        self._levels: list[Level] = []
        self._faults: list[tuple[Fault, bool]] = []
        self._pulses = [0, 0, 0, 0]
        self.play(script)
        self.lcus.on_change(self._relay_changed)

    # What a user does.

    def play(self, script: Sequence[Mapping[str, Any]]) -> None:
        """Add entries to the script; their times count from ``epoch_ns``."""
        entries = read_script(script)
        with self._lock:
            self._cars += [CarOnTheWay(entry) for entry in entries if isinstance(entry, Car)]
            self._persons += [entry for entry in entries if isinstance(entry, Person)]
            self._levels += [entry for entry in entries if isinstance(entry, Level)]
            self._faults += [(entry, False) for entry in entries if isinstance(entry, Fault)]

    def state(self) -> dict[str, Any]:
        """Everything there is to see now, as JSON can hold it."""
        with self._lock:
            barrier, door = self.barrier, self.door
            return {
                "boot_ns": boot_ns(),
                "relays": list(self.lcus.relays[:LOCK_RELAY]),
                "pulses": list(self._pulses),
                "inputs": dict(zip((*INPUT_NAMES, *self._extra_inputs), self.io.inputs, strict=False)),
                "barrier": {
                    "angle_deg": round(barrier.angle_deg, 1),
                    "motion": barrier.motion,
                    "open_limit": barrier.open_limit,
                    "closed_limit": barrier.closed_limit,
                    "loop": barrier.loop,
                    "beam": barrier.beam,
                    "hits": len(barrier.hits),
                    "closes_on_presence": len(barrier.closes_on_presence_ns),
                },
                "door": {
                    "unlocked": door.unlocked,
                    "open": door.is_open,
                    "passed": len(door.passed),
                    "forced": len(door.forced),
                },
            }

    # Time.

    def _tick(self) -> None:
        self._advance()
        self._play_faults()

    def _advance(self) -> None:
        with self._lock:
            now_ns = boot_ns()
            now_s = (now_ns - self.epoch_ns) / 1e9
            levels = {level.input for level in self._levels if level.during.covers(now_s)}
            is_up = self.barrier.angle_deg >= _UP_ENOUGH_DEG
            cars = [car.presence(now_s, is_up) for car in self._cars]
            loop = self._held.get("loop", any(on_loop for on_loop, _ in cars) or "loop" in levels)
            beam = self._held.get("beam", any(in_beam for _, in_beam in cars) or "beam" in levels)
            self.barrier.set_presence(now_ns, loop=loop, beam=beam)
            self.door.step(now_ns)
            self._persons = [person for person in self._persons if self._still_waits(person, now_s, now_ns)]
            inputs = {
                "open_limit": self.barrier.open_limit,
                "closed_limit": self.barrier.closed_limit,
                "loop": loop,
                "beam": beam,
                "door_contact": self.door.is_open,
            }
            for name in ("fire", "hold_key", "exit_button"):
                inputs[name] = self._held.get(name, name in levels)
            inputs |= {name: self._held.get(name, name in levels) for name in self._extra_inputs}
            for channel, name in enumerate((*INPUT_NAMES, *self._extra_inputs), start=1):
                self.io.set_input(channel, inputs[name])

    def _still_waits(self, person: Person, now_s: float, now_ns: int) -> bool:
        if now_s < person.at_s:
            return True
        went = self.door.push(now_ns, open_for_s=person.open_for_s, force=person.force)
        return not went and now_s < person.at_s + person.patience_s

    def _relay_changed(self, channel: int, on: bool, now_ns: int) -> None:
        if channel > LOCK_RELAY:
            return  # nothing hangs there
        with self._lock:
            self._pulses[channel - 1] += on
            if channel == LOCK_RELAY:
                self.door.set_lock(on, now_ns)
            else:
                self.barrier.set_contact(CONTACTS[channel - 1], on, now_ns)

    def _play_faults(self) -> None:
        # Outside the lock: a board's thread may be waiting for it in _relay_changed.
        now_s = (boot_ns() - self.epoch_ns) / 1e9
        boards: dict[str, SimulatedBoard] = {"lcus": self.lcus, "io": self.io}
        for index, (fault, acts) in enumerate(self._faults):
            if fault.during.covers(now_s) != acts:
                self._faults[index] = (fault, not acts)
                _set_fault(boards[fault.board], fault.fault, not acts)


def _set_fault(board: SimulatedBoard, fault: str, acts: bool) -> None:
    if fault == "unplug":
        board.unplug() if acts else board.replug()
    elif fault == "silent":
        board.faults.silent = acts
    else:
        board.faults.mute = acts


def load_script(path: Path) -> list[Mapping[str, Any]]:
    """Read a script from a file of JSON: a list of entries."""
    entries: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


if __name__ == "__main__":
    from drivers.simulated.program import main

    raise SystemExit(main())
