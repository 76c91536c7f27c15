"""What a technician on the spot lays over file and document for some hours, and what becomes of it. Pure.

An override is a fragment of the configuration (single options, as in the file) with a name, a reason and an
end. It lies above the platform's document, shows in ``cfg/reported`` by its paths (never by its values, which
may hold a camera's password), makes the effective hash differ, and ends by itself.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge.errors import SettingsError
from edge.records import JsonObject
from edge.settings import Settings
from edge.settings_file import parse_settings

OVERRIDABLE = ("decision", "lanes", "cameras")
"""Not the link to the platform: that stands in the file, in the hands of whoever stands at the box."""

LONGEST_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Override:
    """One override.

    Attributes:
        options: The fragment: ``{"lanes": {"entry": {"dry_run": true}}}``.
        by: Who. why: In their words. until_s: Unix seconds by the clock of the box, which never goes back.
    """

    options: JsonObject
    by: str
    why: str
    until_s: int


def laid_over(settings: Settings, override: Override | None) -> Settings:
    """The configuration with an override over it; lists and whole lanes may be replaced, nothing removed.

    Raises:
        SettingsError: It touches what may not be overridden, or does not fit; with every path.
    """
    if override is None:
        return settings
    foreign = sorted(set(override.options) - set(OVERRIDABLE))
    if foreign:
        known = ", ".join(OVERRIDABLE)
        problems = tuple(f"{name}: cannot be overridden; only {known}" for name in foreign)
        raise SettingsError(problems[0], problems)
    whole = json.loads(settings.model_dump_json(include=set(OVERRIDABLE)))
    rest = json.loads(settings.model_dump_json(exclude=set(OVERRIDABLE)))
    return parse_settings(rest | _merged(whole, override.options))


def paths_of(options: JsonObject) -> tuple[str, ...]:
    """The options that a fragment sets, as ``lanes.entry.dry_run``."""
    return tuple(_paths("", options))


def override_to_json(override: Override) -> dict[str, Any]:
    """As it is stored."""
    return asdict(override)


def override_from_json(row: JsonObject | None) -> Override | None:
    """Read back; None when there is none."""
    return None if row is None else Override(row["options"], row["by"], row["why"], row["until_s"])


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for name, value in high.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _paths(path: str, value: JsonObject) -> Iterator[str]:
    for name, inner in value.items():
        here = f"{path}.{name}" if path else str(name)
        if isinstance(inner, Mapping):
            yield from _paths(here, inner)
        else:
            yield here
