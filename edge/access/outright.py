"""Decisions that need no policy: openings that people answer for, and what cannot count. Pure."""

from edge.access.policy import Moment
from edge.access.roster import Roster
from edge.records import Decision, Identity, Reason, Verdict, new_id

_NOBODY = Roster()


def decide_request(
    reason: Reason,
    lane_name: str,
    subject: str | None,
    now: Moment,
    not_after_ns: int,
    config_rev: int = 0,
    decision_id: str | None = None,
) -> Decision:
    """The decision that stands behind an opening without recognition: staff, or the exit button.

    The kill switch does not hold it up; the deadline does. A command's decision has the command's own id, so
    that the same command is never done twice.

    Raises:
        ValueError: The reason is another than ``STAFF_COMMAND`` or ``EXIT_BUTTON``.
    """
    if reason not in (Reason.STAFF_COMMAND, Reason.EXIT_BUTTON):
        raise ValueError(f"{reason} is no reason to open without recognition")
    late = now.boot_ns > not_after_ns
    return Decision(
        id=decision_id or new_id(),
        lane=lane_name,
        verdict=Verdict.DENY if late else Verdict.GRANT,
        reason=Reason.TOO_LATE if late else reason,
        subject=subject,
        credential="command" if reason is Reason.STAFF_COMMAND else "exit_button",
        identity=None,
        decided_ns=now.boot_ns,
        not_after_ns=not_after_ns,
        checked=("deadline",),
        config_rev=config_rev,
    )


def decide_presented(
    reason: Reason,
    identity: Identity,
    lane_name: str,
    now: Moment,
    *,
    roster: Roster = _NOBODY,
    config_rev: int = 0,
) -> Decision:
    """The decision about something presented that cannot count, or not yet; it never opens.

    Raises:
        ValueError: The reason is one that opens.
    """
    if reason in (Reason.PERMIT, Reason.STAFF_COMMAND, Reason.EXIT_BUTTON):
        raise ValueError(f"{reason} is no reason to refuse")
    return Decision(
        id=new_id(),
        lane=lane_name,
        verdict=Verdict.WAIT if reason is Reason.FACE_WANTED else Verdict.DENY,
        reason=reason,
        subject=identity.subject,
        credential=str(identity.explanation.get("presented", identity.kind.value)),
        identity=identity,
        decided_ns=now.boot_ns,
        not_after_ns=now.boot_ns,
        checked=("presented",),
        roster_rev=roster.rev,
        config_rev=config_rev,
        set_revs=roster.set_revs,
    )
