"""What training adds to the drawn and the photographed: kept patches, spliced plates, painted provinces."""

import dataclasses
import json
import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import ModelMismatch, ModelNotFound
from models.plate.decode import decode
from models.plate.grammar import PlateKind, parse_plate
from models.plate.lattice import Lattice, lattice_from_text
from models.plate.offices import is_issued
from models.results import BgrImage
from models.training import cache, exam
from models.training.cards import write_cards
from models.training.crops import Hardship, from_afar, make_patch, relit, shaken
from models.training.plates import draw_plate, look_of
from models.training.real import LabelledCrop, other_province, splice
from models.training.scenes import PlacedPlate, Scene, turned


def photographed(text: str, kind: str = "blue") -> LabelledCrop:
    picture = cv2.resize(draw_plate(text, kind), (136, 36), interpolation=cv2.INTER_AREA)
    return LabelledCrop(f"{text}.jpg", cv2.GaussianBlur(picture, (0, 0), 0.6), text, held_out=False)


def test_kept_patches_come_back_as_they_were_drawn_and_a_folder_is_only_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SHARD_PATCHES", 6)
    cache.fill(tmp_path, 1, (), seed=3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    cache.fill(tmp_path, 2, (), seed=3)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before

    kept = cache.PatchCache(tmp_path)
    assert len(kept) == 12
    rng = np.random.default_rng(0)
    for _ in range(30):
        patch = kept.take(rng)
        height, width = patch.picture.shape[:2]
        assert patch.picture.dtype == np.uint8
        assert patch.corners.shape == (4, 2)
        assert (patch.corners >= -1).all()
        assert (patch.corners <= (width + 1, height + 1)).all()
        assert len(patch.text) in (7, 8)
        assert patch.rows in (1, 2)


def test_a_drawn_patch_shows_its_plate_where_it_says() -> None:
    gentle = Hardship(height_px=(60, 60), angle_deg=0, blur=0, wear=0, jitter=0)
    patch = make_patch(np.random.default_rng(4), "粤B12345", PlateKind.BLUE, gentle)
    from models.plate.geometry import cut_to

    cut = cut_to(patch.picture, patch.corners, (220, 70)).astype(float).reshape(-1)
    flat = cv2.resize(draw_plate("粤B12345", "blue"), (220, 70)).astype(float).reshape(-1)
    assert np.corrcoef(cut, flat)[0, 1] > 0.6


def test_two_photographed_plates_are_spliced_at_the_dot() -> None:
    one, other = photographed("沪A11111"), photographed("苏B22222")
    both = splice(one, other)
    assert both is not None
    assert both.text == "沪A22222"
    seam = both.picture.shape[1] // 2
    assert np.abs(both.picture[:, seam:].astype(int) - other.picture[:, seam:]).max() <= 1
    head = both.picture[:, : seam // 2].astype(int)
    assert (
        np.abs(head - one.picture[:, : seam // 2]).mean()
        < np.abs(head - other.picture[:, : seam // 2]).mean()
    )
    assert splice(one, photographed("苏B22222", "yellow")) is None, "another colour"
    assert splice(one, LabelledCrop("x", one.picture[:, :90], "苏B22222", held_out=False)) is None


def test_another_province_is_painted_over_a_photographed_one_and_nothing_else_changes() -> None:
    crop = photographed("沪A12345")
    changed = other_province(np.random.default_rng(1), crop, "粤")
    assert changed.text == "粤A12345"
    edge = round(crop.picture.shape[1] * 0.16)
    assert (changed.picture[:, edge:] == crop.picture[:, edge:]).all()
    assert np.abs(changed.picture[:, :edge].astype(int) - crop.picture[:, :edge]).mean() > 5


def test_a_plate_that_does_not_fill_its_picture_keeps_its_province() -> None:
    crop = photographed("沪A12345")
    smaller = np.full_like(crop.picture, 60)
    smaller[5:-5, 14:-14] = cv2.resize(crop.picture, (108, 26))
    loose = LabelledCrop("loose", smaller, crop.text, held_out=False)
    assert other_province(np.random.default_rng(1), loose, "粤") is loose


def test_a_photograph_from_afar_keeps_its_corners_on_the_plate() -> None:
    picture = np.zeros((400, 600, 3), np.uint8)
    corners = np.array([(200, 150), (420, 160), (420, 230), (200, 220)], np.float64)
    cv2.fillPoly(picture, [corners.astype(np.int32)], (255, 255, 255))
    for seed in range(8):
        small, moved = from_afar(np.random.default_rng(seed), picture, corners)
        middle = moved.mean(axis=0).astype(int)
        assert small[middle[1], middle[0]].min() > 200
        tall = np.linalg.norm(moved[3] - moved[0])
        assert 14 < tall < 71
        outside = (moved[0] - (0, 0.2 * tall)).astype(int)
        assert small[outside[1], outside[0]].max() < 60


def test_light_varies_but_a_bright_plate_is_not_washed_out() -> None:
    bright = np.full((48, 144, 3), 180, np.uint8)
    bright[10:38:3] = 120
    for seed in range(40):
        assert relit(np.random.default_rng(seed), bright).std() > 4


def test_shaken_corners_are_wrong_by_about_what_was_asked() -> None:
    corners = np.array([(0, 0), (300, 0), (300, 100), (0, 100)], np.float64)
    rng = np.random.default_rng(2)
    errors = [np.abs(shaken(rng, corners, 0.1, boxes=0) - corners).mean() / 100 for _ in range(200)]
    assert 0.05 < float(np.mean(errors)) < 0.25
    assert np.allclose(shaken(rng, corners, 0.0, boxes=0), corners)


class Oracle:
    """Reads whatever it is told it will be shown."""

    def __init__(self, answers: list[str]) -> None:
        self._answers = answers

    def read_crop(self, crop: BgrImage) -> Lattice:
        assert crop.ndim == 3
        return lattice_from_text(self._answers.pop(0))


def test_the_drawn_exam_shows_legal_plates_and_counts_what_was_read() -> None:
    rng, chance = np.random.default_rng(5), random.Random(5)
    texts = [exam.draw_one(rng, chance, exam.USUAL, None).text for _ in range(6)]
    assert all(decode(lattice_from_text(text)).text for text in texts if parse_plate(text))
    shown = [*texts[:3], "", "", ""]
    assert exam.score(Oracle(shown), exam.USUAL, 6, seed=5).exact == pytest.approx(0.5)
    with pytest.raises(TypeError, match="crops"):
        exam.score(object(), exam.USUAL, 1, seed=5)
    assert [len(sweep.points) == len(sweep.ticks) for sweep in exam.sweeps()] == [True] * 3


def test_a_plate_is_legible_when_every_character_stands_out_whoever_reads() -> None:
    clear = exam.Hardship(height_px=(48, 48), angle_deg=10, blur=0, wear=0, jitter=0.02)
    rng, chance = np.random.default_rng(3), random.Random(3)
    plates = [exam.draw_one(rng, chance, clear, PlateKind.BLUE) for _ in range(12)]
    assert np.median([plate.legibility for plate in plates]) > 0.85
    layout = look_of(PlateKind.BLUE).layout
    flat = draw_plate("粤B12345", PlateKind.BLUE)
    ink = np.asarray(flat[..., 2] > 128, np.float32)
    assert exam.legibility_of(flat, ink, layout) > 0.95
    hidden = flat.copy()
    hidden[:, 380:] = 200  # the last character only
    assert exam.legibility_of(hidden, ink, layout) < 0.3
    soft = np.asarray(cv2.GaussianBlur(flat, (0, 0), 12), np.uint8)
    assert exam.legibility_of(soft, ink, layout) < exam.LEGIBLE < exam.legibility_of(flat, ink, layout)
    grey = np.full_like(flat, 255)
    assert exam.legibility_of(grey, ink, layout) == pytest.approx(0, abs=1e-6)


MANIFEST = """[model.plate_reader]
file = "plate_reader.onnx"
bytes = 12
sha256 = "{sum}"
licence = "Apache-2.0"
source = "trained here"
input = "crops"
made = "two hours"
metrics = {{ "held-out" = 99.5 }}
"""


def test_model_cards_come_from_the_manifest_and_the_evaluations(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text(MANIFEST.format(sum="0" * 64), "utf-8")
    summary = {
        "reader": "own", "plates": 150, "exact": 0.99, "exact_without_province": 1.0,
        "wanted": {"exact": None},
        "located_at_iou_50": 0.98, "false_plates": 1, "ms_per_picture": {"median": 1.4, "p95": 2.0},
    }  # fmt: skip
    figures, curves = tmp_path / "f.json", tmp_path / "c.json"
    figures.write_text(json.dumps({"readers": [summary]}), "utf-8")
    blue = {"exact": 0.96, "legible_exact": 1.0, "legible": 0.97}
    told = {"plates_per_point": 100, "kinds_at_24_px_and_more": {"own": {"blue": blue}}}
    curves.write_text(json.dumps(told), "utf-8")
    card = write_cards(tmp_path, {"crops": figures}, curves, ["Taken on a quiet machine."]).read_text("utf-8")
    assert "## Plate reader" in card
    assert "Plate detector" not in card, "only what the manifest names"
    assert "| exact | 99.0 % |" in card
    assert "| blue | 97.0 % | 100.0 % | 96.0 % |" in card
    assert "held-out 99.5" in card
    assert "quiet machine" in card
    figures.write_text("[]", "utf-8")
    with pytest.raises(ModelMismatch, match="crops"):
        write_cards(tmp_path, {"crops": figures}, None)
    with pytest.raises(ModelNotFound, match=r"gone\.json"):
        write_cards(tmp_path, {"crops": tmp_path / "gone.json"}, None)


def test_a_turned_scene_keeps_its_corners_on_the_plate() -> None:
    corners = np.array([(130.0, 110), (190, 110), (190, 130), (130, 130)])
    picture = np.zeros((256, 320, 3), np.uint8)
    picture[110:130, 130:190] = 255
    rng, rolls_deg = np.random.default_rng(5), []
    for _ in range(200):
        scene = turned(rng, Scene(picture, (PlacedPlate(corners, 1),)))
        (plate,) = scene.plates
        inside = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillConvexPoly(inside, np.round((plate.corners - 0.5) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        assert np.abs(inside.astype(int) - scene.picture[..., 0]).mean() < 0.5
        along = plate.corners[1] - plate.corners[0]
        rolls_deg.append(abs(float(np.degrees(np.arctan2(along[1], along[0])))))
    assert 15 < sum(roll > 15 for roll in rolls_deg) < 45
    assert max(rolls_deg) <= 55


def test_a_scene_is_not_turned_when_that_would_cut_a_plate() -> None:
    corners = np.array([(-5.0, 110), (60, 110), (60, 130), (-5, 130)])
    scene = Scene(np.zeros((256, 320, 3), np.uint8), (PlacedPlate(corners, 1),))
    assert turned(np.random.default_rng(5), scene) is scene


def test_plates_to_judge_by_have_offices_that_their_provinces_issue() -> None:
    rng, chance = np.random.default_rng(4), random.Random(4)
    usual = dataclasses.replace(exam.USUAL, height_px=(24, 24))
    texts = [exam.draw_one(rng, chance, usual, PlateKind.BLUE).text for _ in range(120)]
    listed = sum(is_issued(text[0], text[1]) for text in texts)
    assert listed >= 114
    assert len({text[0] for text in texts}) > 20
