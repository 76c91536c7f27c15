"""Another network than dlib's, through everything that people and daemon do with faces.

The network is a small one with random weights that the tests write: it knows a picture again, not a person,
and that is enough to follow templates from the camera and from enrolment to the same set.
"""

import time
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest
from small_embedder import write_small_embedder
from test_model_commands import Said, condition, save

from edge.clock import SystemClock
from edge.demo.portraits import ASTRONAUT, HOPPER, portrait_path
from edge.errors import Exit
from edge.face_models import face_set
from edge.records import Sighting
from edge.settings import ReplayCamera
from edge.settings_file import load_settings
from edge.store import SetStore, open_vault
from edge.vision import VisionProcess
from models.face import Gallery
from models.published import PUBLISHED

CLOCK = SystemClock()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Said:
    pytest.importorskip("skimage", reason="the demo extra is not installed")
    return Said(capsys, tmp_path)


def face(where: object) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    image = cv2.imread(str(portrait_path(where)))  # type: ignore[arg-type]
    assert image is not None
    return image[0:300, 90:390] if where is ASTRONAUT else image[0:420, 40:460]


def choose(said: Said, name: str, *lines: str) -> None:
    """Change the configuration: this embedder from now on."""
    text = said.config.read_text("utf-8")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("face_embedder"))
    text = text.replace("[models]\n", f'[models]\nface_embedder = "{name}"\n')
    said.config.write_text("\n".join([text, *lines, ""]), "utf-8")


def stored(said: Said) -> dict[str, list[tuple[str, int]]]:
    """Persons and template lengths by set."""
    sets = SetStore(said.state / "sets.db", open_vault(said.state / "device.key"), CLOCK)
    try:
        found = sets.snapshot().templates
    finally:
        sets.close()
    return {name: [(person, len(template)) for person, template in pairs] for name, pairs in found.items()}


def gallery_of(said: Said, set_name: str) -> Gallery:
    sets = SetStore(said.state / "sets.db", open_vault(said.state / "device.key"), CLOCK)
    try:
        return sets.snapshot().gallery(set_name)
    finally:
        sets.close()


def enrol(said: Said, person: str, picture: Path) -> int:
    assert said("roster", "add", person, "--name", person) == 0
    return said("enroll", person, picture, "--consent", "v3")


def test_sface_is_missed_in_one_line_fetched_used_and_never_mixed_with_dlibs_templates(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = tmp_path / "brought.onnx"
    digest = write_small_embedder(brought)
    stand_in = replace(PUBLISHED["sface"], sha256=digest, bytes=brought.stat().st_size)
    published = MappingProxyType({**PUBLISHED, "sface": stand_in})
    for module in ("models.published", "edge.face_models", "edge.cli.model_files", "edge.cli.modelling"):
        monkeypatch.setattr(f"{module}.PUBLISHED", published)
    ann, bea = (
        save(tmp_path / "p", name, 1, face(where)) for name, where in (("ann", ASTRONAUT), ("bea", HOPPER))
    )

    assert enrol(said, "ann", ann) == 0
    assert {name: [p for p, _ in rows] for name, rows in stored(said).items()} == {
        "faces-dlib-resnet": ["ann"]
    }

    choose(said, "sface")
    assert said("models", "list", "--json") == 0
    assert condition(said, "sface") == "missing"
    assert said("enroll", "ann", ann, "--consent", "v3") != 0
    assert f"sface: there is no {said.state / 'models' / stand_in.file}" in said.last
    assert "gatehouse models fetch sface" in said.last

    assert said("models", "fetch", "sface", "--from", brought) == 0
    assert said("models", "list", "--json") == 0
    assert condition(said, "sface") == "good"
    assert said("roster", "audit") == 0
    assert "0 persons, 0 templates (faces-sface)" in said.out
    assert "ann (faces-dlib-resnet)" in said.out, "templates of another model are named, not used"
    assert enrol(said, "bea", bea) == 0
    assert stored(said)["faces-sface"] == [("bea", 128)]
    assert stored(said)["faces-dlib-resnet"] == [("ann", 128)]
    assert said("roster", "audit") == 0
    assert "1 persons, 1 templates (faces-sface)" in said.out

    # Of one length, and yet nobody is known by the other network's templates.
    assert gallery_of(said, "faces-sface").persons == {"bea"}
    assert gallery_of(said, "faces-dlib-resnet").persons == {"ann"}

    (said.state / "models" / stand_in.file).write_bytes(b"half a file")
    assert said("enroll", "bea", bea, "--consent", "v3") == Exit.DATA
    assert "sface" in said.last


def test_a_network_of_ones_own_describes_in_the_vision_process_what_enrolment_has_described(
    said: Said, tmp_path: Path
) -> None:
    path = tmp_path / "own.onnx"
    digest = write_small_embedder(path, seed=5, faces="n")
    described = ["[models.embedders.mine]", f'path = "{path}"', f'sha256 = "{digest}"', "dimensions = 128"]
    choose(said, "mine", *described, "same_person = 0.9", "mean = 0.0", "scale = 1.0")
    settings = load_settings(said.config)
    set_name = face_set(settings.models)
    ann, bea = (
        save(tmp_path / "p", name, 1, face(where)) for name, where in (("ann", ASTRONAUT), ("bea", HOPPER))
    )
    for person, picture in (("ann", ann), ("bea", bea)):
        assert enrol(said, person, picture) == 0
    assert [person for person, _ in stored(said)[set_name]] == ["ann", "bea"]
    assert said("models", "list", "--json") == 0
    assert condition(said, f"mine (set {set_name})") == "good"

    film = tmp_path / "film"
    film.mkdir()
    for number in range(8):  # a little noise: a real camera never gives the same picture twice
        noise = np.random.default_rng(number).integers(0, 3, face(ASTRONAUT).shape, dtype=np.uint8)
        assert cv2.imwrite(str(film / f"{number}.png"), face(ASTRONAUT) // 2 * 2 + noise)
    camera = ReplayCamera(source=str(film), looks_for=("face",), fps=4, repeat=True)
    with VisionProcess(
        "door", camera, settings.models, CLOCK, session="s", cache_dir=said.state / "cache", log_level="error"
    ) as process:
        read = next_template(process)
    assert read.template_set == set_name
    match = gallery_of(said, set_name).match(np.frombuffer(read.template, "<f4"))
    assert match.subject == "ann"
    assert match.distance < match.runner_up_distance / 2

    described[2] = f'sha256 = "{"0" * 64}"'
    said.config.write_text(said.config.read_text("utf-8").replace(digest, "0" * 64), "utf-8")
    assert enrol(said, "cid", ann) == Exit.DATA
    assert "another file" in said.last


def next_template(process: VisionProcess) -> Sighting:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        message = process.poll(0.25)
        if isinstance(message, Sighting) and message.template:
            return message
    raise AssertionError("no face was described")
