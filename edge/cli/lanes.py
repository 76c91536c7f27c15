"""``gatehouse lane``: look at lanes and boards, try every wire, draw the wiring."""

import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import cv2
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from drivers.relay.capability_table import CHINESE, ENGLISH, markdown, rows
from edge.cli.lane_direct import DirectLook
from edge.cli.lane_trial import Step, Trial, Verdict, trial_of
from edge.cli.lane_views import view
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.cli.wiring_layout import lay_out
from edge.cli.wiring_pages import write_pages
from edge.cli.wiring_picture import to_picture, to_svg
from edge.cli.wiring_plan import plan_of
from edge.cli.wiring_text import draw
from edge.errors import Exit, Unavailable, UsageError
from edge.hatch import request
from edge.lanes import Ask
from edge.lanes.orders import Outcome
from edge.settings import Settings
from edge.settings_file import load_settings
from edge.simulation import with_simulated_boards, without_simulated_boards

lanes = typer.Typer(help="Lanes and boards: state, test, wiring. 通道与板卡:状态、测试、接线")
LaneArgument = Annotated[str, typer.Argument(help="Name of the lane. 通道名称")]

_out = Console(highlight=False, soft_wrap=True)
_STYLES = {Verdict.GOOD: "green", Verdict.BAD: "bold red", Verdict.REFUSED: "bold yellow"}
_MARKS = {True: "active 动作", False: "clear 未动作", None: "not known 未知"}


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(lanes, name="lane")


@lanes.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show how every lane and board does now. 查看通道与板卡状态

    Asks the running daemon; without one the boards are opened and read, and nothing is switched.
    """
    settings = load_settings(config)
    with _looking_at(settings) as look:
        state = look()
    if as_json:
        typer.echo(json.dumps(state, indent=2, ensure_ascii=False))
    else:
        _out.print(view(state))
    return Exit.OK if all(board["is_up"] for board in state["boards"]) else Exit.UNAVAILABLE


@lanes.command("watch")
def watch(
    lane: Annotated[str, typer.Argument(help="Only this lane. 只看该通道")] = "",
    seconds: Annotated[float, typer.Option(min=0, help="End by itself; 0: with Ctrl-C. 持续秒数")] = 0.0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show lanes and boards as they change, until Ctrl-C. 实时显示"""
    settings = load_settings(config)
    if lane:
        _known(lane, settings)
    with _looking_at(settings) as look, Live(view(look(), lane), console=_out, auto_refresh=False) as live:
        until_s = time.monotonic() + seconds if seconds else float("inf")
        while time.monotonic() < until_s:
            live.update(view(look(), lane), refresh=True)
            time.sleep(0.2)
    return Exit.OK


