"""The whole daemon with all four kinds of lanes on simulated boards that the configuration asks for."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lane_rig import CLOCK

from edge.app import Daemon
from edge.clock import NS_PER_S
from edge.lanes import Ask
from edge.settings import Settings


def until(what: Callable[[], object], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def relay(board: str, channel: int, **more: Any) -> dict[str, Any]:
    return {"board": board, "channel": channel, **more}


def configuration(folder: Path) -> Settings:
    script = folder / "walkers.json"
    walker = {"kind": "walker", "at": 0, "patience_s": 600.0}
    script.write_text(json.dumps([walker | {"gate": gate} for gate in ("turnstile", "mantrap")]))
    boards: dict[str, Any] = {
        f"{site}-{part}": {"type": "simulated", "site": site, "part": part}
        for site in ("parking", "walkway")
        for part in ("relays", "inputs")
    }
    boards["walkway-relays"]["script"] = str(script)
    near, far = "parking-inputs", "walkway-inputs"
    return Settings.model_validate(
        {
            "device": {"id": "box", "state_dir": folder / "state"},
            "boards": boards,
            "lanes": {
                "gate": {
                    "type": "barrier",
                    "open": relay("parking-relays", 1),
                    "close": relay("parking-relays", 2),
                    "open_limit": relay(near, 1),
                    "closed_limit": relay(near, 2),
                    "presence": relay(near, 3),
                },
                "door": {"type": "door", "lock": relay("parking-relays", 4), "contact": relay(near, 7)},
                "tripod": {
                    "type": "turnstile",
                    "pass_in": relay("walkway-relays", 1),
                    "passage": relay(far, 1),
                    "light_green": relay("walkway-relays", 7),
                },
                "lock": {
                    "type": "mantrap",
                    "outer_lock": relay("walkway-relays", 4, pulse_ms=0),
                    "inner_lock": relay("walkway-relays", 5, pulse_ms=0),
                    "outer_contact": relay(far, 7),
                    "inner_contact": relay(far, 8),
                },
            },
        }
    )


def test_all_kinds_of_lanes_run_in_the_daemon_and_open_for_staff(tmp_path: Path) -> None:
    daemon = Daemon(configuration(tmp_path), CLOCK)
    code: list[int] = []
    thread = threading.Thread(target=lambda: code.append(daemon.run()))
    thread.start()
    try:
        rests = {"gate": "closed", "door": "locked", "tripod": "idle", "lock": "idle"}
        until(lambda: set(daemon._lanes) == set(rests))
        for name, phase in rests.items():
            until(lambda name=name, phase=phase: daemon._lanes[name].status.phase == phase)
            contacts = lambda name=name: daemon._lanes[name].status.contacts.values()  # noqa: E731
            until(lambda contacts=contacts: contacts() and None not in contacts())
        time.sleep(1.0)  # the locks of the mantrap settle
        told: dict[str, tuple[str, str]] = {}
        for name in rests:
            soon_ns = CLOCK.boot_ns() + 30 * NS_PER_S
            daemon._lanes[name].command(
                Ask.OPEN, f"open-{name}", "wang", soon_ns, lambda *end, name=name: told.update({name: end})
            )
        until(lambda: len(told) == len(rests))
        assert {result for result, _ in told.values()} == {"done"}
        passed = ("turnstile.passed", "mantrap.passed")
        types = lambda: {json.loads(row.payload)["type"] for row in daemon._journal.tail(0)}  # noqa: E731
        until(lambda: {f"gh.{kind}.v1" for kind in passed} <= types())
        until(lambda: daemon._lanes["gate"].status.phase == "open_wait")
    finally:
        daemon.stop()
        thread.join(60.0)
    assert not thread.is_alive()
    assert code == [0]
