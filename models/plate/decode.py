"""From a lattice to the most likely legal plate, with the distance to the second.

A beam runs over the positions of the lattice and keeps only texts that at least one template of the grammar
still accepts; all templates are followed at once as the bits of one integer. A character is never invented:
every one of the answer was a candidate of its position. A position may be skipped when the reader said that
nothing may stand there, or, at a price, when the text is legal only without it. Pure.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from models.plate.fusion import align, fuse
from models.plate.grammar import CURRENT_KINDS, LEGACY_KINDS, PROVINCES, TEMPLATES, PlateKind, tidy
from models.plate.lattice import NOTHING, Lattice, Position, rest_log
from models.plate.offices import is_issued

__all__ = ["Decoded", "PositionVote", "Priors", "align", "decode", "fuse"]

BEAM_WIDTH = 48
MAX_POSITIONS = 14  # a longer line of text is no plate; the longest has 8 characters
MAX_SKIPS = 1
SKIP_LOG = -7.0  # price (nats) of leaving out a character that the reader asserted
OVERRULE = 5.0  # nats: the grammar may take a candidate that is 150 times less likely than the best, not more

_COMMON = frozenset(
    {
        PlateKind.BLUE,
        PlateKind.YELLOW,
        PlateKind.YELLOW_DOUBLE,
        PlateKind.MOTORCYCLE,
        PlateKind.GREEN_SMALL,
        PlateKind.GREEN_LARGE,
    }
)
_SEEN_DAILY = frozenset({PlateKind.POLICE, PlateKind.LEARNER, PlateKind.TRAILER, PlateKind.HK_MACAU})


@dataclass(frozen=True, slots=True)
class Priors:
    """Soft evidence besides the picture, in nats; never enough to overrule a clear character.

    Attributes:
        home: Province of most cars here ("粤"), or "" for none.
        elsewhere: Added to plates of other provinces when ``home`` is set.
        unlisted_office: Added when the office letter is not on the public list of its province.
        daily, rare, legacy: Added for kinds that are seen daily, rarely, or no longer.
    """

    home: str = ""
    elsewhere: float = -0.7
    unlisted_office: float = -3.0
    daily: float = -0.5
    rare: float = -2.5
    legacy: float = -4.0

    def log_prior(self, text: str, kind: PlateKind) -> float:
        """What is to be added to the log-probability of a legal text."""
        if kind in _COMMON:
            total = 0.0
        elif kind in LEGACY_KINDS:
            total = self.legacy
        else:
            total = self.daily if kind in _SEEN_DAILY else self.rare
        if text[0] in PROVINCES:
            if self.home and text[0] != self.home:
                total += self.elsewhere
            # O is nobody's office by the list but everybody's police: half the price.
            if text[1].isalpha() and not is_issued(text[0], text[1]):
                total += self.unlisted_office * (0.5 if text[1] == "O" else 1.0)
        return total


@dataclass(frozen=True, slots=True)
class PositionVote:
    """One character of the answer and what else its position could have been.

    Attributes:
        char: The answer's character. log_probability: its own.
        runner_up: Best other candidate of the position; "" when the position lists none.
        gap: ``log_probability`` minus the runner-up's (or minus all unlisted ones'); negative when the
            grammar overruled the reader's best candidate.
        candidates: The position itself, with I and O folded as the grammar folds them.
    """

    char: str
    log_probability: float
    runner_up: str
    gap: float
    candidates: Position


@dataclass(frozen=True, slots=True)
class Decoded:
    """The most likely legal plate in a lattice.

    Attributes:
        text: Normalised; "" when nothing legal is in the lattice.
        kind: Its kind (see ``decode`` for the choice among several); None for "".
        kinds: All kinds under which the text is legal.
        log_probability: Sum over the positions plus priors and skips, in nats; -inf for "".
        margin: Gap to the second-best legal plate in nats; where the lattice lists no second plate, to the
            best that an unlisted character could give. 0 for "".
        runner_up: The second-best legal plate, or "" when none was listed.
        positions: Per character its own runner-up and gap.
        raw: The lattice's best candidates without any grammar.
    """

    text: str
    kind: PlateKind | None = None
    kinds: tuple[PlateKind, ...] = ()
    log_probability: float = -math.inf
    margin: float = 0.0
    runner_up: str = ""
    positions: tuple[PositionVote, ...] = ()
    raw: str = ""


_LONGEST = max(len(t.slots) for t in TEMPLATES)
_LIMITED = sum(1 << bit for bit, t in enumerate(TEMPLATES) if t.max_letters is not None)
_LETTER_LIMIT = max(t.max_letters for t in TEMPLATES if t.max_letters is not None)


def _accepting(place: int) -> dict[str, int]:
    """Character -> bits of the templates that take it at a place."""
    masks: dict[str, int] = {}
    for bit, template in enumerate(TEMPLATES):
        for char in template.slots[place] if place < len(template.slots) else "":
            masks[char] = masks.get(char, 0) | 1 << bit
    return masks


_AT_PLACE = tuple(_accepting(place) for place in range(_LONGEST))
_OF_LENGTH = tuple(
    sum(1 << bit for bit, t in enumerate(TEMPLATES) if len(t.slots) == length)
    for length in range(_LONGEST + 1)
)


def _folded(position: Position, place: int, overrule: float) -> dict[str, float]:
    """Candidates of a position as they can stand at a place, and near enough to its best.

    I is 1 and O is 0, and the other way round at the second place (office letters); separators are nothing.
    """
    folded: dict[str, float] = {}

    def add(char: str, log_p: float) -> None:
        old = folded.get(char)
        folded[char] = log_p if old is None else max(old, log_p)

    best = position[0][1]
    for char, log_p in position:
        if log_p < best - overrule:
            continue
        char = tidy(char) if char else NOTHING
        if place >= 2:  # no form has a letter I or O from the third place on
            char = {"I": "1", "O": "0"}.get(char, char)
        elif char in ("0", "O"):
            add("0", log_p)
            char = "O"
        elif char in ("1", "I"):
            add("1", log_p)
            char = "I"
        add(char, log_p)
    return folded


@dataclass(slots=True)
class _Path:
    log_p: float
    alive: int
    letters: int
    used: tuple[int, ...]  # per character the position that it came from
    skips: int


def _step(beam: dict[str, _Path], index: int, position: Position, overrule: float) -> dict[str, _Path]:
    """Extend every path by one position of the lattice."""
    grown: dict[str, _Path] = {}

    def keep(text: str, path: _Path) -> None:
        old = grown.get(text)
        if old is None or path.log_p > old.log_p:
            grown[text] = path

    folded: dict[int, dict[str, float]] = {}
    for text, path in beam.items():
        place = len(text)
        candidates = folded.get(min(place, 2))
        if candidates is None:
            candidates = folded[min(place, 2)] = _folded(position, place, overrule)
        nothing = candidates.get(NOTHING)
        if nothing is not None:
            keep(text, _Path(path.log_p + nothing, path.alive, path.letters, path.used, path.skips))
        elif path.skips < MAX_SKIPS:
            keep(text, _Path(path.log_p + SKIP_LOG, path.alive, path.letters, path.used, path.skips + 1))
        if place == _LONGEST:
            continue
        accepting = _AT_PLACE[place]
        for char, log_p in candidates.items():
            alive = path.alive & accepting.get(char, 0)
            letters = path.letters + (place >= 2 and "A" <= char <= "Z")
            if letters > _LETTER_LIMIT:
                alive &= ~_LIMITED
            if alive:
                keep(text + char, _Path(path.log_p + log_p, alive, letters, (*path.used, index), path.skips))
    if len(grown) <= BEAM_WIDTH:
        return grown
    best = sorted(grown.items(), key=lambda item: -item[1].log_p)[:BEAM_WIDTH]
    return dict(best)


def _kinds_of(path: _Path, length: int) -> tuple[PlateKind, ...]:
    legal = path.alive & _OF_LENGTH[length]
    return tuple(dict.fromkeys(t.kind for bit, t in enumerate(TEMPLATES) if legal >> bit & 1))


def _votes(text: str, path: _Path, lattice: Lattice, overrule: float) -> tuple[PositionVote, ...]:
    votes = []
    for place, (char, index) in enumerate(zip(text, path.used, strict=True)):
        folded = _folded(lattice[index], place, overrule)
        if place == 1:  # the fold that the answer did not take is no rival of it
            twin = {"O": "0", "0": "O", "1": "I", "I": "1"}.get(char, char)
            folded = {c: p for c, p in folded.items() if c == char or c != twin}
        ranked = sorted(folded.items(), key=lambda item: -item[1])
        rival, rival_log = next(((c, p) for c, p in ranked if c != char), (NOTHING, rest_log(lattice[index])))
        own = folded[char]
        votes.append(PositionVote(char, own, rival, own - rival_log, tuple(ranked)))
    return tuple(votes)


def decode(
    lattice: Lattice,
    kinds: Iterable[PlateKind] | None = None,
    *,
    priors: Priors | None = None,
    seen_kind: str = "",
    overrule: float = OVERRULE,
) -> Decoded:
    """Find the most likely legal plate.

    Args:
        lattice: As readers give it; empty positions are ignored.
        kinds: Kinds allowed on the lane; None for all current ones.
        priors: Soft evidence besides the picture; None for the defaults.
        seen_kind: Kind that the reader saw by colour or rows; chooses among the kinds under which the best
            text is legal and otherwise has no say (grammar first, colour second).
        overrule: How far (nats, per position) the grammar may go against the reader. Without this limit the
            text of a sign would become the plate that happens to be least unlike it.
    """
    priors = priors if priors is not None else Priors()
    allowed = CURRENT_KINDS if kinds is None else frozenset(kinds)
    lattice = tuple(position for position in lattice if position)
    raw = "".join(position[0][0] for position in lattice)
    if not lattice or len(lattice) > MAX_POSITIONS:
        return Decoded("", raw=raw)
    start = sum(1 << bit for bit, t in enumerate(TEMPLATES) if t.kind in allowed)
    beam = {"": _Path(0.0, start, 0, (), 0)}
    for index, position in enumerate(lattice):
        beam = _step(beam, index, position, overrule)
    ranked = []
    for text, path in beam.items():
        legal = _kinds_of(path, len(text))
        if legal:
            prior = max(priors.log_prior(text, kind) for kind in legal)
            ranked.append((path.log_p + prior, text, legal, path))
    if not ranked:
        return Decoded("", raw=raw)
    ranked.sort(key=lambda item: (-item[0], item[1]))
    score, text, legal, path = ranked[0]
    votes = _votes(text, path, lattice, overrule)
    # An unlisted character at the weakest place bounds what any plate outside the lattice could reach.
    bound = min(v.log_probability - rest_log(lattice[i]) for v, i in zip(votes, path.used, strict=True))
    second = ranked[1] if len(ranked) > 1 else None
    margin = bound if second is None else min(bound, score - second[0])
    return Decoded(
        text=text,
        kind=next((kind for kind in legal if kind == seen_kind), legal[0]),
        kinds=legal,
        log_probability=score,
        margin=max(margin, 0.0),
        runner_up=second[1] if second is not None else "",
        positions=votes,
        raw=raw,
    )
