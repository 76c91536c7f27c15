"""``bench``: how fast this very machine is, and what that means at a gate."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import Unavailable
from edge.records import Kind


class LooksFor(StrEnum):
    """What can be measured."""

    FACE = "face"
    PLATE = "plate"


class Against(StrEnum):
    """What may be measured beside this box's own."""

    FACE_RECOGNITION = "face_recognition"
    RAPIDOCR = "rapidocr"

    @property
    def kind(self) -> Kind:
        """What it looks for."""
        return Kind.FACE if self is Against.FACE_RECOGNITION else Kind.PLATE


def register(application: typer.Typer) -> None:
    """Add this command to the application."""
    application.command("bench")(bench)


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute, rougher. 快速")] = False,
    looks_for: Annotated[
        LooksFor | None, typer.Option("--looks-for", help="Only this. 只测人脸或车牌")
    ] = None,
    film: Annotated[
        Path | None, typer.Option("--film", help="Your own film instead of drawn ones. 使用自己的录像")
    ] = None,
    against: Annotated[
        list[Against] | None, typer.Option("--against", help="Measure this too; may be repeated. 对比")
    ] = None,
    real_time: Annotated[
        bool, typer.Option("--real-time/--no-real-time", help="Also play the films in real time. 实时播放")
    ] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures here. 写入 JSON 文件")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Measure this box's networks. 配置文件")
    ] = None,
) -> int:
    """Measure this very machine with the product's own loop. 性能测试

    First, frame by frame: milliseconds of every stage. p50, p95, p99: so many of 100 take at most that.
    先逐帧测量各阶段耗时。

    Then in real time before a real vision process: part of one core while nothing moves (idle), while
    something moves (watching), while somebody is read (deciding); decoding apart; memory; delays.
    再实时播放,测量空闲、观察、识别三种状态的处理器占用、内存与延迟。

    Films are drawn unless you give one (faces: with the demo extra). Nothing is opened, sent or enrolled.
    Stop the daemon and other programs first: what else runs is measured too. 请先停止其他程序。

    Example 示例: gatehouse bench --quick --against rapidocr --json bench.json
    """
    if film is not None and not film.exists():
        raise Unavailable(f"{film}: no such film")
    kinds = (Kind.PLATE, Kind.FACE) if looks_for is None else (Kind(looks_for.value),)
    from edge.cli.bench_run import run_bench  # it draws, and the daemon must not carry that around

    return run_bench(
        kinds,
        film,
        tuple(against or ()),
        quick=quick,
        real_time=real_time,
        json_file=json_file,
        config=config,
    )
