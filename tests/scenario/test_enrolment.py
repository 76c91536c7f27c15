"""Enrolment as staff meet it: pictures judged, a camera that leads, consent, receipts, new models."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from enrolment_film import astronaut, turned, write_film
from whole_box import WholeBox, until

from edge.access import Consent, Person
from edge.cli import main
from edge.clock import SystemClock
from edge.demo.portraits import ASTRONAUT, HOPPER, portrait_path
from edge.enrolment import HINT_TEXT, Hint
from edge.errors import Exit
from edge.settings_file import load_settings
from edge.store import SetStore, open_vault

pytestmark = pytest.mark.skipif(find_spec("skimage") is None, reason="the demo extra is not installed")
ROOT = Path(__file__).resolve().parents[2]
OLD_SET, CONSENT = "faces-of-yesterday", Consent("Anna", 1_795_000_000, "v3", "paper")


class Said:
    """Runs the command in this process and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], config: Path) -> None:
        self._capsys, self.config = capsys, config
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        self._capsys.readouterr()
        code = main([*words, "--config", str(self.config)])
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def last(self) -> str:
        """The last line on standard error."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""

    @property
    def state(self) -> Path:
        return load_settings(self.config).device.state_dir

    def sets(self) -> SetStore:
        return SetStore(self.state / "sets.db", open_vault(self.state / "device.key"), SystemClock())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, cache: Path) -> Said:
    state, config = tmp_path / "state", tmp_path / "gatehouse.toml"
    state.mkdir(mode=0o700)
    (state / "cache").symlink_to(cache, target_is_directory=True)
    camera = (
        f'type = "replay", source = "{tmp_path / "film"}", looks_for = ["face"], fps = 8.0, repeat = true'
    )
    lines = (
        f'device = {{ id = "box-1", state_dir = "{state}" }}',
        'models = { face_detector = "hog" }',
        "enrolment = { camera_limit_s = 300.0 }",
        f"cameras = {{ door = {{ {camera} }} }}",
    )
    config.write_text("\n".join(lines), "utf-8")
    said = Said(capsys, config)
    for person, name in (("eileen", "艾琳"), ("grace", "格蕾丝"), ("other", "")):
        assert said("roster", "add", person, "--name", name) == 0
    return said


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pictures")
    eileen, grace = (
        cv2.imdecode(np.fromfile(portrait_path(which), np.uint8), cv2.IMREAD_COLOR)
        for which in (ASTRONAUT, HOPPER)
    )
    images = {
        "eileen": eileen,
        "again": cv2.resize(eileen, (430, 430)),
        "left": turned(eileen, 0.2),
        "grace": grace,
        "empty": np.full((400, 400, 3), 128, np.uint8),
        "both": np.hstack([cv2.resize(image[: image.shape[1]], (512, 512)) for image in (eileen, grace)]),
    }
    for name, image in images.items():
        assert cv2.imwrite(str(folder / f"{name}.png"), image)
    (folder / "text.png").write_text("no picture at all")
    return {name: str(folder / f"{name}.png") for name in (*images, "text")} | {
        "none": str(folder / "none.png")
    }


# Pictures


def test_each_picture_gets_its_verdict_reason_and_advice_in_both_languages_and_the_good_ones_count(
    said: Said, pictures: dict[str, str]
) -> None:
    given = ("eileen", "again", "empty", "both", "text", "none", "grace", "left")
    assert said("enroll", "eileen", *(pictures[name] for name in given), "--consent", "v3") == 0
    for words in (
        "good", "合格", "same picture", "同一张照片", "no face found", "未检测到人脸", "two faces",
        "多张人脸", "cannot be read", "无法读取", "another person", "不是同一个人", "what to do 怎么办",
    ):  # fmt: skip
        assert words in said.out
    assert "2 templates stored, consent 'v3' of 艾琳 recorded (14 or older)" in said.out


def test_the_verdicts_as_json(said: Said, pictures: dict[str, str]) -> None:
    words = ("enroll", "eileen", pictures["eileen"], pictures["empty"], "--consent", "v3", "--json")
    assert said(*words) == 0
    report = json.loads(said.out)
    assert (report["person"], report["stored"], report["refusal"]) == ("eileen", 1, "")
    assert [p["finding"] for p in report["pictures"]] == ["good", "no_face"]
    assert report["pictures"][1]["advice_zh"]
    assert report["consent"]["text_version"] == "v3"
    assert said("enroll", "other", pictures["empty"], "--consent", "v3", "--json") == Exit.USAGE
    assert json.loads(said.out)["stored"] == 0
    assert "no picture can be used" in said.last


def test_somebody_elses_face_is_refused_with_their_name_and_twins_are_enrolled_on_purpose(
    said: Said, pictures: dict[str, str]
) -> None:
    assert said("enroll", "eileen", pictures["eileen"], "--consent", "v3") == 0
    assert said("enroll", "other", pictures["left"], "--consent", "v3") == Exit.REFUSED
    assert "shows 'eileen', who is enrolled already" in said.last
    assert said.err.count("\n") == 1
    assert "this is 'eileen'" in said.out
    assert "与 'eileen'" in said.out
    assert said("enroll", "other", pictures["left"], "--consent", "v3", "--despite-likeness") == 0
    assert said("roster", "audit", "--json") == 0
    (pair,) = json.loads(said.out)["pairs"]
    assert (pair["one"], pair["other"]) == ("eileen", "other")
    assert said("enroll", "grace", pictures["grace"], "--consent", "v3") == 0
    assert said("roster", "audit") == 0
    assert "look-alike pairs: 1" in said.out


# Consent


def test_PRIV_1_nothing_is_looked_at_without_a_complete_consent(said: Said, pictures: dict[str, str]) -> None:
    face = pictures["eileen"]
    for words, why in (
        ((), "--consent is missing"),
        (("--consent", "v3", "--under-14"), "--guardian NAME and --relation are missing"),
        (
            ("--consent", "v3", "--birth", "2019-05-04", "--guardian", "王强"),
            "--guardian NAME and --relation",
        ),
        (("--consent", "v3", "--channel", ""), "must say who gave it"),
    ):
        assert said("enroll", "eileen", face, *words) == Exit.REFUSED
        assert why in said.last
        assert said.err.count("\n") == 1
    for words, why in (
        (("--consent", "v3", "--birth", "yesterday"), "--birth 'yesterday' is not a day"),
        (("--consent", "v3", "--when", "2999-01-01"), "--when '2999-01-01' lies in the future"),
        (("--consent", "v3", "--when", "soon"), "--when 'soon' is not a date"),
        (("--consent", "v3", "--camera", "door"), "not both"),
    ):
        assert said("enroll", "eileen", face, *words) == Exit.USAGE
        assert why in said.last
    sets = said.sets()
    assert sets.consent_of("eileen") is None
    assert sets.face_counts() == {}
    sets.close()


def test_PRIV_1_a_childs_consent_is_shown_with_the_guardian_and_withdrawn_with_a_receipt(
    said: Said, pictures: dict[str, str]
) -> None:
    guardian = ("--birth", "2019-05-04", "--guardian", "玛丽", "--relation", "mother", "--keep-pictures")
    assert (
        said("enroll", "grace", pictures["grace"], "--consent", "v3", "--when", "2026-01-05", *guardian) == 0
    )
    assert "under 14, guardian 玛丽 (mother)" in said.out
    assert said("roster", "show", "grace") == 0
    for words in (
        "v3",
        "玛丽 (mother)",
        "未满十四周岁",
        "2026-01-05",
        "1 stored 已存 1 张",
        "faces-dlib-resnet",
    ):
        assert words in said.out
    assert "2019" not in said.out, "the birth date is not stored"
    assert said("roster", "show", "grace", "--json") == 0
    shown = json.loads(said.out)
    assert shown["consent"]["guardian"] == {"name": "玛丽", "relation": "mother"}
    assert (shown["pictures"], shown["templates"]) == (1, {"faces-dlib-resnet": 1})

    assert said("roster", "withdraw", "grace") == 0
    assert "1 templates deleted, receipt" in said.out
    assert "1 kept pictures deleted" in said.out
    paper = Path(re.search(r"回执: (.*)", said.out).group(1).strip())  # type: ignore[union-attr]
    receipt = json.loads(paper.read_text("utf-8"))
    assert (receipt["person"], receipt["templates"], receipt["pictures"]) == ("grace", 1, 1)
    assert said("roster", "receipts", receipt["receipt"], "--json") == 0
    assert json.loads(said.out) == [receipt]
    assert said("roster", "receipts") == 0
    assert "撤回同意" in said.out
    assert said("roster", "show", "grace", "--json") == 0
    assert json.loads(said.out)["receipts"] == [receipt]
    assert said("roster", "receipts", "none") == Exit.USAGE
    assert said("roster", "show", "nobody") == Exit.USAGE
    assert list((said.state / "pictures").iterdir()) == []


# A new model


def of_yesterday(sets: SetStore, person: str, picture: str | None) -> None:
    """Somebody whose templates another network has made."""
    consent = Consent("Anna", 1_795_000_000, "v3", "paper", keep_pictures=True)
    template = np.random.default_rng(1).normal(size=512).astype(np.float32)
    kept = [Path(picture).read_bytes()] if picture else []
    sets.enrol(person, consent, OLD_SET, [template], person=Person(person, ""), pictures=kept)


def test_who_was_enrolled_with_another_model_is_described_again_or_must_enrol_again(
    said: Said, pictures: dict[str, str]
) -> None:
    sets = said.sets()
    of_yesterday(sets, "eileen", pictures["eileen"])
    of_yesterday(sets, "grace", None)
    of_yesterday(sets, "other", pictures["empty"])
    sets.close()
    assert said("roster", "audit") == 0
    assert "kept pictures: gatehouse roster re-embed 可重新提取: eileen (faces-of-yesterday)" in said.out
    assert "enrol again 需重新登记: grace (faces-of-yesterday)" in said.out
    assert said("roster", "re-embed") == 0
    assert "1 persons described again for faces-dlib-resnet" in said.out
    for person in ("grace", "other"):
        assert f"must enrol again 需重新登记: {person}" in said.out
    sets = said.sets()
    counts = {person: dict(found) for person, found in sets.face_counts().items()}
    assert counts["eileen"] == {OLD_SET: 1, "faces-dlib-resnet": 1}, "the old set stays"
    assert counts["grace"] == counts["other"] == {OLD_SET: 1}
    assert sets.snapshot().gallery("faces-dlib-resnet").persons == {"eileen"}, "sets are never mixed"
    sets.close()
    assert said("roster", "re-embed", "--drop-old") == 0
    assert "1 templates of other models deleted" in said.out
    sets = said.sets()
    assert sets.face_counts()["eileen"] == {"faces-dlib-resnet": 1}
    assert sets.face_counts()["grace"] == {OLD_SET: 1}, "kept until they enrol again"
    sets.close()


# The daemon

BLIND = {"type": "replay", "source": "none.avi", "looks_for": ["plate"]}


def memory_holds(pid: int, needle: bytes) -> bool:
    """Whether a running process has these bytes anywhere in its memory."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in lines:
            area, rights = line.split()[:2]
            if "r" not in rights or "w" not in rights:
                continue
            first, last = (int(part, 16) for part in area.split("-"))
            try:
                memory.seek(first)
                if needle in memory.read(last - first):
                    return True
            except OSError:
                continue
    return False


