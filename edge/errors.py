"""Errors of the daemon and the exit codes of its command.

    EdgeError
    ├── SettingsError      (ValueError)    a configuration file or value; says path and suggestion   exit 78
    ├── UsageError         (ValueError)    what somebody typed or gave us cannot be used             exit 64
    │   ├── ConsentMissing                 no face is stored without a complete consent              exit 77
    │   └── AlreadyEnrolled                the face is somebody's who is enrolled under another id   exit 77
    ├── Unavailable        (OSError)       a port, camera, broker or file that is not to be had      exit 69
    ├── JournalError       (OSError)       the journal cannot be opened or written                   exit 74
    ├── VaultError         (ValueError)    a sealed record that does not open with this device's key exit 77
    ├── KeyRefused         (PermissionError) somebody does not hold the key that they should         exit 77
    └── WorkerStalled      (TimeoutError)  a critical worker no longer makes progress                exit 70

A foreign exception is mapped to one of these at the boundary where it appears (``raise ... from``).
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the ``gatehouse`` command (the numbers are those of BSD sysexits.h)."""

    OK = 0
    USAGE = 64
    DATA = 65
    UNAVAILABLE = 69
    BUG = 70
    IO = 74
    REFUSED = 77
    CONFIG = 78


class EdgeError(Exception):
    """Root of the daemon's own errors; ``str(error)`` is one whole line for a person."""

    exit_code = Exit.BUG


class SettingsError(EdgeError, ValueError):
    """The configuration cannot be used. ``problems`` holds one line per fault, with its path."""

    exit_code = Exit.CONFIG

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class UsageError(EdgeError, ValueError):
    """Something given on the command line or in a message cannot be used."""

    exit_code = Exit.USAGE


class ConsentMissing(UsageError):
    """A face may not be stored: nobody has consented, or the consent does not say all that it must."""

    exit_code = Exit.REFUSED


class AlreadyEnrolled(UsageError):
    """A face may not be stored: it is that of somebody who is enrolled under another id."""

    exit_code = Exit.REFUSED


class Unavailable(EdgeError, OSError):
    """A device, file, port or service that is needed is not to be had now."""

    exit_code = Exit.UNAVAILABLE


class JournalError(EdgeError, OSError):
    """The journal cannot be opened or written; nothing may be actuated without it."""

    exit_code = Exit.IO


class VaultError(EdgeError, ValueError):
    """A sealed record was altered, or sealed with another device's key."""

    exit_code = Exit.REFUSED


class KeyRefused(EdgeError, PermissionError):
    """Somebody does not hold the key that they should."""

    exit_code = Exit.REFUSED


class WorkerStalled(EdgeError, TimeoutError):
    """A critical worker made no progress within its limit."""
