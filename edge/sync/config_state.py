"""How far a configuration came: one durable row, and the pure steps between its phases.

received -> verified -> staged -> trial -> healthy -> confirmed -> applied; or ``rejected`` before the trial,
or ``rolled_back`` from it. A crash at any point finds either the old or the new configuration in the row.
"""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from edge.records import JsonObject
from edge.sync.config_document import (
    Document,
    DocumentRefused,
    Fault,
    document_from_json,
    document_to_json,
)

MAX_STARTS_IN_TRIAL = 2


class Phase(StrEnum):
    """The first seven are the way up, in order; the last two are ends."""

    RECEIVED = "received"
    VERIFIED = "verified"
    STAGED = "staged"
    TRIAL = "trial"
    HEALTHY = "healthy"
    CONFIRMED = "confirmed"
    APPLIED = "applied"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"


PROVEN = (Phase.HEALTHY, Phase.CONFIRMED)
TRIED = (Phase.TRIAL, *PROVEN)


@dataclass(frozen=True, slots=True)
class ConfigState:
    """The old, the new, and how far the new one came.

    Attributes:
        running: What was last applied; None: the file alone. candidate: On its way up, or None.
        phase: Of the candidate, else how the last one ended. about: Revision and hash that it is about.
        starts: How often the daemon started while the candidate was on trial.
        highest_rev, last_issued_s: Of all that was taken for a trial; no document may fall behind these.
        refused: Revision and hash that failed; not tried again when the broker delivers it again.
    """

    running: Document | None = None
    candidate: Document | None = None
    phase: Phase = Phase.APPLIED
    about: tuple[int, str] = (0, "")
    starts: int = 0
    highest_rev: int = 0
    last_issued_s: float = 0.0
    refused: tuple[int, str] = (0, "")
    faults: tuple[Fault, ...] = ()


def is_news(state: ConfigState, document: Document) -> bool:
    """Whether an authentic document changes anything here.

    Returns:
        False when it runs already, is being tried, or has failed here before: report again, nothing else.

    Raises:
        DocumentRefused: It falls behind what this box has seen.
    """
    if document.key == state.refused or (state.running is not None and document.key == state.running.key):
        return False
    if state.candidate is not None and document.key == state.candidate.key and state.phase in TRIED:
        return False
    if document.issued_s < state.last_issued_s:
        raise DocumentRefused(Fault("", "issued", "issued before a document that was taken already"))
    if document.rollback:
        if document.issued_s == state.last_issued_s:
            raise DocumentRefused(Fault("", "issued", "a rollback must be issued after what it rolls back"))
    elif document.rev <= state.highest_rev:
        message = f"revision {document.rev} is not above {state.highest_rev}; sign a rollback to go back"
        raise DocumentRefused(Fault("", "rev", message))
    return True


def received(state: ConfigState, document: Document) -> ConfigState:
    """An authentic document that is news has come in."""
    return replace(state, candidate=document, phase=Phase.RECEIVED, about=document.key, starts=0, faults=())


def advanced(state: ConfigState, phase: Phase) -> ConfigState:
    """The candidate has come one step further; from the trial on nothing older than it counts."""
    candidate = state.candidate
    if candidate is not None and phase is Phase.TRIAL:
        state = replace(state, highest_rev=candidate.rev, last_issued_s=candidate.issued_s)
    return replace(state, phase=phase)


def applied(state: ConfigState) -> ConfigState:
    """The candidate is what runs now."""
    candidate = state.candidate
    if candidate is None:
        return state
    return replace(
        state,
        running=candidate,
        candidate=None,
        phase=Phase.APPLIED,
        about=candidate.key,
        starts=0,
        highest_rev=candidate.rev,
        last_issued_s=candidate.issued_s,
        faults=(),
    )


def failed(state: ConfigState, phase: Phase, faults: tuple[Fault, ...]) -> ConfigState:
    """The candidate ends as ``rejected`` or ``rolled_back``; what ran before it runs on."""
    return replace(state, candidate=None, phase=phase, refused=state.about, starts=0, faults=faults)


def after_start(state: ConfigState) -> ConfigState:
    """What the row means to a daemon that has just started.

    Before the trial: forgotten, for the broker delivers it again. On trial: tried once more, and given up at
    the second start, for it may be what makes us start. Proven: applied.
    """
    if state.candidate is None:
        return state
    if state.phase in PROVEN:
        return applied(state)
    if state.phase is not Phase.TRIAL:
        about = state.running.key if state.running else (0, "")
        return replace(state, candidate=None, phase=Phase.APPLIED, about=about)
    starts = state.starts + 1
    if starts >= MAX_STARTS_IN_TRIAL:
        fault = Fault("", "starts", f"the daemon started {starts} times during the trial")
        return failed(state, Phase.ROLLED_BACK, (fault,))
    return replace(state, starts=starts)


def state_to_json(state: ConfigState) -> dict[str, Any]:
    """The row as it is stored."""
    row = asdict(state)
    row["phase"] = state.phase.value
    for name, document in (("running", state.running), ("candidate", state.candidate)):
        row[name] = None if document is None else document_to_json(document)
    return row


def state_from_json(row: JsonObject | None) -> ConfigState:
    """The row read back; a new state when there is none."""
    if row is None:
        return ConfigState()
    return ConfigState(
        running=_document(row["running"]),
        candidate=_document(row["candidate"]),
        phase=Phase(row["phase"]),
        about=(row["about"][0], row["about"][1]),
        starts=row["starts"],
        highest_rev=row["highest_rev"],
        last_issued_s=row["last_issued_s"],
        refused=(row["refused"][0], row["refused"][1]),
        faults=tuple(Fault(**fault) for fault in row["faults"]),
    )


def _document(claims: JsonObject | None) -> Document | None:
    return None if claims is None else document_from_json(claims)
