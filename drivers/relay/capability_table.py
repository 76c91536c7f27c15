"""Which board can do what: a table made from the drivers themselves, for people who choose one."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.loop import loop_pair
from drivers.relay.base import Capabilities
from drivers.relay.catalog import open_board


@dataclass(frozen=True, slots=True)
class Model:
    """A board as it is sold, and the options that make its driver.

    Attributes:
        title: What people call it; chinese: the same, where that is more than a name.
        section: What stands in the configuration.
    """

    title: str
    section: str
    type: str
    options: Mapping[str, object]
    chinese: str = ""


MODELS = (
    Model("LCUS-1/2/4/8", 'type = "lcus"', "lcus", {"channels": 4, "dialect": "text"}),
    Model(
        "LCUS, status query unanswered",
        'type = "lcus", dialect = "none"',
        "lcus",
        {"channels": 4, "dialect": "none"},
        "LCUS(不应答状态查询)",
    ),
    Model("KMTronic USB", 'type = "kmtronic"', "kmtronic", {}),
    Model("Devantech USB-RLY08", 'type = "devantech"', "devantech", {}),
    Model("Numato USB", 'type = "numato"', "numato", {}),
    Model("Waveshare Modbus RTU Relay", 'type = "modbus", profile = "waveshare"', "waveshare", {}),
    Model(
        "Waveshare (D), with inputs",
        'type = "modbus", profile = "waveshare", inputs = 8',
        "waveshare",
        {"inputs": 8},
        "Waveshare (D),带输入",
    ),
    Model("LC-Tech Modbus 8", 'type = "modbus", profile = "lc"', "lc", {}),
    Model(
        "LC-Tech Modbus, value 0100",
        'type = "modbus", profile = "quirk0100"',
        "quirk0100",
        {},
        "LC-Tech Modbus(写值 0100)",
    ),
    Model("eletechsup R421A08", 'type = "modbus", profile = "r421a08"', "r421a08", {}),
    Model(
        "Modbus TCP, Waveshare style",
        'type = "modbus", profile = "waveshare", port = "tcp://..."',
        "waveshare",
        {"framing": "tcp", "inputs": 8, "gap_ms": 0},
        "Modbus TCP(微雪协议)",
    ),
    Model(
        "Raspberry Pi GPIO",
        'type = "gpio"',
        "gpio",
        {"output_pins": (5, 6, 13, 19), "input_pins": (20, 21, 26, 16)},
        "树莓派 GPIO",
    ),
)
HEADINGS = (
    ("board", "板卡"),
    ("in the configuration", "配置写法"),
    ("relays", "继电器"),
    ("inputs", "输入"),
    ("acknowledges", "写入应答"),
    ("reads back", "状态回读"),
    ("times pulses itself", "自带脉冲定时"),
    ("pause", "帧间隔"),
    ("exists, never used", "存在但绝不使用"),
)
_YES_NO = {True: ("yes", "是"), False: ("no", "否")}
_NEVER_USED = {
    "toggle": "翻转",
    "linkage, toggle and edge mode": "联动、翻转、边沿模式",
    "all relays at once by FF / 1FF": "FF/1FF 全部继电器命令",
    "latch": "latch(会断开其余继电器)",
    "self-acting input modes": "输入自动联动模式",
    "all on, all off, set all": "全开、全关、整体写入",
    "reset, writeall": "复位、整体写入",
}
ENGLISH, CHINESE = 0, 1


def capabilities_of(model: Model) -> Capabilities:
    """What its driver declares; no port is touched."""
    line, _ = loop_pair()
    return open_board(model.title, model.type, port=line, **model.options).capabilities


def rows(language: int = ENGLISH) -> tuple[tuple[str, ...], ...]:
    """The table as text: headings, then a row for each model.

    Args:
        language: ``ENGLISH`` or ``CHINESE``.
    """
    headings = tuple(heading[language] for heading in HEADINGS)
    return (headings, *(_row(model, capabilities_of(model), language) for model in MODELS))


def markdown(language: int = ENGLISH) -> str:
    """The whole table as Markdown, without a line feed at the end."""
    headings, *boards = (f"| {' | '.join(row)} |" for row in rows(language))
    return "\n".join((headings, "|" + "---|" * len(HEADINGS), *boards))


def _row(model: Model, can: Capabilities, language: int) -> tuple[str, ...]:
    step_ms = can.pulse_step_ms
    never = (word.partition(" (")[0] for word in can.forbidden)
    return (
        model.chinese if language == CHINESE and model.chinese else model.title,
        f"`{model.section}`",
        str(can.outputs),
        str(can.inputs),
        _YES_NO[can.acknowledges][language],
        _YES_NO[can.reads_back][language],
        _YES_NO[False][language] if step_ms is None else f"{step_ms} ms",
        f"{can.min_gap_ms} ms",
        "; ".join(word if language == ENGLISH else _NEVER_USED.get(word, word) for word in never) or "-",
    )
