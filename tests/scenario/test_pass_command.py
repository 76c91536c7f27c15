"""``gatehouse pass`` and ``gatehouse roster pin`` as people meet them."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.access.passes import read_pass, subject_mark
from edge.cli import main
from edge.clock import SystemClock
from edge.errors import Exit
from edge.store import SetStore, open_vault
from edge.sync.keys import load_public_keys
from edge.vision.codes import CodeReader

ROOT = Path(__file__).resolve().parents[2]


class Desk:
    """Runs the command in a folder with a box's configuration and the keys of a reception desk."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys, self.folder = capsys, folder
        self.config = folder / "gatehouse.toml"
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        self._capsys.readouterr()
        code = main([*words, "--config", str(self.config)])
        self.out, self.err = self._capsys.readouterr()
        return code

    def keys(self, *words: str) -> int:
        self._capsys.readouterr()
        code = main(["pass", "keys", str(self.folder), *words])
        self.out, self.err = self._capsys.readouterr()
        return code

    def make(self, *words: str) -> int:
        return self("pass", "make", *words, "--key", str(self.folder / "pass_key.json"))

    @property
    def public(self) -> Path:
        return self.folder / "pass_keys.json"

    def printed(self) -> str:
        """What a camera reads off the terminal."""
        rows = [line for line in self.out.splitlines() if line and set(line) <= set("█▀▄ ")]
        upper = [[sign in "█▀" for sign in row] for row in rows]
        lower = [[sign in "█▄" for sign in row] for row in rows]
        cells = [row for pair in zip(upper, lower, strict=True) for row in pair]
        picture = np.kron(np.array(cells, np.uint8) * 255, np.ones((5, 5), np.uint8))
        picture = np.pad(picture, 20, constant_values=0)  # a dark terminal around it
        code = CodeReader().read(np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8))
        assert code is not None
        return code.text

    def sets(self) -> SetStore:
        state = self.folder / "state"
        return SetStore(state / "sets.db", open_vault(state / "device.key"), SystemClock())


@pytest.fixture
def desk(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Desk]:
    text = (ROOT / "config" / "demo.toml").read_text("utf-8").replace("/run/gatehouse-demo", str(tmp_path))
    (tmp_path / "gatehouse.toml").write_text(text, "utf-8")
    desk = Desk(capsys, tmp_path)
    assert desk.keys() == 0
    assert desk("roster", "add", "wang-li", "--name", "王丽") == 0
    return desk


# Passes


def test_a_pass_is_made_printed_written_and_shown(desk: Desk) -> None:
    png = desk.folder / "pass.png"
    assert desk.make("wang-li", "--lane", "front-door", "--hours", "2", "--png", str(png)) == 0
    assert "有效期" in desk.out
    text = desk.printed()
    given = read_pass(text, load_public_keys(desk.public))
    assert given.subject == subject_mark("wang-li")
    assert given.lanes == ("front-door",)
    assert abs(given.valid_from_utc_s - time.time()) < 120
    assert given.valid_to_utc_s == given.valid_from_utc_s + 7200
    assert given.uses == 1
    assert "wang" not in text
    code = CodeReader().read(cv2.imread(str(png)))
    assert code is not None
    assert code.text == text
    for what in (str(png), text):
        assert desk("pass", "show", what, "--keys", str(desk.public)) == 0
        assert given.jti in desk.out
        assert "front-door" in desk.out


def test_a_visitors_pass_names_a_place_and_a_host(desk: Desk) -> None:
    assert desk.make("--host", "wang-li", "--zone", "garden", "--uses", "0", "--to", "2099-01-01") == 64
    assert "at most 400 days" in desk.err
    assert desk.make("--host", "wang-li", "--zone", "garden", "--uses", "0") == 0
    given = read_pass(desk.printed(), load_public_keys(desk.public))
    assert given.is_visitor
    assert (given.host, given.zones, given.uses) == (subject_mark("wang-li"), ("garden",), 0)
    assert "visitor 访客" in desk.out


def test_a_pass_that_nobody_could_use_is_not_made(desk: Desk) -> None:
    for words, said in (
        (("nobody",), "no person 'nobody' on the roster"),
        (("--host", "nobody", "--lane", "front-door"), "no person 'nobody' on the roster"),
        (("wang-li", "--lane", "back-door"), "there is no lane 'back-door'"),
        ((), "names no lane and no zone"),
        (("wang-li", "--host", "wang-li"), "--host is for visitors"),
        (("wang-li", "--from", "soon"), "is not a time like"),
        (("wang-li", "--hours", "-1"), "nbf is not before exp"),
    ):
        assert desk.make(*words) == Exit.USAGE
        assert said in desk.err


