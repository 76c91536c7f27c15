"""Who is waited for: faces that were recognised but not shown to be alive, and what helps them in.

A face below its lane's level opens a question (``Question``): a second factor of the same person, on the same
lane, in time, answers it. Whoever shows the factor first is remembered for as long (``keep``). Pure: time is
given.

Thread: the worker that decides only.
"""

from dataclasses import dataclass, replace

from edge.access.policy import Second
from edge.records import Identity


@dataclass(frozen=True, slots=True)
class Question:
    """A person who is waited for at a lane.

    Attributes:
        identity: The face, as it was known last.
        asked_ns: When it was asked first. until_ns: After this the answer is no.
    """

    lane: str
    person: str
    identity: Identity
    asked_ns: int
    until_ns: int


class Factors:
    """All questions that stand, and the factors that came before their faces."""

    def __init__(self) -> None:
        self._questions: dict[tuple[str, str], Question] = {}
        self._kept: dict[tuple[str, str], tuple[Second, int]] = {}

    def ask(self, lane: str, person: str, identity: Identity, now_ns: int, for_ns: int) -> bool:
        """Ask a person for a second factor; True when the question is new, else the face is seen on."""
        key = (lane, person)
        standing = self._questions.get(key)
        if standing is not None and now_ns < standing.until_ns:
            self._questions[key] = replace(standing, identity=identity)
            return False
        self._questions[key] = Question(lane, person, identity, now_ns, now_ns + for_ns)
        return True

    def waiting(self, lane: str, now_ns: int) -> tuple[Question, ...]:
        """The questions of a lane that stand."""
        return tuple(q for q in self._questions.values() if q.lane == lane and now_ns < q.until_ns)

    def answered(self, lane: str, person: str) -> None:
        """The person passes, or is refused: nothing is asked and nothing kept any more."""
        self._questions.pop((lane, person), None)
        self._kept.pop((lane, person), None)

    def keep(self, lane: str, person: str, second: Second, until_ns: int) -> None:
        """Remember a good factor whose face has not been seen yet."""
        self._kept[lane, person] = (second, until_ns)

    def kept(self, lane: str, person: str, now_ns: int) -> Second | None:
        """The factor that came before the face, while it counts."""
        second, until_ns = self._kept.get((lane, person), (None, 0))
        return second if now_ns < until_ns else None

    def overdue(self, now_ns: int) -> tuple[Question, ...]:
        """Take out the questions that nobody answered in time."""
        over = tuple(question for question in self._questions.values() if now_ns >= question.until_ns)
        for question in over:
            del self._questions[question.lane, question.person]
        for key in [key for key, (_, until_ns) in self._kept.items() if now_ns >= until_ns]:
            del self._kept[key]
        return over
