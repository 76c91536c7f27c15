"""``gatehouse models``, ``eval faces`` and ``roster audit`` as people meet them."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cli import charts, evaluating, main, model_files, modelling
from edge.clock import SystemClock
from edge.demo.portraits import ASTRONAUT, HOPPER, portrait_path
from edge.enrolment import Examiner
from edge.errors import Exit
from edge.settings import ModelSettings
from edge.settings_file import load_settings
from edge.store import Consent, SetStore, open_vault
from edge.vision.senses import FaceSense, open_senses
from models.face.dlib_convert import MADE, Form, ensure_converted
from models.published import PUBLISHED

ROOT = Path(__file__).resolve().parents[2]
YUNET = PUBLISHED["yunet"].file


class Said:
    """Runs the command in this process and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        text = (ROOT / "config" / "demo.toml").read_text("utf-8").replace("/run/gatehouse-demo", str(folder))
        self.config = folder / "gatehouse.toml"
        self.config.write_text(text, "utf-8")
        self.state = load_settings(self.config).device.state_dir
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: object, config: bool = True) -> int:
        self._capsys.readouterr()
        code = main([*map(str, words), *(("--config", str(self.config)) if config else ())])
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def last(self) -> str:
        """The one line on standard error."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Said:
    return Said(capsys, tmp_path)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The converted network, made once for this module."""
    return ensure_converted(tmp_path_factory.mktemp("made"), form=Form.CAPPED).parent


def lend(cache: Path, said: Said) -> None:
    """Give a fresh state directory the converted network."""
    said.state.mkdir(mode=0o700)
    (said.state / "cache").symlink_to(cache, target_is_directory=True)


@pytest.fixture(scope="module")
def faces() -> dict[str, NDArray[np.uint8]]:
    """Two persons' portraits, cut to the head."""
    if find_spec("skimage") is None or find_spec("matplotlib") is None:
        pytest.skip("the demo extra is not installed")
    ann, bea = (cv2.imread(str(portrait_path(where))) for where in (ASTRONAUT, HOPPER))
    assert ann is not None
    assert bea is not None
    return {"ann": ann[0:300, 90:390].astype(np.uint8), "bea": bea[0:420, 40:460].astype(np.uint8)}


def save(folder: Path, name: str, number: int, image: NDArray[np.uint8]) -> Path:
    path = folder / name / f"{name}_{number:04d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def darker(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (image * 0.8).astype(np.uint8)


GREY = np.full((250, 250, 3), 128, np.uint8)


# models


@pytest.mark.parametrize(
    "words",
    [
        ("models",),
        ("models", "list"),
        ("models", "build"),
        ("models", "fetch"),
        ("eval",),
        ("eval", "faces"),
        ("eval", "pairs"),
        ("roster", "audit"),
    ],
    ids=" ".join,
)
def test_every_command_has_help_in_both_languages(said: Said, words: tuple[str, ...]) -> None:
    assert said(*words, "--help", config=False) == 0
    assert any("一" <= sign <= "鿿" for sign in said.out)
    assert said("--help", config=False) == 0
    assert words[0] in said.out


def test_the_face_network_is_built_once_and_a_damaged_one_is_seen_and_made_anew(said: Said) -> None:
    assert said("models", "list", "--json") == 0
    assert condition(said, "dlib-resnet capped (made here)") == "missing"
    assert said("models", "build") == 0
    assert "已转换" in said.out
    made = said.state / "cache" / MADE[Form.CAPPED].file
    assert said("models", "build") == 0
    assert "已存在" in said.out
    assert said("models", "list", "--json") == 0
    assert condition(said, "dlib-resnet capped (made here)") == "good"
    content = bytearray(made.read_bytes())
    content[len(content) // 2] ^= 1
    made.write_bytes(content)
    assert said("models", "list") == Exit.DATA
    assert "damaged 损坏" in said.out
    assert said("models", "build") == 0
    assert "已转换" in said.out
    assert said("models", "list") == 0


def condition(said: Said, name: str) -> str:
    (row,) = [row for row in json.loads(said.out) if row["name"] == name]
    return str(row["condition"])


def test_the_weights_of_the_package_are_compared_with_what_pip_wrote_down(said: Said) -> None:
    assert said("models", "list", "--json") == 0
    assert condition(said, "dlib_face_recognition_resnet_model_v1.dat") == "good"
    assert len(model_files.sha256_as_installed("shape_predictor_5_face_landmarks.dat")) == 64
    assert model_files.sha256_as_installed("none.dat") == ""


def test_a_state_directory_that_cannot_be_written_is_one_line(said: Said) -> None:
    said.state.write_text("a file where the folder should be")
    assert said("models", "build") == Exit.UNAVAILABLE
    assert "cannot be written" in said.last


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder that is served in the place of the official address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **words: object) -> None:
            super().__init__(*arguments, directory=str(folder), **words)  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    here = replace(PUBLISHED["yunet"], url=f"http://127.0.0.1:{site.server_port}/{YUNET}")
    monkeypatch.setattr(modelling, "PUBLISHED", {**PUBLISHED, "yunet": here})
    yield folder
    site.shutdown()
    site.server_close()
    thread.join()