def test_a_forged_or_foreign_code_is_refused_with_the_reason_in_both_languages(desk: Desk) -> None:
    desk.make("wang-li", "--lane", "front-door")
    text = desk.printed()
    other = desk.folder / "other"
    other.mkdir()
    assert main(["pass", "keys", str(other), "--kid", "elsewhere"]) == 0
    for code, said in (
        (text[:-4] + "AAAA", "signature of the pass does not fit"),
        ("https://example.com/pay", "not a pass of this community"),
    ):
        assert desk("pass", "show", code, "--keys", str(desk.public)) == Exit.REFUSED
        assert said in desk.err
        assert "通行码" in desk.err
    assert desk("pass", "show", text, "--keys", str(other / "pass_keys.json")) == Exit.REFUSED
    assert "issuer of the pass is not known here" in desk.err


def test_keys_are_kept_private_and_a_second_one_is_added(desk: Desk) -> None:
    private = desk.folder / "pass_key.json"
    assert private.stat().st_mode & 0o077 == 0
    assert desk.keys("--kid", "night") == 0
    assert set(json.loads(desk.public.read_text())) == {"desk", "night"}
    private.chmod(0o644)
    assert desk.make("wang-li") == Exit.CONFIG
    assert "others can read this private key" in desk.err


def test_a_pass_is_taken_back_and_given_back(desk: Desk) -> None:
    assert desk("pass", "revoke", "pass-0001", "--reason", "lost") == 0
    sets = desk.sets()
    try:
        assert sets.snapshot().roster.denied_passes == {"pass-0001"}
        assert desk("pass", "revoke", "pass-0001", "--undo") == 0
        assert sets.snapshot().roster.denied_passes == frozenset()
    finally:
        sets.close()
    assert desk("pass", "revoke", "pass-0001", "--undo") == Exit.USAGE
    assert desk("pass", "revoke", "no pass!") == Exit.USAGE


def test_a_picture_without_a_code_and_no_picture_are_said(desk: Desk) -> None:
    empty = desk.folder / "empty.png"
    cv2.imwrite(str(empty), np.zeros((200, 200, 3), np.uint8))
    assert desk("pass", "show", str(empty), "--keys", str(desk.public)) == Exit.USAGE
    assert "no QR code can be read" in desk.err
    assert desk("pass", "show", str(desk.config), "--keys", str(desk.public)) == Exit.USAGE
    assert "is not a picture" in desk.err
    assert desk("pass", "show", "x") == Exit.USAGE
    assert "passes.keys" in desk.err


# PINs


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))


def test_a_pin_is_asked_for_twice_and_never_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "482915", "482915")
    assert desk("roster", "pin", "wang-li") == 0
    assert "482915" not in desk.out + desk.err
    sets = desk.sets()
    try:
        assert sets.snapshot().pins["wang-li"].fits("482915")
    finally:
        sets.close()
    assert desk("roster", "list", "--json") == 0
    assert "pin" not in desk.out
    assert desk("roster", "pin", "wang-li", "--remove") == 0
    assert desk("roster", "pin", "wang-li", "--remove") == Exit.USAGE


def test_a_terminal_asks_without_echo(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def unseen(prompt: str) -> str:
        asked.append(prompt)
        return "482915"

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", unseen)
    assert desk("roster", "pin", "wang-li") == 0
    assert len(asked) == 2
    assert "密码" in asked[0]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("482915", "482916"), "not the same"),
        (("1234", "1234"), "6 to 8 digits"),
        (("123456", "123456"), "first to be tried"),
        ((), "6 to 8 digits"),
    ],
)
def test_a_pin_that_is_not_good_changes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...], said: str
) -> None:
    typed(monkeypatch, *lines)
    assert desk("roster", "pin", "wang-li") == Exit.USAGE
    assert said in desk.err
    sets = desk.sets()
    try:
        assert sets.snapshot().pins == {}
    finally:
        sets.close()


def test_a_pin_of_nobody_is_not_asked_for(desk: Desk) -> None:
    assert desk("roster", "pin", "nobody") == Exit.USAGE
    assert "no person 'nobody'" in desk.err


@pytest.mark.parametrize("command", [("pass", "make"), ("pass", "show"), ("pass", "keys"), ("roster", "pin")])
def test_help_is_in_both_languages(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    assert main([*command, "--help"]) == 0
    assert any("一" <= sign <= "鿿" for sign in capsys.readouterr().out)