@lanes.command("ask")
def ask(
    lane: LaneArgument,
    what: Annotated[Ask, typer.Argument(help="What the lane shall do. 操作")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Ask a lane of the running daemon for something by hand; it is journaled with your name. 本机人工操作"""
    settings = load_settings(config)
    _known(lane, settings)
    answer = _ask(settings, lane, what)
    is_done = answer["result"] == Outcome.DONE
    _out.print(f"{lane}: {what}: {answer['result']} {answer['why']}", style="green" if is_done else "red")
    return Exit.OK if is_done else Exit.REFUSED


@lanes.command("boards")
def boards(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As the README has it.")] = False,
    chinese: Annotated[bool, typer.Option("--zh", help="In Chinese. 中文表格")] = False,
) -> int:
    """Show which relay boards are known and what each can do. 支持的板卡与能力"""
    language = CHINESE if chinese else ENGLISH
    if as_markdown:
        typer.echo(markdown(language))
        return Exit.OK
    headings, *body = rows(language)
    table = Table(*headings)
    for row in body:
        table.add_row(*(cell.strip("`") for cell in row))
    Console(highlight=False).print(table)
    return Exit.OK


@lanes.command("wiring")
def wiring(
    lane: LaneArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a picture: FILE.svg or FILE.png. 输出图片")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Draw which terminal of which board goes to which terminal of the barrier or door. 接线图"""
    settings = load_settings(config)
    _known(lane, settings)
    plan = plan_of(lane, settings)
    if out is None:
        for line in draw(plan):
            _out.print(line)
        return Exit.OK
    page = lay_out(plan)
    try:
        if out.suffix == ".svg":
            out.write_text(to_svg(page), encoding="utf-8")
        elif out.suffix == ".png":
            written, data = cv2.imencode(".png", to_picture(page))
            assert written  # noqa: S101  it always can
            out.write_bytes(data.tobytes())
        else:
            raise UsageError(f"--out {out}: a picture is called something.svg or something.png")
    except OSError as error:
        raise Unavailable(f"--out {out}: cannot be written: {error.strerror}") from error
    _out.print(f"{out}: written 已生成")
    return Exit.OK


@lanes.command("pages", hidden=True)
def pages(folder: Annotated[Path, typer.Argument(help="Where the pictures of the README go.")]) -> int:
    """Draw the wiring pages of the README anew."""
    for path in write_pages(folder):
        _out.print(str(path))
    return Exit.OK


@lanes.command("test")
def try_wires(
    lane: LaneArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before moving. 不逐项确认")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only this wire; may be repeated. 只测该项")] = None,
    wait_s: Annotated[float, typer.Option(min=0, help="For each input. 每个输入等待秒数")] = 20.0,
    through_daemon: Annotated[
        bool, typer.Option("--through-daemon", help="The daemon runs: ask it. 通过守护程序测试")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Try every relay and every input of a lane, step by step. 逐项测试继电器与输入

    Asks before anything moves; opens and closes are never given together, nothing is lowered while a sensor
    sees something or is not known, and everything ends in its safe state.
    """
    settings = load_settings(config)
    _known(lane, settings)
    if through_daemon:
        return _test_through_daemon(settings, lane, yes=yes)
    if request(settings.device.state_dir, {"do": "status"}) is not None:
        raise Unavailable(
            "the daemon is running and drives the boards. Stop it (sudo systemctl stop gatehouse), or add"
            " --through-daemon"
        )
    with ExitStack() as stops:
        stops.enter_context(_sigterm_is_ctrl_c())
        folder = Path(stops.enter_context(tempfile.TemporaryDirectory()))
        settings = with_simulated_boards(settings, folder, stops)
        trial = stops.enter_context(trial_of(lane, settings))
        steps = [*_try_outputs(trial, only, yes=yes), *_watch_inputs(trial, only, wait_s)]
    _out.print("every relay is in its safe state again 全部继电器已回到安全状态", style="dim")
    return _report(steps)


def _try_outputs(trial: Trial, only: list[str] | None, *, yes: bool) -> Iterator[Step]:
    for meaning, wire in trial.outputs.items():
        if only and meaning not in only:
            continue
        length = f"{wire.pulse_ms} ms" if wire.pulse_ms else "2 s"
        _out.print(f"\n[bold]{meaning}[/]  relay {wire.channel} of {wire.board}, for {length}")
        if not yes and not typer.confirm("  Is the way clear? Switch it now? 确认周围安全并动作?"):
            yield Step(meaning, Verdict.SKIPPED, "not tried")
            continue
        if why := trial.why_not(meaning):
            _out.print(f"  not done: {why}", style="yellow")
            yield Step(meaning, Verdict.REFUSED, why)
            continue
        result = trial.switch(meaning)
        if result.outcome is not Outcome.DONE:
            yield Step(meaning, Verdict.BAD, f"{result.outcome}: {result.why}")
            continue
        _out.print("  switched, and back in its safe state 已动作并恢复")
        if (arrived := trial.settle(meaning)) is not None:
            _out.print(
                "  the limit switch says it is there 已到位"
                if arrived
                else "  no limit switch answered 未到位"
            )
        moved = (
            arrived is not False
            if yes
            else typer.confirm("  Did it do what it is called? 动作是否正确?", default=True)
        )
        yield Step(meaning, Verdict.GOOD if moved else Verdict.BAD, "switched" if moved else "did not do it")


def _watch_inputs(trial: Trial, only: list[str] | None, wait_s: float) -> Iterator[Step]:
    for meaning in trial.contacts():
        if only and meaning not in only:
            continue
        if len(trial.seen(meaning)) == 2:
            yield Step(meaning, Verdict.GOOD, "seen active and clear while the relays were tried")
            continue
        if not wait_s:
            yield Step(meaning, Verdict.SKIPPED, _MARKS[trial.contacts()[meaning]])
            continue
        _out.print(
            f"\n[bold]{meaning}[/]  make it active and clear again, within {wait_s:g} s 请触发并恢复该输入"
        )
        if trial.watch_input(meaning, wait_s, lambda value: _out.print(f"  {_MARKS[value]}")):
            yield Step(meaning, Verdict.GOOD, "seen active and clear")
        else:
            yield Step(meaning, Verdict.BAD, f"did not change; it is {_MARKS[trial.contacts()[meaning]]}")


def _test_through_daemon(settings: Settings, lane: str, *, yes: bool) -> int:
    steps = []
    for what in (Ask.OPEN, Ask.CLOSE):
        _out.print(f"\n[bold]{what}[/]  by the lane's own machine, with all its rules")
        if not yes and not typer.confirm("  Is the way clear? Ask for it now? 确认周围安全并动作?"):
            steps.append(Step(what, Verdict.SKIPPED, "not tried"))
            continue
        answer = _ask(settings, lane, what)
        is_done = answer["result"] == Outcome.DONE
        detail = f"{answer['result']} {answer['why']}".strip()
        steps.append(Step(what, Verdict.GOOD if is_done else Verdict.BAD, detail))
        with _looking_at(settings) as look:
            _wait_until_still(look, lane)
            _out.print(view(look(), lane))
    return _report(steps)


def _wait_until_still(look: Callable[[], dict[str, Any]], lane: str) -> None:
    """Until the lane has stayed in one phase for two seconds; twenty seconds at most."""
    until_s = time.monotonic() + 20.0
    while time.monotonic() < until_s:
        time.sleep(0.2)
        (state,) = (one for one in look()["lanes"] if one["name"] == lane)
        if state["for_s"] >= 2.0 and not state["phase"].endswith("ing"):
            return


def _report(steps: list[Step]) -> int:
    table = Table("wire 线路", "result 结果", "detail 说明")
    for step in steps:
        table.add_row(step.meaning, f"[{_STYLES.get(step.verdict, 'dim')}]{step.verdict}[/]", step.detail)
    _out.print(table)
    is_bad = any(step.verdict in (Verdict.BAD, Verdict.REFUSED) for step in steps)
    return Exit.UNAVAILABLE if is_bad else Exit.OK


def _ask(settings: Settings, lane: str, what: Ask) -> dict[str, Any]:
    answer = request(settings.device.state_dir, {"do": "ask", "lane": lane, "ask": what.value})
    if answer is None:
        raise Unavailable("no daemon is running here; start it: sudo systemctl start gatehouse")
    return answer


@contextmanager
def _looking_at(settings: Settings) -> Iterator[Callable[[], dict[str, Any]]]:
    """Gives a function that tells the state: the daemon's, or read from the boards directly."""
    folder = settings.device.state_dir
    if request(folder, {"do": "status"}) is None:
        _out.print(
            "no daemon is running; the boards are read directly 守护程序未运行,直接读取板卡", style="dim"
        )
        with DirectLook(without_simulated_boards(settings)) as direct:
            yield direct.look
        return

    def look() -> dict[str, Any]:
        state = request(folder, {"do": "status"})
        if state is None:
            raise Unavailable("the daemon has ended")
        return state

    yield look


def _known(lane: str, settings: Settings) -> None:
    if lane not in settings.lanes:
        raise UsageError(f"no lane {lane!r}; there are: {', '.join(settings.lanes) or 'none'}")


@contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    """So that being told to end makes everything safe too."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