def test_yunet_is_fetched_and_then_found_by_daemon_and_enrolment_without_naming_it(
    said: Said, server: Path, shared_data: Path, cache: Path, faces: dict[str, NDArray[np.uint8]]
) -> None:
    (server / YUNET).write_bytes((shared_data / "models" / YUNET).read_bytes())
    lend(cache, said)
    made = said.state / "cache"
    settings = load_settings(said.config)
    assert settings.models.yunet_path is None
    assert detector_of_the_daemon(made) == "hog"
    assert said("models", "fetch", "yunet") == 0
    assert PUBLISHED["yunet"].sha256 in said.out
    assert said("models", "list", "--json") == 0
    assert condition(said, "yunet") == "good"
    assert detector_of_the_daemon(made) == "yunet"
    portrait = save(said.state.parent / "pictures", "ann", 1, faces["ann"])
    assert Examiner(settings.models, made).examine(portrait).template is not None
    (said.state / "models" / YUNET).write_bytes(b"half a file")
    assert detector_of_the_daemon(made) == "hog", "a damaged file must not take the lane's face away"
    assert said("models", "list") == Exit.DATA


def detector_of_the_daemon(cache: Path) -> str:
    (sense,) = open_senses(["face"], ModelSettings(), min_face_px=80, min_plate_px=20, cache_dir=cache)
    assert isinstance(sense, FaceSense)
    return sense.detector.name


def test_fetching_says_in_one_line_what_is_wrong(said: Said, server: Path, tmp_path: Path) -> None:
    assert said("models", "fetch", "yunet") == Exit.UNAVAILABLE
    assert "the server says 404" in said.last
    assert "--from FILE" in said.last
    (server / YUNET).write_bytes(bytes(PUBLISHED["yunet"].bytes))
    assert said("models", "fetch", "yunet") == Exit.DATA
    assert f"is not {YUNET}" in said.last
    stick = tmp_path / "stick.onnx"
    assert said("models", "fetch", "yunet", "--from", stick) == Exit.UNAVAILABLE
    assert "stick.onnx: cannot be read" in said.last
    stick.write_bytes(b"another file")
    assert said("models", "fetch", "sface", "--from", stick) == Exit.DATA
    assert "has 12 bytes, 38,696,353 were expected" in said.last
    assert said("models", "fetch", "retina") == Exit.USAGE
    folder = said.state / "models"
    assert not folder.exists() or not list(folder.iterdir())


# eval


