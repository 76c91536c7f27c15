"""Memory for pictures, used again: a 720p frame is 2.7 MB, and the kernel clears every page it hands out."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# The one being filled, the newest one that waits, the one that is looked at, and one that somebody keeps.
MOST = 4


def _uses(buffers: list[Image], index: int) -> int:
    """How many references a buffer has, seen from here."""
    return sys.getrefcount(buffers[index])


# What `_uses` says of a buffer that nobody else refers to; it depends on the interpreter.
_UNUSED = _uses([np.empty(1, np.uint8)], 0)


class Buffers:
    """Arrays of one shape that are lent to a decoder. Used by one thread; the pictures may go to any.

    A buffer is free again when nobody refers to it any more: every view of an array, and every view of such a
    view, holds a reference to it. So nobody needs to give anything back, and nobody who keeps a picture finds
    another one in it.

    Attributes:
        made: How many arrays were ever made or taken over.
    """

    def __init__(self) -> None:
        self._buffers: list[Image] = []
        self.made = 0

    def free(self) -> Image | None:
        """A writeable array that nobody uses, or None: let the decoder make one, and ``keep`` it."""
        for index in range(len(self._buffers)):
            if _uses(self._buffers, index) == _UNUSED:
                return self._buffers[index]
        return None

    def keep(self, filled: Any) -> Image:
        """Take over what the decoder has filled, ours or its own.

        Args:
            filled: (height, width, 3) uint8, as OpenCV gives it.

        Returns:
            A view of it that is not writeable, to be handed out.
        """
        # Views refer to the array that owns the memory, never to a view in between.
        image: Image = filled if filled.base is None else filled.base
        if not any(image is buffer for buffer in self._buffers):
            self.made += 1
            # Another size than before: the old ones are of no use.
            same = [buffer for buffer in self._buffers if buffer.shape == image.shape]
            self._buffers = [*same[-(MOST - 1) :], image]
        picture = image.view()
        picture.flags.writeable = False
        return picture