def test_PRIV_1_a_withdrawn_face_is_neither_in_the_state_folder_nor_in_the_daemons_memory(
    tmp_path: Path, cache: Path, pictures: dict[str, str]
) -> None:
    with WholeBox(tmp_path, cameras={"lane": BLIND}, models={"face_detector": "hog"}) as box:
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        (state / "cache").symlink_to(cache, target_is_directory=True)
        sets = box.sets()
        other = np.random.default_rng(1).normal(0.0, 0.1, 128).astype(np.float32)
        sets.enrol("grace", CONSENT, "faces-dlib-resnet", [other], person=Person("grace", ""))
        sets.put_person(Person("eileen", ""))
        sets.close()
        box.start()
        run = box.command("enroll", "eileen", pictures["eileen"], "--consent", "v3", "--keep-pictures")
        assert run.returncode == 0, run.stderr
        until(lambda: "2 face templates" in box.log(), 30, "the daemon knows both")
        sets = box.sets()
        secret = dict(sets.snapshot().templates["faces-dlib-resnet"])["eileen"].tobytes()
        (sealed,) = [
            row[0] for row in sets._database.execute("SELECT sealed FROM templates WHERE person = 'eileen'")
        ]
        (kept,) = sets.pictures_of("eileen")
        sets.close()
        sealed_picture = (state / "pictures" / f"{kept}.sealed").read_bytes()
        try:
            assert memory_holds(box.pid, b"roster.loaded"), "the search finds what is there"
        except PermissionError:
            pytest.skip("this kernel lets nobody read another process's memory")
        assert box.command("roster", "withdraw", "eileen").returncode == 0
        (told,) = until(lambda: box.journal("face.withdrawn"), 30, "it is journaled")
        assert (told["subject"], told["templates"], told["pictures"]) == ("eileen", 1, 1)
        until(lambda: "1 face templates" in box.log(), 30, "the daemon has let go of her")
        content = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
        for part in (
            secret,
            sealed[:64],
            sealed[-64:],
            sealed_picture[:64],
            Path(pictures["eileen"]).read_bytes(),
        ):
            for at in range(0, min(len(part), 512) - 32, 32):
                assert part[at : at + 32] not in content
        for at in range(0, 512, 64):
            assert not memory_holds(box.pid, secret[at : at + 64])
        assert {event["subject"] for event in box.journal("face.enrolled")} == {"eileen", "grace"}
        assert box.stop() == 0