def test_pairs_are_measured_and_what_cannot_be_used_is_listed(
    said: Said, cache: Path, faces: dict[str, NDArray[np.uint8]], tmp_path: Path
) -> None:
    lend(cache, said)
    images = tmp_path / "images"
    for name, face in faces.items():
        save(images, name, 1, face)
        save(images, name, 2, darker(face))
    save(images, "grey", 1, GREY)
    (images / "grey" / "grey_0002.jpg").write_text("no picture")
    png = save(images, "cid", 1, darker(faces["bea"])).with_suffix(".png")
    assert cv2.imwrite(str(png), faces["bea"])
    png.with_suffix(".jpg").unlink()
    pairs = tmp_path / "pairs.txt"
    pairs.write_text(
        "2\t3\n"
        "ann\t1\t2\nbea\t1\t2\ngrey\t1\t2\nann\t1\tbea\t1\nann\t2\tbea\t2\nann\t1\tcid\t1\n"
        "ann\t1\t2\nbea\t1\t2\nbea\t1\t3\nann\t2\tbea\t1\nann\t1\tbea\t2\nbea\t1\tgrey\t1\n"
    )
    figures, curves = tmp_path / "out.json", tmp_path / "out.png"
    words = ("--images", images, "--pairs", pairs, "--detector", "hog")
    assert said("eval", "faces", *words, "--json", figures, "--png", curves) == 0
    part = json.loads(figures.read_text("utf-8"))["verification"]
    assert (part["genuine"], part["impostor"], part["folds"]) == (6, 6, 2)
    assert part["not_comparable"] == 3, "grey, the missing bea_0003, and grey again"
    assert (part["detector"], part["templates"]) == ("hog", "dlib-resnet")
    assert sorted(Path(path).name for path in part["unreadable"]) == ["bea_0003.jpg", "grey_0002.jpg"]
    assert [Path(path).name for path in part["without_face"]] == ["grey_0001.jpg"]
    assert part["accuracy"] == pytest.approx(10 / 12), "two pairs of one person were lost, the rest is clear"
    assert part["hits_at"] == {"0.01": pytest.approx(4 / 6), "0.001": pytest.approx(4 / 6)}
    assert "bea_0003.jpg: there is no such file" in said.out
    assert "little more than chance" in said.out
    drawn = cv2.imread(str(curves))
    assert drawn is not None
    assert drawn.shape == (760, 1100, 3)


def test_residents_and_strangers_are_measured(
    said: Said, cache: Path, faces: dict[str, NDArray[np.uint8]], tmp_path: Path
) -> None:
    lend(cache, said)
    gallery, probes = tmp_path / "gallery", tmp_path / "probes"
    save(gallery, "ann", 1, faces["ann"])
    save(gallery, "grey", 1, GREY)
    save(probes, "ann", 2, darker(faces["ann"]))
    save(probes, "ann", 3, GREY)
    save(probes, "bea", 1, faces["bea"])
    figures = tmp_path / "out.json"
    words = ("--gallery", gallery, "--probes", probes, "--detector", "hog", "--json", figures)
    assert said("eval", "faces", *words) == 0
    part = json.loads(figures.read_text("utf-8"))["identification"]
    assert (part["enrolled"], part["not_enrolled"]) == (1, ["grey"])
    assert (part["failed_residents"], part["failed_strangers"]) == (1, 0)
    assert part["distance"]["named_at"] == {"0.01": 0.5, "0.001": 0.5}
    assert part["distance"]["residents"] == 2
    assert part["nearest_is_right"] == 0.5
    assert len(part["without_face"]) == 2
    rules = part["rules"]
    assert rules["fixed distance 0.6"]["residents_named"] == 0.5
    assert all(rule["strangers_accepted"] == 0.0 for rule in rules.values())


def test_a_kept_run_goes_on_where_it_was_broken_off(
    said: Said, cache: Path, faces: dict[str, NDArray[np.uint8]], tmp_path: Path
) -> None:
    lend(cache, said)
    images, keep, figures = tmp_path / "images", tmp_path / "kept", tmp_path / "out.json"
    for name, face in faces.items():
        save(images, name, 1, face)
        save(images, name, 2, darker(face))
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("1\t2\nann\t1\t2\nbea\t1\t2\nann\t1\tbea\t1\nann\t2\tbea\t2\n")
    words = ("--images", images, "--pairs", pairs, "--detector", "hog", "--keep", keep, "--json", figures)
    assert said("eval", "faces", *words, "--quick") == 0
    first = json.loads(figures.read_text("utf-8"))["verification"]
    assert first["accuracy"] == 1.0
    assert first["ms_per_picture"]["embed"] > 0
    (file,) = keep.iterdir()
    before = file.read_bytes()
    assert said("eval", "faces", *words, "--quick") == 0
    again = json.loads(figures.read_text("utf-8"))["verification"]
    assert again["ms_per_picture"] == {}, "nothing was described again"
    assert again["curve"] == first["curve"]
    assert file.read_bytes() == before
    save(images, "ann", 2, darker(darker(faces["ann"])))
    assert said("eval", "faces", *words, "--quick") == 0
    assert json.loads(figures.read_text("utf-8"))["verification"]["ms_per_picture"]["embed"] > 0
    file.write_bytes(b"no archive")
    assert said("eval", "faces", *words, "--quick") == Exit.UNAVAILABLE
    assert "cannot be read" in said.last


