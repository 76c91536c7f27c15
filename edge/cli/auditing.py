"""``roster show, audit, receipts, re-embed``: what is stored about faces, and whether it is in order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from edge.access import Consent, Person, consent_to_json, person_to_json
from edge.app import CACHE_FOLDER
from edge.cli.people import open_sets, roster
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.enrolment import Backlog, Examiner, Finding, LikenessRule, backlog, likeness_rule, reembed
from edge.errors import Exit, UsageError
from edge.face_models import face_set, pair_distances
from edge.known import FaceRules
from edge.store import Receipt, SetStore, receipt_to_json
from models.face import Gallery

_PASSAGES = {"no": "none 不留存", "keep": "may be kept 可留存", "send": "may be kept and sent 可留存并上传"}
_out = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two persons who look alike.

    Attributes:
        one, other: Their ids, in order.
        distance: Of their two nearest templates.
        is_confusable: Whether they would be called one person when they were enrolled.
    """

    one: str
    other: str
    distance: float
    is_confusable: bool


def register(application: typer.Typer) -> None:
    """The commands stand below ``roster``, which ``people`` registers."""
    del application


def look_alikes(gallery: Gallery, rule: LikenessRule, *, silent: bool) -> list[Likeness]:
    """Everybody with the person nearest to them, where these two look much alike."""
    found: dict[tuple[str, str], Likeness] = {}
    steps = track(gallery.names, "comparing 比对", console=_out, transient=True, disable=silent)
    for person in steps:
        for template in gallery.templates_of(person):
            match = gallery.match_stranger(person, template)
            finding = rule.finding(match)
            if finding is None or match.subject is None:
                continue
            one, other = sorted((person, match.subject))
            before = found.get((one, other))
            found[one, other] = Likeness(
                one,
                other,
                min(match.distance, before.distance if before else match.distance),
                finding is Finding.DUPLICATE or bool(before and before.is_confusable),
            )
    return sorted(found.values(), key=lambda likeness: (likeness.distance, likeness.one, likeness.other))


