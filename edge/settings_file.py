"""Read a configuration file into ``Settings``; say every fault at once, each with its path and a hint."""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from drivers.camera.address import shown
from drivers.relay.catalog import USUAL_CHANNELS
from edge.errors import SettingsError
from edge.settings import AnyCamera, DecisionSettings, LaneSettings, Settings, SyncSettings
from edge.settings_sync import ONLY_IN_FILE

TUNABLE_SECTIONS = ("decision", "lanes", "cameras", "sync")


def load_settings(path: Path) -> Settings:
    """Read, check and return the configuration.

    Raises:
        SettingsError: The file is missing or not TOML, or ``problems`` lists every fault in it.
    """
    document = read_toml(path)
    try:
        return parse_settings(document)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}", error.problems) from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read a file of TOML.

    Raises:
        SettingsError: The file is missing, unreadable or not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: no such configuration file. Copy config/gatehouse.toml there and edit it."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error


def parse_settings(document: Mapping[str, Any]) -> Settings:
    """Check a parsed document.

    Raises:
        SettingsError: ``problems`` has one line per fault.
    """
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise _as_settings_error(error, Settings) from error


def with_sections(settings: Settings, sections: Mapping[str, Any]) -> Settings:
    """A new configuration in which whole sections sent by the platform replace those of the old one.

    Raises:
        SettingsError: An unknown section, or a fault inside one.
    """
    unknown = [name for name in sections if name not in TUNABLE_SECTIONS]
    if unknown:
        problems = tuple(
            f"{name}: not a section that can be sent{_hint(name, TUNABLE_SECTIONS)}" for name in unknown
        )
        raise SettingsError(_headline(problems), problems)
    below = json.loads(settings.model_dump_json())
    return parse_settings(below | dict(sections) | _link_section(below["sync"], sections))


def _link_section(below: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``sync`` as sent, with what stands only in the file; nothing when none was sent."""
    link = sections.get("sync")
    if not isinstance(link, Mapping):
        return {}
    problems = tuple(f"sync.{name}: stands only in the file" for name in ONLY_IN_FILE if name in link)
    if problems:
        raise SettingsError(_headline(problems), problems)
    return {"sync": {**link, **{name: below[name] for name in ONLY_IN_FILE}}}


def section_schema(section: str) -> dict[str, Any]:
    """JSON schema of a section that the platform may send."""
    if section == "decision":
        return DecisionSettings.model_json_schema()
    if section == "sync":
        schema = SyncSettings.model_json_schema()
        for name in ONLY_IN_FILE:
            del schema["properties"][name]
        return schema
    if section == "cameras":
        return TypeAdapter(dict[str, AnyCamera]).json_schema()
    return TypeAdapter(dict[str, LaneSettings]).json_schema()


def effective(settings: Settings) -> str:
    """The whole configuration with its defaults as TOML-like lines; passwords in addresses are masked."""
    lines: list[str] = []

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{path}.{key}" if path else key, inner)
        elif value is not None:
            lines.append(f"{path} = {shown(json.dumps(value, ensure_ascii=False))}")

    walk("", json.loads(settings.model_dump_json()))
    return "\n".join(lines)


def _as_settings_error(error: ValidationError, model: type[BaseModel]) -> SettingsError:
    problems: list[str] = []
    for detail in error.errors():
        for line in _describe(detail, model):
            if line not in problems:
                problems.append(line)
    return SettingsError(_headline(problems), tuple(problems))


def _headline(problems: list[str] | tuple[str, ...]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def _describe(detail: ErrorDetails, model: type[BaseModel]) -> list[str]:
    location = detail["loc"]
    path = ".".join(str(part) for at, part in enumerate(location) if not _is_tag(at, location, model))
    if detail["type"] == "extra_forbidden":
        return [f"{path}: unknown option{_hint(str(location[-1]), _options_at(location[:-1], model))}"]
    if detail["type"] == "missing":
        return [f"{path}: is missing"]
    if detail["type"] == "union_tag_not_found":
        return [f"{path}.type: is missing"]
    if detail["type"] == "union_tag_invalid":
        known = tuple(re.findall(r"'([^']+)'", str(detail["ctx"]["expected_tags"])))
        given_type = str(detail["ctx"]["tag"])
        if location[0] == "boards" and given_type in USUAL_CHANNELS:
            meant = f'; write type = "modbus", profile = "{given_type}"'
            return [f"{path}.type: {given_type!r} is a family of Modbus boards{meant}"]
        return [f"{path}.type: no type {given_type!r}{_hint(given_type, known)}"]
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return [f"{path}: must be a section with options (given: {detail['input']!r})"]
    message = detail["msg"].removeprefix("Value error, ")
    if "\n" in message or not path:
        return message.split("\n")
    given = detail["input"]
    shown = "" if isinstance(given, Mapping) else f" (given: {given!r})"
    return [f"{path}: {message[0].lower()}{message[1:]}{shown}"]


def _is_tag(at: int, location: tuple[int | str, ...], model: type[BaseModel]) -> bool:
    """True for the ``type`` that pydantic puts behind section and name; people do not write it there."""
    if at != 2:
        return False
    field = model.model_fields.get(str(location[0]))
    values = get_args(field.annotation)[1:] if field is not None else ()
    return any(getattr(said, "discriminator", None) for value in values for said in get_args(value))


def _options_at(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[str, ...]:
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            if field is None:
                return ()
            current = field.annotation
        else:
            current = _inside(current, str(part))
        current = _unwrap(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return tuple(current.model_fields)
    return ()


def _unwrap(annotation: Any) -> Any:
    """The section model inside ``X | None``; anything else as it is."""
    models = [a for a in get_args(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
    return models[0] if len(models) == 1 and type(None) in get_args(annotation) else annotation


def _inside(annotation: Any, part: str) -> Any:
    """Step from ``dict[Name, A | B]`` to ``A | B``, and from there to the member with that tag."""
    arguments = get_args(annotation)
    for member in arguments:
        if isinstance(member, type) and issubclass(member, BaseModel):
            tag = member.model_fields.get("type")
            if tag is not None and tag.default == part:
                return member
    if len(arguments) == 2 and arguments[0] is not None:
        inner = get_args(arguments[1])
        return inner[0] if inner else arguments[1]
    return annotation


def _hint(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(known)}" if known else ""
