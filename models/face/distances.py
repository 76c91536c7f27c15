"""How far apart two pictures are, of one person and of two: what limits are made of in a small gallery.

All templates are on one scale, that of dlib's network: 0.6 is where the publisher of a network draws the line
between one person and two. Embedders whose own line lies elsewhere stretch their templates accordingly, so
that every limit in this program means the same whichever network describes the faces.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LINE = 0.6
"""Two pictures farther apart than this show two persons, by the publisher's own word."""


@dataclass(frozen=True, slots=True)
class PairDistances:
    """What is known of one template space, on the common scale.

    Attributes:
        strangers: Distance that 1 in 100 pairs of different persons stay under.
        per_decade: How much lower the distance for a tenth of that share is, and so on.
        same_mean, same_spread: Of two pictures of one person.
        strangers_mean: Mean of different persons.
        alike_mean: The same in the group of persons who are most alike.
    """

    strangers: float
    per_decade: float
    same_mean: float
    same_spread: float
    strangers_mean: float
    alike_mean: float

    def strangers_at(self, rate: float) -> float:
        """Distance that this share of pairs of different persons stays under."""
        return self.strangers + self.per_decade * math.log10(rate / 1e-2)


# Both from 804,350 pairs of different persons and 1,465 pairs of one, faces/lfw-dev at one length, a picture
# as the gate sees it against one as it is enrolled: 0.599, 0.532, 0.469, 0.414 and 0.602, 0.543, 0.498, 0.464
# for 1e-2 ... 1e-5 (one person under two names left out).
EXACT = PairDistances(0.6, 0.064, 0.403, 0.073, strangers_mean=0.806, alike_mean=0.64)
"""dlib's network as it is; also taken for networks of which nothing is known but their line."""
CAPPED = PairDistances(0.602, 0.05, 0.404, 0.073, strangers_mean=0.806, alike_mean=0.705)
"""The same network with its ceiling, see ``models.face.dlib_convert.CEILING``."""


_DLIB_SET, _DLIB_LENGTH = "dlib-resnet", 1.43


def length_of_set(set_name: str, templates: NDArray[np.float32]) -> float:
    """The length that a gallery brings the templates of a set to, so that distances keep their scale.

    Why at all: of two pictures the less clear one has the shorter template, and comes nearer to everybody. At
    one length 10 in 100 more pairs of one person are recognised at 1 in 10,000 of two (lfw-dev).

    Args:
        set_name: ``dlib-resnet``, with whatever before it: the mean length of its templates.
        templates: (n, dimensions) of any other set: their own middle length.
    """
    if _DLIB_SET in set_name or not len(templates):
        return _DLIB_LENGTH
    return float(np.median(np.linalg.norm(templates.astype(np.float64), axis=1))) or 1.0
