"""Frames in a stream of bytes that may hold anything else: one search for all protocols. Pure."""

from collections.abc import Callable

HOPELESS, MORE = 0, -1
Measure = Callable[[bytes, int], int]
"""Looks at one place of a stream: the end of the sound frame that begins there, ``MORE`` when it may be one
of which bytes are missing, ``HOPELESS`` when none begins there."""


def scan(data: bytes, measure: Measure) -> tuple[list[bytes], bytes]:
    """Find every sound frame, whatever lies before, between and behind.

    A false start that claims bytes yet to come does not hide a whole frame behind it.

    Returns:
        The frames in order, and the tail that may be the beginning of one more.
    """
    frames: list[bytes] = []
    at = 0
    while True:
        waiting = -1
        for start in range(at, len(data)):
            end = measure(data, start)
            if end > 0:
                frames.append(data[start:end])
                at = end
                break
            if end == MORE and waiting < 0:
                waiting = start
        else:
            return frames, data[waiting:] if waiting >= 0 else b""
