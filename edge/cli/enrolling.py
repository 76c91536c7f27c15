"""``enroll``: a person's face, from pictures or from a camera, with their consent."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from edge.access import Consent, check_consent, consent_to_json, is_under_14
from edge.app import CACHE_FOLDER
from edge.cli.live_enrolment import LiveEnrolment
from edge.cli.people import open_sets
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.clock import NS_PER_S, Clock, ClockState, SystemClock
from edge.enrolment import (
    MOST_PICTURES,
    VIEW_TEXT,
    Examination,
    Examiner,
    Finding,
    Judgement,
    PictureVerdict,
    as_jpeg,
    enrolment_note,
    judge,
    likeness_rule,
    take_portraits,
)
from edge.errors import AlreadyEnrolled, ConsentMissing, Exit, UsageError
from edge.face_models import pair_distances
from edge.settings import Settings
from models.face import ask

_out = Console(highlight=False, soft_wrap=True)
_quiet = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """One examined picture, and its content for a consent that lets it be kept."""

    name: str
    found: Examination
    content: bytes


def register(application: typer.Typer) -> None:
    """Add this command to the application."""
    application.command("enroll")(enroll)


def enroll(
    person: Annotated[str, typer.Argument(help="Id of somebody on the roster. 人员编号")],
    pictures: Annotated[list[Path] | None, typer.Argument(help="One to ten pictures. 照片")] = None,
    camera: Annotated[str, typer.Option(help="Take the pictures with this camera. 用摄像机采集")] = "",
    consent: Annotated[str, typer.Option(help="Version of the consent text that was shown. 同意书版本")] = "",
    who: Annotated[str, typer.Option(help="Who consented, by name. 同意人姓名")] = "",
    when: Annotated[str, typer.Option(help="When; now if left out. 同意时间")] = "",
    channel: Annotated[str, typer.Option(help="paper, kiosk, app. 同意渠道")] = "paper",
    birth: Annotated[str, typer.Option(help="Birth date, to tell a child; not stored. 出生日期")] = "",
    under_14: Annotated[
        bool, typer.Option("--under-14", help="A child: the guardian consents. 未满十四周岁")
    ] = False,
    guardian: Annotated[str, typer.Option(help="Name of a child's guardian. 监护人姓名")] = "",
    relation: Annotated[str, typer.Option(help="mother, father, guardian ... 与监护人关系")] = "",
    keep_pictures: Annotated[
        bool, typer.Option("--keep-pictures", help="The consent allows to keep the pictures. 同意留存照片")
    ] = False,
    passage_pictures: Annotated[
        str,
        typer.Option(
            "--passage-pictures",
            help="The consent allows a picture of each passage: no, keep, send. 同意留存/上传通行照片",
        ),
    ] = "no",
    despite_likeness: Annotated[
        bool,
        typer.Option(
            "--despite-likeness", help="Enrol although it is, or resembles, somebody: twins. 双胞胎仍登记"
        ),
    ] = False,
    preview: Annotated[bool, typer.Option(help="Show the camera's picture in the terminal. 终端预览")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="The verdicts as JSON. 以 JSON 输出")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Store a person's face as templates, with their consent. 登记人脸

    Every picture is judged by itself. Those with a flaw are left out and the others are stored, as long as
    one is good; a picture of somebody who is enrolled under another id refuses the whole. The pictures are
    not kept, unless the consent says so; templates are sealed with this device's key.

    Exit codes: 0 stored; 64 no picture can be used; 77 refused: no complete consent, or somebody else's face.
    """
    if not pictures and not camera:
        raise UsageError("give pictures, or --camera NAME")
    if pictures and camera:
        raise UsageError("give pictures or --camera NAME, not both")
    if pictures and len(pictures) > MOST_PICTURES:
        raise UsageError(f"{len(pictures)} pictures are too many; up to {MOST_PICTURES} good ones are enough")
    clock = SystemClock()
    with open_sets(config) as (sets, settings):
        known = sets.person(person)
        if known is None:
            raise UsageError(
                f"no person {person!r} on the roster; first: gatehouse roster add {person} --name ..."
            )
        at_utc_s = _moment(when, clock)
        child = under_14 or _is_child(birth, at_utc_s)
        given_by = who or (guardian if child else "") or known.name or person
        agreed = Consent(
            given_by, at_utc_s, consent, channel, child, guardian, relation, keep_pictures, passage_pictures
        )
        if not consent:
            raise ConsentMissing("--consent is missing: which text did the person agree to, and where?")
        if child and not (guardian and relation):
            raise ConsentMissing(f"{person!r} is under 14: --guardian NAME and --relation are missing")
        check_consent(person, agreed)
        examiner = Examiner(settings.models, settings.device.state_dir / CACHE_FOLDER)
        examined = (
            _from_camera(settings, camera, clock, examiner, preview=preview, quiet=as_json)
            if camera
            else _from_files(pictures or [], examiner, quiet=as_json)
        )
        gallery = sets.snapshot().gallery(examiner.set_name)
        judgement = judge(
            person,
            [(picture.name, picture.found) for picture in examined],
            gallery,
            likeness_rule(ask(gallery, pair_distances(settings.models)), settings.decision),
            despite_likeness=despite_likeness,
        )
        stored = 0
        if not judgement.refusal:
            may_keep = settings.enrolment.keep_pictures
            kept = [examined[place].content for place in judgement.accepted] if may_keep else []
            note = enrolment_note(judgement, by="camera" if camera else "files")
            note |= {"text_version": consent, "channel": channel}
            sets.enrol(person, agreed, examiner.set_name, judgement.templates, pictures=kept, note=note)
            stored = len(judgement.templates)
    _report(person, agreed, judgement, stored, examiner.set_name, as_json=as_json)
    if not judgement.refusal:
        return Exit.OK
    refused = any(verdict.finding is Finding.DUPLICATE for verdict in judgement.verdicts)
    raise (AlreadyEnrolled if refused else UsageError)(judgement.refusal)


