"""``roster``: who may pass, entered on the box itself; faces are in ``enrolling`` and ``auditing``.

All of them write ``sets.db``; a running daemon notices within a second and needs no restart.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edge.access import (
    DenyEntry,
    DenyKind,
    deny_from_json,
    person_from_json,
    person_to_json,
    plate_text,
    roster_from_json,
    roster_to_json,
)
from edge.app import KEY_FILE, SETS_FILE
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.clock import SystemClock
from edge.errors import Exit, Unavailable, UsageError
from edge.settings import Settings
from edge.settings_file import load_settings
from edge.store import SetStore, open_vault

roster = typer.Typer(help="Persons, plates and the deny list. 人员、车牌与禁止名单", no_args_is_help=False)
NO_LIMIT = "never"

_out = Console(highlight=False, soft_wrap=True)


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(roster, name="roster")


@contextmanager
def open_sets(config: Path) -> Iterator[tuple[SetStore, Settings]]:
    """Roster and gallery of a box, and its configuration.

    Raises:
        EdgeError: One of them cannot be read.
    """
    settings = load_settings(config)
    folder = settings.device.state_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"device.state_dir {folder} cannot be made: {error.strerror}") from error
    sets = SetStore(folder / SETS_FILE, open_vault(folder / KEY_FILE), SystemClock())
    try:
        yield sets, settings
    finally:
        sets.close()


def _utc_s(day: str, option: str) -> int | None:
    """Seconds since 1970 of ``2026-12-31`` or ``2026-12-31T18:00`` in this machine's time zone."""
    if day == NO_LIMIT:
        return None
    try:
        return int(datetime.fromisoformat(day).astimezone(UTC).timestamp())
    except ValueError:
        raise UsageError(f"{option} {day!r} is not a date like 2026-12-31 or 2026-12-31T18:00") from None


def _day(utc_s: int | None) -> str:
    return "" if utc_s is None else datetime.fromtimestamp(utc_s).astimezone().strftime("%Y-%m-%d %H:%M")