def test_a_pair_list_is_drawn_and_can_be_measured(
    said: Said, cache: Path, faces: dict[str, NDArray[np.uint8]], tmp_path: Path
) -> None:
    lend(cache, said)
    images, pairs = tmp_path / "images", tmp_path / "pairs.txt"
    for copy in range(2):
        for name, face in faces.items():
            for number in (1, 2):
                save(images, f"{name}-{copy}", number, face if number == 1 else darker(face))
    words = ("--images", images, "--out", pairs, "--folds", 2, "--pairs", 1, "--seed", 7)
    assert said("eval", "pairs", *words, config=False) == 0
    assert "2 x (1 + 1) pairs, seed 7" in said.out
    text = pairs.read_text("utf-8")
    assert said("eval", "pairs", *words, config=False) == 0
    assert pairs.read_text("utf-8") == text
    measured = ("--images", images, "--pairs", pairs, "--detector", "hog", "--quick")
    assert said("eval", "faces", *measured) == 0
    assert "2 folds" in said.out
    assert said("eval", "pairs", *words[:6], "--pairs", 1, "--folds", 90, config=False) == Exit.DATA
    assert "too few for 90 folds" in said.last


def test_visits_are_measured_beside_single_pictures(
    said: Said, cache: Path, faces: dict[str, NDArray[np.uint8]], tmp_path: Path
) -> None:
    lend(cache, said)
    gallery, probes, figures = tmp_path / "gallery", tmp_path / "probes", tmp_path / "out.json"
    grey = (faces["ann"] * 0.55 + 30).astype(np.uint8)
    save(gallery, "ann", 1, faces["ann"])
    save(gallery, "mirrored", 1, np.ascontiguousarray(grey[:, ::-1]))
    for number, image in enumerate((darker(faces["ann"]), grey), start=2):
        save(probes, "ann", number, image)
    save(probes, "bea", 1, faces["bea"])
    words = ("--gallery", gallery, "--probes", probes, "--detector", "hog", "--quick", "--json", figures)
    assert said("eval", "faces", *words) == 0
    part = json.loads(figures.read_text("utf-8"))["identification"]
    assert (part["resident_pictures"], part["resident_visits"]) == (2, 1)
    assert (part["stranger_pictures"], part["stranger_visits"]) == (1, 1)
    assert part["visit_distance"]["residents"] == 1
    assert "visits, calibrated for 0.1 %" in part["rules"]
    assert part["expected"].startswith("At 2 persons and 1 in 1,000 strangers")
    assert "登记 2 人" in said.out
    assert "nearest is the right one" in said.out


def test_the_peer_is_measured_on_the_same_pictures_or_how_to_get_it_is_said(
    said: Said, cache: Path, faces: dict[str, NDArray[np.uint8]], tmp_path: Path
) -> None:
    lend(cache, said)
    images, pairs, figures = tmp_path / "images", tmp_path / "pairs.txt", tmp_path / "out.json"
    for name, face in faces.items():
        save(images, name, 1, face)
        save(images, name, 2, darker(face))
    pairs.write_text("1\t2\nann\t1\t2\nbea\t1\t2\nann\t1\tbea\t1\nann\t2\tbea\t2\n")
    words = ("--images", images, "--pairs", pairs, "--detector", "hog", "--quick", "--json", figures)
    code = said("eval", "faces", *words, "--against", "face_recognition")
    if find_spec("face_recognition") is None:
        assert code == Exit.UNAVAILABLE
        assert "pip install --no-deps face_recognition" in said.last
        return
    assert code == 0
    (peer,) = json.loads(figures.read_text("utf-8"))["verification"]["against"].values()
    assert (peer["pictures"], peer["accuracy"], peer["without_face"]) == (4, 1.0, [])
    assert "face_recognition" in said.out


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ((), Exit.USAGE, "give --images DIR --pairs FILE"),
        (("--images", "{}"), Exit.USAGE, "--images and --pairs belong together"),
        (("--probes", "{}"), Exit.USAGE, "--gallery and --probes belong together"),
        (("--images", "{}/no", "--pairs", "{}/p.txt"), Exit.UNAVAILABLE, "/no: no such folder"),
        (("--images", "{}", "--pairs", "{}/no.txt"), Exit.UNAVAILABLE, "no.txt: cannot be read"),
        (("--images", "{}", "--pairs", "{}/words.txt"), Exit.USAGE, "is no pair list"),
        (("--images", "{}", "--pairs", "{}/odd.txt"), Exit.DATA, "pair 1 is no pair"),
        (("--images", "{}", "--pairs", "{}/empty.txt"), Exit.USAGE, "needs pairs of one person and pairs of"),
        (("--images", "{}", "--pairs", "{}/same.txt"), Exit.USAGE, "needs pairs of one person and pairs of"),
        (("--gallery", "{}/none", "--probes", "{}/none"), Exit.USAGE, "none: no pictures in it"),
        (("--detector", "retina"), Exit.USAGE, "'retina' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_use_of_eval_is_one_clear_line(
    said: Said, tmp_path: Path, words: tuple[str, ...], code: int, line: str
) -> None:
    (tmp_path / "words.txt").write_text("once upon\na time\n")
    (tmp_path / "odd.txt").write_text("ann one two\n")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "same.txt").write_text("ann 1 2\n")
    (tmp_path / "none").mkdir()
    assert said("eval", "faces", *(word.format(tmp_path) for word in words)) == code
    assert line in said.last


