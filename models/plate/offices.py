"""Office letters that the provinces are known to have issued, as soft evidence for the decoder.

The list is public knowledge and not complete: new offices appear, and O (police, government) is real
everywhere. An unlisted letter is therefore only less likely, never refused: of 1,413 labels of photographed
plates 2 had one (苏R, 苏T), if these labels are right. Pure.
"""

from models.plate.grammar import PROVINCES

_ALL = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_ISSUED: dict[str, str] = {
    "京": _ALL,
    "津": _ALL,
    "沪": _ALL,
    "渝": "ABCDFGHN",
    "冀": "ABCDEFGHJRTX",
    "豫": "ABCDEFGHJKLMNPQRSUV",
    "云": "ACDEFGHJKLMNPQRS",
    "辽": "ABCDEFGHJKLMNP",
    "黑": "ABCDEFGHJKLMNPR",
    "湘": "ABCDEFGHJKLMNSU",
    "皖": "ABCDEFGHJKLMNPQRS",
    "鲁": "ABCDEFGHJKLMNPQRSUVWY",
    "新": "ABCDEFGHJKLMNPQRS",
    "苏": "ABCDEFGHJKLMNU",
    "浙": "ABCDEFGHJKL",
    "赣": "ABCDEFGHJKLMS",
    "鄂": "ABCDEFGHJKLMNPQRSW",
    "桂": "ABCDEFGHJKLMNPR",
    "甘": "ABCDEFGHJKLMNP",
    "晋": "ABCDEFGHJKLM",
    "蒙": "ABCDEFGHJKLM",
    "陕": "ABCDEFGHJKUV",
    "吉": "ABCDEFGHJK",
    "闽": "ABCDEFGHJK",
    "贵": "ABCDEFGHJ",
    "粤": _ALL,
    "青": "ABCDEFGH",
    "藏": "ABCDEFGJ",
    "川": _ALL,
    "宁": "ABCDE",
    "琼": "ABCDEF",
}
assert len(_ISSUED) == len(PROVINCES)  # noqa: S101 - a table that lost a line must not be imported


def issued_by(province: str) -> str:
    """The office letters on the public list of a province; "" for what is none."""
    return _ISSUED.get(province, "")


def is_issued(province: str, office: str) -> bool:
    """Whether the office letter is on the public list of its province."""
    return office in _ISSUED.get(province, "")
