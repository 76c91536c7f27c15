"""Topics of sets: a scope's manifest and deltas, which many boxes hear, and one box's own questions. Pure.

``gh/1/<tenant>/_scope/<scope>/<set>/m`` (retained) and ``.../d`` come down; ``gh/1/<tenant>/<device>/sync/
<set>/req`` goes up, ``.../res`` comes down. ``_scope`` is no id of a device, so the two cannot be confused.
"""

from dataclasses import dataclass

from edge.errors import UsageError
from edge.sync.topics import ID_PATTERN, ROOT, Topics, parse

SCOPE_LEVEL = "_scope"


@dataclass(frozen=True, slots=True)
class ScopeTopics:
    """The topics of one set of one scope.

    Raises:
        UsageError: A name may not stand in a topic.
    """

    tenant: str
    scope: str
    name: str

    def __post_init__(self) -> None:
        for what, value in (("tenant", self.tenant), ("scope", self.scope), ("set", self.name)):
            if not ID_PATTERN.fullmatch(value):
                raise UsageError(f"{what} {value!r}: use 1 to 40 of a-z, 0-9 and -")

    @property
    def manifest(self) -> str:
        """Down, retained."""
        return f"{ROOT}/{self.tenant}/{SCOPE_LEVEL}/{self.scope}/{self.name}/m"

    @property
    def delta(self) -> str:
        """Down."""
        return f"{ROOT}/{self.tenant}/{SCOPE_LEVEL}/{self.scope}/{self.name}/d"


def request_topic(topics: Topics, name: str) -> str:
    """Up: a box asks about a set."""
    return f"{topics.base}/sync/{name}/req"


def answer_topic(topics: Topics, name: str) -> str:
    """Down: what it is told."""
    return f"{topics.base}/sync/{name}/res"


def request_filter(tenant: str) -> str:
    """What the platform listens to."""
    return f"{ROOT}/{tenant}/+/sync/+/req"


def parse_request(topic: str) -> tuple[Topics, str] | None:
    """Who asks about which set; None when it is another topic."""
    address = parse(topic)
    if address is None or len(address.rest) != 3:
        return None
    level, name, last = address.rest
    return (address.topics, name) if (level, last) == ("sync", "req") and ID_PATTERN.fullmatch(name) else None