def test_a_curve_passes_through_its_points_and_is_thin_where_the_pictures_are_too_few() -> None:
    points = [(1e-4, 0.0), (1e-3, 0.5), (1e-2, 0.5), (1.0, 0.5)]
    blank = charts.draw_curves("t", "b", "l", [])
    drawn = charts.draw_curves("t", "b", "l", [charts.Curve("c", points, least_rate=5e-3)])
    changed = (blank != drawn).any(axis=2)

    def thickness(rate: float) -> int:
        across, down = charts._place(rate, 0.5)
        return int(changed[down - 12 : down + 13, across].sum())

    assert 1 <= thickness(3e-3) < thickness(1e-1) <= 7
    assert thickness(1e-2) > thickness(1e-1), "a dot at 1 in 100"


def test_json_has_neither_infinity_nor_nan() -> None:
    assert evaluating._finite({"a": [1.0, float("nan")], "b": (float("inf"), "x")}) == {
        "a": [1.0, None],
        "b": [None, "x"],
    }


# roster audit


def test_an_audit_names_look_alikes_and_other_models_and_says_what_to_expect(said: Said) -> None:
    rng = np.random.default_rng(3)
    ann, bea, cid = (rng.normal(0.0, 0.08, 128).astype(np.float32) for _ in range(3))
    twin = ann + rng.normal(0.0, 0.02, 128).astype(np.float32)
    templates = {"ann": [ann], "bea": [bea, cid], "ann-s-twin": [twin]}
    assert said("roster", "audit") == 0
    assert "0 persons" in said.out
    for person in (*templates, "dan"):
        assert said("roster", "add", person) == 0
    sets = SetStore(said.state / "sets.db", open_vault(said.state / "device.key"), SystemClock())
    try:
        for person, group in templates.items():
            sets.put_consent(person, Consent(person, 1_800_000_000, "v3", "paper"))
            sets.put_templates(person, "faces-dlib-resnet", group)
        sets.put_consent("dan", Consent("dan", 1_800_000_000, "v3", "paper"))
        sets.put_templates("dan", "faces-sface", [cid])
    finally:
        sets.close()
    assert said("roster", "audit") == 0
    assert "3 persons, 4 templates" in said.out
    assert "may be taken for each other 可能互认" in said.out
    assert "look-alike pairs: 1" in said.out, "two templates of one person are no pair"
    assert said("roster", "audit", "--json") == 0
    (pair,) = json.loads(said.out)["pairs"]
    assert (pair["one"], pair["other"], pair["confusable"]) == ("ann", "ann-s-twin", True)
    assert said("roster", "audit") == 0
    assert "需重新登记: dan (faces-sface)" in said.out
    assert "without consent" not in said.out
    assert "At 3 persons and 1 in 1,000 strangers accepted, expect to recognise" in said.out
    assert "登记 3 人、每 1000 次陌生人尝试误识 1 次" in said.out
