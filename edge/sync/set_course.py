"""What would the set be if everything that has come were applied, and what is still missing? Pure.

A ``Base`` is a generation in the store: the one that counts, or one that is built beside it. Candidates are
laid over it bucket by bucket and compared with the digests of the manifest that is wanted.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from edge.store.items import BUCKETS, EMPTY_DIGEST, Item, bucket_digest, bucket_of
from edge.store.scope_sets import Change

Rows = Mapping[str, tuple[int, bytes]]


@dataclass(slots=True)
class Base:
    """A generation and the digests of its buckets.

    Attributes:
        gen: In the store. rev: Of the set that it was. counts: It is the one that counts now.
    """

    gen: int
    rev: int
    digests: list[bytes] = field(default_factory=lambda: [EMPTY_DIGEST] * BUCKETS)
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """Changes that bring buckets to the manifest, and the buckets that still differ."""

    changes: Mapping[int, Change]
    differing: tuple[int, ...]


def candidate(
    base: Base,
    digests: tuple[bytes, ...],
    rev: int,
    rows_of: Callable[[int, int], Rows],
    *,
    puts: Iterable[Item],
    deletions: Mapping[str, int],
    repaired: Mapping[int, Mapping[str, Item]],
) -> Candidate:
    """Lay what has come over a base.

    Args:
        base: What to begin with.
        digests: Of the wanted manifest. rev: Its revision; what is newer does not count yet.
        rev: See above.
        rows_of: (generation, bucket) to revision and hash by id.
        puts: From signed deltas.
        deletions: Revisions of deletions by id.
        repaired: Whole buckets that came as the manifest has them.
    """
    touched: dict[int, tuple[dict[str, Item], dict[str, int]]] = {}
    for item in puts:
        if base.rev < item.rev <= rev:
            touched.setdefault(item.bucket, ({}, {}))[0][item.id] = item
    for item_id, deleted_rev in deletions.items():
        if deleted_rev <= rev:
            touched.setdefault(bucket_of(item_id), ({}, {}))[1][item_id] = deleted_rev
    changes: dict[int, Change] = {}
    differing: list[int] = []
    for bucket in range(BUCKETS):
        if bucket in repaired:
            ids = frozenset(rows_of(base.gen, bucket)) - repaired[bucket].keys()
            changes[bucket] = (repaired[bucket], ids)
        elif bucket in touched:
            change, digest = _laid(rows_of(base.gen, bucket), *touched[bucket])
            if digest == digests[bucket]:
                changes[bucket] = change
            elif base.digests[bucket] != digests[bucket]:
                differing.append(bucket)
        elif base.digests[bucket] != digests[bucket]:
            differing.append(bucket)
    return Candidate(changes, tuple(differing))


def _laid(rows: Rows, puts: Mapping[str, Item], deletions: Mapping[str, int]) -> tuple[Change, bytes]:
    """The last writer wins, by revision."""
    after = dict(rows)
    written: dict[str, Item] = {}
    for item_id, item in puts.items():
        if item.rev > after.get(item_id, (0, b""))[0]:
            after[item_id] = (item.rev, item.sha256)
            written[item_id] = item
    deleted = {i for i, rev in deletions.items() if i in after and after[i][0] < rev}
    for item_id in deleted:
        del after[item_id]
        written.pop(item_id, None)
    digest = bucket_digest((item_id, rev, sha256) for item_id, (rev, sha256) in after.items())
    return (written, frozenset(deleted & rows.keys())), digest
