"""``pass``: QR passes, made, looked at and taken back; and the keys that make them."""

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from edge.access import DenyKind, deny_from_json
from edge.access.passes import LONGEST_S, Pass, PassRefused, read_pass, subject_mark, write_pass
from edge.cli.people import open_sets
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.errors import EdgeError, Exit, Unavailable, UsageError
from edge.jws import unverified_claims
from edge.reason_texts import REASON_TEXT
from edge.records import JsonObject
from edge.settings_file import load_settings
from edge.sync.keys import KeySet, load_private_key, load_public_keys, write_key_pair
from edge.vision.codes import CodeReader, draw_code

passes = typer.Typer(help="QR passes of residents and visitors. 二维码通行证", no_args_is_help=True)
PRIVATE_FILE, PUBLIC_FILE = "pass_key.json", "pass_keys.json"
QUIET_ZONE = 4
"""Modules of white around a code, as ISO/IEC 18004 asks for."""
_MODULE_PX = 8

_out = Console(highlight=False, soft_wrap=True)


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(passes, name="pass")


@passes.command("keys")
def pass_keys(
    folder: Annotated[Path, typer.Argument(help="Where to put both files. 存放目录")] = Path(),
    kid: Annotated[str, typer.Option(help="Name of the key. 密钥名称")] = "desk",
) -> int:
    """Make the key that signs passes, and the file by which gates know it. 生成签发密钥

    The private file stays with whoever issues passes; the public one goes to every gate (passes.keys). A
    second key under another name may be added to the same folder: that is how keys are changed.
    """
    first = folder / PRIVATE_FILE
    private = folder / f"pass_key-{kid}.json" if first.exists() else first
    fingerprint = write_key_pair(private, folder / PUBLIC_FILE, kid)
    _out.print(f"private key, keep it secret 私钥,请妥善保管: {private}", markup=False)
    _out.print(f"public keys, for passes.keys 公钥,写入配置: {folder / PUBLIC_FILE}", markup=False)
    _out.print(f"{kid}: {fingerprint}", markup=False)
    return Exit.OK


