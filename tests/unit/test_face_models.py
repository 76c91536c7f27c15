"""From the configuration to the networks: which detector, embedder and set, and what is said otherwise."""

from pathlib import Path
from typing import Any

import pytest
from small_embedder import write_small_embedder

from edge.errors import SettingsError
from edge.face_models import (
    described_embedder,
    detector_choice,
    embedder_path,
    face_set,
    open_face_detector,
    open_face_embedder,
    pair_distances,
)
from edge.settings import ModelSettings
from edge.settings_file import parse_settings
from models.errors import ModelMismatch, ModelNotFound
from models.face.distances import CAPPED, EXACT
from models.face.warp import Warp
from models.published import PUBLISHED

DIGEST = "0123456789abcdef" * 4


def settings(**models: Any) -> ModelSettings:
    return parse_settings({"device": {"id": "box"}, "models": models}).models


def own(**changes: Any) -> dict[str, Any]:
    return {"path": "/somewhere/mine.onnx", "sha256": DIGEST, "dimensions": 512, "same_person": 0.4} | changes


def problem(**models: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**models)
    (line,) = caught.value.problems
    return line


@pytest.mark.parametrize("embedder", ["auto", "dlib-resnet", "dlib", "dlib-onnx"])
@pytest.mark.parametrize("form", ["exact", "capped", "int8"])
def test_dlibs_network_is_one_set_in_every_runtime_and_form(embedder: str, form: str) -> None:
    assert face_set(settings(face_embedder=embedder, face_form=form)) == "faces-dlib-resnet"


def test_every_other_network_has_a_set_of_its_own() -> None:
    mine, yours = (
        face_set(settings(face_embedder=name, embedders={"mine": own(), "yours": own()}))
        for name in ("mine", "yours")
    )
    other_use = face_set(settings(face_embedder="mine", embedders={"mine": own(colour="bgr")}))
    sets = {mine, yours, other_use, face_set(settings(face_embedder="sface")), face_set(settings())}
    assert len(sets) == 5
    assert "faces-sface" in sets
    assert mine.startswith("faces-mine-")
    assert all(len(name) <= 40 for name in sets), "the platform's rule for names"


def test_the_description_says_what_the_configuration_says() -> None:
    models = settings(
        face_embedder="mine",
        embedders={
            "mine": own(mean=[1, 2, 3], warp="dlib-chip", input_px=150, distance="l2", same_person=1.1)
        },
    )
    described = described_embedder(models)
    assert described is not None
    assert (described.mean, described.warp, described.size_px) == ((1.0, 2.0, 3.0), Warp.DLIB, 150)
    assert (described.distance, described.line) == ("l2", 1.1)
    assert embedder_path(models, None) == Path("/somewhere/mine.onnx")


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"face_embedder": "sfase"}, "models: face_embedder: no embedder 'sfase'; did you mean 'sface'?"),
        ({"face_embedder": "mien", "embedders": {"mine": own()}}, "did you mean 'mine'?"),
        ({"face_embedder": "zzz"}, "there are: auto, dlib-resnet, dlib, dlib-onnx, sface"),
        ({"embedders": {"sface": own()}}, "embedders.sface: is the name of a built-in one"),
        (
            {"embedders": {"mine": own(same_person=1.4)}},
            "models.embedders.mine: same_person must be a cosine",
        ),
        (
            {"embedders": {"mine": own(distance="l2", same_person=0)}},
            "same_person must be a distance above 0",
        ),
        ({"embedders": {"mine": own(sha256="12")}}, "models.embedders.mine.sha256:"),
        ({"embedders": {"mine": own(wrap="dlib-chip")}}, "wrap: unknown option; did you mean 'warp'?"),
        ({"face_form": "capt"}, "models.face_form: input should be 'capped', 'exact' or 'int8'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_choice_is_one_line_with_a_hint(models: dict[str, Any], words: str) -> None:
    assert words in problem(**models)


def test_sface_that_is_not_there_is_said_with_place_and_way_to_get_it(tmp_path: Path) -> None:
    models = settings(face_embedder="sface")
    with pytest.raises(ModelNotFound) as caught:
        open_face_embedder(models, tmp_path / "cache")
    line = str(caught.value)
    assert line.startswith(f"sface: there is no {tmp_path / 'models' / PUBLISHED['sface'].file}")
    assert "gatehouse models fetch sface" in line
    assert "--from FILE" in line
    with pytest.raises(ModelNotFound, match="no folder is given"):
        open_face_embedder(models, None)


def test_a_damaged_sface_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / PUBLISHED["sface"].file).write_bytes(b"half a file")
    with pytest.raises(ModelMismatch, match="sface"):
        open_face_embedder(settings(face_embedder="sface"), tmp_path / "cache")


def test_a_network_of_ones_own_is_opened_or_its_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    digest = write_small_embedder(path)
    mine = own(path=str(path), sha256=digest, dimensions=128)
    models = settings(face_embedder="mine", embedders={"mine": mine})
    embedder = open_face_embedder(models, None)
    assert f"faces-{embedder.set_name}" == face_set(models)
    assert embedder.pairs == pair_distances(models) == EXACT
    path.unlink()
    words = r"there is no .*mine\.onnx; models\.embedders\.mine\.path names it"
    with pytest.raises(ModelNotFound, match=words):
        open_face_embedder(models, None)


def test_what_is_known_of_distances_follows_the_form(tmp_path: Path) -> None:
    for form, pairs in (("exact", EXACT), ("capped", CAPPED), ("int8", CAPPED)):
        models = settings(face_form=form)
        assert pair_distances(models) == pairs
        assert open_face_embedder(models, tmp_path).pairs == pairs
    assert pair_distances(settings(face_embedder="dlib", face_form="capped")) == EXACT, "dlib itself has none"


def test_the_detector_that_auto_picks_and_why(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    name, why = detector_choice(settings(), cache)
    assert name == "hog"
    assert str(tmp_path / "models" / PUBLISHED["yunet"].file) in why
    assert "gatehouse models fetch yunet" in why
    assert detector_choice(settings(face_detector="cnn"), cache) == ("cnn", "")
    (tmp_path / "yunet.onnx").write_bytes(b"x")
    assert detector_choice(settings(yunet_path=str(tmp_path / "yunet.onnx")), cache) == ("yunet", "")
    assert open_face_detector(settings(), cache).name == "hog"
    assert open_face_detector(settings(face_detector="cnn"), cache).name == "cnn"
