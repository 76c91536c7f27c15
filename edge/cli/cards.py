"""``roster card``: cards as credentials of persons."""

from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from edge.access import Person, card_text
from edge.access.cards import printed
from edge.cli.people import open_sets, roster
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.errors import Exit, UsageError
from edge.hatch import request
from edge.settings import Settings
from edge.store import SetStore

card = typer.Typer(help="Cards of persons. 门禁卡", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)

NumberArgument = Annotated[
    str, typer.Argument(help="As printed: 0013900673, 212,07041 or 0xD41B81. 卡号", show_default=False)
]
PersonArgument = Annotated[str, typer.Argument(help="Id of somebody on the roster. 人员编号")]


def register(application: typer.Typer) -> None:
    """Add these commands below ``roster``."""
    del application
    roster.add_typer(card, name="card")


@card.command("add")
def card_add(
    person: PersonArgument,
    number: NumberArgument = "",
    reader: Annotated[
        str, typer.Option(help="Take the card just held before this reader. 使用刚在该读卡器刷的卡")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Give a person a card: by its number, or by the reader it was just held before. 添加卡"""
    if bool(number) == bool(reader):
        raise UsageError("give the number of the card, or --reader NAME after holding it there")
    with open_sets(config) as (sets, settings):
        held = card_text(number) if number else _held_at(settings, reader)
        known = _known(sets, person)
        other = [p.id for p in sets.snapshot().roster.by_card.get(held, ()) if p.id != person]
        if other:
            raise UsageError(f"card {printed(held)} is {other[0]!r}'s; first: roster card remove {other[0]}")
        if held in known.cards:
            raise UsageError(f"{person!r} has card {printed(held)} already")
        rev = sets.put_person(replace(known, cards=(*known.cards, held)))
    _out.print(f"{person}: card {printed(held)} added, roster revision {rev}. 已添加", markup=False)
    return Exit.OK


@card.command("remove")
def card_remove(person: PersonArgument, number: NumberArgument, config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Take a card from a person; it opens nothing from now on. 删除卡"""
    with open_sets(config) as (sets, _):
        held, known = card_text(number), _known(sets, person)
        if held not in known.cards:
            has = ", ".join(printed(one) for one in known.cards) or "none"
            raise UsageError(f"{person!r} has no card {printed(held)}; they have: {has}")
        rev = sets.put_person(replace(known, cards=tuple(one for one in known.cards if one != held)))
    _out.print(f"{person}: card {printed(held)} removed, roster revision {rev}. 已删除", markup=False)
    return Exit.OK


def _known(sets: SetStore, person: str) -> Person:
    known = sets.snapshot().roster.persons.get(person)
    if known is None:
        raise UsageError(
            f"no person {person!r} on the roster; first: gatehouse roster add {person} --name ..."
        )
    return known


def _held_at(settings: Settings, reader: str) -> str:
    """The card that the running daemon has just seen."""
    if reader not in settings.readers:
        raise UsageError(f"there is no reader {reader!r}; there are: {', '.join(settings.readers) or 'none'}")
    answer = request(settings.device.state_dir, {"do": "last-card", "reader": reader})
    if answer is None:
        raise UsageError("the daemon does not run here, so no reader is listened to; give the number instead")
    number = answer.get("number")
    if not number:
        raise UsageError(
            f"no card was held before {reader!r} in the last minute; hold it there and repeat this"
        )
    return str(number)
