"""A lane with everything real around it: simulated boards on pseudo-terminals, board owners, a journal."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from drivers.simulated.barrier import BarrierTraits
from drivers.simulated.site import SimulatedSite
from edge.clock import NS_PER_S, SystemClock
from edge.health import Alarms
from edge.lanes import Boards, Lane
from edge.records import Box, Decision, Identity, Kind, Reason, Stream, Verdict, new_id
from edge.settings import Settings
from edge.store.journal import Journal

CLOCK = SystemClock()
OPEN, CLOSE, STOP, LOCK = 1, 2, 3, 4
QUICK = BarrierTraits(travel_up_s=0.6, travel_down_s=1.5)


def settings_for(
    relays_port: str,
    inputs_port: str,
    folder: Path,
    door: dict[str, Any] | None = None,
    relays: str = "lcus",
    *,
    extended: bool = False,
    one_line: bool = False,
    gap_ms: int | None = None,
    **changes: Any,
) -> Settings:
    """The configuration of a barrier ``gate`` and a door ``door`` at a simulated site.

    Args:
        relays_port: Of the site's LCUS board.
        inputs_port: Of its input board.
        folder: For the state.
        door: Options that replace those of the door.
        extended: For a site that was made so: with second loop, edge, tamper, lamps and alarm.
        relays: Family of the relay board.
        one_line: The input board is unit 2 on the line of the (Modbus) relay board.
        gap_ms: Pause between frames on that line.
        changes: Options that replace those of the gate; None removes one.
    """
    gate: dict[str, Any] = {
        "type": "barrier",
        "open": {"board": "relays", "channel": OPEN, "pulse_ms": 300},
        "close": {"board": "relays", "channel": CLOSE, "pulse_ms": 300},
        "stop": {"board": "relays", "channel": STOP, "pulse_ms": 300},
        "times": {"clear_s": 0.5, "pass_timeout_s": 3.0},
    }
    names = ("open_limit", "closed_limit", "presence", "beam", "fire", "hold_key")
    gate |= {name: {"board": "inputs", "channel": i} for i, name in enumerate(names, start=1)}
    if extended:
        lamps = {"light_red": 5, "light_green": 6, "alarm": 7}
        gate |= {name: {"board": "relays", "channel": channel} for name, channel in lamps.items()}
        extra = {"second_loop": 9, "edge": 10, "tamper": 11}
        gate |= {name: {"board": "inputs", "channel": channel} for name, channel in extra.items()}
    gate = {name: value for name, value in (gate | changes).items() if value is not None}
    inputs = {"profile": "waveshare", "inputs": 16} if extended else {"profile": "lc"}
    door = {
        "type": "door",
        "lock": {"board": "relays", "channel": LOCK, "pulse_ms": 0},
        "contact": {"board": "inputs", "channel": 7},
        "exit_button": {"board": "inputs", "channel": 8},
        "times": {"unlock_s": 1.0, "held_s": 5.0},
    } | (door or {})
    return Settings.model_validate(
        {
            "device": {"id": "test-box", "state_dir": folder},
            "boards": {
                "relays": _relay_board(relays, relays_port)
                | ({"channels": 8} if extended else {})
                | ({"gap_ms": gap_ms} if one_line else {}),
                "inputs": {"type": "modbus", "port": inputs_port, "outputs": 0, **inputs}
                | ({"port": relays_port, "address": 2, "gap_ms": gap_ms} if one_line else {}),
            },
            "cameras": {
                name: {"type": "replay", "source": "film.avi", "looks_for": ["plate"]}
                for name in gate.get("cameras", ())
            },
            "lanes": {"gate": gate, "door": door},
        }
    )


def _relay_board(family: str, port: str) -> dict[str, Any]:
    if family in ("lcus", "kmtronic", "devantech", "numato"):
        return {"type": family, "port": port}
    return {"type": "modbus", "profile": "waveshare" if family == "modbus-tcp" else family, "port": port}


def grant(lane: str = "gate", visit: str = "visit-1", *, lives_s: float = 2.0, **changes: Any) -> Decision:
    """A permit for a plate that was captured 50 ms ago."""
    now_ns = CLOCK.boot_ns()
    identity = Identity(
        camera="front",
        session="run-1",
        track_id=7,
        visit=visit,
        kind=Kind.PLATE,
        subject="粤B12345",
        settled=True,
        confidence=0.99,
        margin=4.0,
        samples=2,
        first_ns=now_ns - 90_000_000,
        last_ns=now_ns - 50_000_000,
        explanation={"box": [Box(0, 0, 1, 1).width]},
    )
    fields: dict[str, Any] = {
        "id": new_id(),
        "lane": lane,
        "verdict": Verdict.GRANT,
        "reason": Reason.PERMIT,
        "subject": "person-1",
        "credential": "粤B12345",
        "identity": identity,
        "decided_ns": now_ns,
        "not_after_ns": now_ns + round(lives_s * NS_PER_S),
    }
    return Decision(**(fields | changes))


@dataclass
class Rig:
    """What a test holds in its hands."""

    site: SimulatedSite
    settings: Settings
    journal: Journal
    boards: Boards
    lane: Lane
    alarms: Alarms
    wakes: list[str] = field(default_factory=list)

    def until(self, what: Callable[[], Any], within_s: float = 30.0) -> float:
        """Wait for something to be so; returns how long that took, fails when it takes too long."""
        started = time.monotonic()
        while not what():
            waited = time.monotonic() - started
            assert waited < within_s, f"not within {within_s} s; lane: {self.lane.status}"
            time.sleep(0.002)
        return time.monotonic() - started

    def until_phase(self, phase: str, within_s: float = 30.0) -> float:
        return self.until(lambda: self.lane.status.phase == phase, within_s)

    def pulses(self, channel: int) -> list[int]:
        """Times at which a relay of the LCUS board was energised."""
        return [at_ns for at_ns, ch, on in list(self.site.lcus.history) if ch == channel and on]

    def on_times_ms(self, channel: int) -> list[float]:
        """How long each pulse of a relay lasted."""
        edges = [(at_ns, on) for at_ns, ch, on in list(self.site.lcus.history) if ch == channel]
        ons = [at for at, on in edges if on]
        offs = [at for at, on in edges if not on]
        return [(off - on) / 1e6 for on, off in zip(ons, offs, strict=False)]

    def events(self, stream: Stream | None = None) -> list[dict[str, Any]]:
        """Everything journaled so far, as CloudEvents."""
        self.journal.flush()
        streams = () if stream is None else (stream,)
        return [json.loads(row.payload) for row in self.journal.tail(0, streams)]

    def types(self) -> list[str]:
        return [event["type"].removeprefix("gh.").removesuffix(".v1") for event in self.events()]


R = TypeVar("R", bound=Rig)


@contextmanager
def rig(folder: Path, lane: str = "gate", site: SimulatedSite | None = None, **changes: Any) -> Iterator[Rig]:
    """A running lane at a running site; stopped in reverse order."""
    with ExitStack() as stack:
        where = stack.enter_context(
            site or SimulatedSite(lcus_link=folder / "relays", io_link=folder / "inputs", barrier=QUICK)
        )
        settings = settings_for(where.lcus.port, where.io.port, folder, **changes)
        yield stack.enter_context(running(folder, where, settings, lane, Rig))


@contextmanager
def running(folder: Path, site: Any, settings: Settings, lane: str, kind: type[R]) -> Iterator[R]:
    """One lane of a configuration at a site that runs; ``kind`` is what the test gets."""
    with ExitStack() as stack:
        alarms = Alarms(CLOCK)
        journal = Journal(folder / "events.db", CLOCK, tenant="home", device="test-box", alarms=alarms)
        stack.callback(journal.close)
        journal.start()
        boards = Boards(settings, CLOCK, alarms)
        for board in boards.values():
            stack.callback(board.close)
            board.start()
        wakes: list[str] = []
        worker = Lane(lane, settings, boards, journal, CLOCK, alarms, on_wake=wakes.append)
        stack.callback(worker.close)
        worker.start()
        made = kind(site, settings, journal, boards, worker, alarms, wakes)
        made.until(lambda: all(board.is_up for board in boards.values()))
        made.until(lambda: None not in worker.status.contacts.values() and worker.status.contacts)
        yield made
