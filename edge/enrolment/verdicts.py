"""What can be said about one enrolment picture, why, and what to do: in English and Chinese. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

THUMB_PX = 32


class Finding(StrEnum):
    """The verdict on one picture; the words on the wire."""

    GOOD = "good"
    LOOK_ALIKE = "look_alike"
    UNREADABLE = "unreadable"
    NO_FACE = "no_face"
    TWO_FACES = "two_faces"
    CUT = "cut"
    TOO_SMALL = "too_small"
    POSE = "pose"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BLURRED = "blurred"
    FLAWED = "flawed"
    SAME_PICTURE = "same_picture"
    OTHER_PERSON = "other_person"
    DUPLICATE = "duplicate"


ACCEPTED = frozenset({Finding.GOOD, Finding.LOOK_ALIKE})
"""Pictures with these are enrolled; the others are left out."""


@dataclass(frozen=True, slots=True)
class Words:
    """Reason and advice in both languages."""

    reason_en: str
    advice_en: str
    reason_zh: str
    advice_zh: str


WORDS: Mapping[Finding, Words] = {
    Finding.GOOD: Words("good", "", "合格", ""),
    Finding.LOOK_ALIKE: Words(
        "looks much like {other}",
        "stored; give both more pictures, and a second way in",
        "与 {other} 很相像",
        "已登记;请为两人多采集照片,并配置第二种通行方式",
    ),
    Finding.UNREADABLE: Words(
        "cannot be read: {detail}",
        "check the path, or save it again as JPEG or PNG",
        "无法读取:{detail}",
        "请检查路径,或重新保存为 JPEG 或 PNG",
    ),
    Finding.NO_FACE: Words(
        "no face found",
        "one person, from the front, well lit, the face at least 100 pixels high",
        "未检测到人脸",
        "一人正面、光线充足,人脸高度至少 100 像素",
    ),
    Finding.TWO_FACES: Words(
        "{detail} found",
        "the picture must show one person alone",
        "检测到多张人脸",
        "照片中只能有一个人",
    ),
    Finding.CUT: Words(
        "the face is cut off by the edge",
        "leave room around the whole head",
        "人脸被画面边缘截断",
        "请让整个头部都在画面内",
    ),
    Finding.TOO_SMALL: Words(
        "the face is too small",
        "come closer, or hand in the original picture",
        "人脸太小",
        "请靠近一些,或提供原图",
    ),
    Finding.POSE: Words(
        "the face is turned away",
        "look towards the camera",
        "人脸偏转过大",
        "请朝向镜头",
    ),
    Finding.TOO_DARK: Words(
        "too dark",
        "light from the front, no window behind",
        "光线太暗",
        "光线应从正面来,背后不要有窗",
    ),
    Finding.TOO_BRIGHT: Words(
        "too bright",
        "no flash, no direct sun",
        "过曝",
        "避免闪光灯和直射阳光",
    ),
    Finding.BLURRED: Words(
        "blurred",
        "hold still, wipe the lens, more light",
        "模糊",
        "请保持不动、擦净镜头、增加光线",
    ),
    Finding.FLAWED: Words(
        "not good enough: {detail}",
        "take another picture",
        "质量不足:{detail}",
        "请重新拍摄",
    ),
    Finding.SAME_PICTURE: Words(
        "the same picture as {detail}",
        "another picture helps, the same one does not",
        "与 {detail} 是同一张照片",
        "重复的照片没有帮助,请换一张",
    ),
    Finding.OTHER_PERSON: Words(
        "another person than the other pictures",
        "hand in pictures of one person only",
        "与其他照片不是同一个人",
        "请只提供同一个人的照片",
    ),
    Finding.DUPLICATE: Words(
        "this is {other}",
        "one person under two ids? remove one; twins: enrol with --despite-likeness",
        "与 {other} 是同一个人",
        "一人两个编号?请删除其一;双胞胎请加 --despite-likeness",
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """What one picture is worth by itself.

    Attributes:
        finding: ``GOOD`` with a template, else the flaw.
        template: (dimensions,) float32; None with a flaw.
        detail: A word more about the flaw.
        thumb: The upright face as 32 x 32 grey bytes, to find the same picture again; empty with a flaw.
        digest: SHA-256 of the file.
        numbers: What was measured.
    """

    finding: Finding
    template: NDArray[np.float32] | None = None
    detail: str = ""
    thumb: bytes = b""
    digest: bytes = b""
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PictureVerdict:
    """The verdict on one picture.

    Attributes:
        name: File name, or which view of the camera.
        finding: What it is.
        other: The other person, when the finding is about one. distance: To them, when known.
        detail: A word more, when the finding has one.
        numbers: What was measured: eye distance in pixels, sharpness, turn, brightness.
    """

    name: str
    finding: Finding
    other: str = ""
    distance: float | None = None
    detail: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        """Whether this picture is enrolled."""
        return self.finding in ACCEPTED

    def reason(self) -> tuple[str, str]:
        """Why, in English and Chinese."""
        words = WORDS[self.finding]
        return self._filled(words.reason_en), self._filled(words.reason_zh)

    def advice(self) -> tuple[str, str]:
        """What to do, in English and Chinese; empty when there is nothing to be done."""
        words = WORDS[self.finding]
        return words.advice_en, words.advice_zh

    def to_json(self) -> dict[str, Any]:
        """For ``--json`` and for the answer to the platform."""
        document: dict[str, Any] = {"name": self.name, "finding": self.finding.value}
        document["accepted"] = self.is_accepted
        (document["reason"], document["reason_zh"]) = self.reason()
        (document["advice"], document["advice_zh"]) = self.advice()
        if self.other:
            document["other"] = self.other
        if self.distance is not None:
            document["distance"] = round(self.distance, 3)
        if self.numbers:
            document["numbers"] = dict(self.numbers)
        return document

    def _filled(self, text: str) -> str:
        distance = "" if self.distance is None else f" ({self.distance:.2f})"
        return text.format(other=f"{self.other!r}{distance}", detail=self.detail)
