"""Fetching weights from a server on this machine that cuts, lies, forgets and stands behind a proxy."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelMismatch, ModelNotFound
from models.fetching import fetch_model, place_model
from models.manifest import ModelEntry
from models.published import PUBLISHED, fetched_path, published_entry

CONTENT = np.random.default_rng(5).bytes(300_000)
PIECE = 110_000


@dataclass
class Site:
    """What the server does, and what it was asked."""

    content: bytes = CONTENT
    ranges: bool = True
    cuts: int = 0  # so many answers end after PIECE bytes
    refuses: int = 0  # so many answers are 503
    status: int = 0
    says_length: bool = True
    moved: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    plan = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            plan.asked.append((self.path, self.headers.get("Range", "")))
            if plan.moved and not self.path.endswith("/moved"):
                self.send_response(302)
                self.send_header("Location", f"{self.path}/moved")
                self.end_headers()
                return
            if plan.refuses or plan.status:
                self.send_error(plan.status or 503)
                plan.refuses = max(0, plan.refuses - 1)
                return
            start = 0
            if plan.ranges and self.headers.get("Range"):
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                if start >= len(plan.content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(plan.content) - 1}/{len(plan.content)}"
                )
            else:
                self.send_response(200)
            body = plan.content[start:]
            if plan.says_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if plan.cuts:
                plan.cuts -= 1
                body = body[:PIECE]
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    plan.url = f"http://127.0.0.1:{server.server_port}/net.onnx"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield plan
    server.shutdown()
    server.server_close()
    thread.join()


def entry(site: Site) -> ModelEntry:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return ModelEntry("net", "net.onnx", len(CONTENT), digest, "MIT", "the test", site.url)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_checked_and_not_fetched_again(site: Site, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    path = fetch_model(entry(site), tmp_path / "models", lambda done, total: heard.append((done, total)))
    assert path == tmp_path / "models" / "net.onnx"
    assert path.read_bytes() == CONTENT
    assert files(path.parent) == ["net.onnx"]
    assert heard[0] == (0, len(CONTENT))
    assert heard[-1] == (len(CONTENT), len(CONTENT))
    assert fetch_model(entry(site), tmp_path / "models") == path
    assert len(site.asked) == 1


def test_a_damaged_file_is_replaced(site: Site, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(CONTENT[:-1] + b"?")
    assert fetch_model(entry(site), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("says_length", [True, False])
def test_a_cut_connection_is_taken_up_where_it_ended(site: Site, tmp_path: Path, says_length: bool) -> None:
    site.cuts, site.says_length = 2, says_length
    assert fetch_model(entry(site), tmp_path, pause_s=0).read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == ["", f"bytes={PIECE}-", f"bytes={2 * PIECE}-"]


def test_a_later_call_goes_on_with_what_an_earlier_one_got(site: Site, tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:PIECE])
    assert fetch_model(entry(site), tmp_path).read_bytes() == CONTENT
    assert site.asked == [("/net.onnx", f"bytes={PIECE}-")]
    assert files(tmp_path) == ["net.onnx"]


def test_the_range_survives_a_redirection(site: Site, tmp_path: Path) -> None:
    site.moved = True
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:PIECE])
    assert fetch_model(entry(site), tmp_path).read_bytes() == CONTENT
    assert site.asked[-1] == ("/net.onnx/moved", f"bytes={PIECE}-")


def test_a_server_without_ranges_is_read_from_the_beginning(site: Site, tmp_path: Path) -> None:
    site.ranges, site.cuts = False, 1
    assert fetch_model(entry(site), tmp_path, pause_s=0).read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_a_server_without_ranges_that_always_cuts_is_given_up(site: Site, tmp_path: Path) -> None:
    site.ranges, site.cuts = False, 10**6
    with pytest.raises(ModelNotFound, match=r"ended early; 110,000 bytes are kept"):
        fetch_model(entry(site), tmp_path, pause_s=0)
    assert len(site.asked) == 5
    assert files(tmp_path) == ["net.onnx.part"]


@pytest.mark.parametrize("left", [CONTENT + b"more", bytes(len(CONTENT))])
def test_leftovers_that_cannot_be_right_are_dropped(site: Site, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "net.onnx.part").write_bytes(left)
    assert fetch_model(entry(site), tmp_path).read_bytes() == CONTENT
    assert site.asked == [("/net.onnx", "")]


def test_a_busy_server_is_asked_again_and_a_dead_one_given_up(site: Site, tmp_path: Path) -> None:
    site.refuses = 2
    assert fetch_model(entry(site), tmp_path / "one", pause_s=0).read_bytes() == CONTENT
    site.refuses = 10**6
    with pytest.raises(ModelNotFound, match="the server says 503"):
        fetch_model(entry(site), tmp_path / "two", pause_s=0)


def test_a_missing_file_is_not_asked_for_twice(site: Site, tmp_path: Path) -> None:
    site.status = 404
    with pytest.raises(ModelNotFound, match=f"net: {site.url}: the server says 404"):
        fetch_model(entry(site), tmp_path)
    assert len(site.asked) == 1


def test_nobody_at_the_address_is_one_clear_error(site: Site, tmp_path: Path) -> None:
    nowhere = replace(entry(site), url="http://127.0.0.1:9/net.onnx")
    with pytest.raises(ModelNotFound, match="cannot be reached"):
        fetch_model(nowhere, tmp_path, pause_s=0)


@pytest.mark.parametrize(
    ("content", "says_length", "what"),
    [
        (CONTENT[:-1] + b"?", True, "its SHA-256 is another one"),
        (CONTENT + b"more", True, "has 300,004 bytes, 300,000 were expected"),
        (CONTENT + b"more", False, "more than 300,000 bytes"),
        (b"<html>sign in to the network</html>", True, "has 35 bytes, 300,000 were expected"),
    ],
    ids=["sum", "longer", "longer without length", "a portal's page"],
)
def test_another_file_is_refused_and_removed(
    site: Site, tmp_path: Path, content: bytes, says_length: bool, what: str
) -> None:
    site.content, site.says_length = content, says_length
    with pytest.raises(ModelMismatch, match=what.replace("its SHA", ".*SHA")):
        fetch_model(entry(site), tmp_path, pause_s=0)
    assert files(tmp_path) == []


def test_the_file_that_was_there_stays_when_fetching_fails(site: Site, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"older")
    site.content = CONTENT[:-1] + b"?"
    with pytest.raises(ModelMismatch):
        fetch_model(entry(site), tmp_path)
    assert (tmp_path / "net.onnx").read_bytes() == b"older"


def test_the_proxy_of_the_environment_is_used(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", site.url.removesuffix("/net.onnx"))
    far = replace(entry(site), url="http://models.invalid/net.onnx")
    assert fetch_model(far, tmp_path / "one").read_bytes() == CONTENT
    assert site.asked == [("http://models.invalid/net.onnx", "")]
    monkeypatch.setenv("no_proxy", "models.invalid")
    with pytest.raises(ModelNotFound, match="cannot be reached"):
        fetch_model(far, tmp_path / "two", pause_s=0)


def test_a_folder_that_cannot_be_written_is_no_matter_of_the_network(site: Site, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(OSError, match="models") as caught:
        fetch_model(entry(site), tmp_path / "models")
    assert not isinstance(caught.value, ModelNotFound)


def test_a_file_brought_by_hand_is_checked_and_copied(site: Site, tmp_path: Path) -> None:
    stick = tmp_path / "stick.onnx"
    stick.write_bytes(CONTENT)
    path = place_model(entry(site), stick, tmp_path / "models")
    assert path.read_bytes() == CONTENT
    stick.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(ModelMismatch, match=r"stick.onnx is not net.onnx"):
        place_model(entry(site), stick, tmp_path / "models")
    stick.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelMismatch, match="has 299,999 bytes, 300,000 were expected"):
        place_model(entry(site), stick, tmp_path / "models")
    with pytest.raises(ModelNotFound, match=r"none.onnx: cannot be read"):
        place_model(entry(site), tmp_path / "none.onnx", tmp_path / "models")
    assert files(tmp_path / "models") == ["net.onnx"]
    assert path.read_bytes() == CONTENT
    assert stick.exists(), "what people bring is theirs"
    assert site.asked == []


def test_the_published_files_are_pinned() -> None:
    assert {name: entry.bytes for name, entry in PUBLISHED.items()} == {"yunet": 232_589, "sface": 38_696_353}
    for entry in PUBLISHED.values():
        assert entry.url.startswith("https://github.com/opencv/opencv_zoo/raw/main/models/")
        assert entry.url.endswith(entry.file)
        assert len(bytes.fromhex(entry.sha256)) == 32
    with pytest.raises(ModelNotFound, match="none of the published models: yunet, sface"):
        published_entry("retina")


def test_a_fetched_file_is_found_beside_the_cache_and_a_damaged_one_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "models" / PUBLISHED["yunet"].file
    assert fetched_path("yunet", None, is_optional=True) is None
    assert fetched_path("yunet", tmp_path / "cache", is_optional=True) == path, "for the message: not there"
    path.parent.mkdir()
    path.write_bytes(b"half")
    assert fetched_path("yunet", tmp_path / "cache", is_optional=True) is None
    assert "has 4 bytes, 232589 were expected" in caplog.text
    with pytest.raises(ModelMismatch, match="232589 were expected"):
        fetched_path("yunet", tmp_path / "cache", is_optional=False)


def test_the_real_yunet_passes_and_is_found(shared_data: Path, tmp_path: Path) -> None:
    path = place_model(
        PUBLISHED["yunet"], shared_data / "models" / PUBLISHED["yunet"].file, tmp_path / "models"
    )
    assert fetched_path("yunet", tmp_path / "cache", is_optional=False) == path