def test_the_daemon_describes_again_what_it_can_and_names_who_must_enrol_again(
    tmp_path: Path, cache: Path, pictures: dict[str, str]
) -> None:
    with WholeBox(tmp_path, cameras={"lane": BLIND}, models={"face_detector": "hog"}) as box:
        sets = box.sets()
        (tmp_path / "state" / "cache").symlink_to(cache, target_is_directory=True)
        of_yesterday(sets, "eileen", pictures["eileen"])
        of_yesterday(sets, "grace", None)
        sets.close()
        box.start()
        until(lambda: "1 face templates" in box.log(), 60, "the kept picture was described again")
        alarm = until(
            lambda: [e for e in box.journal("alarm.raised") if e["name"] == "gallery.incomplete"],
            30,
            "the alarm",
        )
        assert "1 persons must enrol again for faces-dlib-resnet: grace" in alarm[-1]["detail"]
        (told,) = until(lambda: box.journal("face.reembedded"), 30, "it is journaled")
        assert told["subject"] == "eileen"
        run = box.command("enroll", "grace", pictures["grace"], "--consent", "v3")
        assert run.returncode == 0, run.stderr
        assert box.stop() == 0


# The camera


def film(folder: Path) -> None:
    """Nobody, two persons, too dark, from the front, then turned to both sides."""
    face = astronaut()
    shots = [
        (1.5, [], 1.0),
        (2.0, [(face, 1.15, 0.4), (face, 1.1, 0.95)], 1.0),
        (2.0, [(face, 1.15, 0.5)], 0.25),
        # Long enough that on a busy machine too there is time between a view that is taken and the next shot:
        # who turns before being asked is not asked.
        (3.6, [(face, 1.15, 0.5)], 1.0),
        (3.6, [(turned(face, 0.2), 1.15, 0.5)], 1.0),
        (2.4, [(turned(face, -0.2), 1.15, 0.5)], 1.0),
    ]
    write_film(folder, shots, 8.0)


