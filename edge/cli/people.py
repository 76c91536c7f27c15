"""``enroll`` and ``roster``: who may pass, entered on the box itself.

Both write ``sets.db``; a running daemon notices within a second and needs no restart.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
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
from edge.app import CACHE_FOLDER, FACE_SET, KEY_FILE, SETS_FILE
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.clock import NS_PER_S, SystemClock
from edge.deciding import face_rule
from edge.enrolment import Portrait, camera_portraits, picture_portraits
from edge.errors import Exit, Unavailable, UsageError
from edge.settings import Settings
from edge.settings_file import load_settings
from edge.store import Consent, SetSnapshot, SetStore, open_vault
from models.face import Gallery

roster = typer.Typer(help="Persons, plates and the deny list. 人员、车牌与禁止名单", no_args_is_help=False)
NO_LIMIT = "never"
LOOK_ALIKE_DISTANCE = 0.45
"""Nearer than this, two pictures are of one person or of two who look much alike."""

_out = Console(highlight=False, soft_wrap=True)


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.command("enroll")(enroll)
    application.add_typer(roster, name="roster")


@contextmanager
def _open_sets(config: Path) -> Iterator[tuple[SetStore, Settings]]:
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


def enroll(
    person: Annotated[str, typer.Argument(help="Id of somebody on the roster. 人员编号")],
    pictures: Annotated[list[Path] | None, typer.Argument(help="One to ten pictures. 照片")] = None,
    consent: Annotated[str, typer.Option(help="Version of the consent text that was shown. 同意书版本")] = "",
    who: Annotated[str, typer.Option(help="Who consented, if not the person: a guardian. 监护人")] = "",
    channel: Annotated[str, typer.Option(help="paper, kiosk, app. 同意渠道")] = "paper",
    camera: Annotated[str, typer.Option(help="Take the pictures with this camera. 用摄像机采集")] = "",
    despite_likeness: Annotated[
        bool, typer.Option("--despite-likeness", help="Enrol although somebody looks much alike. 相似仍登记")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Store a person's face as templates; the pictures are not kept. 登记人脸

    Needs the person's own recorded consent: --consent names the text that they agreed to. Every picture is
    judged (no face, two faces, too small, blurred, ...); templates are sealed with this device's key.
    """
    if not pictures and not camera:
        raise UsageError("give pictures, or --camera NAME")
    if not consent:
        raise UsageError("--consent is missing: which text did the person agree to, on paper or in the app?")
    with _open_sets(config) as (sets, settings):
        snapshot = sets.snapshot()
        if person not in snapshot.roster.persons:
            raise UsageError(
                f"no person {person!r} on the roster; first: gatehouse roster add {person} --name ..."
            )
        cache = settings.device.state_dir / CACHE_FOLDER
        if camera:
            portraits = camera_portraits(settings, camera, cache, _out.print)
        else:
            portraits = picture_portraits(pictures or [], settings, cache)
        good = _judge(portraits)
        if not good:
            raise UsageError(f"nothing was stored for {person!r}: no picture can be used (see above)")
        gallery = snapshot.gallery(FACE_SET).without_person(person)
        for template in good:
            match = gallery.match(template)
            if match.subject is not None and match.distance <= LOOK_ALIKE_DISTANCE:
                line = f"looks like {match.subject!r} (distance {match.distance:.2f})"
                if not despite_likeness:
                    raise UsageError(
                        f"{person!r} {line}: one person under two ids? else add --despite-likeness"
                    )
                _out.print(f"  {line}", style="yellow")
        now_utc_s = SystemClock().utc_ns() // NS_PER_S
        sets.put_consent(person, Consent(who or person, now_utc_s, consent, channel))
        sets.put_templates(person, FACE_SET, good)
    _out.print(f"{person}: {len(good)} templates stored, consent {consent!r} recorded. 已登记")
    return Exit.OK


def _judge(portraits: Iterator[Portrait]) -> list[NDArray[np.float32]]:
    good = []
    for portrait in portraits:
        if portrait.template is None:
            _out.print(f"  {portrait.name}: {portrait.flaw}", style="red", markup=False)
        else:
            _out.print(f"  {portrait.name}: good", style="green", markup=False)
            good.append(portrait.template)
    return good