@passes.command("make")
def pass_make(
    person: Annotated[
        str, typer.Argument(help="Id of a person on the roster; left out for a visitor. 人员编号,访客省略")
    ] = "",
    host: Annotated[str, typer.Option(help="Who invites the visitor; their right ends with it. 邀请人")] = "",
    lane: Annotated[
        list[str] | None, typer.Option(help="A lane, or device/lane; again for more. 通道")
    ] = None,
    zone: Annotated[list[str] | None, typer.Option(help="Lanes that lead to this zone. 区域")] = None,
    begin: Annotated[str, typer.Option("--from", help="2026-12-31T18:00; now if left out. 生效时间")] = "",
    end: Annotated[str, typer.Option("--to", help="Not after. 失效时间")] = "",
    hours: Annotated[float, typer.Option(help="How long, where --to is not given. 有效小时数")] = 24.0,
    uses: Annotated[int, typer.Option(min=0, max=1000, help="How often; 0: any number. 可用次数,0 不限")] = 1,
    key: Annotated[Path, typer.Option(help="Private key of the issuer. 签发私钥")] = Path(PRIVATE_FILE),
    png: Annotated[Path | None, typer.Option(help="Write the code as a picture. 保存为图片")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Make a pass, print its code in the terminal and write it as a picture. 生成通行码

    It names persons by a digest of their id, never by name. Where there is a configuration (--config), ids
    and lanes are looked up in it.
    """
    kid, secret = load_private_key(key)
    starts = _utc_s(begin, "--from") if begin else int(time.time())
    given = Pass(
        jti=_new_id(),
        valid_from_utc_s=starts,
        valid_to_utc_s=_utc_s(end, "--to") if end else starts + round(hours * 3600),
        subject=subject_mark(person) if person else "",
        host=subject_mark(host) if host else "",
        lanes=tuple(lane or ()),
        zones=tuple(zone or ()),
        uses=uses,
        kid=kid,
    )
    if given.valid_to_utc_s > given.valid_from_utc_s + LONGEST_S:
        raise UsageError(f"a pass lives for at most {LONGEST_S // 86_400} days; make a new one then")
    if person and host:
        raise UsageError("--host is for visitors; a person on the roster needs none")
    if config.exists():
        _look_up(config, [who for who in (person, host) if who], given.lanes)
    text = write_pass(given, secret)
    dark = draw_code(text)
    if png is not None:
        _write_picture(png, dark, text)
    _print_code(dark)
    for line in _described(given):
        _out.print(line, markup=False)
    if png is not None:
        _out.print(f"picture 图片: {png}", markup=False)
    return Exit.OK


@passes.command("show")
def pass_show(
    code: Annotated[str, typer.Argument(help="A picture with the code, or its text. 图片或文本")],
    keys: Annotated[Path | None, typer.Option(help="Public keys; else passes.keys. 签发方公钥")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Read a pass, check its signature, and say what it says. 查看通行码"""
    text = _text_of(code)
    try:
        given = read_pass(text, _public_keys(keys, config))
    except PassRefused as refusal:
        english, chinese = REASON_TEXT[refusal.reason]
        for name, value in _readable(unverified_claims(text.encode(errors="replace"))).items():
            _out.print(f"  {name}: {value}", style="dim", markup=False)
        raise _Refused(f"{english}: {refusal}. {chinese}") from None
    for line in _described(given):
        _out.print(line, markup=False)
    now_s = time.time()
    if not given.valid_from_utc_s <= now_s < given.valid_to_utc_s:
        _out.print("not valid at this moment 当前不在有效期内", style="yellow")
    return Exit.OK


@passes.command("revoke")
def pass_revoke(
    jti: Annotated[str, typer.Argument(help="Id of the pass, as show says it. 通行码编号")],
    reason: Annotated[str, typer.Option(help="Why, for the record. 原因")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Let it count again. 取消作废")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Take a pass back: it opens nothing on this box any more. 作废通行码"""
    with open_sets(config) as (sets, _):
        if undo:
            if not sets.remove_deny(DenyKind.QR, jti):
                raise UsageError(f"pass {jti!r} is not taken back")
            _out.print(f"{jti} counts again. 已恢复", markup=False)
            return Exit.OK
        rev = sets.put_deny(deny_from_json({"kind": DenyKind.QR.value, "value": jti, "reason": reason}))
    _out.print(f"{jti} opens nothing any more, roster revision {rev}. 已作废", markup=False)
    return Exit.OK


class _Refused(EdgeError):
    """The pass is none, or of somebody else."""

    exit_code = Exit.REFUSED


def _new_id() -> str:
    while True:
        jti = secrets.token_urlsafe(9)
        if jti[0].isalnum():
            return jti


def _look_up(config: Path, persons: list[str], lanes: tuple[str, ...]) -> None:
    with open_sets(config) as (sets, settings):
        known = sets.snapshot().roster.persons
    for person in persons:
        if person not in known:
            raise UsageError(f"no person {person!r} on the roster")
    for lane in lanes:
        device, _, name = lane.rpartition("/")
        if device in ("", settings.device.id) and name not in settings.lanes:
            raise UsageError(f"there is no lane {name!r}; there are: {', '.join(settings.lanes)}")


def _public_keys(keys: Path | None, config: Path) -> KeySet:
    path = keys or load_settings(config).passes.keys
    if path is None:
        raise UsageError("whose passes count is not configured: give --keys, or set passes.keys")
    return load_public_keys(path)


def _text_of(code: str) -> str:
    path = Path(code)
    if len(code) > 255 or not path.is_file():
        return code
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise UsageError(f"{path} is not a picture")
    found = CodeReader().read(np.asarray(image, np.uint8))
    if found is None:
        raise UsageError(f"{path}: no QR code can be read in it. 图片中未识别到二维码")
    return found.text


def _write_picture(path: Path, dark: NDArray[np.bool_], text: str) -> None:
    """Write the code, and read it back: a picture that no camera can read helps nobody."""
    cells = np.pad(np.where(dark, 0, 255).astype(np.uint8), QUIET_ZONE, constant_values=255)
    picture = np.kron(cells, np.ones((_MODULE_PX, _MODULE_PX), np.uint8))
    read = CodeReader().read(np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8))
    if read is None or read.text != text:
        raise Unavailable(f"{path}: the code that was drawn cannot be read again; this is a bug")
    data = cv2.imencode(".png", picture)[1].tobytes()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Unavailable(f"{path}: cannot be written: {error.strerror}") from error


def _print_code(dark: NDArray[np.bool_]) -> None:
    """Two rows of modules in one row of characters, white on black whatever the terminal's colours."""
    light = np.pad(~dark, 2, constant_values=True)
    if len(light) % 2:
        light = np.vstack([light, np.ones((1, light.shape[1]), bool)])
    signs = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
    for upper, lower in zip(light[::2], light[1::2], strict=True):
        row = "".join(signs[bool(a), bool(b)] for a, b in zip(upper, lower, strict=True))
        _out.print(row, style="bright_white on black", markup=False, no_wrap=True, overflow="ignore")


def _described(given: Pass) -> list[str]:
    who = "visitor 访客" if given.is_visitor else f"person 人员: {given.subject}"
    if given.is_visitor and given.host:
        who += f", host 邀请人: {given.host}"
    places = [*given.lanes, *(f"zone {zone}" for zone in given.zones)]
    where = ", ".join(places) or "as their permit says 按人员权限"
    often = str(given.uses) if given.uses else "any number 不限"
    return [
        f"pass 通行码: {given.jti}   key 密钥: {given.kid}",
        who,
        f"where 通道: {where}",
        f"when 有效期: {_day(given.valid_from_utc_s)} - {_day(given.valid_to_utc_s)}",
        f"uses 次数: {often}",
    ]


def _readable(claims: JsonObject) -> dict[str, str]:
    """Claims that nobody has vouched for, cut short and without control characters."""
    return {
        name[:10]: "".join(sign if sign.isprintable() else "?" for sign in str(value))[:60]
        for name, value in list(claims.items())[:12]
        if name.isprintable()
    }


def _utc_s(day: str, option: str) -> int:
    """Seconds since 1970 of ``2026-12-31T18:00`` in this machine's time zone."""
    try:
        return int(datetime.fromisoformat(day).astimezone(UTC).timestamp())
    except ValueError:
        raise UsageError(f"{option} {day!r} is not a time like 2026-12-31T18:00") from None


def _day(utc_s: int) -> str:
    return datetime.fromtimestamp(utc_s).astimezone().strftime("%Y-%m-%d %H:%M")
