"""What a measurement says: tables, figures for JSON, and sentences in English and Chinese. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table

from edge.bench import BenchFilm, Pace, Played, Spread, Staged, visits_per_minute
from edge.cli.bench_peers import Compared
from edge.records import Kind

CAMERA_FPS = 15.0
"""A usual camera's; shares that follow from milliseconds are for this rate."""
BARRIER_PER_MINUTE, DOOR_PER_MINUTE = 8, 20
"""What the concrete lets through: a boom that goes up and down for each car; a door that is held open."""
_CROWDED_LOAD = 0.5
_MANY_DROPPED = 0.05

_STAGES = {
    "decode": "decode 解码",
    "motion": "motion gate 运动检测",
    "detect": "find 检测",
    "embed": "describe a face 人脸特征",
    "read": "read a plate 车牌识读",
    "frame": "whole frame 整帧",
    "pipe": "between the processes 进程间",
    "decide": "weigh and decide 决策",
}
_PACES = {
    Pace.IDLE: "idle 空闲",
    Pace.WATCHING: "watching 观察",
    Pace.DECIDING: "deciding 识别",
}


def tables(film: BenchFilm, staged: Staged, played: Played | None, compared: Compared | None) -> list[Table]:
    """The tables of one film."""
    source = "drawn film 绘制录像" if film.is_drawn else str(film.path)
    stages = Table(title=f"{film.kind}: {source}", title_justify="left")
    stages.add_column("ms", no_wrap=True)
    for heading in ("p50", "p95", "p99", "max", "n"):
        stages.add_column(heading, justify="right", no_wrap=True)
    for name, spread in staged.stages.items():
        stages.add_row(_STAGES.get(name, name), *_cells(spread))
    stages.add_section()
    for pace, spread in staged.paces.items():
        stages.add_row(_PACES[pace], *_cells(spread))
    if compared is not None:
        stages.add_section()
        stages.add_row("all of a frame, ours 本机", *_cells(compared.ours_ms))
        stages.add_row(f"the same, {compared.peer}", *_cells(compared.theirs_ms))
    made = [stages]
    if played is not None:
        made.append(_pace_table(film, played))
    return made


def _pace_table(film: BenchFilm, played: Played) -> Table:
    table = Table(title=f"{film.kind}: real time 实时, % of one core 单核占用", title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("looking 识别", "budget 预算", "decoding 解码", "seconds 秒"):
        table.add_column(heading, justify="right")
    for pace, share in played.paces.items():
        style = "green" if share.looking <= pace.budget else "bold red"
        cells = (f"[{style}]{share.looking:.1%}[/]", f"<= {pace.budget:.0%}")
        table.add_row(_PACES[pace], *cells, f"{share.decoding:.1%}", f"{share.seconds:.0f}")
    return table


def _cells(spread: Spread) -> list[str]:
    times = (spread.p50, spread.p95, spread.p99, spread.worst)
    return [*(f"{value:.2f}" if value < 100 else f"{value:.0f}" for value in times), str(spread.count)]


def figures_of(staged: Staged, played: Played | None) -> dict[str, Any]:
    """The figures of one film, for JSON."""
    idle_ms = staged.paces[Pace.IDLE].p50 if Pace.IDLE in staged.paces else 0.0
    busy_s = staged.busy_s_per_visit
    figures: dict[str, Any] = {
        "frames": staged.frames,
        "frames_per_s": round(staged.frames_per_s, 1),
        "searched": staged.searched,
        "reads": staged.reads,
        "stages_ms": {name: _rounded(spread) for name, spread in staged.stages.items()},
        "paces_ms": {pace.value: _rounded(spread) for pace, spread in staged.paces.items()},
        "busy_s_per_visit": round(busy_s, 4),
        "visits_per_minute": round(visits_per_minute(busy_s, idle_ms * CAMERA_FPS / 1000), 1),
        "decisions": [(decision.verdict.value, decision.reason.value) for decision in staged.decisions],
    }
    if played is not None:
        figures["real_time"] = {
            "loading_s": played.loading_s,
            "core_share": {
                pace.value: {**asdict(share), "budget": pace.budget} for pace, share in played.paces.items()
            },
            "memory_mb": played.memory,
            "frames": played.frames,
            "dropped": played.dropped,
            "sighting_age_ms": _rounded(played.age_ms),
            "waited_ms": None if played.waited_ms is None else round(played.waited_ms, 1),
        }
    return figures


def _rounded(spread: Spread) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(spread).items()}


