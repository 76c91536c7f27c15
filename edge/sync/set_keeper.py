"""One set, from the platform's manifests to what counts here: ask, gather, compare, and only then flip.

Deletions do not wait: they act as soon as their signature is verified. All else waits until every one of the
256 buckets is what the newest manifest says. Whatever differs is asked for again, the smallest thing first: a
delta, single buckets, a snapshot; what counts meanwhile is the revision before.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.clock import NS_PER_S, Clock
from edge.errors import Unavailable, VaultError
from edge.faults import fault_point
from edge.jws import encode_part
from edge.store.items import EMPTY_DIGEST, PUT, Item, bucket_digest
from edge.store.scope_sets import ScopeSets
from edge.store.scope_tables import Gone
from edge.store.sealing import public_bytes, unwrap
from edge.sync.set_course import Base, candidate
from edge.sync.set_documents import (
    Manifest,
    SetPlace,
    SetRefused,
    key_about,
    read_answer,
    read_delta,
    read_key,
    read_lines,
    read_manifest,
    stored_manifest,
)
from edge.sync.set_fetcher import Wanted
from edge.sync.set_gathering import Gathering
from edge.sync.set_questions import Question, Questions, Surroundings
from edge.sync.set_turns import Turns

log = logging.getLogger(__name__)

NEWER_NS = 2 * NS_PER_S
LONGEST_PAUSE_S = 60
BUCKETS_AT_ONCE = 4
REPAIR_LIMIT = 64
"""More differing buckets than this, and a snapshot is the smaller thing to fetch."""
STAGED_LIMIT = 20_000
DAMAGED, REFUSED = "sets.damaged", "sets.refused"


class SetKeeper:
    """Keeps one set. Thread: the sets'."""

    def __init__(
        self,
        place: SetPlace,
        store: ScopeSets,
        keys: Mapping[str, Ed25519PublicKey],
        clock: Clock,
        around: Surroundings,
        *,
        audience: str,
        device_key: X25519PrivateKey,
        folder: Path,
        by_http: bool = True,
        limit_bytes: int = 512 << 20,
    ) -> None:
        self.place, self.name = place, place.name
        self._store, self._keys, self._clock, self._around = store, keys, clock, around
        self._audience, self._device_key = audience, device_key
        self._questions = Questions(place.scope, clock, around.ask)
        self._turns = Turns(audience, clock)
        self._gathering = Gathering(
            self.name, store, folder, self._questions, around.fetch, by_http=by_http, limit_bytes=limit_bytes
        )
        self._target: Manifest | None = None
        self._base: Base | None = None
        self._staged: dict[str, Item] = {}
        self._repaired: dict[int, dict[str, Item]] = {}
        self._delta_asked = (0, 0)
        self._failures = 0
        self._retry_at_ns = self._delta_came_ns = 0
        state = store.state(self.name)
        self._active = stored_manifest(state.manifest, place) if state.rev else None

    @property
    def active(self) -> Manifest | None:
        """The manifest of what counts; None while nothing does."""
        return self._active

    @property
    def is_busy(self) -> bool:
        """Whether ``step`` has something to do."""
        return self._gathering.is_building

    @property
    def building(self) -> tuple[int, ...]:
        """Generations that are not to be swept away."""
        return (self._gathering.generation, self._base.gen if self._base is not None else 0)

    # What comes

    def connected(self) -> None:
        """There is a new connection: what was asked on the old one will not be answered."""
        self._questions.drop()
        self._failures, self._retry_at_ns = 0, 0
        self._questions.ask("manifest")
        self._advance()

    def on_manifest(self, raw: bytes) -> None:
        """Take a manifest, from the scope's topic or as an answer."""
        try:
            manifest = read_manifest(raw, self._keys, self.place)
            self._check_order(manifest)
        except SetRefused as error:
            log.warning("%s", error)
            self._around.alarm(REFUSED, f"{error}; the set stays as it is")
            return
        self._around.clear(REFUSED)
        active, target = self._active, self._target
        if active is not None and manifest.rev == active.rev:
            if manifest.issued_s > active.issued_s:
                self._store.renew(self.name, raw)
                self._active = manifest
        elif target is None or (manifest.rev, manifest.issued_s) > (target.rev, target.issued_s):
            if target is None or manifest.rev > target.rev:
                self._store.saw(self.name, manifest.rev)
                self._repaired.clear()
                self._questions.drop("bucket")
                self._turns.forget()
            self._target = manifest
            self._advance()

    def on_delta(self, raw: bytes) -> None:
        """Take signed changes: what they revoke is gone when this returns."""
        try:
            delta = read_delta(raw, self._keys, self.place)
        except SetRefused as error:
            log.warning("%s", error)
            self._around.alarm(REFUSED, f"{error}; the set stays as it is")
            return
        active_rev = self._active.rev if self._active is not None else 0
        deletions = tuple((item_id, rev) for item_id, rev in delta.deletions if rev > active_rev)
        if deletions:
            # First where it counts this moment, then on the disk; said again, for whoever loads in between.
            ids = tuple(item_id for item_id, _ in deletions)
            self._around.revoked(ids)
            gone = self._store.revoke(self.name, deletions)
            fault_point("sets.revoked")
            self._around.revoked(ids)
            self._around.left(ids, gone)
            for item_id, rev in deletions:
                if item_id in self._staged and self._staged[item_id].rev < rev:
                    del self._staged[item_id]
        for item in delta.items:
            if item.op == PUT and item.rev > active_rev:
                before = self._staged.get(item.id)
                if before is None or before.rev < item.rev:
                    self._staged[item.id] = item
        if len(self._staged) > STAGED_LIMIT:
            log.warning(
                "set %s: too many changes wait for their manifest; they are asked for later", self.name
            )
            self._staged.clear()
        self._delta_came_ns = self._clock.boot_ns()
        self._turns.forget()
        self._advance()

    def on_answer(self, payload: bytes) -> None:
        """Take an answer to one of our questions."""
        key = ""
        try:
            header, content = read_answer(payload)
            key = str(header.get("id"))
            question = self._questions.heard(key)
            if question is None:
                return
            if "error" in header:
                self._questions.close(key)
                self._refused(question, str(header["error"]))
            elif not self._take(question, header, content):
                return  # more of it follows
            else:
                self._questions.close(key)
                self._failures = 0
        except (SetRefused, VaultError, Unavailable) as error:
            self._questions.close(key)
            self._damaged(str(error))
        self._advance()

    def fetched(self, wanted: Wanted, failure: str) -> None:
        """The file over HTTP is here, or why it is not."""
        if not self._gathering.fetched(wanted, failure):
            self._pause()
        self._advance()

    # Time

    def tick(self) -> None:
        """A few times a second: notice answers that do not come, and try again."""
        if self._questions.drop_late():
            self._pause()
        # Comparing a hundred thousand items takes a while; with a question open there is nothing new to see.
        if not (self._questions.has("delta") or self._questions.has("bucket")):
            self._advance()

    def step(self) -> None:
        """Build a little of a snapshot."""
        try:
            base = self._gathering.step()
        except SetRefused as error:
            self._damaged(str(error))
            return
        if base is not None:
            self._base = base
            self._advance()

    def close(self) -> None:
        """Close files; what has come of a snapshot stays."""
        self._gathering.close()

    # The way to the target

    def _check_order(self, manifest: Manifest) -> None:
        state, active, target = self._store.state(self.name), self._active, self._target
        if manifest.rev < state.seen_rev:
            raise SetRefused(
                f"manifest {manifest.rev} of {self.place} comes after {state.seen_rev}: a replay"
            )
        for known in (active, target):
            if known is not None and known.rev == manifest.rev and known.digests != manifest.digests:
                raise SetRefused(f"two manifests of {self.place} claim revision {manifest.rev}")

    def _advance(self) -> None:
        target = self._target
        if self._clock.boot_ns() < self._retry_at_ns:
            return
        newest = target or self._active
        if newest is not None and newest.key_id and not self._questions.has("key"):
            self._ask_key(newest.key_id)
        if target is None or self._turns.is_waiting:
            return
        self._gathering.ask()
        if self._gathering.is_going:
            return
        base = self._base or self._standing_base()
        found = candidate(
            base,
            target.digests,
            target.rev,
            self._store.bucket_rows,
            puts=self._staged.values(),
            deletions=self._store.revoked(self.name),
            repaired=self._repaired,
        )
        if found.differing:
            self._seek(base, target, found.differing)
            return
        left = self._store.flip(
            self.name, rev=target.rev, manifest=target.raw, gen=base.gen, changes=found.changes
        )
        fault_point("sets.flipped")
        self._settled(target, left)

    def _settled(self, target: Manifest, left: tuple[Gone, ...]) -> None:
        log.info("set %s: revision %d counts, %d items", self.name, target.rev, target.count)
        self._active, self._target, self._base = target, None, None
        self._staged = {key: item for key, item in self._staged.items() if item.rev > target.rev}
        self._repaired.clear()
        self._questions.drop("bucket", "delta", "chunk")
        self._failures = 0
        self._gathering.settled()
        self._around.clear(DAMAGED)
        self._around.clear(REFUSED)
        self._around.left(tuple(gone.id for gone in left), left)

    def _standing_base(self) -> Base:
        state = self._store.state(self.name)
        if self._active is None:
            self._base = Base(self._store.begin(self.name), 0)
            return self._base
        return Base(state.gen, state.rev, list(self._active.digests), counts=True)

    def _seek(self, base: Base, target: Manifest, differing: tuple[int, ...]) -> None:
        """Ask for the smallest thing that could help."""
        now_ns = self._clock.boot_ns()
        newest = max((item.rev for item in self._staged.values()), default=0)
        if newest > target.rev and now_ns - self._delta_came_ns < NEWER_NS:
            return  # the manifest that counts them is on its way
        asked = (base.gen, target.rev)
        can_delta = base.rev and target.min_delta_rev <= base.rev < target.rev
        if can_delta and self._delta_asked != asked:
            self._delta_asked = asked
            self._questions.ask("delta", **{"from": base.rev})
            return
        if self._questions.has("delta"):
            return
        is_fresh = base.rev == 0 or base.counts
        is_much = base.rev == 0 or len(differing) > REPAIR_LIMIT
        if is_fresh and is_much and self._gathering.may_begin(target):
            self._begin_snapshot(target)
            return
        if base.counts and len(differing) > REPAIR_LIMIT:
            # Too much to hold in memory: it is gathered beside.
            base = self._base = Base(self._store.begin(self.name), 0)
        waiting = self._questions.numbers("bucket")
        for bucket in differing:
            if len(waiting) >= BUCKETS_AT_ONCE:
                break
            if bucket in waiting:
                continue
            if target.digests[bucket] == EMPTY_DIGEST:
                self._repair(bucket, [])
                continue
            self._questions.ask("bucket", bucket, bucket=bucket, rev=target.rev)
            waiting.add(bucket)
        else:
            if not waiting:
                self._advance()

    def _begin_snapshot(self, target: Manifest) -> None:
        if target.snapshot is None or not self._turns.has_come(self.name, target.snapshot):
            return
        try:
            self._gathering.begin(target.snapshot)
        except (SetRefused, Unavailable) as error:
            self._damaged(str(error))

    def _take(self, question: Question, header: Mapping[str, Any], content: bytes) -> bool:
        """Take (a part of) an answer; True when it is all."""
        match question.kind:
            case "manifest":
                self.on_manifest(content)
                return True
            case "delta":
                self.on_delta(content)
                return question.takes_last(header, [])
            case "key":
                key_id, wrapped = read_key(content, self._keys, self.place, self._audience)
                key = unwrap(wrapped, self._device_key, key_about(self.place, self._audience, key_id))
                self._store.put_key(self.name, key_id, key)
                return True
            case "chunk":
                self._gathering.put(question.number, content)
                return True
        if not question.takes_last(header, read_lines(content)):
            return False
        target = self._target
        if target is not None and header.get("rev") == target.rev:
            self._repair(question.number, [item for part in question.parts.values() for item in part])
        return True

    def _repair(self, bucket: int, items: list[Item]) -> None:
        """A whole bucket has come.

        Raises:
            SetRefused: It is not what the manifest says.
        """
        target = self._target
        if target is None:
            return
        if bucket_digest((item.id, item.rev, item.sha256) for item in items) != target.digests[bucket]:
            raise SetRefused(
                f"bucket {bucket} of revision {target.rev} was altered: its digest does not match"
            )
        if self._base is not None:
            self._store.replace_bucket(self._base.gen, bucket, items)
            self._base.digests[bucket] = target.digests[bucket]
        else:
            self._repaired[bucket] = {item.id: item for item in items}

    def _refused(self, question: Question, why: str) -> None:
        """The platform cannot answer; what is next depends on what it was."""
        log.info("set %s: the platform has no %s for us: %s", self.name, question.kind, why)
        if question.kind == "chunk":
            self._gathering.refused()
        if question.kind != "delta":
            self._pause()

    def _damaged(self, what: str) -> None:
        log.error("set %s: %s", self.name, what)
        self._around.alarm(DAMAGED, f"{what}; the set before it stays, and it is asked for again")
        self._pause()

    def _pause(self) -> None:
        self._failures += 1
        pause_s = min(LONGEST_PAUSE_S, 2 ** min(self._failures - 1, 8))
        self._retry_at_ns = self._clock.boot_ns() + pause_s * NS_PER_S

    def _ask_key(self, key_id: str) -> None:
        if self._store.content_key(self.name, key_id) is None:
            public = encode_part(public_bytes(self._device_key)).decode()
            self._questions.ask("key", key_id=key_id, public=public)
