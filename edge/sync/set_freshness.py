"""How old a set is: by its manifest's date where the clock is set, else by what this run has heard. Pure.

A retained manifest that a broker repeats for weeks is no news; only one that the platform has signed later
than the last one counts.
"""

from edge.clock import NS_PER_S, ClockState


class Freshness:
    """The age of one set. Thread: any; each call is a few assignments."""

    def __init__(self, issued_s: float, max_stale_s: float) -> None:
        """Begin with the manifest that was stored.

        Args:
            issued_s: When it was signed, Unix seconds; 0: there is none.
            max_stale_s: Older than this is stale.
        """
        self._issued_s, self._max_stale_s = issued_s, max_stale_s
        self._heard_ns: int | None = None

    def heard(self, issued_s: float, max_stale_s: float, boot_ns: int) -> None:
        """The set is what a manifest of this date says."""
        if issued_s > self._issued_s:
            self._heard_ns, self._issued_s = boot_ns, issued_s
        self._max_stale_s = max_stale_s

    def age_s(self, boot_ns: int, utc_ns: int, clock: ClockState) -> float | None:
        """Seconds since the platform said that this is so; None: there is no telling."""
        if self._issued_s == 0:
            return None
        if clock is not ClockState.UNSET:
            return max(0.0, utc_ns / NS_PER_S - self._issued_s)
        return None if self._heard_ns is None else (boot_ns - self._heard_ns) / NS_PER_S

    def is_stale(self, boot_ns: int, utc_ns: int, clock: ClockState) -> bool:
        """Whether it is too old, or there is no telling (ACC-1); a set that never came has nobody in it."""
        if self._issued_s == 0:
            return False
        age_s = self.age_s(boot_ns, utc_ns, clock)
        return age_s is None or age_s > self._max_stale_s
