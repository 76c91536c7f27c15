"""The typer application, its global options, and the way from an error to one line and an exit code."""

import logging
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer
from rich.console import Console

from drivers.errors import DriverError
from edge.cli import (
    auditing,
    benching,
    cameras,
    cards,
    controlling,
    demos,
    enrolling,
    evaluating,
    examining,
    lane_side,
    lanes,
    modelling,
    passes,
    people,
    picturing,
    pins,
    platform_faces,
    platform_pictures,
    platform_sets,
    platforming,
    service,
    watching,
)
from edge.errors import EdgeError, Exit, SettingsError
from edge.worker import contain
from models.errors import ModelError

EPILOG = (
    "Exit codes: 0 good, 64 wrong use, 69 something is not to be had, 70 a bug, 77 refused, 78 configuration."
)

application = typer.Typer(
    name="gatehouse",
    help="Faces and plates in, doors and barriers out: the edge daemon of a smart residential community."
    " 智慧社区门禁与道闸边缘程序。",
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_stderr = Console(stderr=True, highlight=False, soft_wrap=True)
_state = {"debug": False}


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gatehouse {metadata.version('gatehouse')}")
        raise typer.Exit


@application.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error. 显示错误详情")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version. 版本")
    ] = False,
) -> None:
    """Options that stand before the command."""
    del version  # acted on by its callback
    _state["debug"] = debug
    logging.captureWarnings(capture=True)


for part in (
    service,
    examining,
    benching,
    cameras,
    enrolling,
    people,
    cards,
    pins,
    passes,
    auditing,
    picturing,
    watching,
    lanes,
    lane_side,
    controlling,
    platforming,
    platform_sets,
    platform_faces,
    platform_pictures,
    modelling,
    evaluating,
    demos,
):
    part.register(application)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code and never raises."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    _state["debug"] = "--debug" in given
    return contain(lambda: _run(given), _say_bug)


def _run(arguments: list[str]) -> int:
    try:
        result = application(args=arguments, prog_name="gatehouse", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return _say("stopped", Exit.UNAVAILABLE)
    except typer.TyperException as error:
        return _say(f"{error.format_message()}  (gatehouse --help)", Exit.USAGE)
    except SettingsError as error:
        if len(error.problems) > 1:
            for problem in error.problems:
                _stderr.print(f"  {problem}", markup=False)
        return _say(str(error), error.exit_code, error)
    except EdgeError as error:
        return _say(str(error), error.exit_code, error)
    except DriverError as error:
        return _say(str(error), Exit.UNAVAILABLE, error)
    except ModelError as error:
        return _say(str(error), Exit.DATA, error)
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.OK
    return int(result or 0)


def _say(line: str, code: int, error: BaseException | None = None) -> int:
    if _state["debug"] and error is not None:
        logging.getLogger("gatehouse").error("trace", exc_info=error)
    _stderr.print(f"gatehouse: {line}", markup=False, style="red")
    return int(code)


def _say_bug(error: Exception) -> int:
    return _say(f"a bug: {type(error).__name__}: {error} (run with --debug and report it)", Exit.BUG, error)
