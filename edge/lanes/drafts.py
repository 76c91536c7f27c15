"""The events of a lane, as the journal takes them: one access event per visit, and what the hardware did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edge.clock import NS_PER_MS
from edge.reason_texts import REASON_TEXT
from edge.records import Decision, Event, EventDraft, Identity, Stream


class LaneJournal(Protocol):
    """What a lane needs of the journal (``edge.store.journal`` has it)."""

    def append(self, draft: EventDraft) -> None:
        """Queue an event; does not wait for the disk."""
        ...

    def append_now(self, draft: EventDraft) -> Event:
        """Write an event; on disk when this returns."""
        ...

    def begin_actuation(self, actuation_id: str, draft: EventDraft) -> bool:
        """Accept an actuation and write its event; on disk when this returns. False: seen before."""
        ...

    def finish_actuation(self, actuation_id: str, result: str, draft: EventDraft) -> None:
        """Write how it ended; on disk soon."""
        ...


@dataclass(frozen=True, slots=True)
class Times:
    """The way of one opening, CLOCK_BOOTTIME nanoseconds; None where it did not get.

    Attributes:
        captured_ns: The deciding frame (or the command) arrived. decided_ns: Policy was done.
        journaled_ns: The acceptance was on disk. written_ns: The relay's bytes were on the line.
    """

    captured_ns: int
    decided_ns: int
    journaled_ns: int | None = None
    written_ns: int | None = None

    def stages_ms(self) -> Mapping[str, float]:
        """Milliseconds from stage to stage, and over all."""
        marks = (
            ("decide", self.captured_ns, self.decided_ns),
            ("journal", self.decided_ns, self.journaled_ns),
            ("relay", self.journaled_ns, self.written_ns),
            ("capture_to_relay", self.captured_ns, self.written_ns),
        )
        return {
            name: round((end_ns - start_ns) / NS_PER_MS, 3)
            for name, start_ns, end_ns in marks
            if start_ns is not None and end_ns is not None
        }


def visit_of(decision: Decision) -> str:
    """The arrival that a decision is about; a decision without an identity is its own visit."""
    return decision.identity.visit if decision.identity is not None else decision.id


def access_draft(decision: Decision, result: str, *, operator: str = "") -> EventDraft:
    """The one access event of a visit: who, why, on what evidence, and what follows from it.

    Args:
        decision: What policy decided.
        result: ``accepted`` when a relay shall move; else why none does.
        operator: Who opened, for a staff command.
    """
    english, chinese = REASON_TEXT[decision.reason]
    data: dict[str, Any] = {
        "decision": decision.id,
        "verdict": decision.verdict.value,
        "reason": decision.reason.value,
        "reason_en": english,
        "reason_zh": chinese,
        "lane": decision.lane,
        "subject": decision.subject,
        "credential": decision.credential,
        "visit": visit_of(decision),
        "checked": list(decision.checked),
        "roster_rev": decision.roster_rev,
        "config_rev": decision.config_rev,
        "sets": dict(decision.set_revs),
        "result": result,
    }
    if operator:
        data["operator"] = operator
    if decision.picture:
        data["picture"] = dict(decision.picture)
    chain: tuple[str, ...] = (decision.id,)
    if (identity := decision.identity) is not None:
        data |= _evidence(identity)
        took_ms = (decision.decided_ns - identity.last_ns) / NS_PER_MS
        data["stages_ms"] = {**data["stages_ms"], "decide": round(took_ms, 3)}
        chain = (identity.visit, f"{identity.session}:{identity.track_id}", decision.id)
    return EventDraft(Stream.ACCESS, "access.decided", decision.lane, data, chain)


def _evidence(identity: Identity) -> dict[str, Any]:
    told = identity.explanation
    # What was compared, by which network: the rest of the explanation says in which unit, and how it came.
    judged = {name: told[name] for name in ("score", "threshold", "model") if name in told}
    return {
        "kind": identity.kind.value,
        "camera": identity.camera,
        **judged,
        "evidence": {
            "subject": identity.subject,
            "confidence": identity.confidence,
            "margin": identity.margin,
            "samples": identity.samples,
            "explanation": dict(identity.explanation),
        },
        "stages_ms": dict(identity.stages_ms),
    }


def actuated_draft(
    lane: str, noun: str, actuation_id: str, result: str, why: str, times: Times, chain: tuple[str, ...]
) -> EventDraft:
    """How an actuation ended, with the milliseconds of its way. ``noun``: barrier, door, ..."""
    data = {"actuation": actuation_id, "result": result, "why": why, "stages_ms": dict(times.stages_ms())}
    return EventDraft(Stream.BARRIER, f"{noun}.actuated", lane, data, chain)
