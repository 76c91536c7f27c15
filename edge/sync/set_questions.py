"""What the keeper of a set needs of the world, and what it has asked. Thread: the sets'."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.clock import NS_PER_S, Clock
from edge.records import JsonObject
from edge.store.items import Item
from edge.store.scope_tables import Gone
from edge.sync.nonces import new_nonce
from edge.sync.set_documents import SetRefused, whole_number
from edge.sync.set_fetcher import Wanted

ANSWER_NS = 15 * NS_PER_S
MOST_PARTS = 500


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a keeper needs of the world; every call is quick.

    Attributes:
        ask: Sends a question to the platform. alarm, clear: By name; the subject is the set.
        revoked: These ids are revoked as of now. left: These are gone; what stood here of them.
        fetch: Fetches a file over HTTP; ``SetKeeper.fetched`` is told.
    """

    ask: Callable[[JsonObject], None]
    alarm: Callable[[str, str], None]
    clear: Callable[[str], None]
    revoked: Callable[[tuple[str, ...]], None]
    left: Callable[[tuple[str, ...], tuple[Gone, ...]], None]
    fetch: Callable[[Wanted], None]


@dataclass(slots=True, eq=False)
class Question:
    """One question.

    Attributes:
        kind: "manifest", "delta", "bucket", "chunk" or "key". number: Of the bucket or chunk.
        due_ns: Boot time after which it is asked again. parts: Of the answer, as far as they came.
    """

    kind: str
    number: int
    due_ns: int
    parts: dict[int, list[Item]] = field(default_factory=dict)

    def takes_last(self, header: Mapping[str, Any], items: list[Item]) -> bool:
        """Keep a part of the answer; True when no other is missing.

        Raises:
            SetRefused: There cannot be so many.
        """
        part, parts = whole_number(header, "part"), whole_number(header, "parts", 1)
        if part >= parts or parts > MOST_PARTS:
            raise SetRefused(f"part {part} of {parts} of an answer")
        self.parts[part] = items
        return len(self.parts) >= parts


class Questions:
    """Open questions by their id."""

    def __init__(self, scope: str, clock: Clock, send: Callable[[JsonObject], None]) -> None:
        self._scope, self._clock, self._send = scope, clock, send
        self._open: dict[str, Question] = {}

    def ask(self, kind: str, number: int = 0, **more: object) -> None:
        """Ask the platform."""
        key = new_nonce()[:16]
        self._open[key] = Question(kind, number, self._clock.boot_ns() + ANSWER_NS)
        self._send({"schema": 1, "id": key, "ask": kind, "scope": self._scope, **more})

    def heard(self, key: str) -> Question | None:
        """The question that an answer is about, which has more time now; None: late, or not ours."""
        question = self._open.get(key)
        if question is not None:
            question.due_ns = self._clock.boot_ns() + ANSWER_NS
        return question

    def close(self, key: str) -> None:
        """Nothing more is wanted for this one."""
        self._open.pop(key, None)

    def drop(self, *kinds: str) -> None:
        """Forget the questions of some kinds, or all."""
        kept = {key: q for key, q in self._open.items() if q.kind not in kinds} if kinds else {}
        self._open = kept

    def drop_late(self) -> bool:
        """Forget those that nobody answered in time; True when there were any."""
        now_ns = self._clock.boot_ns()
        kept = {key: question for key, question in self._open.items() if now_ns <= question.due_ns}
        has_late, self._open = len(kept) < len(self._open), kept
        return has_late

    def numbers(self, kind: str) -> set[int]:
        """Buckets or chunks that were asked for."""
        return {question.number for question in self._open.values() if question.kind == kind}

    def has(self, kind: str) -> bool:
        """Whether one of this kind is open."""
        return any(question.kind == kind for question in self._open.values())
