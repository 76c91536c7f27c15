"""What is left when the owner of a board hangs itself: notice it, and let the process die.

The owner (``edge.lanes.actuation``) ends every pulse and enforces every guard. When it hangs inside a system
call, nobody else in this process can use its port: the port is taken exclusively, and two writers on one line
would garble each other's frames. So the honest last resort is to end the process: the kernel then gives the
port back, and the service manager runs ``gatehouse safe`` (ExecStopPost), which opens every board afresh and
writes the safe states, and starts the daemon again. A hang of the whole interpreter is noticed by nothing in
here; that is what the service manager's own watchdog is for.
"""

import logging
import os
from collections.abc import Callable, Mapping

from edge.clock import NS_PER_MS, NS_PER_S, Clock
from edge.errors import Exit
from edge.health import Alarms
from edge.lanes.actuation import BoardWorker
from edge.worker import Worker

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
GRACE_NS = 2 * NS_PER_S  # a relay may be overdue for so long: a lost answer and its repetitions take this


def end_process(board: str) -> None:
    """End this process at once, without clean-up that could hang as well."""
    log.critical("the owner of board %s hangs with a relay switched on: this process ends now", board)
    os._exit(Exit.BUG)


class BoardGuard(Worker):
    """Thread ``guard``: watches that no relay stays away from safe because its board's owner hangs.

    A board that is lost is not hanging: its owner is alive and tries to reach it.

    Args:
        boards: Whom to watch.
        clock: CLOCK_BOOTTIME.
        alarms: ``board.hung`` is raised here.
        last_resort: Called once per board with its name; ends the process unless a test says otherwise.
    """

    def __init__(
        self,
        boards: Mapping[str, BoardWorker],
        clock: Clock,
        alarms: Alarms,
        last_resort: Callable[[str], None] = end_process,
    ) -> None:
        super().__init__("guard", clock)
        self._boards = boards
        self._alarms = alarms
        self._last_resort = last_resort

    def work(self) -> None:
        """Look at every board five times a second."""
        while not self.stopping.wait(LOOK_EVERY_S):
            self.beat()
            for name, board in self._boards.items():
                self._look(name, board)

    def _look(self, name: str, board: BoardWorker) -> None:
        overdue_ns = board.overdue_ns(self.clock.boot_ns())
        hangs = board.silent_s() * NS_PER_S > board.patience_ns or not board.is_alive()
        if overdue_ns <= GRACE_NS or not hangs:
            self._alarms.clear("board.hung", name)
            return
        detail = f"a relay is overdue by {overdue_ns // NS_PER_MS} ms and the board's owner does not move"
        if self._alarms.set("board.hung", name, detail):
            self._last_resort(name)
