"""The wiring pages of the README: one picture for each family of boards and each kind of machine."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.cli.wiring_layout import lay_out
from edge.cli.wiring_picture import to_svg
from edge.cli.wiring_plan import plan_of
from edge.settings import Settings
from edge.settings_file import parse_settings

_BY_PATH = "/dev/serial/by-path/..."
_USB = {"type": "lcus", "port": _BY_PATH, "channels": 8}
_INPUT_BOARD = {"type": "modbus", "profile": "lc", "port": "usb:path=1-1.3", "outputs": 0, "inputs": 8}


def _relays(board: str, *meanings: str, **more: Any) -> dict[str, Any]:
    return {meaning: {"board": board, "channel": i} | more for i, meaning in enumerate(meanings, start=1)}


def _inputs(board: str, *meanings: str) -> dict[str, Any]:
    """Sensors for safety are wired normally closed: a cut wire then reads as active."""
    return {
        meaning: {"board": board, "channel": i} | ({"inverted": True} if meaning in ("beam", "fire") else {})
        for i, meaning in enumerate(meanings, start=1)
    }


def _barrier(relays: str = "relays", inputs: str = "inputs") -> dict[str, Any]:
    return (
        {"type": "barrier", "accepts": ["plate"]}
        | _relays(relays, "open", "close")
        | _inputs(inputs, "open_limit", "closed_limit", "presence", "beam")
    )


def _two(board: Mapping[str, Any]) -> dict[str, Any]:
    return {"boards": {"relays": board, "inputs": _INPUT_BOARD}, "lane": _barrier()}


def _one(board: Mapping[str, Any]) -> dict[str, Any]:
    return {"boards": {"board": board}, "lane": _barrier("board", "board")}


def _modbus(profile: str, **more: Any) -> dict[str, Any]:
    return {"type": "modbus", "profile": profile, "port": _BY_PATH} | more


PAGES: Mapping[str, Mapping[str, Any]] = {
    # one for each family of boards, on a barrier
    "board-lcus": _two(_USB | {"channels": 4}),
    "board-kmtronic": _two({"type": "kmtronic", "port": "usb:serial=AB0123", "channels": 4}),
    "board-devantech": _two({"type": "devantech", "port": "usb:serial=00012345"}),
    "board-numato": _two({"type": "numato", "port": "usb:serial=NLRL123"}),
    "board-waveshare": _one(_modbus("waveshare", inputs=8)),
    "board-lc": _one(_modbus("lc")),
    "board-quirk0100": _two(_modbus("quirk0100", address=2)),
    "board-r421a08": _two(_modbus("r421a08", address=2)),
    "board-modbus-tcp": _one(_modbus("waveshare", port="tcp://192.0.2.20:502", inputs=8)),
    "board-gpio": _one(
        {"type": "gpio", "output_pins": [5, 6, 13, 19], "input_pins": [20, 21, 26, 16], "active_low": True}
    ),
    # one for each kind of machine, on a board with relays and inputs
    "machine-barrier": {
        "boards": {"board": _modbus("waveshare", inputs=8)},
        "lane": _barrier("board", "board")
        | {"stop": {"board": "board", "channel": 3, "contact": "nc", "energise_to": "run"}}
        | _relays("board", "open", "close")
        | {"light_red": {"board": "board", "channel": 5}, "light_green": {"board": "board", "channel": 6}}
        | _inputs(
            "board", "open_limit", "closed_limit", "presence", "beam", "fire", "hold_key", "second_loop"
        ),
    },
    "machine-barrier-open-only": {
        "boards": {"relays": _USB | {"channels": 1}},
        "lane": {"type": "barrier", "accepts": ["plate"]} | _relays("relays", "open"),
    },
    "machine-door-strike": {
        "boards": {"board": _modbus("lc")},
        "lane": {"type": "door", "accepts": ["plate"], "other_ways": ["staff", "exit_button"]}
        | _relays("board", "lock", pulse_ms=0, energise_to="unlock", safe="locked")
        | _inputs("board", "contact", "exit_button", "fire"),
    },
    "machine-door-magnet": {
        "boards": {"board": _modbus("lc")},
        "lane": {"type": "door", "accepts": ["plate"], "other_ways": ["staff", "exit_button"]}
        | _relays("board", "lock", pulse_ms=0, contact="nc", energise_to="lock", safe="locked")
        | _inputs("board", "contact", "exit_button", "fire"),
    },
    "machine-turnstile": {
        "boards": {"board": _modbus("waveshare", inputs=8)},
        "lane": {"type": "turnstile", "accepts": ["plate"], "direction": "both"}
        | _relays("board", "pass_in", "pass_out")
        | {"release": {"board": "board", "channel": 3, "energise_to": "hold", "contact": "nc"}}
        | _inputs("board", "passage", "passage_out", "zone_in", "zone_out", "fire"),
    },
    "machine-mantrap": {
        "boards": {"board": _modbus("waveshare", inputs=8)},
        "lane": {"type": "mantrap", "accepts": ["plate"]}
        | _relays("board", "outer_lock", "inner_lock", pulse_ms=0)
        | _inputs(
            "board", "outer_contact", "inner_contact", "occupied", "exit_button", "cabin_button", "fire"
        ),
    },
}


def settings_of(page: str) -> Settings:
    """The configuration that a page draws; the lane is called ``lane``."""
    parts = PAGES[page]
    return parse_settings(
        {"device": {"id": "gate-1"}, "boards": parts["boards"], "lanes": {"lane": parts["lane"]}}
    )


def drawn(page: str) -> str:
    """A page as SVG."""
    return to_svg(lay_out(plan_of("lane", settings_of(page))))


def write_pages(folder: Path) -> Iterator[Path]:
    """Write every page, and tell which."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        path = folder / f"{page}.svg"
        path.write_text(drawn(page), encoding="utf-8")
        yield path
