"""From single keys to a whole PIN: ``#`` ends it, ``*`` begins again, and so does a long pause. Pure."""

from edge.clock import NS_PER_S

LONGEST = 12


class PinPad:
    """The keys pressed at one reader."""

    def __init__(self, timeout_s: float) -> None:
        """Begin with nothing pressed.

        Args:
            timeout_s: Longest pause between two keys.
        """
        self._timeout_ns = round(timeout_s * NS_PER_S)
        self._digits = ""
        self._pressed_ns = 0

    def press(self, keys: str, at_ns: int) -> tuple[str, ...]:
        """Take keys; returns the PINs that they complete."""
        if at_ns - self._pressed_ns > self._timeout_ns:
            self._digits = ""
        self._pressed_ns = at_ns
        whole: list[str] = []
        for key in keys:
            if key == "#":
                if self._digits:
                    whole.append(self._digits)
                self._digits = ""
            elif key == "*":
                self._digits = ""
            else:
                # More digits than any PIN has: what is kept can be none, and # will say so.
                self._digits = (self._digits + key)[: LONGEST + 1]
        return tuple(whole)
