"""The forms of dlib's network on real faces: how far each may be from dlib, and that they are one set."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import skimage

from models.face import ensure_converted, load_picture, open_detector, open_embedder, single_face
from models.face.dlib_convert import MADE, Form
from models.results import BgrImage

Template = np.ndarray


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def faces() -> list[BgrImage]:
    files = (
        Path(skimage.__file__).parent / "data" / "astronaut.png",
        Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg",
    )
    return [load_picture(file) for file in files]


def templates(
    faces: list[BgrImage], cache: Path | None, form: Form, kind: str = "dlib-onnx"
) -> list[Template]:
    embedder = open_embedder(kind, cache_dir=cache, mirrored=False, form=form)
    assert embedder.set_name == "dlib-resnet"
    detector = open_detector("hog")
    return [embedder.embed(face, [single_face(face, detector)])[0] for face in faces]


@pytest.mark.parametrize(("form", "most"), [(Form.EXACT, 1e-5), (Form.CAPPED, 0.35), (Form.INT8, 0.4)])
def test_every_form_describes_a_face_as_dlib_does_within_its_bound(
    faces: list[BgrImage], cache: Path, form: Form, most: float
) -> None:
    reference = templates(faces, None, Form.EXACT, "dlib")
    made = templates(faces, cache, form)
    moved = [float(np.linalg.norm(one - other)) for one, other in zip(reference, made, strict=True)]
    assert max(moved) <= most
    assert np.linalg.norm(made[0] - made[1]) > 0.65, "two persons stay two"


def test_eight_bits_cost_little_beside_the_capped_form_and_need_a_quarter_of_the_room(
    faces: list[BgrImage], cache: Path
) -> None:
    capped, rounded = templates(faces, cache, Form.CAPPED), templates(faces, cache, Form.INT8)
    moved = [float(np.linalg.norm(one - other)) for one, other in zip(capped, rounded, strict=True)]
    assert 0 < max(moved) < 0.12
    sizes = {form: (cache / made.file).stat().st_size for form, made in MADE.items()}
    assert sizes[Form.INT8] * 3.5 < sizes[Form.EXACT]


def test_each_form_is_kept_beside_the_others_and_made_once(cache: Path) -> None:
    paths = {form: ensure_converted(cache, form=form) for form in Form}
    assert len(set(paths.values())) == len(Form)
    told: list[float] = []
    assert {form: ensure_converted(cache, told.append, form) for form in Form} == paths
    assert told == []
