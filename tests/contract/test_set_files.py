"""Snapshots over HTTP(S): resumed where they ended, never longer than promised, never from elsewhere."""

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority
from sync_bench import until

from edge.clock import SystemClock
from edge.errors import Unavailable
from edge.platform.set_files import SnapshotServer, find_snapshot, write_snapshot
from edge.store.items import make_item
from edge.sync.set_fetcher import SnapshotFetcher, Wanted

ITEMS = [make_item(f"p-{n}", 1, {"name": "x" * 200}) for n in range(2000)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path, size, sha256 = write_snapshot(tmp_path / "snapshots", "north", "permits", 4, ITEMS)
    assert path == find_snapshot(tmp_path / "snapshots", "north", "permits", 4)
    content = path.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (size, sha256)
    return path.parent


@pytest.fixture
def server(folder: Path) -> Iterator[SnapshotServer]:
    server = SnapshotServer(folder)
    yield server
    server.close()


def fetcher(told: list[str] | None = None) -> SnapshotFetcher:
    said = [] if told is None else told
    return SnapshotFetcher(
        SystemClock(), lambda _wanted, failure: said.append(failure), ssl.create_default_context
    )


def test_a_file_comes_whole_and_goes_on_where_it_ended(
    tmp_path: Path, server: SnapshotServer, folder: Path
) -> None:
    whole = (folder / "north.permits.4.set").read_bytes()
    path = tmp_path / "box" / "permits.part"
    wanted = Wanted(f"{server.url}/north.permits.4.set", path, len(whole))
    fetcher().fetch(wanted)
    assert path.read_bytes() == whole

    for have in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(b"\0" * have)  # what is there is not asked for again; its hash decides elsewhere
        fetcher().fetch(wanted)
        assert path.read_bytes() == b"\0" * have + whole[have:]
    path.write_bytes(whole + b"more")
    fetcher().fetch(wanted)
    assert path.read_bytes() == whole


def test_another_length_than_promised_is_refused(
    tmp_path: Path, server: SnapshotServer, folder: Path
) -> None:
    size = (folder / "north.permits.4.set").stat().st_size
    url, path = f"{server.url}/north.permits.4.set", tmp_path / "permits.part"
    with pytest.raises(Unavailable, match="another one"):
        fetcher().fetch(Wanted(url, path, size - 1))
    with pytest.raises(Unavailable, match="another one"):
        fetcher().fetch(Wanted(url, path, size + 1))
    assert not path.exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("{}/other.set", "404"),
        ("{}/../sets.db", "404"),
        ("file:///etc/passwd", "no address"),
        ("http://user:secret@127.0.0.1/x", "no address"),
        ("http://127.0.0.1:1/x", "refused"),
        ("http://[::1", "no address"),
    ],
)
def test_whatever_goes_wrong_is_one_line(
    tmp_path: Path, server: SnapshotServer, url: str, words: str
) -> None:
    with pytest.raises(Unavailable, match=words) as caught:
        fetcher().fetch(Wanted(url.format(server.url), tmp_path / "x.part", 10))
    assert "\n" not in str(caught.value)


def test_the_thread_tells_how_it_ended_and_stops(
    tmp_path: Path, server: SnapshotServer, folder: Path
) -> None:
    told: list[str] = []
    worker = fetcher(told)
    worker.start()
    size = (folder / "north.permits.4.set").stat().st_size
    for number, name in enumerate(("north.permits.4.set", "none.set")):
        worker.want(Wanted(f"{server.url}/{name}", tmp_path / name, size))
        until(lambda n=number: len(told) > n)
    worker.close()
    assert told[0] == ""
    assert "404" in told[1]


def test_over_https_only_a_server_that_is_trusted_is_asked(tmp_path: Path, folder: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("platform", "127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    server = SnapshotServer(folder, tls=tls)
    size = (folder / "north.permits.4.set").stat().st_size
    wanted = Wanted(f"{server.url}/north.permits.4.set", tmp_path / "x.part", size)
    try:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            fetcher().fetch(wanted)
        trusting = SnapshotFetcher(
            SystemClock(),
            lambda _wanted, _failure: None,
            lambda: ssl.create_default_context(cafile=str(authority.certificate)),
        )
        trusting.fetch(wanted)
    finally:
        server.close()
    assert wanted.path.stat().st_size == size