def on_a_terminal(command: list[str], limit_s: float) -> tuple[int, str]:
    """Run a command on a terminal of 120 columns; returns its code and all that it drew, without colours."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    others = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    environ = {name: value for name, value in os.environ.items() if name not in others}
    environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environ) as process:
        os.close(child)
        drawn, until_s = bytearray(), time.monotonic() + limit_s
        try:
            while time.monotonic() < until_s:
                if not select.select([parent], [], [], 0.2)[0]:
                    continue
                try:
                    piece = os.read(parent, 65536)
                except OSError:  # the other end is closed
                    break
                if not piece:
                    break
                drawn += piece
            code = process.wait(30)
        finally:
            process.kill()
            os.close(parent)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode("utf-8", "replace"))


def test_a_person_is_led_through_three_views_by_the_camera_on_a_terminal(said: Said, tmp_path: Path) -> None:
    film(tmp_path / "film")
    command = [sys.executable, "-m", "edge", "enroll", "eileen", "--camera", "door", "--consent", "v3"]
    code, drawn = on_a_terminal([*command, "--config", str(said.config)], limit_s=120)
    assert code == 0, drawn[-2000:]
    for hint in (Hint.NOBODY, Hint.ALONE, Hint.LIGHT, Hint.HOLD, Hint.TAKEN, Hint.TURN_LEFT, Hint.TURN_RIGHT):
        english, chinese = HINT_TEXT[hint]
        assert english in drawn, hint
        assert chinese in drawn, hint
    assert "▀" in drawn, "the person sees themselves"
    assert "3 templates stored" in drawn
    sets = said.sets()
    assert sets.face_counts()["eileen"] == {"faces-dlib-resnet": 3}
    templates = [values for _, values in sets.snapshot().templates["faces-dlib-resnet"]]
    sets.close()
    apart = [
        float(np.linalg.norm(one - other)) for one in templates for other in templates if one is not other
    ]
    assert min(apart) > 0.05, "the views differ"


def test_without_a_terminal_the_camera_speaks_in_lines_and_json_stays_clean(
    said: Said, tmp_path: Path
) -> None:
    face = astronaut()
    shots = [(0.5, [(face, 1.15, 0.4), (face, 1.1, 0.95)], 1.0), (2.5, [(face, 1.15, 0.5)], 1.0)]
    write_film(tmp_path / "film", shots, 8.0)
    said.config.write_text(said.config.read_text("utf-8").replace("repeat = true", "repeat = false"), "utf-8")
    code = said("enroll", "eileen", "--camera", "door", "--consent", "v3", "--json")
    while code == Exit.USAGE and "no picture was taken" in said.last:
        code = said(
            "enroll", "eileen", "--camera", "door", "--consent", "v3", "--json"
        )  # a very slow machine
    assert code == 0, said.err
    report = json.loads(said.out)
    assert report["stored"] == 1, "the film is over before the sides"
    assert report["pictures"][0]["name"] == "front 正面"
    assert HINT_TEXT[Hint.HOLD][1] in said.err


def test_a_camera_that_is_not_there_is_one_line(said: Said) -> None:
    assert said("enroll", "eileen", "--camera", "door", "--consent", "v3") == Exit.UNAVAILABLE
    assert "there is no such film" in said.last
    assert said("enroll", "eileen", "--camera", "dor", "--consent", "v3") == Exit.USAGE
    assert "there is no camera 'dor'; there are: door" in said.last
