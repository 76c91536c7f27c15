"""Signed commands about the box itself: kill switch, keys, configuration, a picture, log, self-test, restart.

What may be seen from afar stands in the file's section ``remote``, which no document can change. Every
handler is called in the uplink thread after the command was checked and journaled, so what takes time goes to
``edge.errands``, or gives a ``Future`` of its own.
"""

import base64
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

from edge.doctor import Finding, worst
from edge.errands import Errands
from edge.errors import EdgeError, KeyRefused, Unavailable, UsageError
from edge.kill_switch import KillSwitch
from edge.logbook import Logbook
from edge.records import JsonObject
from edge.settings import RemoteSettings
from edge.sync.command_desk import CommandOutcome, Handler
from edge.sync.commands import Command, Result
from edge.sync.desired import Desired
from edge.sync.keyring import Keyring, KeysRefused
from edge.vision import Eye
from edge.vision.pushed import PushedEye

T = TypeVar("T")

MOST_LINES = 500
LOG_BYTES = 40_000
"""A result is one message, and soft limits of brokers begin at 64 KB."""


@dataclass(frozen=True, slots=True)
class RemoteParts:
    """What these commands reach.

    Attributes:
        eyes: Cameras by name. examine: The doctor's checks that need no hands; slow. restart: Ends the daemon
            soon, for systemd to start it anew.
    """

    allowed: RemoteSettings
    kill_switch: KillSwitch
    keys: Keyring
    desired: Desired
    eyes: Mapping[str, Eye | PushedEye]
    logbook: Logbook
    errands: Errands
    examine: Callable[[], list[Finding]]
    restart: Callable[[], None]


def remote_handlers(parts: RemoteParts) -> dict[str, Handler]:
    """The commands by name; what the file does not allow is no command of this box."""
    obey: dict[str, Handler] = {
        "kill-switch": partial(_kill_switch, parts.kill_switch),
        "rotate-key": partial(_rotate_key, parts.keys),
        "config-confirm": partial(_confirm, parts.desired),
        "self-test": partial(_self_test, parts.errands, parts.examine),
    }
    if parts.allowed.snapshots:
        obey["snapshot"] = partial(_snapshot, parts.eyes, parts.allowed.snapshots)
    if parts.allowed.logs:
        obey["logs"] = partial(_logs, parts.logbook)
    if parts.allowed.restart:
        obey["restart"] = partial(_restart, parts.restart)
    return obey


def _kill_switch(switch: KillSwitch, command: Command) -> CommandOutcome:
    is_on = command.args.get("on")
    if not isinstance(is_on, bool):
        raise UsageError("kill-switch: argument 'on' is not true or false")
    by = str(command.args.get("operator", command.kid))
    why = str(command.args.get("why", ""))
    changed = switch.throw(by, why, command.jti) if is_on else switch.release(by, why, command.jti)
    word = "thrown" if is_on else "released"
    detail = f"the kill switch is {word}" if changed else f"the kill switch was {word} already"
    return CommandOutcome(Result.DONE, detail, switch.status)


def _rotate_key(keys: Keyring, command: Command) -> CommandOutcome:
    document = command.args.get("keys")
    if not isinstance(document, str):
        raise UsageError("rotate-key: argument 'keys' is not a key set as text")
    try:
        changed = keys.take(document.encode())
    except KeysRefused as error:
        return CommandOutcome(Result.REJECTED, str(error), code=f"keys_{error.code}")
    detail = f"key set {keys.serial} counts" + ("" if changed else " already")
    return CommandOutcome(Result.DONE, detail, {"serial": keys.serial, "keys": keys.fingerprints()})


def _confirm(desired: Desired, command: Command) -> CommandOutcome:
    rev = command.args.get("rev")
    if not isinstance(rev, int) or isinstance(rev, bool):
        raise UsageError("config-confirm: argument 'rev' is not a number")
    if not desired.confirm(rev):
        detail = f"revision {desired.revision} runs here, not {rev}"
        return CommandOutcome(Result.REJECTED, detail, code="other_revision")
    return CommandOutcome(Result.DONE, f"revision {rev} is confirmed")


def _self_test(
    errands: Errands, examine: Callable[[], list[Finding]], _command: Command
) -> Future[CommandOutcome]:
    def test() -> JsonObject:
        findings = examine()
        return {"worst": worst(findings).value, "findings": [_in_short(finding) for finding in findings]}

    return _then(
        errands.send(test), lambda data: CommandOutcome(Result.DONE, f"worst: {data['worst']}", data)
    )


def _in_short(finding: Finding) -> JsonObject:
    whole = asdict(finding)
    return {name: whole[name] for name in ("part", "grade", "words", "advice") if whole[name]}


def _snapshot(
    eyes: Mapping[str, Eye | PushedEye], allowed: tuple[str, ...], command: Command
) -> Future[CommandOutcome]:
    name = command.args.get("camera")
    if name not in allowed:
        raise KeyRefused(f"remote.snapshots does not allow a picture of camera {name!r}")
    eye = eyes.get(str(name))
    if not isinstance(eye, Eye):
        raise Unavailable(f"camera {name} gives no pictures now")

    def told(jpeg: bytes) -> CommandOutcome:
        data = {"camera": name, "jpeg": base64.b64encode(jpeg).decode()}
        return CommandOutcome(Result.DONE, f"{len(jpeg)} bytes of JPEG", data)

    return _then(eye.picture(), told)


def _logs(logbook: Logbook, command: Command) -> CommandOutcome:
    count = command.args.get("lines", 100)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_LINES:
        raise UsageError(f"logs: argument 'lines' is no number from 1 to {MOST_LINES}")
    lines = logbook.last(count)
    while lines and sum(len(line.encode()) + 4 for line in lines) > LOG_BYTES:
        lines = lines[len(lines) // 8 + 1 :]
    return CommandOutcome(Result.DONE, f"the last {len(lines)} lines", {"lines": lines})


def _restart(restart: Callable[[], None], _command: Command) -> CommandOutcome:
    restart()
    return CommandOutcome(Result.DONE, "ends now; systemd starts it again")


def _then(inner: "Future[T]", told: Callable[[T], CommandOutcome]) -> Future[CommandOutcome]:
    """The answer to a command from what somebody else's future says."""
    outer: Future[CommandOutcome] = Future()

    def pass_on(done: "Future[T]") -> None:
        if not outer.set_running_or_notify_cancel():
            return
        if done.cancelled():
            outer.set_exception(Unavailable("it was given up"))
            return
        try:
            outer.set_result(told(done.result()))
        except EdgeError as error:
            outer.set_exception(error)

    inner.add_done_callback(pass_on)
    return outer
