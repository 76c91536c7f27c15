"""``gatehouse platform publish-faces``: pictures become sealed templates for every box of a scope."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from edge.access import consent_to_json
from edge.app import CACHE_FOLDER
from edge.cli.broker_login import (
    BrokerOption,
    CaOption,
    CertOption,
    PasswordOption,
    UserOption,
    login_of,
)
from edge.cli.platform_sets import RateOption, StaleOption, TenantOption, UrlOption, open_publisher
from edge.cli.platforming import FolderOption, platform
from edge.enrolment import Examiner, Judgement, judge, likeness_rule
from edge.errors import Exit, Unavailable, UsageError
from edge.face_models import face_set, pair_distances
from edge.platform.face_list import FaceEntry, read_face_list, standing_faces, templates_of
from edge.platform.roster import SetPublisher
from edge.settings import DecisionSettings, ModelSettings
from edge.settings_file import load_settings
from edge.store.scope_layer import face_content
from models.face import Gallery, ask

_out = Console(highlight=False, soft_wrap=True)
Faces = dict[str, tuple[Mapping[str, object], list[NDArray[np.float32]]]]


def register(_application: typer.Typer) -> None:
    """Add this command to ``gatehouse platform``."""
    platform.command("publish-faces")(publish_faces)


def publish_faces(
    faces: Annotated[
        Path | None,
        typer.Argument(help="JSON: who, with which consent, on which pictures; see the README. 人脸清单"),
    ] = None,
    *,
    broker: BrokerOption,
    folder: FolderOption,
    tenant: TenantOption,
    scope: Annotated[str, typer.Option("--scope", help="Court or site; sets.scope of its boxes. 范围")],
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="Take this person's face back. 撤回某人人脸")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Who is not in the list is taken back. 清单以外的全部撤回")
    ] = False,
    models: Annotated[
        Path | None,
        typer.Option("--models", help="Configuration of a box: its networks are used. 设备配置(所用模型)"),
    ] = None,
    despite_likeness: Annotated[
        bool, typer.Option("--despite-likeness", help="Publish also who resembles somebody: twins. 双胞胎")
    ] = False,
    url: UrlOption = "",
    max_stale_h: StaleOption = 0.0,
    mb_per_s: RateOption = 20.0,
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
    cert_file: CertOption = None,
) -> int:
    """Describe faces here and publish them, sealed, to every box of a scope. 发布人脸

    No face without a complete consent. Every picture is judged as gatehouse enroll does; whose pictures
    cannot be used, or who is somebody else of the set, is left out and named. Pictures never leave this
    machine, and the broker sees no template. What stands already is not sent again. serve-sets gives boxes
    the key; it should always run.

    Exit codes: 0 all published; 64 somebody was left out; 77 a consent is missing: nothing was published.
    """
    now_utc_s = round(time.time())
    entries = read_face_list(faces, now_utc_s) if faces is not None else ()
    named = {entry.person for entry in entries}
    if faces is None and (whole or not remove):
        raise UsageError("give a list of faces, or --remove PERSON")
    if both := sorted(named & set(remove or ())):
        raise UsageError(f"{', '.join(both)}: in the list, and to be taken back; which of the two?")
    models_here, decision = _networks(models)
    examiner = Examiner(models_here, folder / CACHE_FOLDER) if entries else None
    login = login_of(broker, f"gh-publish-{time.monotonic_ns()}", username, password_file, ca_file, cert_file)
    with open_publisher(login, folder, tenant, url, max_stale_h, mb_per_s) as publisher:
        name = _set_name(publisher, scope, models_here, examiner)
        standing = standing_faces(publisher.table, scope, name)
        wanted: Faces = {}
        left_out = 0
        if examiner is not None:
            pairs = templates_of(standing, now_utc_s)
            wanted, left_out = _judged(
                entries, examiner, pairs, models_here, decision, despite_likeness=despite_likeness
            )
        going = {*(remove or ()), *(standing.keys() - named if whole else ())}
        for unknown in sorted(going - standing.keys()):
            _out.print(f"{unknown}: has no face in {name} 集内无此人", style="yellow", markup=False)
        going &= standing.keys()
        fresh = {
            person: face for person, face in wanted.items() if standing.get(person) != face_content(*face)
        }
        rev = publisher.publish_faces(scope, name, fresh, sorted(going))
        if not publisher.flush():
            raise Unavailable(f"revision {rev} is kept in {folder}, but the broker has not taken all of it")
    _out.print(
        f"{tenant}/{scope}/{name}: revision {rev}, {len(fresh)} faces published, {len(wanted) - len(fresh)}"
        f" stood already, {len(going)} taken back, {left_out} left out 已发布",
        markup=False,
    )
    return Exit.USAGE if left_out else Exit.OK


def _networks(config: Path | None) -> tuple[ModelSettings, DecisionSettings]:
    if config is None:
        return ModelSettings(), DecisionSettings()
    settings = load_settings(config)
    return settings.models, settings.decision


def _set_name(publisher: SetPublisher, scope: str, models: ModelSettings, examiner: Examiner | None) -> str:
    """The set of the network that is used; another one of the scope is worth a word."""
    name = examiner.set_name if examiner is not None else face_set(models)
    others = [
        known for there, known in publisher.table.sets() if there == scope and known.startswith("faces-")
    ]
    if others and name not in others:
        _out.print(
            f"{scope} has {', '.join(others)} so far; this is {name}: boxes take it when their"
            " models.face_embedder is the same 与已有人脸集模型不同",
            style="yellow",
            markup=False,
        )
    return name


def _judged(
    entries: Sequence[FaceEntry],
    examiner: Examiner,
    standing: Sequence[tuple[str, NDArray[np.float32]]],
    models: ModelSettings,
    decision: DecisionSettings,
    *,
    despite_likeness: bool,
) -> tuple[Faces, int]:
    """Faces that can be published, and how many persons cannot."""
    steps = track(entries, "examining 检查照片", console=_out, transient=True, disable=not _out.is_terminal)
    examined = [(entry, [(str(path), examiner.examine(path)) for path in entry.pictures]) for entry in steps]
    fresh = [
        (entry.person, found.template)
        for entry, pictures in examined
        for _, found in pictures
        if found.template is not None
    ]
    named = {entry.person for entry in entries}
    gallery = Gallery.build(examiner.set_name, [pair for pair in standing if pair[0] not in named])
    everybody = Gallery.build(examiner.set_name, [*(p for p in standing if p[0] not in named), *fresh])
    rule = likeness_rule(ask(everybody, pair_distances(models)), decision)
    faces: Faces = {}
    left_out = 0
    for entry, pictures in examined:
        judgement = judge(entry.person, pictures, gallery, rule, despite_likeness=despite_likeness)
        _say(entry.person, judgement)
        if judgement.refusal:
            left_out += 1
            continue
        templates = [np.asarray(template, np.float32) for template in judgement.templates]
        faces[entry.person] = (consent_to_json(entry.consent), templates)
        gallery = gallery.with_person(entry.person, templates)
    return faces, left_out


def _say(person: str, judgement: Judgement) -> None:
    """Only what somebody should look at; of ten thousand faces most are good."""
    for verdict in judgement.verdicts:
        english, chinese = verdict.reason()
        if not verdict.is_accepted or verdict.other:
            style = "yellow" if verdict.is_accepted else "red"
            _out.print(f"{person}: {verdict.name}: {english} {chinese}", style=style, markup=False)
    if judgement.refusal:
        _out.print(f"{person}: left out 未发布", style="bold red", markup=False)
