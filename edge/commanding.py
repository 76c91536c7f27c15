"""What obeys the signed commands of the platform: lanes by hand, and the roster.

Every handler is called in the uplink thread after the command was checked and journaled (``edge.sync``), so
it must be quick or give a ``Future``. ``EdgeError`` becomes ``rejected`` with its one line.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial

from edge.access import DenyKind, deny_from_json, person_from_json, plate_text
from edge.clock import NS_PER_S, Clock
from edge.errors import UsageError
from edge.lanes import Ask, Lane
from edge.records import JsonObject
from edge.store import SetStore
from edge.sync.command_desk import CommandOutcome, Handler
from edge.sync.commands import Command, Result

LANE_COMMANDS: Mapping[str, Ask] = {
    "open": Ask.OPEN,
    "close": Ask.CLOSE,
    "stop": Ask.STOP,
    "hold": Ask.HOLD,
    "release": Ask.RELEASE,
}
# How the lane's word for an end is said to whoever sent the command.
_RESULTS = {
    "done": Result.DONE,
    "too_late": Result.EXPIRED,
    "unknown": Result.UNKNOWN,
}


def handlers(lanes: Mapping[str, Lane], sets: SetStore, clock: Clock) -> dict[str, Handler]:
    """All commands that this box obeys, by name."""
    obey: dict[str, Handler] = {name: partial(_at_lane, lanes, ask) for name, ask in LANE_COMMANDS.items()}
    obey["roster-put"] = partial(_roster_put, sets)
    obey["roster-remove"] = partial(_roster_remove, sets)
    obey["deny-put"] = partial(_deny_put, sets)
    obey["deny-remove"] = partial(_deny_remove, sets)
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


def _at_lane(lanes: Mapping[str, Lane], ask: Ask, command: Command) -> Future[CommandOutcome]:
    future: Future[CommandOutcome] = Future()

    def told(result: str, why: str) -> None:
        if future.set_running_or_notify_cancel():
            future.set_result(CommandOutcome(_RESULTS.get(result, Result.REJECTED), why or result))

    operator = str(command.args.get("operator", command.kid))[:64]
    lane = lanes[str(command.args["lane"])]
    if not lane.command(ask, command.jti, operator, command.not_after_ns, told):
        raise UsageError(f"lane {lane.lane_name} takes no command now")
    return future


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


def _text(command: Command, name: str) -> str:
    value = command.args.get(name)
    if not isinstance(value, str):
        raise UsageError(f"{command.name}: argument {name!r} is not a text")
    return value