@roster.command("list")
def roster_list(
    as_json: Annotated[bool, typer.Option("--json", help="The whole roster as JSON.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show persons, plates and the deny list. 查看名单"""
    with open_sets(config) as (sets, _):
        snapshot, faces = sets.snapshot(), sets.template_counts()
    if as_json:
        _out.print_json(json.dumps(roster_to_json(snapshot.roster), ensure_ascii=False))
        return Exit.OK
    table = Table(title=f"roster, revision {snapshot.rev}  名单版本 {snapshot.rev}")
    for column in (
        "id 编号",
        "name 姓名",
        "room 房号",
        "plates 车牌",
        "cards 卡",
        "faces 人脸",
        "valid 有效期",
        "lanes 通道",
    ):
        table.add_column(column)
    for person in snapshot.roster.persons.values():
        valid = f"{_day(person.valid_from_utc_s)} - {_day(person.valid_to_utc_s)}" if person.has_dates else ""
        lanes = " ".join((*person.lanes, *person.zones)) or "all 全部"
        count = str(faces.get(person.id, ""))
        plates, cards = " ".join(person.plates), " ".join(person.cards)
        table.add_row(person.id, person.name, person.room, plates, cards, count, valid, lanes)
    _out.print(table)
    for entry in snapshot.roster.deny:
        _out.print(
            f"denied 禁止: {entry.kind.value} {entry.value}  {entry.reason}", style="red", markup=False
        )
    return Exit.OK


@roster.command("add")
def roster_add(
    person: Annotated[str, typer.Argument(help="Id: letters, digits, '.', '_', '-'. 人员编号")],
    name: Annotated[str | None, typer.Option(help="For people to read. 姓名")] = None,
    room: Annotated[str | None, typer.Option(help="Building, unit, room. 房号")] = None,
    plate: Annotated[list[str] | None, typer.Option(help="A plate; may be given again. 车牌")] = None,
    lane: Annotated[list[str] | None, typer.Option(help="Only this lane; may be given again. 通道")] = None,
    zone: Annotated[list[str] | None, typer.Option(help="Lanes that lead to this zone. 区域")] = None,
    valid_from: Annotated[str | None, typer.Option("--from", help="From this day. 生效")] = None,
    valid_to: Annotated[
        str | None, typer.Option("--to", help=f"Until this day, not including it, or {NO_LIMIT}. 失效")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Add a person, or change what is given of one who is there. 添加或修改人员"""
    with open_sets(config) as (sets, settings):
        known = sets.snapshot().roster.persons.get(person)
        document: dict[str, object] = person_to_json(known) if known is not None else {"id": person}
        given = {
            "name": name,
            "room": room,
            "plates": None if plate is None else [*(known.plates if known else ()), *plate],
            "lanes": lane,
            "zones": zone,
        }
        document |= {field: value for field, value in given.items() if value is not None}
        for field, day, option in (("valid_from", valid_from, "--from"), ("valid_to", valid_to, "--to")):
            if day is not None:
                document[field] = _utc_s(day, option)
        for word in lane or ():
            if word not in settings.lanes:
                raise UsageError(f"there is no lane {word!r}; there are: {', '.join(settings.lanes)}")
        rev = sets.put_person(person_from_json(document))
    _out.print(f"{person} {'changed 已修改' if known else 'added 已添加'}, roster revision {rev}")
    return Exit.OK


@roster.command("remove")
def roster_remove(
    person: Annotated[str, typer.Argument(help="Id. 人员编号")],
    plate: Annotated[
        list[str] | None, typer.Option(help="Only this plate of theirs; may be given again. 仅删除车牌")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Remove a person with everything stored about them, or only a plate of theirs. 删除人员或其车牌"""
    with open_sets(config) as (sets, _):
        if plate:
            return _remove_plates(sets, person, plate)
        receipt = sets.remove_person(person)
    if receipt is None:
        raise UsageError(f"no person {person!r} on the roster")
    _out.print(f"{person} removed, {receipt.templates} templates deleted, receipt {receipt.id}. 已删除")
    return Exit.OK


def _remove_plates(sets: SetStore, person: str, plates: list[str]) -> int:
    known = sets.snapshot().roster.persons.get(person)
    if known is None:
        raise UsageError(f"no person {person!r} on the roster")
    unwanted = [plate_text(plate) for plate in plates]
    for plate in unwanted:
        if plate not in known.plates:
            raise UsageError(
                f"{person!r} has no plate {plate}; they have: {', '.join(known.plates) or 'none'}"
            )
    rev = sets.put_person(replace(known, plates=tuple(p for p in known.plates if p not in unwanted)))
    _out.print(f"{person}: {', '.join(unwanted)} removed, roster revision {rev}. 已删除")
    return Exit.OK


@roster.command("withdraw")
def roster_withdraw(
    person: Annotated[str, typer.Argument(help="Id. 人员编号")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Take a consent back: templates and kept pictures are deleted, the person stays. 撤回人脸同意

    The receipt says what was deleted, when, and its SHA-256; it is a file too, and is journaled.
    """
    with open_sets(config) as (sets, _):
        receipt = sets.withdraw_consent(person)
        path = sets.receipt_path(receipt)
    _out.print(f"{person}: {receipt.templates} templates deleted, receipt {receipt.id}. 已撤回")
    if receipt.pictures:
        _out.print(f"  {receipt.pictures} kept pictures deleted. 已删除留存照片", markup=False)
    if receipt.sha256:
        _out.print(f"  sha256 {receipt.sha256}", markup=False)
    _out.print(f"  receipt 回执: {path}", markup=False)
    return Exit.OK


@roster.command("deny")
def roster_deny(
    value: Annotated[str, typer.Argument(help="A plate, or with --person a person's id. 车牌或人员")],
    person: Annotated[bool, typer.Option("--person", help="It is a person. 人员")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record. 原因")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Put a plate or a person on the deny list. 加入禁止名单"""
    kind = DenyKind.PERSON if person else DenyKind.PLATE
    entry: DenyEntry = deny_from_json({"kind": kind.value, "value": value, "reason": reason})
    with open_sets(config) as (sets, _):
        if person and value not in sets.snapshot().roster.persons:
            raise UsageError(f"no person {value!r} on the roster")
        rev = sets.put_deny(entry)
    _out.print(f"{entry.value} is denied, roster revision {rev}. 已禁止")
    return Exit.OK


@roster.command("allow")
def roster_allow(
    value: Annotated[str, typer.Argument(help="A plate, or with --person a person's id. 车牌或人员")],
    person: Annotated[bool, typer.Option("--person", help="It is a person. 人员")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Take a plate or a person off the deny list. 移出禁止名单"""
    kind = DenyKind.PERSON if person else DenyKind.PLATE
    with open_sets(config) as (sets, _):
        if not sets.remove_deny(kind, value if person else plate_text(value)):
            raise UsageError(f"{value} is not on the deny list")
    _out.print(f"{value} is no longer denied. 已移出")
    return Exit.OK


@roster.command("import")
def roster_import(
    file: Annotated[Path, typer.Argument(help='JSON: {"persons": [...], "deny": [...]}.')],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Replace the whole roster by a file; templates of those who stay are kept. 导入名单"""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Unavailable(f"{file}: cannot be read: {error.strerror}") from error
    started = time.monotonic()
    fresh = roster_from_json(content)
    with open_sets(config) as (sets, _):
        gone = sets.replace_roster(fresh)
    spent_s = time.monotonic() - started
    _out.print(f"{len(fresh.persons)} persons, {len(gone)} removed, {spent_s:.1f} s. 已导入")
    return Exit.OK