@roster.command("audit")
def roster_audit(
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="Show so many pairs. 最多显示对数")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON. 以 JSON 输出")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Look for people who look alike and templates that are of no use. 核查人脸库

    Says what to expect at this number of persons; the rate of strangers is decision.face_false_accepts.
    """
    with open_sets(config) as (sets, settings):
        set_name = face_set(settings.models)
        snapshot = sets.snapshot()
        gallery = snapshot.gallery(set_name)
        again = backlog(sets, set_name)
        other_sets = _other_sets(sets, again)
    rules = FaceRules(pair_distances(settings.models))
    rule = rules.rule_for(gallery, settings.decision)
    limits = likeness_rule(rules.asked(gallery), settings.decision)
    pairs = look_alikes(gallery, limits, silent=as_json or not _out.is_terminal)
    expected = rule.sentence() if settings.decision.face_distance is None and gallery.names else ("", "")
    if as_json:
        document = {
            "set": set_name,
            "persons": len(gallery.names),
            "templates": gallery.size,
            "pairs": [_pair_json(pair) for pair in pairs],
            "describe_again": list(again.with_pictures),
            "enrol_again": list(again.without),
            "unreadable": snapshot.unreadable,
            "expected": expected[0],
            "expected_zh": expected[1],
        }
        _out.print_json(json.dumps(document, ensure_ascii=False))
        return Exit.OK
    _out.print(f"{len(gallery.names)} persons, {gallery.size} templates ({set_name}). 人脸库")
    if pairs:
        _out.print(_pair_table(pairs[:limit]))
        _advise(pairs, limit)
    for person, names in other_sets.items():
        what = "kept pictures: gatehouse roster re-embed 可重新提取" if person in again.with_pictures else ""
        line = (
            f"  templates of another model, {what or 'enrol again 需重新登记'}: {person} ({', '.join(names)})"
        )
        _out.print(line, style="yellow", markup=False)
    if snapshot.unreadable:
        line = f"  {snapshot.unreadable} templates do not open with this device's key 无法解密"
        _out.print(line, style="red")
    _out.print(f"look-alike pairs: {len(pairs)}. 相似对")
    if any(expected):
        for sentence in expected:
            _out.print(sentence)
    elif gallery.names:
        _out.print(f"decision.face_distance is fixed at {rule.threshold}, not calibrated. 固定阈值,未校准")
    return Exit.OK


def _other_sets(sets: SetStore, again: Backlog) -> dict[str, list[str]]:
    counts = sets.face_counts()
    return {person: sorted(counts[person]) for person in sorted({*again.with_pictures, *again.without})}


def _pair_json(pair: Likeness) -> dict[str, Any]:
    return {
        "one": pair.one,
        "other": pair.other,
        "distance": round(pair.distance, 3),
        "confusable": pair.is_confusable,
    }


def _pair_table(pairs: Sequence[Likeness]) -> Table:
    table = Table(title="look alike 相似的人", title_justify="left")
    for column in ("one 甲", "other 乙", "distance 距离", "verdict 结论"):
        table.add_column(column, justify="right" if "distance" in column else "left")
    for pair in pairs:
        words = "may be taken for each other 可能互认" if pair.is_confusable else "look alike 相似"
        style = "red" if pair.is_confusable else "yellow"
        table.add_row(escape(pair.one), escape(pair.other), f"{pair.distance:.2f}", words, style=style)
    return table


def _advise(pairs: Sequence[Likeness], limit: int) -> None:
    if len(pairs) > limit:
        _out.print(f"  {len(pairs) - limit} more: --limit {len(pairs)}. 还有更多")
    if any(pair.is_confusable for pair in pairs):
        _out.print("  one person under two ids? remove one. 一人两个编号?请删除其一")
        _out.print("  twins: more pictures of both, and a second factor. 双胞胎:多采集照片并配置第二因素")


@roster.command("show")
def roster_show(
    person: Annotated[str, typer.Argument(help="Id. 人员编号")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for whoever asks. 以 JSON 导出")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show what is stored about a person: permit, consent, faces, receipts. 查看人员的全部存储信息"""
    with open_sets(config) as (sets, _):
        known = sets.person(person)
        consent = sets.consent_of(person)
        faces = dict(sets.face_counts().get(person, {}))
        pictures = len(sets.pictures_of(person))
        receipts = [receipt for receipt in sets.receipts() if receipt.person == person]
    if known is None and not receipts:
        raise UsageError(f"no person {person!r} on the roster, and no receipt of one")
    if as_json:
        document = {
            "person": None if known is None else person_to_json(known),
            "consent": None if consent is None else consent_to_json(consent),
            "templates": faces,
            "pictures": pictures,
            "receipts": [receipt_to_json(receipt) for receipt in receipts],
        }
        _out.print_json(json.dumps(document, ensure_ascii=False))
        return Exit.OK
    _out.print(_person_table(person, known, consent, faces, pictures))
    if receipts:
        _out.print(_receipt_table(receipts))
    return Exit.OK


