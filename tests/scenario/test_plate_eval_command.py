"""``gatehouse eval plates`` as people meet it, with RapidOCR on drawn pictures in every label format."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.errors import Exit
from models.training.plates import draw_plate

PLATES = ("粤B12345", "京N84E28", "苏A5Z95K")
# plate 皖AY339S in CCPD's tables, at 180, 150 to 400, 230
CCPD = "01-0_1-180&150_400&230-400&230_180&230_180&150_400&150-0_0_22_27_27_33_16-37-15.jpg"


def scene(text: str, left: int = 180, top: int = 150) -> np.ndarray:
    picture = np.full((384, 640, 3), 90, np.uint8)
    cv2.rectangle(picture, (60, 40), (580, 330), (60, 60, 70), -1)
    plate = cv2.resize(draw_plate(text, "blue"), (220, 80), interpolation=cv2.INTER_AREA)
    picture[top : top + 80, left : left + 220] = plate
    return cv2.GaussianBlur(picture, (0, 0), 0.8)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number, text in enumerate(PLATES):
        plate = cv2.resize(draw_plate(text, "blue"), (188, 60), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(tmp_path / f"crop_{number}.png"), plate)
        cv2.imwrite(str(tmp_path / f"scene_{number}.png"), scene(text))
    return tmp_path


def run(folder: Path, *words: object) -> tuple[int, dict[str, object]]:
    target = folder / "figures.json"
    target.unlink(missing_ok=True)
    code = main(
        ["eval", "plates", "--images", str(folder), "--reader", "rapidocr", "--json", str(target),
         *map(str, words)]
    )  # fmt: skip
    return code, json.loads(target.read_text("utf-8"))["readers"][0] if target.is_file() else {}


def test_crops_are_counted_and_the_worst_are_drawn(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = pictures / "labels.csv"
    rows = [f"crop_{number}.png,{text}" for number, text in enumerate(PLATES)]
    rows[2] = "crop_2.png,川Q00000"  # a wrong label: a case for the sheet
    labels.write_text("file,plate\n" + "\n".join(rows), "utf-8")
    sheet = pictures / "sheet.png"
    code, figures = run(pictures, "--labels", labels, "--sheet", sheet)
    assert code == Exit.OK
    assert figures["plates"] == 3
    assert figures["exact"] == pytest.approx(2 / 3, abs=0.01)
    said = capsys.readouterr().out
    assert "66.7%" in said
    assert "完全正确" in said
    drawn = cv2.imread(str(sheet))
    assert drawn is not None
    assert drawn.shape[0] > 100


def test_scenes_as_json_text_lines_and_ccpd_names_give_the_same_figures(pictures: Path) -> None:
    as_json = pictures / "labels.json"
    as_json.write_text(
        json.dumps(
            [
                {
                    "file": f"scene_{number}.png",
                    "plate": text,
                    "rectangles": [
                        {"x": 290, "y": 190, "width": 220, "height": 80, "rotation": 0, "plate": text}
                    ],
                }
                for number, text in enumerate(PLATES)
            ]
        ),
        "utf-8",
    )
    as_text = pictures / "labels.txt"
    as_text.write_text(
        "\n".join(f"scene_{number}.png 180 150 220 80 {text}" for number, text in enumerate(PLATES)), "utf-8"
    )
    code, figures = run(pictures, "--labels", as_json)
    assert code == Exit.OK
    assert figures["located_at_iou_50"] == 1.0
    assert figures["exact"] == 1.0
    assert figures["wanted"] == {"plates": 3, "exact": 1.0}
    assert figures["false_plates"] == 0
    code, again = run(pictures, "--labels", as_text)
    assert {key: again[key] for key in ("exact", "located_at_iou_50")} == {
        "exact": 1.0,
        "located_at_iou_50": 1.0,
    }

    named = pictures / "ccpd"
    named.mkdir()
    cv2.imwrite(str(named / CCPD), scene("皖AY339S"))
    code, figures = run(named)
    assert code == Exit.OK
    assert (figures["plates"], figures["exact"]) == (1, 1.0)


def test_every_plate_is_false_where_there_is_none(pictures: Path) -> None:
    folder = pictures / "empty"
    folder.mkdir()
    cv2.imwrite(str(folder / "grey.png"), np.full((240, 320, 3), 120, np.uint8))
    cv2.imwrite(str(folder / "plate.png"), scene("粤B12345"))
    code, figures = run(folder, "--empty")
    assert code == Exit.OK
    assert (figures["pictures"], figures["plates"], figures["false_plates"]) == (2, 0, 1)
    assert figures["exact"] is None


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--images", "nowhere"], "no such folder", Exit.UNAVAILABLE),
        (["--images", "{here}", "--labels", "nothing.csv"], "no such file", Exit.UNAVAILABLE),
        (["--images", "{here}"], "no labelled pictures", Exit.DATA),
        (["--images", "{here}", "--labels", "{here}/crop_0.png", "--empty"], "exclude", Exit.USAGE),
        (["--images", "{here}", "--empty", "--reader", "rapidocr", "--weights", "{here}"], "own nets", 64),
    ],
)
def test_wrong_use_is_one_line(
    pictures: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str, code: int
) -> None:
    found = main(["eval", "plates", *(word.replace("{here}", str(pictures)) for word in words)])
    line = capsys.readouterr().err.strip()
    assert found == code
    assert len(line.splitlines()) == 1
    assert said in line


def test_curves_are_drawn_and_every_kind_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.training import exam

    short = [dataclasses.replace(s, ticks=s.ticks[-2:], points=s.points[-2:]) for s in exam.sweeps()]
    monkeypatch.setattr(exam, "sweeps", lambda: short)
    monkeypatch.setattr(exam, "KINDS", exam.KINDS[:2])
    png, figures = tmp_path / "curves.png", tmp_path / "curves.json"
    code = main(
        [
            "eval",
            "plate-curves",
            "--png",
            str(png),
            "--json",
            str(figures),
            "--reader",
            "rapidocr",
            "--count",
            "10",
        ]
    )
    assert code == Exit.OK
    drawn = cv2.imread(str(png))
    assert drawn is not None
    assert drawn.shape == (380, 3 * 430, 3)
    told = json.loads(figures.read_text("utf-8"))
    assert set(told["curves"]) == {"height_px", "blur", "angle_deg"}
    blue = told["kinds_at_24_px_and_more"]["rapidocr"]["blue"]
    assert blue["legible_exact"] >= 0.5
    assert 0 < blue["legible"] <= 1
    assert "yellow" in capsys.readouterr().out


def test_one_kind_can_be_judged_alone_and_one_that_is_never_drawn_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.training import exam

    monkeypatch.setattr(exam, "sweeps", lambda: ())
    png, figures = tmp_path / "curves.png", tmp_path / "curves.json"
    words = ["eval", "plate-curves", "--png", str(png), "--json", str(figures), "--count", "10", "--kind"]
    assert main([*words, "embassy_legacy"]) == Exit.USAGE
    assert "embassy_legacy" in capsys.readouterr().err
    assert not png.exists()
    monkeypatch.setattr(exam, "sweeps", lambda: (exam.Sweep("a", "A", "b", ["1"], [exam.USUAL]),))
    assert main([*words, "trailer"]) == Exit.OK
    told = json.loads(figures.read_text("utf-8"))
    assert list(told["kinds_at_24_px_and_more"]["own"]) == ["trailer"]
