"""``run``, ``check``, ``safe`` and ``schema``: what systemd, an installer and a platform call."""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from edge.app import Daemon
from edge.clock import SystemClock
from edge.errors import Exit, SettingsError
from edge.lanes import make_safe
from edge.settings_file import TUNABLE_SECTIONS, effective, load_settings, section_schema
from edge.simulation import without_simulated_boards

DEFAULT_CONFIG = Path("/etc/gatehouse/gatehouse.toml")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Configuration file. 配置文件")]


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.command("run")(run)
    application.command("check")(check)
    application.command("safe")(safe)
    application.command("schema")(schema)


def set_up_logging(level: str) -> None:
    """Log to standard error: plain under systemd, in colour on a terminal."""
    if sys.stderr.isatty():
        handler: logging.Handler = RichHandler(console=Console(stderr=True), show_path=False)
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname).1s %(threadName)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def run(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Run the daemon until it is told to stop. 运行守护程序

    Exit codes: 0 stopped on request; 78 the configuration cannot be used (systemd does not try again);
    70 a part failed and the service should be started anew.
    """
    settings = load_settings(config)
    set_up_logging(settings.device.log_level)
    return Daemon(settings, SystemClock()).run()


def check(
    config: Annotated[Path, typer.Argument(help="Configuration file. 配置文件")] = DEFAULT_CONFIG,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong. 仅显示错误")] = False,
) -> int:
    """Check a configuration and show what it comes to, secrets masked. 检查配置

    Every fault is said at once, with its path and, for a typing mistake, the word that was probably meant.
    """
    try:
        settings = load_settings(config)
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(f"  {problem}", err=True)
        count = len(error.problems)
        if count == 0:
            raise
        typer.echo(f"gatehouse: {config}: {count} fault{'s' if count > 1 else ''}, see above", err=True)
        return Exit.CONFIG
    if not quiet:
        typer.echo(effective(settings))
        typer.echo(f"\n{config}: good. 配置有效", err=True)
    return Exit.OK


def safe(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Write every output to its safe state and leave. 所有继电器回到安全状态

    systemd runs this after the daemon ended for whatever reason, a kill included.
    """
    failures = make_safe(without_simulated_boards(load_settings(config)))
    for failure in failures:
        typer.echo(f"gatehouse: {failure}", err=True)
    return Exit.UNAVAILABLE if failures else Exit.OK


def schema(
    section: Annotated[str, typer.Argument(help=f"One of: {', '.join(TUNABLE_SECTIONS)}.")],
) -> int:
    """Print the JSON schema of a section that a platform may send. 打印可下发配置的 JSON Schema"""
    if section not in TUNABLE_SECTIONS:
        raise typer.BadParameter(f"no section {section!r}; there are: {', '.join(TUNABLE_SECTIONS)}")
    typer.echo(json.dumps(section_schema(section), indent=2, ensure_ascii=False))
    return Exit.OK