def _person_table(
    person: str, known: Person | None, consent: Consent | None, faces: dict[str, int], pictures: int
) -> Table:
    table = Table(title=f"person 人员 {person}", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows: list[tuple[str, str]] = []
    if known is None:
        rows.append(("roster 名单", "no longer there 已不在名单中"))
    else:
        where = " ".join((*known.lanes, *known.zones)) or "all 全部"
        rows += [
            ("name 姓名", known.name),
            ("room 房号", known.room),
            ("plates 车牌", " ".join(known.plates)),
            ("lanes 通道", where),
            ("valid 有效期", f"{_moment(known.valid_from_utc_s)} - {_moment(known.valid_to_utc_s)}"),
        ]
    if consent is None:
        rows.append(("consent 同意", "none 无"))
    else:
        rows += [
            ("consent 同意", f"{consent.text_version} ({consent.channel})"),
            ("given by 同意人", consent.who),
            ("when 时间", _moment(consent.when_utc_s)),
            ("age 年龄", "under 14 未满十四周岁" if consent.under_14 else "14 or older 已满十四周岁"),
        ]
        if consent.guardian:
            rows.append(("guardian 监护人", f"{consent.guardian} ({consent.relation})"))
        keep = "may be kept 可留存" if consent.keep_pictures else "not kept 不留存"
        rows.append(("pictures 照片", f"{keep}; {pictures} stored 已存 {pictures} 张"))
        rows.append(("passages 通行照片", _PASSAGES[consent.passage_pictures]))
    templates = ", ".join(f"{count} ({name})" for name, count in sorted(faces.items()))
    rows.append(("templates 特征", templates or "none 无"))
    for name, value in rows:
        table.add_row(name, escape(value))
    return table


@roster.command("receipts")
def roster_receipts(
    receipt: Annotated[str, typer.Argument(help="Only this one, by its id. 回执编号")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON. 以 JSON 输出")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show the proofs of deletion; each is a file too. 查看删除回执"""
    with open_sets(config) as (sets, _):
        found = [each for each in sets.receipts() if receipt in ("", each.id)]
        paths = [sets.receipt_path(each) for each in found] if receipt else []
    if receipt and not found:
        raise UsageError(f"no receipt {receipt!r} here")
    if as_json:
        _out.print_json(json.dumps([receipt_to_json(each) for each in found], ensure_ascii=False))
        return Exit.OK
    _out.print(_receipt_table(found))
    for path in paths:
        _out.print(f"  {path}", markup=False)
    return Exit.OK


def _receipt_table(receipts: Sequence[Receipt]) -> Table:
    table = Table(title="receipts 删除回执", title_justify="left")
    table.add_column("receipt 回执, sha256", overflow="fold", min_width=36)
    table.add_column("what 内容", overflow="fold")
    for each in receipts:
        words = receipt_to_json(each)
        lines = (
            f"{each.person}: {words['why']} {words['why_zh']}",
            f"{_moment(each.when_utc_s)}",
            f"templates 特征 {each.templates}, pictures 照片 {each.pictures}",
        )
        table.add_row(f"{each.id}\n{each.sha256}", escape("\n".join(lines)))
    return table


@roster.command("re-embed")
def roster_reembed(
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Then delete templates of other models. 删除旧模型特征")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Describe persons again with the configured network, from kept pictures. 更换模型后重新提取

    Who has no kept picture must enrol again and is listed. Templates of other models stay, so that one can go
    back, until --drop-old deletes those of everybody who has templates of this model.
    """
    with open_sets(config) as (sets, settings):
        examiner = Examiner(settings.models, settings.device.state_dir / CACHE_FOLDER)
        waiting = backlog(sets, examiner.set_name)
        silent = not _out.is_terminal
        steps = track(waiting.with_pictures, "describing 提取", console=_out, transient=True, disable=silent)
        failed = [p for p in steps if not reembed(sets, p, examiner.set_name, examiner.examine)]
        dropped = sets.drop_other_sets(examiner.set_name) if drop_old else 0
    done = len(waiting.with_pictures) - len(failed)
    _out.print(f"{done} persons described again for {examiner.set_name}. 已重新提取")
    for person in sorted({*waiting.without, *failed}):
        _out.print(f"  must enrol again 需重新登记: {person}", style="yellow", markup=False)
    if drop_old:
        _out.print(f"{dropped} templates of other models deleted. 已删除旧模型特征")
    return Exit.OK


def _moment(utc_s: int | None) -> str:
    return "" if utc_s is None else f"{datetime.fromtimestamp(utc_s).astimezone():%Y-%m-%d %H:%M}"
