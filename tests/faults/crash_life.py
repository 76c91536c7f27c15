"""A box that lives to be killed: real journal, real sets, real uplink, real command desk, no lanes.

``python crash_life.py`` is a nursery: it has imported everything and forks a life for each line of JSON on
its standard input, so that a life costs milliseconds. A life talks to its tester over a Unix socket; every
word of it is one small write, and what was written is read even if the life is dead by then.
"""

import faulthandler
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sync_bench import Box, make_settings  # noqa: E402

from edge.access import person_from_json  # noqa: E402
from edge.clock import SystemClock  # noqa: E402
from edge.errors import UsageError  # noqa: E402
from edge.faults import ENV  # noqa: E402
from edge.records import EventDraft, Stream  # noqa: E402
from edge.store import SetStore, open_vault  # noqa: E402
from edge.sync import CommandOutcome, Result  # noqa: E402
from edge.sync.commands import Command  # noqa: E402

log = logging.getLogger(__name__)


class Life:
    """One process, from birth to SIGKILL. Thread: main, except what the uplink calls."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._tester = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._tester.connect(spec["ear"])
        self._lock = threading.Lock()
        folder = Path(spec["folder"])
        settings = make_settings(
            folder, brokers=(spec["url"],), protocol=spec["protocol"], reconnect_max_s=1.0
        )
        self.sets = SetStore(folder / "sets.db", open_vault(folder / "device.key"), SystemClock())
        self.box = Box(
            folder,
            settings,
            Path(spec["keys"]),
            handlers={"open": self._open, "roster-put": self._put, "roster-remove": self._remove},
            journal={"keep_acknowledged_days": spec["keep_days"]},
        )
        self.box.start()

    def tell(self, what: str, *words: Any) -> None:
        """Say something that has happened; whoever dies after this has said it."""
        with self._lock:
            self._tester.sendall((json.dumps([what, *words]) + "\n").encode())

    def run(self) -> None:
        """Do what comes, until killed or told that it is enough."""
        self.tell("ready", self.box.journal.epoch)
        for line in self._tester.makefile("r", encoding="utf-8"):
            what, *words = json.loads(line)
            getattr(self, f"_on_{what}")(*words)
            if what == "end":
                return

    def _on_events(self, batch: list[tuple[int, str]]) -> None:
        drafts = [
            EventDraft(
                Stream(stream),
                "thing.seen",
                "in",
                {"number": number, "reason": "permit", "filler": "x" * (number % 300)},
            )
            for number, stream in batch
        ]
        for draft in drafts[:-1]:
            self.box.journal.append(draft)
        self.box.journal.append_now(drafts[-1])
        self.tell("kept", [number for number, _ in batch])

    def _on_actuate(self, name: str) -> None:
        draft = EventDraft(Stream.BARRIER, "barrier.commanded", "in", {"actuation": name})
        if self.box.journal.begin_actuation(name, draft):
            self.tell("pulse", name, name)
            done = EventDraft(Stream.BARRIER, "barrier.raised", "in", {"actuation": name})
            self.box.journal.finish_actuation(name, "done", done)

    def _on_arrive(self, person: str, ticket: int) -> None:
        known = self.sets.person(person) is not None
        data = {"person": person, "verdict": "grant" if known else "deny"}
        self.box.journal.append_now(EventDraft(Stream.ACCESS, "access.decided", "in", data))
        self.tell("decided", person, ticket, known)

    def _on_drain(self) -> None:
        while self.box.backlog():
            time.sleep(0.02)
        self.tell("drained")

    def _on_end(self) -> None:
        self.box.close()
        self.sets.close()
        self.tell("ended")

    def _open(self, command: Command) -> CommandOutcome:
        self.tell("pulse", f"open-{command.args['wish']}", command.jti)
        return CommandOutcome(Result.DONE, "boom is up")

    def _put(self, command: Command) -> CommandOutcome:
        self.sets.put_person(person_from_json(command.args["person"]))
        return CommandOutcome(Result.DONE)

    def _remove(self, command: Command) -> CommandOutcome:
        if self.sets.remove_person(str(command.args["id"])) is None:
            raise UsageError("nobody of that name")
        return CommandOutcome(Result.DONE)


def bear(spec: dict[str, Any]) -> None:
    """Live in this process; never returns to the nursery's loop."""
    if spec["fault"]:
        os.environ[ENV] = spec["fault"]
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # for whoever wants to know why one hangs
    threading.Timer(spec["life_s"], os._exit, (99,)).start()  # nobody forgets one for longer
    code = 98
    try:
        Life(spec).run()
        code = 0
    finally:
        logging.shutdown()
        os._exit(code)  # no clean-up of the nursery's


def nursery() -> None:
    """Fork a life for each line; say its process id, and later how it ended."""
    os.environ.pop(ENV, None)
    log_file = sys.argv[1]
    logging.basicConfig(
        filename=log_file, level=logging.WARNING, format="%(process)d %(asctime)s %(message)s"
    )
    logging.captureWarnings(capture=True)
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                bear(json.loads(line))
            except BaseException:
                log.exception("a life ended by itself")
                logging.shutdown()
                os._exit(97)
        print(f"born {pid}", flush=True)
        _, status = os.waitpid(pid, 0)
        print(f"dead {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    nursery()
