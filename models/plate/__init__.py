"""Plates: from a picture to a legal plate with its doubts, and from that to a known car.

picture -> reader.PlateReader (rapidocr_reader; own nets)  -> PlateReading with a lattice
        -> quality.assess_plate (too small, blurred, ...)
lattice -> fusion.LatticeFusion (many reads of one car)    -> lattice
        -> decode.decode (beam under grammar, offices)     -> Decoded
        -> matching.match_plate / deny_hits (confusion)    -> PlateMatch

grammar    kinds of GA 36-2018: normalise, parse, generate      confusion  look-alike characters, distance
lattice    positions with candidates                            ctc        softmax of a recogniser -> lattice
geometry   quadrilaterals, upright cuts                         colour     ground colour, a hint for the kind
evaluate   measuring a reader against labelled pictures         labels     the formats of labels
detector, refiner, lattice_reader   our own three nets: rough corners -> better corners -> positions
"""

from models.plate.confusion import confusion_cost, plate_distance
from models.plate.decode import Decoded, Priors, decode
from models.plate.fusion import LatticeFusion, align, fuse
from models.plate.grammar import ALPHABET, PROVINCES, Plate, PlateKind, generate, normalise, parse_plate
from models.plate.matching import PlateMatch, deny_hits, match_plate
from models.plate.quality import assess_plate, plate_weight
from models.plate.reader import CropReader, PlateReader, open_reader

__all__ = [
    "ALPHABET",
    "PROVINCES",
    "CropReader",
    "Decoded",
    "LatticeFusion",
    "Plate",
    "PlateKind",
    "PlateMatch",
    "PlateReader",
    "Priors",
    "align",
    "assess_plate",
    "confusion_cost",
    "decode",
    "deny_hits",
    "fuse",
    "generate",
    "match_plate",
    "normalise",
    "open_reader",
    "parse_plate",
    "plate_distance",
    "plate_weight",
]
