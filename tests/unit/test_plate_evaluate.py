"""The evaluation core: label formats, counting, and what is never NaN."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import ModelMismatch, PictureUnusable
from models.plate.evaluate import (
    LabelledPicture,
    Report,
    Truth,
    evaluate,
    load_labels,
    load_picture,
    parse_ccpd_name,
)
from models.plate.lattice import Lattice, lattice_from_text
from models.results import BgrImage, PlateReading


class ScriptedReader:
    """Gives fixed answers by the blue value of the picture's first pixel."""

    name = "scripted"

    def __init__(self, answers: dict[int, list[tuple[str, tuple[int, int, int, int]]]]) -> None:
        self._answers = answers

    def read(self, image: BgrImage) -> list[PlateReading]:
        readings = []
        for text, (left, top, right, bottom) in self._answers[int(image[0, 0, 0])]:
            corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
            readings.append(PlateReading(corners, lattice_from_text(text), 0.9))
        return readings

    def read_crop(self, crop: BgrImage) -> Lattice:
        return lattice_from_text(self._answers[int(crop[0, 0, 0])][0][0])


def picture(folder: Path, name: str, mark: int) -> Path:
    path = folder / name
    cv2.imwrite(str(path), np.full((100, 200, 3), mark, np.uint8))
    return path


def test_scenes_are_counted_by_place_and_text(tmp_path: Path) -> None:
    box = (20, 20, 120, 50)
    pictures = [
        LabelledPicture(picture(tmp_path, "a.png", 1), (Truth("粤B12345", box),)),
        LabelledPicture(picture(tmp_path, "b.png", 2), (Truth("粤B12345", box),)),
        LabelledPicture(picture(tmp_path, "c.png", 3), (Truth("粤B12345", box),)),
        LabelledPicture(picture(tmp_path, "d.png", 4), ()),
    ]
    reader = ScriptedReader(
        {
            1: [("粤B12345", (22, 21, 122, 50)), ("停车场", (150, 0, 190, 20))],
            2: [("京B12845", box)],
            3: [("粤B12345", (120, 60, 199, 99))],
            4: [("粤B99999", box)],
        }
    )
    done: list[int] = []
    report = evaluate(reader, pictures, progress=done.append)
    summary = report.summary()
    assert summary["plates"] == 3
    assert summary["exact"] == pytest.approx(1 / 3, abs=1e-4)
    assert summary["found_at_iou_50"] == pytest.approx(2 / 3, abs=1e-4)
    assert summary["false_plates"] == 2  # one at the wrong place, one where there is none
    assert summary["precision"] == 0.5
    assert summary["lines_that_are_no_plate"] == 1
    assert {(c["true"], c["read"]) for c in summary["confusions"]} == {("粤", "京"), ("3", "8")}
    assert summary["per_kind"] == {"blue": {"plates": 3, "exact": 0.3333}}
    assert {"b.png", "c.png"} == {w["file"] for w in summary["worst"]}
    assert done == [1, 2, 3, 4]
    json.dumps(summary, allow_nan=False)


def test_crops_are_counted_with_and_without_the_province(tmp_path: Path) -> None:
    for name, mark in (("a.png", 1), ("b.png", 2)):
        picture(tmp_path, name, mark)
    (tmp_path / "labels.csv").write_text("file,plate\na.png,粤B12345\nb.png,粤B·12345\n", "utf-8")
    box = (0, 0, 1, 1)
    reader = ScriptedReader({1: [("粤B12345", box)], 2: [("京B12345", box)]})
    summary = evaluate(reader, load_labels(tmp_path, tmp_path / "labels.csv")).summary()
    assert (summary["exact"], summary["exact_without_province"]) == (0.5, 1.0)
    assert {"read", "decode"} == set(summary["ms_per_stage"])


def test_a_run_over_nothing_has_no_shares_and_no_nan() -> None:
    summary = Report("nobody").summary()
    assert summary["exact"] is None
    assert summary["ms_per_picture"] is None
    json.dumps(summary, allow_nan=False)


def test_scene_labels_give_the_centre_of_the_rectangle(tmp_path: Path) -> None:
    entry = {
        "file": "a.jpg",
        "rectangles": [
            {
                "x": 100,
                "y": 50,
                "width": 80,
                "height": 20,
                "rotation": 0.0,
                "plate": "粤B12345",
                "colour": "蓝牌",
            }
        ],
    }
    (tmp_path / "labels.json").write_text(json.dumps([entry, {"file": "b.jpg"}]), "utf-8")
    first, second = load_labels(tmp_path, tmp_path / "labels.json")
    assert first.plates == (Truth("粤B12345", (60.0, 40.0, 140.0, 60.0), "蓝牌"),)
    assert second.plates == ()


def test_corner_labels_give_the_box_around_them(tmp_path: Path) -> None:
    entry = {
        "file": "a.jpg",
        "plate": "皖A13H25",
        "corners_px": [[250, 530], [393, 528], [392, 584], [249, 586]],
    }
    (tmp_path / "labels.json").write_text(json.dumps([entry]), "utf-8")
    (only,) = load_labels(tmp_path, tmp_path / "labels.json")
    assert only.plates == (Truth("皖A13H25", (249.0, 528.0, 393.0, 586.0)),)


def test_ccpd_names_carry_plate_and_box() -> None:
    name = "01-0_1-249&528_393&586-392&584_249&586_250&530_393&528-0_0_25_27_7_26_29-131-21.jpg"
    assert parse_ccpd_name(name) == Truth("皖A13H25", (249, 528, 393, 586))
    with pytest.raises(ModelMismatch, match="not a CCPD file name"):
        parse_ccpd_name("holiday.jpg")


def test_text_labels_take_several_plates_a_picture_and_names_with_spaces(tmp_path: Path) -> None:
    lines = "lane 1.jpg 10 20 100 30 粤B12345\nlane 1.jpg 200 20 100 30 京A00001\n\n"
    (tmp_path / "labels.txt").write_text(lines, "utf-8")
    (only,) = load_labels(tmp_path, tmp_path / "labels.txt")
    assert only.file.name == "lane 1.jpg"
    assert [t.box for t in only.plates] == [(10, 20, 110, 50), (200, 20, 300, 50)]


def test_labels_that_are_none_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "labels.txt"
    bad.write_text("a.jpg 1 2 3\n", "utf-8")
    with pytest.raises(ModelMismatch, match="line 1"):
        load_labels(tmp_path, bad)
    with pytest.raises(ModelMismatch, match="no labelled pictures"):
        load_labels(tmp_path)
    columns = tmp_path / "labels.csv"
    columns.write_text("name,text\na,b\n", "utf-8")
    with pytest.raises(ModelMismatch, match="file,plate"):
        load_labels(tmp_path, columns)


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    for file in (tmp_path / "a.jpg", tmp_path / "missing.jpg"):
        with pytest.raises(PictureUnusable, match=file.name):
            load_picture(file)


@pytest.mark.shared_data
def test_the_shared_ccpd_labels_agree_with_their_names(shared_data: Path) -> None:
    folder = shared_data / "plates" / "ccpd"
    entries = json.loads((folder / "labels.json").read_text("utf-8"))
    assert entries
    for entry in entries:
        assert parse_ccpd_name(entry["original_name"]).text == entry["plate"]
