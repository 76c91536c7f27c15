"""What obeys the signed commands of the platform: lanes by hand, the roster, faces.

Every handler is called in the uplink thread after the command was checked and journaled (``edge.sync``), so
it must be quick or give a ``Future``. ``EdgeError`` becomes ``rejected`` with its one line.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from edge.access import DenyKind, deny_from_json, person_from_json, plate_text
from edge.clock import NS_PER_S, Clock
from edge.enrolment import Enrolled, EnrolmentDesk, enrol_request
from edge.errors import EdgeError, UsageError
from edge.lanes import OPENING_ASKS, Ask, Lane
from edge.records import JsonObject
from edge.signs import Signs
from edge.store import Receipt, SetStore, receipt_to_json
from edge.sync.command_desk import CommandOutcome, Handler
from edge.sync.commands import Command, Result

T = TypeVar("T")

LANE_COMMANDS: Mapping[str, Ask] = {
    "open": Ask.OPEN,
    "close": Ask.CLOSE,
    "stop": Ask.STOP,
    "hold": Ask.HOLD,
    "fleet": Ask.FLEET,
    "release": Ask.RELEASE,
}
LONGEST_HOLD_S = 7 * 86_400
MOST_SPACES = 99_999
# How the lane's word for an end is said to whoever sent the command.
_RESULTS = {
    "done": Result.DONE,
    "too_late": Result.EXPIRED,
    "unknown": Result.UNKNOWN,
}


def handlers(
    lanes: Mapping[str, Lane],
    sets: SetStore,
    clock: Clock,
    desk: EnrolmentDesk,
    *,
    may_enrol: bool = True,
    signs: Signs | None = None,
) -> dict[str, Handler]:
    """All commands that this box obeys, by name; ``enrol`` only where the platform may."""
    obey: dict[str, Handler] = {name: partial(_at_lane, lanes, ask) for name, ask in LANE_COMMANDS.items()}
    obey["roster-put"] = partial(_roster_put, sets)
    obey["roster-remove"] = partial(_roster_remove, sets)
    obey["deny-put"] = partial(_deny_put, sets)
    obey["deny-remove"] = partial(_deny_remove, sets)
    obey["withdraw"] = partial(_withdraw, desk)
    if signs is not None:
        obey["spaces"] = partial(_spaces, lanes, signs)
    if may_enrol:
        obey["enrol"] = partial(_enrol, desk, sets, clock)
    obey["ping"] = lambda _command: CommandOutcome(Result.DONE, f"up for {clock.boot_ns() // NS_PER_S} s")
    return obey


def forbids(lanes: Mapping[str, Lane]) -> Callable[[Command], str]:
    """Why a command may not run here and now; asked before it is journaled."""

    def why_not(command: Command) -> str:
        if command.name not in LANE_COMMANDS:
            return ""
        lane = command.args.get("lane")
        if not isinstance(lane, str) or lane not in lanes:
            return f"there is no lane {lane!r}; there are: {', '.join(lanes) or 'none'}"
        return ""

    return why_not


def is_opening(command: Command) -> bool:
    """Whether the kill switch stops it."""
    return LANE_COMMANDS.get(command.name) in OPENING_ASKS


def _at_lane(lanes: Mapping[str, Lane], ask: Ask, command: Command) -> Future[CommandOutcome]:
    future: Future[CommandOutcome] = Future()

    def told(result: str, why: str) -> None:
        if future.set_running_or_notify_cancel():
            ended = _RESULTS.get(result, Result.REJECTED)
            code = result if ended is Result.REJECTED else ""
            future.set_result(CommandOutcome(ended, why or result, code=code))

    operator = str(command.args.get("operator", command.kid))[:64]
    lane = lanes[str(command.args["lane"])]
    hold_s = _seconds(command, "for_s") if ask is Ask.HOLD else 0
    if not lane.command(ask, command.jti, operator, command.not_after_ns, told, hold_s=hold_s):
        raise UsageError(f"lane {lane.lane_name} takes no command now")
    return future


def _spaces(lanes: Mapping[str, Lane], signs: Signs, command: Command) -> CommandOutcome:
    """So many spaces are free behind a lane, for its displays; null: not known any more."""
    lane, free = _text(command, "lane"), command.args.get("free")
    if lane not in lanes:
        raise UsageError(f"there is no lane {lane!r}; there are: {', '.join(lanes) or 'none'}")
    is_count = isinstance(free, int) and not isinstance(free, bool) and 0 <= free <= MOST_SPACES
    if free is not None and not is_count:
        raise UsageError(f"spaces: free {free!r} is no count from 0 to {MOST_SPACES}")
    if not signs.set_free(lane, free):
        raise UsageError(f"no display shows lane {lane!r}")
    return CommandOutcome(Result.DONE, f"{lane}: {'not known' if free is None else free} free")


def _roster_put(sets: SetStore, command: Command) -> CommandOutcome:
    person = person_from_json(_object(command, "person"))
    rev = sets.put_person(person)
    return CommandOutcome(Result.DONE, f"person {person.id} is on the roster", {"rev": rev})


def _roster_remove(sets: SetStore, command: Command) -> CommandOutcome:
    person_id = _text(command, "id")
    receipt = sets.remove_person(person_id)
    if receipt is None:
        raise UsageError(f"no person {person_id!r} on the roster")
    data = {"receipt": receipt.id, "templates": receipt.templates, "rev": receipt.rev}
    return CommandOutcome(Result.DONE, f"person {person_id} is gone", data)


def _enrol(desk: EnrolmentDesk, sets: SetStore, clock: Clock, command: Command) -> Future[CommandOutcome]:
    """The pictures are looked at elsewhere; the answer comes when they were."""
    known = sets.person(_text(command, "person"))
    operator = str(command.args.get("operator", command.kid))[:64]
    now_utc_s = clock.utc_ns() // NS_PER_S
    request = enrol_request(command.args, known, now_utc_s, cause=command.jti, operator=operator)
    return _later(desk.enrol(request), partial(_enrolled, request.person_id))


def _enrolled(person_id: str, outcome: Enrolled) -> CommandOutcome:
    data: dict[str, object] = {
        "person": person_id,
        "stored": outcome.stored,
        "pictures": [verdict.to_json() for verdict in outcome.verdicts],
    }
    if outcome.refusal:
        return CommandOutcome(Result.REJECTED, outcome.refusal, data)
    data |= {"set": outcome.set_name, "rev": outcome.rev}
    detail = f"person {person_id} is enrolled with {outcome.stored} of {len(outcome.verdicts)} pictures"
    return CommandOutcome(Result.DONE, detail, data)


def _withdraw(desk: EnrolmentDesk, command: Command) -> Future[CommandOutcome]:
    """Done when the face is gone from the disk and from what is decided with."""
    return _later(desk.withdraw(_text(command, "person")), _withdrawn)


def _withdrawn(receipt: Receipt) -> CommandOutcome:
    detail = f"{receipt.templates} templates and {receipt.pictures} pictures of {receipt.person} are gone"
    return CommandOutcome(Result.DONE, detail, receipt_to_json(receipt))


def _later(inner: Future[T], told: Callable[[T], CommandOutcome]) -> Future[CommandOutcome]:
    """The answer to a command from what somebody else's future says."""
    outer: Future[CommandOutcome] = Future()

    def pass_on(done: Future[T]) -> None:
        if not outer.set_running_or_notify_cancel():
            return
        try:
            outer.set_result(told(done.result()))
        except EdgeError as error:
            outer.set_exception(error)

    inner.add_done_callback(pass_on)
    return outer