def sentences(document: Mapping[str, Any]) -> list[str]:
    """What the figures mean to whoever has to choose a board."""
    lines = []
    for kind, figures in document["films"].items():
        lines += _about(kind, figures)
    machine, before = document["machine"]["after"], document["machine"]["before"]
    for part, said in machine.items():
        if part.startswith(("temperature", "throttling")):
            lines.append(f"{part}: {before.get(part, said)['words']} before 前, {said['words']} after 后")
    if not any(part.startswith("temperature") for part in machine):
        lines.append("temperature and throttling cannot be read here 无法读取温度与降频状态")
    cores = machine["processor"]["cores"]
    if before["load"] > _CROWDED_LOAD * cores:
        lines.append(
            f"! other programs kept {before['load']:.1f} of {cores} cores busy before this began: alone it is"
            " faster 其他程序正占用处理器,实际更快"
        )
    return lines


def _about(kind: str, figures: Mapping[str, Any]) -> list[str]:
    lines = []
    idle = figures["paces_ms"].get(Pace.IDLE.value)
    if idle is not None:
        share = idle["p50"] * CAMERA_FPS / 1000
        lines.append(
            f"{kind}: a frame in which nothing moves costs {idle['p50']:.2f} ms, {share:.1%} of one core at"
            f" {CAMERA_FPS:g} frames/s 无人时每帧 {idle['p50']:.2f} 毫秒"
        )
    most = figures["visits_per_minute"]
    if most:
        is_car = kind == Kind.PLATE.value
        who, who_zh = ("cars", "辆车") if is_car else ("persons", "人")
        limit = BARRIER_PER_MINUTE if is_car else DOOR_PER_MINUTE
        what, what_zh = ("a barrier", "道闸") if is_car else ("a door", "门")
        lines.append(
            f"{kind}: one core has time for {most:.0f} {who} a minute; {what} lets about {limit} through"
            f" 单核每分钟可识别 {most:.0f} {who_zh},{what_zh}约通过 {limit} {who_zh}"
        )
    if played := figures.get("real_time"):
        lines += _about_real_time(kind, played)
    if against := figures.get("against"):
        times = against["times_as_fast"]
        lines.append(
            f"{kind}: {times:.1f} times as fast as {against['peer']} on the same {against['frames']} frames;"
            f" found in {against['ours_found']} of them by us, in {against['theirs_found']} by it"
            f" 相同画面速度是 {against['peer']} 的 {times:.1f} 倍"
        )
    return lines


def _about_real_time(kind: str, played: Mapping[str, Any]) -> list[str]:
    memory = ", ".join(f"{name.upper()} {value:.0f} MB" for name, value in played["memory_mb"].items())
    age = played["sighting_age_ms"]
    lines = [f"{kind}: memory of its process 进程内存: {memory}"]
    if played["dropped"] > _MANY_DROPPED * played["frames"]:
        lines.append(
            f"! {kind}: {played['dropped']} of {played['frames']} frames were overtaken by newer ones: this"
            " machine is too slow for the film, or too much else runs 部分帧来不及处理"
        )
    if age["count"]:
        lines.append(
            f"{kind}: a frame is {age['p50']:.0f} ms old when what was read in it leaves, {age['p99']:.0f} at"
            f" p99 从采集到识别结果 {age['p50']:.0f} 毫秒"
        )
    if (waited := played["waited_ms"]) is not None:
        is_car = kind == Kind.PLATE.value
        since, since_zh = (
            ("the plate is 24 pixels high", "车牌高 24 像素") if is_car else ("the first read", "首次识读")
        )
        when, when_zh = ("before", "前") if waited < 0 else ("after", "后")
        lines.append(
            f"{kind}: a known visitor is decided about {abs(waited):.0f} ms {when} {since}"
            f" {since_zh}{when_zh} {abs(waited):.0f} 毫秒放行"
        )
    return lines
