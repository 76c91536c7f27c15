"""What is handed to the writer of the journal, and what it tells: claims, stamps, what was left open."""

from dataclasses import dataclass

from edge.clock import Clock
from edge.errors import EdgeError, Exit
from edge.records import new_id


class CounterTooLow(EdgeError, ValueError):
    """A command carries a counter that its key has already used or passed."""

    exit_code = Exit.REFUSED


@dataclass(frozen=True, slots=True)
class CommandClaim:
    """What the journal keeps of a signed command: its id, the signing key, that key's counter, its expiry."""

    jti: str
    kid: str
    ctr: int
    exp_utc_s: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What the last run accepted and did not finish: ids of actuations, jti of commands."""

    actuations: tuple[str, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened, taken where it happened and not where it was written."""

    id: str
    utc_ns: int
    clock_state: str
    boot_ns: int

    @classmethod
    def now(cls, clock: Clock) -> "Stamp":
        """Stamp with this moment; UTC is cut to microseconds, which is what the wire carries."""
        return cls(new_id(), clock.utc_ns() // 1000 * 1000, clock.state().value, clock.boot_ns())