def _moment(when: str, clock: Clock) -> int:
    now_utc_s = clock.utc_ns() // NS_PER_S
    if not when:
        if clock.state() is ClockState.UNSET:
            raise ConsentMissing("the clock is not set, so --when must say when the person consented")
        return now_utc_s
    try:
        at_utc_s = int(datetime.fromisoformat(when).astimezone(UTC).timestamp())
    except ValueError:
        raise UsageError(f"--when {when!r} is not a date like 2026-11-20 or 2026-11-20T18:00") from None
    if at_utc_s > now_utc_s and clock.state() is not ClockState.UNSET:
        raise UsageError(f"--when {when!r} lies in the future")
    return at_utc_s


def _is_child(birth: str, at_utc_s: int) -> bool:
    if not birth:
        return False
    try:
        born = date.fromisoformat(birth)
    except ValueError:
        raise UsageError(f"--birth {birth!r} is not a day like 2015-04-01") from None
    return is_under_14(born, datetime.fromtimestamp(at_utc_s).astimezone().date())


def _from_files(paths: Sequence[Path], examiner: Examiner, *, quiet: bool) -> list[_Picture]:
    silent = quiet or not _out.is_terminal
    steps = track(paths, "examining 检查照片", console=_out, transient=True, disable=silent)
    several = len({path.name for path in paths}) < len(set(paths))
    return [
        _Picture(str(path) if several else path.name, examiner.examine(path), _content(path))
        for path in steps
    ]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # its verdict says so


def _from_camera(
    settings: Settings, camera: str, clock: Clock, examiner: Examiner, *, preview: bool, quiet: bool
) -> list[_Picture]:
    with LiveEnrolment(_quiet if quiet else _out, camera, preview=preview) as live:
        sitting = take_portraits(
            settings,
            camera,
            settings.device.state_dir / CACHE_FOLDER,
            clock,
            live.show,
            limit_s=settings.enrolment.camera_limit_s,
        )
    examined = []
    for view, image in sitting.pictures:
        name = " ".join(VIEW_TEXT[view])
        examined.append(_Picture(name, examiner.examine_image(image), as_jpeg(image)))
    if not examined:
        raise UsageError("no picture was taken before the time was up; nothing was stored")
    return examined


def _report(
    person: str, agreed: Consent, judgement: Judgement, stored: int, set_name: str, *, as_json: bool
) -> None:
    if as_json:
        document: dict[str, Any] = {
            "person": person,
            "stored": stored,
            "set": set_name,
            "refusal": judgement.refusal,
            "consent": consent_to_json(agreed),
            "pictures": [verdict.to_json() for verdict in judgement.verdicts],
        }
        _out.print_json(json.dumps(document, ensure_ascii=False))
        return
    _out.print(_table(judgement.verdicts))
    if stored:
        age = (
            f"under 14, guardian {agreed.guardian} ({agreed.relation})" if agreed.under_14 else "14 or older"
        )
        _out.print(
            f"{person}: {stored} templates stored, consent {agreed.text_version!r} of {agreed.who} recorded"
            f" ({age}). 已登记",
            markup=False,
        )


def _table(verdicts: Sequence[PictureVerdict]) -> Table:
    table = Table(title="pictures 照片", title_justify="left")
    table.add_column("picture 照片", overflow="fold")
    table.add_column("verdict 结论", overflow="fold")
    table.add_column("what to do 怎么办", overflow="fold")
    for verdict in verdicts:
        style = "green" if verdict.finding is Finding.GOOD else "yellow" if verdict.is_accepted else "red"
        reason, advice = (
            "\n".join(part for part in both if part) for both in (verdict.reason(), verdict.advice())
        )
        table.add_row(escape(verdict.name), f"[{style}]{escape(reason)}[/]", escape(advice))
    return table
