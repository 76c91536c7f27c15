"""Named places on the actuation path where a test may kill the process, to prove what a crash leaves behind.

``GATEHOUSE_FAULT=actuation.before_pulse`` kills the process with SIGKILL the first time that place is
reached, ``...:3`` the third time. Without the variable a fault point costs one dictionary look-up. Nothing
but SIGKILL is offered: no clean-up may run, as with a power cut.
"""

import os
import signal
import threading

ENV = "GATEHOUSE_FAULT"

FAULT_POINTS = (
    "actuation.journaled",  # the command is durable, nothing has been asked of the board
    "actuation.before_pulse",  # directly before the bytes that move the relay away from safe
    "actuation.after_pulse",  # those bytes are on the line, nobody has been told
    "actuation.before_off",  # the pulse is over, the bytes that end it are not yet written
)

_lock = threading.Lock()
_reached: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Die here when the environment says so.

    Args:
        name: One of ``FAULT_POINTS``.

    Thread: any.
    """
    wanted = os.environ.get(ENV)
    if wanted is None:
        return
    if name not in FAULT_POINTS:
        raise AssertionError(f"{name} is not listed in FAULT_POINTS")
    place, _, count = wanted.partition(":")
    if place != name:
        return
    with _lock:
        _reached[name] = _reached.get(name, 0) + 1
        due = _reached[name] >= int(count or "1")
    if due:
        os.kill(os.getpid(), signal.SIGKILL)
