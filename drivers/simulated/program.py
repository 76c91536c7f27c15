"""The program around a simulated site: arguments, status file, edges file, signals. See ``site``."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from drivers.errors import DriverError
from drivers.simulated.barrier import BarrierTraits
from drivers.simulated.site import SimulatedSite, load_script

STATUS_PERIOD_S = 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a site until SIGTERM, SIGINT, or the end of the parent process; returns the exit code."""
    options = _parse(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        script = load_script(options.script) if options.script else []
        site = SimulatedSite(
            lcus_link=options.lcus,
            io_link=options.io,
            script=script,
            epoch_ns=options.epoch_ns,
            barrier=BarrierTraits(options.travel_up_s, options.travel_down_s, options.protects_itself),
            dialect=options.dialect,
            wire_baud=options.wire_baud,
        )
    except (DriverError, OSError, ValueError) as failure:
        sys.stderr.write(f"simulated site: {failure}\n")
        return os.EX_DATAERR
    parent = os.getppid()
    with (options.edges or Path(os.devnull)).open("a", encoding="utf-8") as edges:
        site.lcus.on_change(lambda channel, on, at_ns: _append(edges, channel, on, at_ns))
        with site:
            # A parent that was killed tells nobody; its child then belongs to another process.
            while not stop.wait(STATUS_PERIOD_S) and os.getppid() == parent:
                _write_whole(options.status, json.dumps(site.state()))
        _write_whole(options.status, json.dumps(site.state()))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drivers.simulated.site", description=__doc__)
    parser.add_argument("--lcus", type=Path, required=True, help="link to the relay board's port")
    parser.add_argument("--io", type=Path, required=True, help="link to the input board's port")
    parser.add_argument("--status", type=Path, required=True, help="file for the state, one line of JSON")
    parser.add_argument("--edges", type=Path, help="file to append every relay change to, JSON lines")
    parser.add_argument("--script", type=Path, help="file with the script, JSON")
    parser.add_argument("--epoch-ns", type=int, help="CLOCK_BOOTTIME that the script counts from")
    parser.add_argument("--travel-up-s", type=float, default=1.6)
    parser.add_argument("--travel-down-s", type=float, default=2.0)
    parser.add_argument("--protects-itself", action="store_true", help="the barrier's own beam reverses it")
    parser.add_argument("--dialect", choices=("text", "binary", "none"), default="text")
    parser.add_argument("--wire-baud", type=int, help="let bytes take their time on the wires")
    return parser.parse_args(arguments)


def _append(edges: TextIO, channel: int, on: bool, at_ns: int) -> None:
    edges.write(json.dumps({"boot_ns": at_ns, "channel": channel, "on": on}) + "\n")
    edges.flush()


def _write_whole(path: Path, line: str) -> None:
    """Replace the file in one step, so that a reader never sees half a line."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(line + "\n", encoding="utf-8")
    fresh.replace(path)
