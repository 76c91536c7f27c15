"""The number plates of GA 36-2018 as a table of slots: normalise, parse, and generate.

One table (``TEMPLATES``) says for every kind which characters may stand at which place. Parser, generator
and the constrained decoder all read that table, so they cannot disagree. Pure: no I/O, no pictures.

The same text can be legal under several kinds (a 7-character text is a blue, a yellow and a motorcycle
plate): the grammar decides what is legal, the colour only chooses among what is. Legacy kinds (older
embassy, consulate and armed police forms, known only from public regular expressions) are parsed on request
only. Not sourced, so deliberately loose: emergency (5th-8th place), civil aviation (3rd-7th place).
"""

import random
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
DIGITS = "0123456789"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""The 24 letters of a sequence: I and O are left out because they look like 1 and 0."""
SUFFIXES = "警学挂港澳使领试超应急民航"

ALPHABET = PROVINCES + DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + SUFFIXES
"""Every character that can stand on a plate, in a fixed order (nets number their classes by it)."""

NEV_LETTERS = "DABCEFGHJK"
"""Energy letters of new-energy plates: D A B C E battery, F G H J K other; D and F were issued first."""

_MUNICIPALITIES = "京津沪渝"  # their published office lists run A-Z with I and O
_SEQUENCE = DIGITS + LETTERS
_OFFICE = LETTERS + "O"  # O is a real office letter in every province; I only in the municipalities
MAX_SEQUENCE_LETTERS = 2  # of the five places of a blue or yellow plate (GA 36-2018)


class PlateKind(StrEnum):
    """Kinds of plate; the value is what ``PlateReading.kind`` and the configuration use."""

    BLUE = "blue"
    YELLOW = "yellow"
    YELLOW_DOUBLE = "yellow_double"
    MOTORCYCLE = "motorcycle"
    GREEN_SMALL = "green_small"
    GREEN_LARGE = "green_large"
    POLICE = "police"
    LEARNER = "learner"
    TRAILER = "trailer"
    TRIAL = "trial"
    OVERSIZE = "oversize"
    HK_MACAU = "hk_macau"
    EMBASSY = "embassy"
    CONSULATE = "consulate"
    ARMED_POLICE = "armed_police"
    MILITARY = "military"
    EMERGENCY = "emergency"
    CIVIL_AVIATION = "civil_aviation"
    EMBASSY_LEGACY = "embassy_legacy"
    CONSULATE_LEGACY = "consulate_legacy"
    ARMED_POLICE_LEGACY = "armed_police_legacy"


LEGACY_KINDS = frozenset(
    {PlateKind.EMBASSY_LEGACY, PlateKind.CONSULATE_LEGACY, PlateKind.ARMED_POLICE_LEGACY}
)
CURRENT_KINDS = frozenset(PlateKind) - LEGACY_KINDS
"""What is accepted unless somebody asks for more."""

TWO_ROW_KINDS = frozenset({PlateKind.YELLOW_DOUBLE, PlateKind.MOTORCYCLE, PlateKind.TRAILER})
"""Kinds whose plate has (or, motorcycles in front, may have) two rows."""


@dataclass(frozen=True, slots=True)
class Template:
    """One legal form: the characters allowed at each place.

    Attributes:
        slots: Per place the allowed characters.
        max_letters: At most so many letters from the third place on; None for no limit.
    """

    kind: PlateKind
    slots: tuple[str, ...]
    max_letters: int | None = None

    def accepts(self, text: str) -> bool:
        """Whether a normalised text has this form."""
        if len(text) != len(self.slots):
            return False
        if any(char not in slot for char, slot in zip(text, self.slots, strict=True)):
            return False
        return self.max_letters is None or count_letters(text) <= self.max_letters


def count_letters(text: str) -> int:
    """Latin letters from the third place on: what the limit of blue and yellow plates counts."""
    return sum("A" <= char <= "Z" for char in text[2:])


def _by_office(kind: PlateKind, *rest: str, max_letters: int | None = None) -> list[Template]:
    """Province, office letter and the rest; the municipalities alone also have the office letter I."""
    return [
        Template(kind, (PROVINCES, _OFFICE, *rest), max_letters),
        Template(kind, (_MUNICIPALITIES, "I", *rest), max_letters),
    ]


_FIVE = (_SEQUENCE,) * 5
_FOUR = (_SEQUENCE,) * 4
# Source of the forms: GA 36-2018 as tabulated in the project's notes on plates, section 5.1.
TEMPLATES: tuple[Template, ...] = (
    *_by_office(PlateKind.BLUE, *_FIVE, max_letters=MAX_SEQUENCE_LETTERS),
    *_by_office(PlateKind.YELLOW, *_FIVE, max_letters=MAX_SEQUENCE_LETTERS),
    *_by_office(PlateKind.YELLOW_DOUBLE, *_FIVE, max_letters=MAX_SEQUENCE_LETTERS),
    *_by_office(PlateKind.MOTORCYCLE, *_FIVE, max_letters=MAX_SEQUENCE_LETTERS),
    Template(PlateKind.GREEN_SMALL, (PROVINCES, LETTERS, NEV_LETTERS, _SEQUENCE, *(DIGITS,) * 4)),
    Template(PlateKind.GREEN_LARGE, (PROVINCES, LETTERS, *(DIGITS,) * 5, NEV_LETTERS)),
    *_by_office(PlateKind.POLICE, *_FOUR, "警"),
    *_by_office(PlateKind.LEARNER, *_FOUR, "学"),
    *_by_office(PlateKind.TRAILER, *_FOUR, "挂"),
    *_by_office(PlateKind.TRIAL, *_FOUR, "试"),
    *_by_office(PlateKind.OVERSIZE, *_FOUR, "超"),
    Template(PlateKind.HK_MACAU, ("粤", "Z", *_FOUR, "港澳")),
    Template(PlateKind.EMBASSY, (*(DIGITS,) * 6, "使")),
    Template(PlateKind.CONSULATE, (PROVINCES, *(DIGITS,) * 4, _SEQUENCE, "领")),
    Template(PlateKind.ARMED_POLICE, ("W", "J", PROVINCES, *(DIGITS,) * 4, DIGITS + "TDSHBXJ")),
    Template(PlateKind.MILITARY, ("VKHBSLJNGCE", "ABCDJKLMNOPRSTVY", *(DIGITS,) * 5)),
    Template(PlateKind.EMERGENCY, (PROVINCES, LETTERS, *_FOUR, "应", "急")),
    Template(PlateKind.CIVIL_AVIATION, ("民", "航", *_FIVE)),
    Template(PlateKind.EMBASSY_LEGACY, ("使", *(DIGITS,) * 6)),
    Template(PlateKind.CONSULATE_LEGACY, (PROVINCES, LETTERS, *_FOUR, "领")),
    Template(PlateKind.ARMED_POLICE_LEGACY, ("W", "J", *(DIGITS,) * 2, DIGITS + "TDSHBX", *(DIGITS,) * 4)),
)


@dataclass(frozen=True, slots=True)
class Plate:
    """A legal plate.

    Attributes:
        text: Normalised.
        kinds: Every kind under which the text is legal, commonest first.
        province: First province character on it, or "" (embassy, military, civil aviation).
        office: Office letter behind the province, or "".
    """

    text: str
    kinds: tuple[PlateKind, ...]
    province: str = ""
    office: str = ""

    @property
    def kind(self) -> PlateKind:
        """The commonest kind the text can be."""
        return self.kinds[0]


# What people and readers write for the dot and the gaps. Not "*", "_", "|", "?": those may hide a character.
_SEPARATORS = re.compile(r"[\s·•‧∙⋅・●｡。.,:;'`´\"\-‐-―−]+")
# Traditional and variant forms that a person or a general reader may write for the plate's character.
_VARIANTS = str.maketrans("滬雲遼魯蘇贛晉陝閩貴粵寧甯瓊學掛領試應", "沪云辽鲁苏赣晋陕闽贵粤宁宁琼学挂领试应")
_TO_DIGIT = str.maketrans("IO", "10")


def tidy(text: str) -> str:
    """Fold width, case, variants and separators, but leave I and O as they were written."""
    while True:
        folded = unicodedata.normalize("NFKC", text).upper()
        folded = _SEPARATORS.sub("", folded).translate(_VARIANTS)
        if folded == text:
            return text
        text = folded  # removing a separator may bring two marks together that fold once more


def normalise(text: str) -> str:
    """Write a plate in its one form: half width, upper case, no separators, no I or O in the sequence.

    I and O become 1 and 0 wherever GA 36 has no letter I or O; a 0 behind the province becomes the office
    letter O. Text that is no plate comes back folded but otherwise as it was. Idempotent.
    """
    text = tidy(text)
    if text[:1] in PROVINCES and text[:1]:
        # A consulate plate has digits right behind its province: there a 0 is a 0.
        office = text[1:2] if text.endswith("领") else text[1:2].replace("0", "O")
        return text[0] + office + text[2:].translate(_TO_DIGIT)
    if text[:2].isascii() and text[:2].isalpha() and text[:1] not in "IO":
        return text[:2] + text[2:].translate(_TO_DIGIT)
    return text.translate(_TO_DIGIT)


def parse_plate(text: str, kinds: Collection[PlateKind] = CURRENT_KINDS) -> Plate | None:
    """Read a text as a plate; None when it is none of the given kinds. Normalises first."""
    text = normalise(text)
    legal = tuple(dict.fromkeys(t.kind for t in TEMPLATES if t.kind in kinds and t.accepts(text)))
    if not legal:
        return None
    province = next((char for char in text[:3] if char in PROVINCES), "")
    office = text[1] if text[0] in PROVINCES and text[1].isalpha() else ""
    return Plate(text, legal, province, office)


def generate(kind: PlateKind, rng: random.Random) -> str:
    """Make a legal plate of a kind. Sequences are mostly digits, as on the road, with every form possible."""
    templates = [t for t in TEMPLATES if t.kind is kind]
    # The office letter I is rare: one plate in fifty takes that form where it exists.
    template = templates[-1] if len(templates) > 1 and rng.random() < 0.02 else templates[0]
    letters_left = len(template.slots) if template.max_letters is None else template.max_letters
    chars: list[str] = []
    free = [place for place, slot in enumerate(template.slots) if slot is _SEQUENCE]
    wanted = set(rng.sample(free, k=min(len(free), rng.choice((0, 1, 1, 2, 2))))) if free else set()
    for place, slot in enumerate(template.slots):
        if slot is _SEQUENCE:
            takes_letter = place in wanted and letters_left > 0
            letters_left -= takes_letter
            slot = LETTERS if takes_letter else DIGITS
        chars.append(rng.choice(slot))
    return "".join(chars)
