"""From a recogniser's CTC output to a lattice, without throwing its doubts away.

CTC: one distribution per time step over all characters and a blank; equal neighbours are one character. The
usual greedy decoder keeps only the winners; here the distribution at each winner's peak becomes a position,
and a place where the blank won but a character came close becomes an optional position. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.plate.grammar import tidy
from models.plate.lattice import NOTHING, Lattice, Position, make_position

NEAR_MISS = 0.08  # a blank with less than 1 - this leaves a character worth remembering


@dataclass(frozen=True, slots=True, eq=False)
class CtcAlphabet:
    """Which output class means which plate character.

    Attributes:
        columns: (K,) int64 output classes that are plate characters.
        chars: Their K characters.
        names: Character of every output class that may win (any script), by class.
        blank: Class of the CTC blank.
    """

    columns: NDArray[np.int64]
    chars: str
    names: Mapping[int, str]
    blank: int = 0


def _candidates(row: NDArray[np.float32], alphabet: CtcAlphabet) -> dict[str, float]:
    plate = row[alphabet.columns]
    best = np.argsort(plate)[::-1][:8]
    return {alphabet.chars[k]: float(plate[k]) for k in best}


def lattice_from_ctc(probabilities: NDArray[np.float32], alphabet: CtcAlphabet) -> Lattice:
    """Decode one line.

    Args:
        probabilities: (T, C) softmax output.
        alphabet: Meaning of the C classes.

    Returns:
        One position per character, separators left out. A character that stands on no plate stays as it was
        read (the text of a sign is not turned into a plate), beside the plate characters it might be.
    """
    winners = probabilities.argmax(axis=1)
    steps = len(winners)
    positions: list[tuple[int, Position]] = []
    taken = np.zeros(steps, dtype=bool)
    start = 0
    while start < steps:
        end = start
        while end + 1 < steps and winners[end + 1] == winners[start]:
            end += 1
        winner = int(winners[start])
        if winner != alphabet.blank:
            taken[max(start - 1, 0) : end + 2] = True  # the slopes of a character belong to it
            char = alphabet.names.get(winner, "")
            if tidy(char):
                peak = start + int(probabilities[start : end + 1, winner].argmax())
                found = _candidates(probabilities[peak], alphabet)
                found[tidy(char)] = max(float(probabilities[peak, winner]), found.get(tidy(char), 0.0))
                nothing = float(probabilities[peak, alphabet.blank])
                positions.append((peak, make_position({**found, NOTHING: nothing})))
        start = end + 1
    positions += _near_misses(probabilities, taken, alphabet)
    return tuple(position for _, position in sorted(positions, key=lambda item: item[0]))


def _near_misses(
    probabilities: NDArray[np.float32], taken: NDArray[np.bool_], alphabet: CtcAlphabet
) -> list[tuple[int, Position]]:
    """Optional positions: the strongest step of every free stretch where a plate character came close."""
    close = probabilities[:, alphabet.columns].max(axis=1)
    close[taken] = 0.0
    found = []
    for step in np.flatnonzero(close >= NEAR_MISS):
        around = close[max(step - 1, 0) : step + 2]
        if close[step] == around.max():
            blank = float(probabilities[step, alphabet.blank])
            found.append(
                (int(step), make_position({**_candidates(probabilities[step], alphabet), NOTHING: blank}))
            )
            close[step + 1 : step + 2] = 0.0
    return found
