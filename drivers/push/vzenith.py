"""The HTTP push of 臻识 (vzenith) style plate cameras: what they send, and what they want to hear.

Source: the camera HTTP protocol as noted in the project's reference on hardware, section 4.4. A camera posts
``AlarmInfoPlate.result.PlateResult`` for every plate. Its answer may open a gate on the camera's own output:
ours never does, because the lane's relay does that under the lane's own rules. Without ``retransfer_stop``
some models store a result that did not open and send it again for ever. Results that were stored while the
network was down come later with ``isoffline`` 1, perhaps twice, one for each ``ContinuePushOffline``.
Pure.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from drivers.errors import BadReply

KINDS: Final[Mapping[int, str]] = {
    1: "blue", 2: "hk_macau", 3: "yellow", 4: "yellow_double", 5: "police", 6: "armed_police", 8: "military",
    9: "military", 10: "embassy", 11: "hk_macau", 13: "learner", 14: "hk_macau", 15: "armed_police",
    16: "armed_police", 17: "armed_police", 18: "civil_aviation", 19: "green_small", 20: "green_large",
    21: "emergency", 22: "consulate",
}  # fmt: skip
"""Plate type codes of the push that are kinds of plates to us; 31 is no plate, 29 a fake one, 30 a badge."""
COLOURS: Final[Mapping[int, str]] = {
    1: "blue",
    2: "yellow",
    3: "white",
    4: "black",
    5: "green",
    6: "yellow-green",
}
TRIGGERS: Final[Mapping[int, str]] = {
    1: "video", 2: "input", 4: "software", 8: "virtual loop", 64: "lingering", 65: "lingering ended",
    66: "turned back",
}  # fmt: skip
_NO_PLATE_TYPES: Final = frozenset({30, 31})
_FAKE_TYPE: Final = 29
_NO_PLATE_TEXTS: Final = frozenset({"", "_无_", "无车牌", "无牌车"})
_MOST_TEXT: Final = 16
_MOST_PICTURE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PlatePush:
    """One result of the camera.

    Attributes:
        camera_serial: The camera's serial number, or "".
        plate_id: The camera's own number of the result; the same result sent again has the same one.
        text: What it read, as it wrote it; None for a vehicle without a plate.
        kind: Our name for its plate type, or "".
        colour, trigger: In words; "" when the code is unknown.
        confidence: 0..1.
        is_offline: Stored while the network was down: a record, not a vehicle that waits.
        is_fake: The camera takes the plate for a printed or shown one.
        time_s: The camera's own clock, seconds since 1970; 0 when it does not say.
        picture: JPEG of the plate or of the scene; empty when none came, or one that is too large.
    """

    camera_serial: str
    plate_id: str
    text: str | None
    kind: str
    colour: str
    trigger: str
    confidence: float
    is_offline: bool
    is_fake: bool
    time_s: float
    picture: bytes = b""

    @property
    def key(self) -> tuple[str, str, float]:
        """What two transmissions of one result share; a number alone starts anew with the camera."""
        return self.camera_serial, self.plate_id, self.time_s


def parse_push(device: str, body: bytes) -> PlatePush | None:
    """Read the body of one request.

    Args:
        device: What errors call the camera.
        body: JSON in UTF-8 or GBK, or the form of a heartbeat.

    Returns:
        A result, or None for a heartbeat: anything that speaks of no plate.

    Raises:
        BadReply: It speaks of a plate and cannot be understood.
    """
    if b"AlarmInfoPlate" not in body:
        return None
    try:
        tree = json.loads(_decoded(body))
        alarm = tree["AlarmInfoPlate"]
        result = alarm["result"]["PlateResult"]
        return _plate(alarm, result)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BadReply(device, f"a plate result that cannot be understood: {type(error).__name__}") from error


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("gb18030")


def _plate(alarm: Mapping[str, Any], result: Mapping[str, Any]) -> PlatePush:
    plate_type = int(result.get("type", 0))
    text = str(result.get("license", "")).strip()
    if len(text) > _MOST_TEXT:
        raise ValueError("license")
    stamp = result.get("timeStamp") or {}
    clock = stamp.get("Timeval", stamp) if isinstance(stamp, Mapping) else {}
    has_none = text in _NO_PLATE_TEXTS or plate_type in _NO_PLATE_TYPES
    return PlatePush(
        camera_serial=str(alarm.get("serialno", ""))[:64],
        plate_id=str(int(result["plateid"])),
        text=None if has_none else text,
        kind="" if has_none else KINDS.get(plate_type, ""),
        colour=COLOURS.get(int(result.get("colorType", 0)), ""),
        trigger=TRIGGERS.get(int(result.get("triggerType", 0)), ""),
        confidence=min(max(float(result.get("confidence", 0)) / 100, 0.0), 1.0),
        is_offline=int(result.get("isoffline", 0)) == 1,
        is_fake=int(result.get("is_fake_plate", 0)) == 1 or plate_type == _FAKE_TYPE,
        time_s=float(clock.get("sec", 0)) + float(clock.get("usec", 0)) / 1e6,
        picture=_picture(result),
    )


def _picture(result: Mapping[str, Any]) -> bytes:
    """The plate's picture rather than the scene's; a damaged one is left out, the text counts."""
    for name in ("imageFragmentFile", "imageFile"):
        coded = result.get(name)
        if isinstance(coded, str) and 0 < len(coded) <= _MOST_PICTURE_BYTES * 4 // 3:
            try:
                picture = base64.b64decode(coded, validate=True)
            except binascii.Error:
                continue
            if picture[:2] == b"\xff\xd8":
                return picture
    return b""


def reply_to(push: PlatePush | None) -> bytes:
    """What the camera is told: it has been heard, opens nothing, and need not send this again.

    Args:
        push: The result that came; None for a heartbeat.

    Returns:
        JSON in UTF-8; after a stored result also the word to send the next one.
    """
    answer: dict[str, Any] = {"info": "no", "content": "retransfer_stop"}
    if push is not None and push.is_offline:
        answer["ContinuePushOffline"] = {"plateid": int(push.plate_id), "continue": 1}
    return json.dumps({"Response_AlarmInfoPlate": answer}).encode()