def _deny_put(sets: SetStore, command: Command) -> CommandOutcome:
    entry = deny_from_json(_object(command, "entry"))
    return CommandOutcome(Result.DONE, f"{entry.value} is denied", {"rev": sets.put_deny(entry)})


def _deny_remove(sets: SetStore, command: Command) -> CommandOutcome:
    kind = DenyKind(_text(command, "kind")) if command.args.get("kind") in tuple(DenyKind) else None
    if kind is None:
        raise UsageError("kind is not person or plate")
    value = _text(command, "value")
    value = plate_text(value) if kind is DenyKind.PLATE else value
    if not sets.remove_deny(kind, value):
        raise UsageError(f"{value} is not on the deny list")
    return CommandOutcome(Result.DONE, f"{value} is no longer denied", {"rev": sets.rev()})


def _object(command: Command, name: str) -> JsonObject:
    value = command.args.get(name)
    if not isinstance(value, Mapping):
        raise UsageError(f"{command.name}: argument {name!r} is not an object")
    return value


def _seconds(command: Command, name: str) -> float:
    """A time that may be left out (0)."""
    value = command.args.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_HOLD_S:
        raise UsageError(f"{command.name}: argument {name!r} is no number of seconds up to {LONGEST_HOLD_S}")
    return value


def _text(command: Command, name: str) -> str:
    value = command.args.get(name)
    if not isinstance(value, str):
        raise UsageError(f"{command.name}: argument {name!r} is not a text")
    return value
