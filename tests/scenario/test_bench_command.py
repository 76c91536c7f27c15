"""``gatehouse bench`` as an installer runs it, in its short form."""

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.errors import Exit


def test_a_quick_bench_measures_a_door_in_real_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skimage", reason="portraits come with the demo extra")
    config, figures = tmp_path / "gatehouse.toml", tmp_path / "bench.json"
    config.write_text(f'device = {{ id = "gate-7", state_dir = "{tmp_path}" }}\n')
    asked = ["bench", "--quick", "--looks-for", "face", "--json", str(figures), "--config", str(config)]
    assert main(asked) == Exit.OK
    said = capsys.readouterr().out
    assert "人脸特征" in said
    assert "一" in said or "毫秒" in said
    face = json.loads(figures.read_text("utf-8"))["films"]["face"]
    for stage in ("decode", "motion", "detect", "embed", "frame", "pipe", "decide"):
        times = face["stages_ms"][stage]
        assert 0 < times["p50"] <= times["p95"] <= times["p99"] <= times["worst"], stage
    assert ["grant", "permit"] in face["decisions"], "the enrolled portrait is let in"
    assert face["paces_ms"]["idle"]["p50"] < face["paces_ms"]["deciding"]["p50"]
    assert face["visits_per_minute"] > 0
    played = face["real_time"]
    assert played["frames"] > 0
    assert 0 < played["memory_mb"]["rss"] < 1000
    assert sum(share["seconds"] for share in played["core_share"].values()) > 1


def test_a_quick_bench_compares_a_lane_with_another_reader_and_names_who_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    figures = tmp_path / "bench.json"
    asked = ["bench", "--quick", "--looks-for", "plate", "--no-real-time", "--json", str(figures)]
    assert main([*asked, "--against", "rapidocr"]) == Exit.OK
    plate = json.loads(figures.read_text("utf-8"))["films"]["plate"]
    assert ["grant", "permit"] in plate["decisions"], "the known car is let in"
    assert plate["against"]["peer"] == "rapidocr"
    assert plate["against"]["ours_found"] > 0
    assert "real_time" not in plate
    assert "times as fast as rapidocr" in capsys.readouterr().out


def test_what_cannot_be_measured_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_film = tmp_path / "note.txt"
    no_film.write_text("this is no film")
    assert main(["bench", "--film", str(no_film)]) == Exit.UNAVAILABLE
    assert "no film that can be read" in capsys.readouterr().err
    assert main(["bench", "--film", str(tmp_path / "none.mp4")]) == Exit.UNAVAILABLE
    assert "no such film" in capsys.readouterr().err
    assert main(["bench", "--looks-for", "qr"]) == Exit.USAGE
    assert "'qr' is not one of" in capsys.readouterr().err
