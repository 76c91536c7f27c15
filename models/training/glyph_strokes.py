"""Letters and digits drawn by ourselves as strokes, in the tall narrow manner of number plates.

Coordinates are millimetres in a 45 x 90 box, x to the right, y down; a stroke is a polyline along the middle
of the pen. Only the middle lines live here: the pen's width is chosen when a plate is drawn. No outline was
taken from the standard or from a photograph.
"""

import math
from collections.abc import Sequence

Point = tuple[float, float]
Stroke = tuple[Point, ...]

_L, _R, _T, _B, _C = 5.0, 40.0, 5.0, 85.0, 22.5


def _arc(cx: float, cy: float, rx: float, ry: float, start_deg: float, end_deg: float) -> Stroke:
    """Elliptic arc; 0 degrees points right and angles grow clockwise on the picture."""
    steps = max(4, round(abs(end_deg - start_deg) / 6))
    angles = [math.radians(start_deg + (end_deg - start_deg) * i / steps) for i in range(steps + 1)]
    return tuple((cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles)


def _turned(strokes: Sequence[Stroke]) -> tuple[Stroke, ...]:
    """The same strokes upside down (a 9 is a 6 turned)."""
    return tuple(tuple((45.0 - x, 90.0 - y) for x, y in stroke) for stroke in strokes)


_ZERO = (_arc(_C, 24, 17.5, 19, 180, 360) + _arc(_C, 66, 17.5, 19, 0, 180) + ((_L, 24.0),),)
_SIX = (
    ((30.0, _T), (17.0, 30.0), *_arc(_C, 60, 17.5, 25, 215, 180)),
    _arc(_C, 60, 17.5, 25, 0, 360),
)
_P = ((6.0, _B), (6.0, _T), (22.0, _T), *_arc(22, 26, 18, 21, -90, 90), (6.0, 47.0))

STROKES: dict[str, tuple[Stroke, ...]] = {
    "0": _ZERO,
    "1": (((15.0, 17.0), (25.0, _T), (25.0, _B)),),
    "2": ((*_arc(_C, 25, 17.5, 20, 185, 380), (_L, _B), (_R, _B)),),
    "3": (_arc(_C, 24, 16, 19, 190, 440), _arc(_C, 64, 17.5, 21, -90, 170)),
    "4": (((25.0, _T), (_L, 63.0), (42.0, 63.0)), ((31.0, 38.0), (31.0, _B))),
    "5": (((37.0, _T), (10.0, _T), (8.0, 43.0)), _arc(21.5, 60, 18.5, 25, -140, 165)),
    "6": _SIX,
    "7": (((_L, _T), (_R, _T), (18.0, _B)),),
    "8": (_arc(_C, 24, 15, 19, 0, 360), _arc(_C, 64, 17.5, 21, 0, 360)),
    "9": _turned(_SIX),
    "A": (((4.0, _B), (_C, _T), (41.0, _B)), ((10.0, 60.0), (35.0, 60.0))),
    "B": (
        ((6.0, 43.0), (6.0, _T), (22.0, _T), *_arc(22, 24, 15, 19, -90, 90), (6.0, 43.0)),
        ((6.0, 43.0), (6.0, _B), (22.0, _B), *_arc(22, 64, 18, 21, 90, -90)),
    ),
    "C": (_arc(_C, 25, 17.5, 20, 360, 180) + _arc(_C, 65, 17.5, 20, 180, 0),),
    "D": (((6.0, _T), *_arc(20, 25, 20, 20, -90, 0), *_arc(20, 65, 20, 20, 0, 90), (6.0, _B), (6.0, _T)),),
    "E": (((39.0, _T), (6.0, _T), (6.0, _B), (40.0, _B)), ((6.0, 44.0), (35.0, 44.0))),
    "F": (((39.0, _T), (6.0, _T), (6.0, _B)), ((6.0, 45.0), (34.0, 45.0))),
    "G": ((*_arc(_C, 25, 17.5, 20, 355, 180), *_arc(_C, 65, 17.5, 20, 180, 0), (_R, 48.0), (24.0, 48.0)),),
    "H": (((6.0, _T), (6.0, _B)), ((39.0, _T), (39.0, _B)), ((6.0, 44.0), (39.0, 44.0))),
    "I": (((_C, _T), (_C, _B)),),
    "J": (((36.0, _T), *_arc(19, 66, 17, 19, 0, 165)),),
    "K": (((6.0, _T), (6.0, _B)), ((39.0, _T), (6.0, 56.0)), ((17.0, 40.0), (40.0, _B))),
    "L": (((7.0, _T), (7.0, _B), (_R, _B)),),
    "M": (((_L, _B), (_L, _T), (_C, 60.0), (_R, _T), (_R, _B)),),
    "N": (((6.0, _B), (6.0, _T), (39.0, _B), (39.0, _T)),),
    "O": (_arc(_C, 27, 18.5, 22, 180, 360) + _arc(_C, 63, 18.5, 22, 0, 180) + ((4.0, 27.0),),),
    "P": (_P,),
    "Q": (*_ZERO, ((26.0, 64.0), (42.0, 87.0))),
    "R": (_P, ((23.0, 47.0), (40.0, _B))),
    "S": (_arc(_C, 24, 16.5, 19, -10, -270) + _arc(_C, 64, 17.5, 21, -90, 165),),
    "T": (((4.0, _T), (41.0, _T)), ((_C, _T), (_C, _B))),
    "U": (((_L, _T), *_arc(_C, 66, 17.5, 19, 180, 0), (_R, _T)),),
    "V": (((4.0, _T), (_C, _B), (41.0, _T)),),
    "W": (((3.5, _T), (13.0, _B), (_C, 28.0), (32.0, _B), (41.5, _T)),),
    "X": (((5.0, _T), (_R, _B)), ((_R, _T), (5.0, _B))),
    "Y": (((4.0, _T), (_C, 46.0), (41.0, _T)), ((_C, 46.0), (_C, _B))),
    "Z": (((6.0, _T), (39.0, _T), (_L, _B), (_R, _B)),),
}
"""Middle lines of the strokes of each letter and digit."""
