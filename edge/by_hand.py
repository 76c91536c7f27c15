"""What people on the box may ask of the daemon besides its lanes: kill switch, local override.

Each answer is given in the hatch's thread, or later where the uplink has to do it.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, UsageError
from edge.hatch import Answer
from edge.kill_switch import KillSwitch
from edge.records import JsonObject
from edge.sync.desired import Desired
from edge.sync.local_override import LONGEST_S, Override


def hatch_answers(switch: KillSwitch, desired: Desired, clock: Clock) -> dict[str, Answer]:
    """The answers by the word ``do`` of the request."""
    return {
        "kill-switch": partial(_kill_switch, switch),
        "config": lambda _request, _by: dict(desired.report()),
        "override": partial(_override, desired, clock),
        "end-override": lambda _request, _by: _later(desired, None),
    }


def _kill_switch(switch: KillSwitch, request: Mapping[str, Any], by: str) -> JsonObject:
    """``{"on": true, "why": "..."}``; without ``on`` only how it stands."""
    is_on, why = request.get("on"), str(request.get("why", ""))
    try:
        if is_on is True:
            switch.throw(by, why)
        elif is_on is False:
            switch.release(by, why)
    except EdgeError as error:
        return {**switch.status, "trouble": str(error)}
    return switch.status


def _override(desired: Desired, clock: Clock, request: Mapping[str, Any], by: str) -> "Future[JsonObject]":
    """``{"options": {...}, "for_s": 7200, "why": "..."}``."""
    options, for_s = request.get("options"), request.get("for_s")
    if not isinstance(options, dict) or not options:
        raise UsageError("nothing to override")
    if isinstance(for_s, bool) or not isinstance(for_s, int | float) or not 1 <= for_s <= LONGEST_S:
        raise UsageError(f"an override lasts 1 second to {LONGEST_S // 86_400} days")
    until_s = clock.utc_ns() // NS_PER_S + round(for_s)
    return _later(desired, Override(options, by, str(request.get("why", ""))[:200], until_s))


def _later(desired: Desired, override: Override | None) -> "Future[JsonObject]":
    inner = desired.post_override(override)
    outer: Future[JsonObject] = Future()

    def pass_on(done: "Future[None]") -> None:
        if done.cancelled():
            outer.set_result({"error": "the daemon is being stopped"})
            return
        failure = done.exception()
        if isinstance(failure, EdgeError):
            problems = getattr(failure, "problems", ()) or (str(failure),)
            outer.set_result({"error": "; ".join(problems)})
        elif failure is not None:
            outer.set_exception(failure)
        else:
            outer.set_result(dict(desired.report()))

    inner.add_done_callback(pass_on)
    return outer
