"""Commands on their way: signed, sent, answered. Thread: the counterpart's, except the futures."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from edge.clock import NS_PER_S
from edge.errors import Unavailable
from edge.records import JsonObject

FINAL = ("done", "rejected", "expired", "unknown")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended.

    Attributes:
        result: ``done``, ``rejected``, ``expired`` or ``unknown``. code: Which check refused it, or empty.
        detail: One line. data: What the handler gave. trail: Every result that came, in order.
    """

    jti: str
    result: str
    code: str = ""
    detail: str = ""
    data: JsonObject = field(default_factory=dict)
    trail: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Request:
    """A command that somebody waits for."""

    device: str
    name: str
    args: JsonObject
    life_s: float
    until_ns: int
    done: "Future[CommandResult]"
    jti: str = ""
    nonce: str = ""
    challenged: bool = False
    trail: list[str] = field(default_factory=list)


class Requests:
    """Requests by the id of their command."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []
        self._sent: dict[str, Request] = {}

    def add(self, request: Request) -> None:
        """Keep a request until its device is there."""
        self._waiting.append(request)

    def sendable(self, nonces: Mapping[str, str]) -> list[Request]:
        """Take out the requests whose device is there, given the nonces of those that are."""
        ready = [r for r in self._waiting if nonces.get(r.device, r.nonce) != r.nonce]
        self._waiting = [request for request in self._waiting if request not in ready]
        return ready

    def sent(self, request: Request, jti: str, nonce: str) -> None:
        """A request has gone out under this id."""
        request.jti, request.nonce = jti, nonce
        self._sent[jti] = request

    def answered(self, body: Mapping[str, Any]) -> tuple[Request, str] | None:
        """Take an answer.

        Returns:
            A request to be signed again, with the challenge to quote; None: nothing is left to do.
        """
        request = self._sent.get(str(body.get("jti", "")))
        if request is None:
            return None
        result, code = str(body.get("result", "")), str(body.get("code", ""))
        request.trail.append(result)
        challenge = body.get("chl")
        if code == "nonce" and "accepted" not in request.trail:
            # It has reconnected since; it waits here for the new nonce. Refused so, it was not obeyed.
            del self._sent[request.jti]
            self._waiting.append(request)
            return None
        if code == "clock_unset" and isinstance(challenge, str) and not request.challenged:
            request.challenged = True
            del self._sent[request.jti]
            return request, challenge
        if result in FINAL:
            del self._sent[request.jti]
            data = body.get("data")
            outcome = CommandResult(
                jti=request.jti,
                result=result,
                code=code,
                detail=str(body.get("detail", "")),
                data=data if isinstance(data, dict) else {},
                trail=tuple(request.trail),
            )
            request.done.set_result(outcome)
        return None

    def expire(self, now_ns: int) -> None:
        """Give up those that nobody answered in time."""
        late = [r for r in (*self._waiting, *self._sent.values()) if now_ns > r.until_ns]
        for request in late:
            self._drop(request)
            state = "has not finished it" if "accepted" in request.trail else "does not answer"
            what = state if request.jti else "is not connected"
            request.done.set_exception(Unavailable(f"command {request.name}: {request.device} {what}"))

    def cancel(self) -> None:
        """Give up all: the counterpart ends."""
        for request in (*self._waiting, *self._sent.values()):
            request.done.cancel()
        self._waiting.clear()
        self._sent.clear()

    def _drop(self, request: Request) -> None:
        if request in self._waiting:
            self._waiting.remove(request)
        self._sent.pop(request.jti, None)


def deadline_ns(now_ns: int, timeout_s: float) -> int:
    """Boot time at which waiting ends."""
    return now_ns + round(timeout_s * NS_PER_S)
