"""Named places at which a test may kill the process, to prove what a crash leaves behind.

``GATEHOUSE_FAULT=actuation.before_pulse`` kills the process with SIGKILL the first time that place is
reached, ``...:3`` the third time. Without the variable a fault point costs one dictionary look-up. Nothing
but SIGKILL is offered: no clean-up may run, as with a power cut.
"""

import os
import signal
import threading

ENV = "GATEHOUSE_FAULT"

ACTUATION_POINTS = (
    "actuation.journaled",  # the command is durable, nothing has been asked of the board
    "actuation.before_pulse",  # directly before the bytes that move the relay away from safe
    "actuation.after_pulse",  # those bytes are on the line, nobody has been told
    "actuation.before_off",  # the pulse is over, the bytes that end it are not yet written
)
DELIVERY_POINTS = (
    "journal.opened",  # the file is open and migrated, what the last run left is not yet closed
    "journal.before_commit",  # every step of a transaction is done, and none of it on the disk
    "journal.after_commit",  # it is on the disk, and nobody who waits has been told
    "uplink.dialed",  # the number of the connection is durable, there is no connection
    "uplink.connected",  # the broker has taken us, nothing has been said
    "delivery.sent",  # an event is with the socket, the broker has not answered
    "delivery.acknowledged",  # the platform has said that it has events, the journal does not know
    "command.journaled",  # a signed command is accepted and durable, nothing has been done
    "command.obeyed",  # it has been done, and its result is not durable
    "command.finished",  # its result is durable, and nobody has been told
)
SALVAGE_POINTS = (
    "salvage.begun",  # the damaged journal is known as such, and lies where it lay
    "salvage.moved",  # it lies aside, and there is no journal
    "salvage.copied",  # what could be read is in the new one, and that is not committed
)
CONFIG_POINTS = (
    "config.received",  # each: this row of the configuration's state machine is on the disk
    "config.verified",
    "config.staged",
    "config.trial",  # nothing of it runs yet
    "config.tried",  # it runs, and is not kept
    "config.healthy",
    "config.confirmed",
    "config.applied",
    "config.rejected",
    "config.rolled_back",  # the new one still runs, the old one is what counts
    "config.overridden",  # a local override is durable, and does not run yet
)
PICTURE_POINTS = (
    "picture.journaled",  # the event that names a picture is durable, the picture is in memory
    "picture.written",  # its file is on the disk, its row is not
    "picture.struck",  # the rows of deleted pictures are gone, their files are not
    "picture.sent",  # the platform has said that it has one, the row does not know
)
SET_POINTS = (
    "sets.revoked",  # a revocation is on the disk, entries made here and receipts are not seen to
    "sets.flipped",  # another revision counts, what left with the one before is not seen to
    "sets.witnessed",  # it was seen to, and that is not written down
)
FAULT_POINTS = (
    *ACTUATION_POINTS,
    *DELIVERY_POINTS,
    *SALVAGE_POINTS,
    *CONFIG_POINTS,
    *SET_POINTS,
    *PICTURE_POINTS,
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
