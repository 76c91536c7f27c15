"""``demo``: the main job with simulated hardware."""

from pathlib import Path
from typing import Annotated

import typer


def register(application: typer.Typer) -> None:
    """Add this command to the application."""
    application.command("demo")(demo)


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Go on until Ctrl-C. 持续运行")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder; else a temporary one. 数据目录")
    ] = None,
    python_broker: Annotated[
        bool, typer.Option("--python-broker", help="Do not use mosquitto. 使用 Python 代理")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Lines instead of a live picture. 纯文本输出")
    ] = False,
) -> int:
    """Run the main job with everything around the box simulated. 演示

    A film of two cars and two persons is drawn; a relay board, an input board, a barrier and a door are
    simulated on pseudo-terminals; a broker and the platform's counterpart are started; then the real daemon
    runs on all that. Exit code 0 only if the resident's car and face were let in, the strangers were not,
    and the platform has every event.
    """
    from edge.demo import run_demo  # needs the demo extra

    return run_demo(folder, stay=stay, plain=plain, python_broker=python_broker)
