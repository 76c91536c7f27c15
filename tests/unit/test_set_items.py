"""Items, digests, documents and candidates of sets: what is altered is noticed."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sync_bench import make_settings

from edge.access import LaneStanding, Moment, Person, Roster, decide
from edge.clock import NS_PER_S, ClockState
from edge.errors import VaultError
from edge.records import Identity, Kind, Reason
from edge.scope import admits_when_stale
from edge.store.items import (
    BUCKETS,
    EMPTY_DIGEST,
    Item,
    ItemInvalid,
    bucket_digest,
    bucket_of,
    make_item,
    read_item,
)
from edge.store.sealing import ContentKey, device_key, public_bytes, unwrap, wrap
from edge.store.vault import Vault
from edge.sync.set_course import Base, candidate
from edge.sync.set_documents import (
    Manifest,
    SetPlace,
    SetRefused,
    SnapshotFile,
    batches,
    read_answer,
    read_delta,
    read_manifest,
    sign_deltas,
    sign_manifest,
    stored_manifest,
)
from edge.sync.set_freshness import Freshness

PLACE = SetPlace("park", "north", "permits")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = {"k": KEY.public_key()}
IDS = st.integers(0, 30).map(lambda n: f"p-{n}")


def item(item_id: str, rev: int, text: str = "x") -> Item:
    return make_item(item_id, rev, {"name": text}, valid_to=99, zones=("yard",))


def manifest(**changed: object) -> Manifest:
    values: dict[str, object] = {"place": PLACE, "rev": 7, "count": 1, "digests": (bytes(16),) * BUCKETS}
    return sign_manifest(Manifest(**(values | changed)), kid="k", key=KEY)


@given(
    st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers(-9, 9), max_size=4), st.integers()
)
def test_an_item_comes_back_as_it_was_sent(body: Mapping[str, object], seed: int) -> None:
    sent = make_item(f"p-{abs(seed)}"[:60], 3, body, valid_from=0, valid_to=None, zones=("a", "b"))
    assert read_item(sent.line()) == sent


@given(st.data())
def test_one_flipped_bit_of_an_item_is_an_error(data: st.DataObject) -> None:
    sent = item("p-1", 5)
    line = bytearray(sent.line())
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(ItemInvalid):
        assert read_item(bytes(line)) == sent  # only another spelling of the same thing may pass


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"id": "../x"}, "is not 1 to 64"),
        ({"rev": 0}, "is not from 1"),
        ({"rev": True}, "is not from 1"),
        ({"op": "del"}, "does not fit its body"),
        ({"op": "grant"}, "does not fit its body"),
        ({"valid_to": -1}, "seconds since 1970"),
        ({"zones": ["A/B"]}, "list of names"),
    ],
)
def test_what_is_no_item_is_refused(members: Mapping[str, object], words: str) -> None:
    parsed = json.loads(item("p-1", 5).line()) | dict(members)
    with pytest.raises(ItemInvalid, match=words):
        read_item(parsed)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_an_item_or_an_answer_crash(raw: bytes) -> None:
    for read in (read_item, read_answer, lambda raw: read_manifest(raw, KEYS, PLACE)):
        with pytest.raises((ItemInvalid, SetRefused)):
            read(raw)


def test_the_digest_of_a_bucket_does_not_depend_on_the_order_and_names_everything() -> None:
    rows = [("b", 2, b"\2" * 32), ("a", 1, b"\1" * 32)]
    digest = bucket_digest(rows)
    assert digest == bucket_digest(rows[::-1])
    assert len({digest, bucket_digest(rows[:1]), bucket_digest([("b", 3, b"\2" * 32), rows[1]])}) == 3
    assert bucket_digest([]) == EMPTY_DIGEST


def test_a_manifest_is_read_as_it_was_signed() -> None:
    snapshot = SnapshotFile(6, 999, "ab" * 32, 4096, "https://host/x")
    sent = manifest(key_id="aa", snapshot=snapshot, min_delta_rev=2, issued_s=5.5, max_stale_s=60)
    assert read_manifest(sent.raw, KEYS, PLACE) == sent == stored_manifest(sent.raw, PLACE)
    assert len(sent.raw) < 10_000


def test_a_manifest_of_another_place_type_or_key_is_refused() -> None:
    for place in (SetPlace("other", "north", "permits"), SetPlace("park", "south", "permits")):
        with pytest.raises(SetRefused, match="names another"):
            read_manifest(manifest().raw, KEYS, place)
    stranger = {"k": Ed25519PrivateKey.generate().public_key()}
    with pytest.raises(SetRefused, match="signature does not match"):
        read_manifest(manifest().raw, stranger, PLACE)
    delta = sign_deltas(PLACE, 7, [item("p-1", 7)], kid="k", key=KEY)[0]
    with pytest.raises(SetRefused, match="type"):
        read_manifest(delta, KEYS, PLACE)
    with pytest.raises(SetRefused, match="above its revision"):
        read_delta(sign_deltas(PLACE, 6, [item("p-1", 7)], kid="k", key=KEY)[0], KEYS, PLACE)


@given(st.data())
def test_one_flipped_byte_of_a_manifest_is_refused(data: st.DataObject) -> None:
    raw = bytearray(manifest().raw)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SetRefused):
        read_manifest(bytes(raw), KEYS, PLACE)


def test_deltas_fit_every_broker_and_begin_with_what_is_revoked() -> None:
    items = [item(f"p-{n}", 7, "x" * 500) for n in range(400)] + [make_item("p-999", 7, None)]
    deltas = sign_deltas(PLACE, 7, items, kid="k", key=KEY)
    assert len(deltas) > 1
    assert max(map(len, deltas)) < 120_000
    read = [read_delta(raw, KEYS, PLACE) for raw in deltas]
    assert read[0].deletions == (("p-999", 7),)
    assert sorted(i.id for delta in read for i in delta.items) == sorted(i.id for i in items)
    assert batches([]) == [[]]


@given(
    st.dictionaries(IDS, st.integers(1, 5)),
    st.lists(st.tuples(IDS, st.integers(1, 9), st.booleans()), max_size=25),
    st.randoms(),
)
def test_the_last_writer_wins_in_whatever_order_changes_come(
    before: dict[str, int], changes: list[tuple[str, int, bool]], order: object
) -> None:
    """Against a model: a dictionary to which everything is applied by revision."""
    base_rev, rev = 5, 9
    changes = [(i, r, put) for i, r, put in changes if r > base_rev]
    latest = {i: (r, put) for i, r, put in sorted(changes, key=lambda c: (c[1], not c[2]))}
    wanted = {i: item(i, r) for i, r in before.items()}
    for item_id, (r, put) in latest.items():
        wanted.pop(item_id, None)
        if put:
            wanted[item_id] = item(item_id, r)
    digests = tuple(_digest(wanted, bucket) for bucket in range(BUCKETS))
    stored = {i: item(i, r) for i, r in before.items()}
    base = Base(1, base_rev, [_digest(stored, bucket) for bucket in range(BUCKETS)])
    order.shuffle(changes)  # type: ignore[attr-defined]
    puts: dict[str, Item] = {}
    deletions: dict[str, int] = {}
    for item_id, r, _ in changes:
        if latest[item_id][1]:
            puts[item_id] = item(item_id, latest[item_id][0])
        else:
            deletions[item_id] = max(latest[item_id][0], r)
    found = candidate(
        base,
        digests,
        rev,
        lambda _gen, bucket: {i: (x.rev, x.sha256) for i, x in stored.items() if x.bucket == bucket},
        puts=puts.values(),
        deletions=deletions,
        repaired={},
    )
    assert not found.differing
    for written, deleted in found.changes.values():
        stored.update(written)
        for item_id in deleted:
            del stored[item_id]
    assert stored == wanted


def _digest(items: Mapping[str, Item], bucket: int) -> bytes:
    return bucket_digest((i.id, i.rev, i.sha256) for i in items.values() if bucket_of(i.id) == bucket)


def test_PRIV_1_a_sealed_body_opens_only_in_its_place_and_a_key_only_at_its_box() -> None:
    key = ContentKey("k1", os.urandom(32))
    body = key.seal(b"numbers", "faces-x", "p-1", 4)
    assert key.open(body, "faces-x", "p-1", 4) == b"numbers"
    for place in (("faces-y", "p-1", 4), ("faces-x", "p-2", 4), ("faces-x", "p-1", 5)):
        with pytest.raises(VaultError, match="does not open"):
            key.open(body, *place)
    with pytest.raises(VaultError, match="not sealed with"):
        ContentKey("k2", os.urandom(32)).open(body, "faces-x", "p-1", 4)

    mine, other = device_key(Vault(bytes(32))), device_key(Vault(bytes(31) + b"\1"))
    secret = os.urandom(32)
    wrapped = wrap(secret, public_bytes(mine), "set|box")
    assert unwrap(wrapped, mine, "set|box") == secret
    assert public_bytes(mine) == public_bytes(device_key(Vault(bytes(32))))
    for bad, who, about in [
        (wrapped, other, "set|box"),
        (wrapped, mine, "set|other"),
        (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), mine, "set|box"),
        (wrapped[:-1], mine, "set|box"),
    ]:
        with pytest.raises(VaultError):
            unwrap(bad, who, about)


def test_a_set_is_as_old_as_its_manifest_and_a_repeated_one_is_no_news() -> None:
    synced, unset = ClockState.SYNCED, ClockState.UNSET
    assert not Freshness(0.0, 60).is_stale(0, 0, unset)  # it never came: nobody is in it
    age = Freshness(1000.0, 60)
    assert not age.is_stale(0, 1060 * NS_PER_S, synced)
    assert age.is_stale(0, 1061 * NS_PER_S, synced)
    assert age.is_stale(0, 0, unset)  # no telling
    age.heard(1000.0, 60, 5 * NS_PER_S)
    assert age.is_stale(5 * NS_PER_S, 0, unset)  # the same one again
    age.heard(1001.0, 60, 5 * NS_PER_S)
    assert not age.is_stale(65 * NS_PER_S, 0, unset)
    assert age.is_stale(66 * NS_PER_S, 0, unset)


@pytest.mark.parametrize(
    ("policy", "is_stale", "group", "reason"),
    [
        ("keep", True, "resident", Reason.PERMIT),
        ("only_staff", True, "resident", Reason.STALE_ROSTER),
        ("only_staff", True, "staff", Reason.PERMIT),
        ("only_staff", False, "resident", Reason.PERMIT),
        ("nobody", True, "staff", Reason.STALE_ROSTER),
        ("nobody", False, "resident", Reason.PERMIT),
    ],
)
def test_ACC_1_a_stale_set_admits_whom_the_lane_says(
    tmp_path: Path, policy: str, is_stale: bool, group: str, reason: Reason
) -> None:
    settings = make_settings(tmp_path)
    lane = settings.lanes["in"].model_copy(update={"when_stale": policy})
    settings = settings.model_copy(update={"lanes": {"in": lane}})
    minds, admits = admits_when_stale(settings, "in", is_stale=is_stale)
    who = Person("anna", "Anna", plates=("京A12345",), group=group)
    identity = Identity("c", "s", 1, "v", Kind.PLATE, "京A12345", True, 1.0, 9.0, 3, 1, 1)
    decision = decide(
        identity,
        Roster.of(1, [who]),
        "in",
        lane,
        settings.decision,
        Moment(2, 10**18, ClockState.SYNCED),
        standing=LaneStanding(roster_is_stale=minds, stale_admits=admits),
    )
    assert decision.reason is reason
