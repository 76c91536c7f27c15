"""Which plate of the roster a settled plate identity means, exactly or by look-alikes. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edge.access.roster import Roster
from edge.records import Identity
from models.plate.decode import Decoded, PositionVote
from models.plate.lattice import Position, rest_log
from models.plate.matching import MatchOutcome, PlateMatch, deny_hits, match_plate


def find_plate(identity: Identity, roster: Roster) -> PlateMatch:
    """Look a settled plate up: exact first, then what ``models.plate.matching`` allows (ACC-3).

    A fuzzy match needs the doubts of the reader; they come from ``positions`` in the explanation of the
    identity. Without them only the exact text counts.
    """
    text = identity.subject or ""
    if text in roster.plates:
        # The one case that the gate meets all day; matching would also rank 100,000 runners-up.
        said = f"read {text}, which is on the roster"
        return PlateMatch(text, MatchOutcome.EXACT, text, 0.0, "", None, said, f"识别 {text}, 已登记")
    return match_plate(_as_decoded(identity), roster.plates, deny=roster.denied_plates)


def near_denied(identity: Identity, roster: Roster) -> list[tuple[str, float]]:
    """Deny-listed plates that a read may mean, nearest first, with their costs: to alert, never to open."""
    return deny_hits(_as_decoded(identity), roster.denied_plates) if roster.denied_plates else []


def _as_decoded(identity: Identity) -> Decoded:
    """The decoded read as far as the explanation tells it.

    The explanation lists for each position the character and its runner-up. Whatever else the reader thought
    possible is given to a character that no plate has, so that only a runner-up can be a look-alike.
    """
    text = identity.subject or ""
    positions = identity.explanation.get("positions", ())
    votes: tuple[PositionVote, ...] = ()
    if isinstance(positions, Sequence) and len(positions) == len(text):
        votes = tuple(_vote(position) for position in positions)
    if "".join(vote.char for vote in votes) != text:
        votes = ()
    raw = identity.explanation.get("raw", text)
    runner_up = identity.explanation.get("runner_up", "")
    return Decoded(text, runner_up=str(runner_up), positions=votes, raw=str(raw))


def _vote(position: Mapping[str, Any]) -> PositionVote:
    char, runner_up = str(position["char"]), str(position["runner_up"])
    log_probability, gap = float(position["log_probability"]), float(position["gap"])
    candidates: Position = ((char, log_probability),)
    if runner_up:
        candidates += ((runner_up, min(log_probability - gap, 0.0)),)
        spent = sum(math.exp(value) for _, value in candidates)
        if spent < 1.0:
            candidates += (("�", rest_log(candidates)),)
    return PositionVote(char, log_probability, runner_up, gap, candidates)