@roster.command("list")
def roster_list(
    as_json: Annotated[bool, typer.Option("--json", help="The whole roster as JSON.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show persons, plates and the deny list. 查看名单"""
    with _open_sets(config) as (sets, _):
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
        "faces 人脸",
        "valid 有效期",
        "lanes 通道",
    ):
        table.add_column(column)
    for person in snapshot.roster.persons.values():
        valid = f"{_day(person.valid_from_utc_s)} - {_day(person.valid_to_utc_s)}" if person.has_dates else ""
        lanes = " ".join((*person.lanes, *person.zones)) or "all 全部"
        count = str(faces.get(person.id, ""))
        table.add_row(person.id, person.name, person.room, " ".join(person.plates), count, valid, lanes)
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
    with _open_sets(config) as (sets, settings):
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
    with _open_sets(config) as (sets, _):
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
    """Take a consent back: templates are deleted, the person stays. 撤回人脸同意"""
    with _open_sets(config) as (sets, _):
        receipt = sets.withdraw_consent(person)
    _out.print(f"{person}: {receipt.templates} templates deleted, receipt {receipt.id}. 已撤回")
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
    with _open_sets(config) as (sets, _):
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
    with _open_sets(config) as (sets, _):
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
    with _open_sets(config) as (sets, _):
        gone = sets.replace_roster(fresh)
    spent_s = time.monotonic() - started
    _out.print(f"{len(fresh.persons)} persons, {len(gone)} removed, {spent_s:.1f} s. 已导入")
    return Exit.OK


@roster.command("audit")
def roster_audit(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Look for people who look alike and templates that are of no use. 核查人脸库

    Says what to expect at this number of persons; the rate of strangers is decision.face_false_accepts.
    """
    with _open_sets(config) as (sets, settings):
        snapshot = sets.snapshot()
        holders = sorted({person for pairs in snapshot.templates.values() for person, _ in pairs})
        without_consent = [person for person in holders if sets.consent_of(person) is None]
    gallery = snapshot.gallery(FACE_SET)
    pairs = _look_alikes(gallery)
    _out.print(f"{len(gallery.names)} persons, {gallery.size} templates ({FACE_SET}). 人脸库")
    for (one, other), distance in sorted(pairs.items(), key=lambda item: item[1]):
        _out.print(
            f"  look alike 相似: {one}, {other} (distance {distance:.2f})", style="yellow", markup=False
        )
    for person, names in _of_other_models(snapshot).items():
        line = f"  templates of another model, enrol again 需重新登记: {person} ({', '.join(names)})"
        _out.print(line, style="yellow", markup=False)
    for person in without_consent:
        _out.print(f"  templates without consent 无同意记录: {person}", style="red", markup=False)
    if snapshot.unreadable:
        line = f"  {snapshot.unreadable} templates do not open with this device's key 无法解密"
        _out.print(line, style="red")
    _out.print(f"look-alike pairs under {LOOK_ALIKE_DISTANCE}: {len(pairs)}. 相似对")
    if gallery.names:
        rule = face_rule(gallery, settings.decision)
        if settings.decision.face_distance is None:
            for sentence in rule.sentence():
                _out.print(sentence)
        else:
            _out.print(
                f"decision.face_distance is fixed at {rule.threshold}, not calibrated. 固定阈值,未校准"
            )
    return Exit.OK


def _look_alikes(gallery: Gallery) -> dict[tuple[str, str], float]:
    """Pairs of persons nearer than the limit, each person with the one nearest to them."""
    pairs: dict[tuple[str, str], float] = {}
    silent = not _out.is_terminal
    for person in track(gallery.names, "comparing 比对", console=_out, transient=True, disable=silent):
        for template in gallery.templates_of(person):
            match = gallery.match_stranger(person, template)
            if match.subject is not None and match.distance <= LOOK_ALIKE_DISTANCE:
                one, other = sorted((person, match.subject))
                pairs[one, other] = min(match.distance, pairs.get((one, other), match.distance))
    return pairs


def _of_other_models(snapshot: SetSnapshot) -> dict[str, list[str]]:
    """Names of other sets by person: those templates are never compared with today's."""
    found: dict[str, list[str]] = {}
    for set_name, pairs in snapshot.templates.items():
        if set_name != FACE_SET:
            for person in dict.fromkeys(person for person, _ in pairs):
                found.setdefault(person, []).append(set_name)
    return dict(sorted(found.items()))
