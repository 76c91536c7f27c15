"""Random words that cannot be guessed, and a budget for what strangers can make us do."""

import secrets

from edge.clock import NS_PER_S, Clock


def new_nonce() -> str:
    """128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


class Budget:
    """So many at once, then so many per second (a token bucket). Thread: one at a time."""

    def __init__(self, clock: Clock, *, burst: int, per_s: float) -> None:
        self._clock, self._burst, self._per_s = clock, burst, per_s
        self._left = float(burst)
        self._counted_ns = clock.boot_ns()
        self._refused = 0

    def spend(self) -> bool:
        """Take one; False when the budget is used up for now."""
        now_ns = self._clock.boot_ns()
        self._left = min(self._burst, self._left + (now_ns - self._counted_ns) / NS_PER_S * self._per_s)
        self._counted_ns = now_ns
        if self._left < 1:
            self._refused += 1
            return False
        self._left -= 1
        return True

    def take_refused(self) -> int:
        """How often ``spend`` has refused since this was last asked."""
        refused, self._refused = self._refused, 0
        return refused
