"""``roster pin``: the PIN that a person may enter besides their face."""

import getpass
import sys
from typing import Annotated

import typer
from rich.console import Console

from edge.access.pins import check_pin
from edge.cli.people import open_sets, roster
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.errors import Exit, UsageError

_out = Console(highlight=False, soft_wrap=True)


def register(application: typer.Typer) -> None:
    """Nothing to add: the command joins the group ``roster`` when this is imported."""
    del application


@roster.command("pin")
def roster_pin(
    person: Annotated[str, typer.Argument(help="Id of somebody on the roster. 人员编号")],
    remove: Annotated[bool, typer.Option("--remove", help="Delete it. 删除")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Set a person's PIN, the second factor beside their face. 设置密码

    Asked for twice and never shown; from a pipe, two lines. Only a digest is kept, sealed with this device's
    key. Six to eight digits, not equal and not in a row.
    """
    with open_sets(config) as (sets, _):
        if sets.person(person) is None:
            raise UsageError(f"no person {person!r} on the roster")
        if remove:
            if not sets.remove_pin(person):
                raise UsageError(f"{person!r} has no PIN")
            _out.print(f"{person}: PIN deleted. 密码已删除", markup=False)
            return Exit.OK
        pin = check_pin(_asked("PIN 密码: "))
        if _asked("once more 再次输入: ") != pin:
            raise UsageError("the two PINs are not the same; nothing was changed")
        rev = sets.put_pin(person, pin)
    _out.print(f"{person}: PIN set, roster revision {rev}. 密码已设置", markup=False)
    return Exit.OK


def _asked(prompt: str) -> str:
    """One PIN from the terminal, unseen, or one line from a pipe."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt).strip()
    return sys.stdin.readline().strip()
