"""What is joined to what: a lane's configuration as rows of terminals, for those who draw it. Pure.

Each row is one pair of wires: on the left two terminals of a board, on the right two of a device. Words come
in English and Chinese.
"""

from dataclasses import dataclass

from edge.settings import AnyBoard, GpioBoard, Input, ModbusBoard, Output, Settings
from edge.settings_passages import Lane

Words = tuple[str, str]
"""English, Chinese."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pair of wires.

    Attributes:
        meaning: The option of the lane.
        title: What it is for.
        board: Name of the board in the configuration.
        board_terminals: Upper and lower terminal on it.
        device: What stands on the other side.
        device_terminals: Upper and lower terminal there.
        is_relay: A relay of ours (else a contact that we read).
        contact: ``NO`` or ``NC``.
        is_fed: A supply sits in the upper wire: the device takes its power through our relay.
        note: What the installer must know.
    """

    meaning: str
    title: Words
    board: str
    board_terminals: tuple[str, str]
    device: Words
    device_terminals: tuple[str, str]
    is_relay: bool
    contact: str
    is_fed: bool
    note: Words


@dataclass(frozen=True, slots=True)
class BoardPlate:
    """What stands on a board's block: what it is, its port, and how it is connected and fed."""

    name: str
    title: Words
    where: str
    reached: Words


@dataclass(frozen=True, slots=True)
class Plan:
    """A lane, ready to be drawn; rows of one board, and of one device, follow each other."""

    lane: str
    title: Words
    boards: dict[str, BoardPlate]
    rows: tuple[Row, ...]


_BARRIER: Words = ("barrier controller", "道闸控制器")
_TURNSTILE: Words = ("turnstile controller", "闸机控制板")
_DEVICES: dict[str, tuple[Words, Words, bool]] = {
    # option: device, title, fed through our relay
    "open": (_BARRIER, ("OPEN", "开"), False),
    "close": (_BARRIER, ("CLOSE", "关"), False),
    "stop": (_BARRIER, ("STOP", "停"), False),
    "open_limit": (_BARRIER, ("OPEN LIMIT", "开到位"), False),
    "closed_limit": (_BARRIER, ("CLOSED LIMIT", "关到位"), False),
    "pass_in": (_TURNSTILE, ("PASS IN", "进"), False),
    "pass_out": (_TURNSTILE, ("PASS OUT", "出"), False),
    "release": (_TURNSTILE, ("RELEASE", "放行"), False),
    "passage": (_TURNSTILE, ("PASSAGE", "过人信号"), False),
    "passage_out": (_TURNSTILE, ("PASSAGE OUT", "出向过人"), False),
    "zone_in": (_TURNSTILE, ("ZONE IN", "入口区"), False),
    "zone_out": (_TURNSTILE, ("ZONE OUT", "出口区"), False),
    "lock": (("lock", "电锁"), ("LOCK", "锁"), True),
    "outer_lock": (("outer lock", "外门电锁"), ("OUTER LOCK", "外门锁"), True),
    "inner_lock": (("inner lock", "内门电锁"), ("INNER LOCK", "内门锁"), True),
    "light_red": (("red lamp", "红灯"), ("RED", "红灯"), True),
    "light_green": (("green lamp", "绿灯"), ("GREEN", "绿灯"), True),
    "alarm": (("siren", "警号"), ("ALARM", "报警"), True),
    "presence": (("loop detector", "地感检测器"), ("LOOP", "地感"), False),
    "second_loop": (("loop detector 2", "第二地感"), ("LOOP 2", "地感2"), False),
    "beam": (("light beam", "红外对射"), ("BEAM", "红外"), False),
    "edge": (("safety edge", "安全触边"), ("EDGE", "触边"), False),
    "fire": (("fire panel", "消防主机"), ("FIRE", "消防"), False),
    "hold_key": (("key switch", "钥匙开关"), ("HOLD", "常开"), False),
    "tamper": (("tamper switch", "防拆开关"), ("TAMPER", "防拆"), False),
    "contact": (("door contact", "门磁"), ("DOOR", "门磁"), False),
    "outer_contact": (("outer door contact", "外门磁"), ("OUTER DOOR", "外门磁"), False),
    "inner_contact": (("inner door contact", "内门磁"), ("INNER DOOR", "内门磁"), False),
    "outer_locked": (("outer bolt contact", "外门锁舌"), ("OUTER BOLT", "外锁舌"), False),
    "inner_locked": (("inner bolt contact", "内门锁舌"), ("INNER BOLT", "内锁舌"), False),
    "occupied": (("presence sensor", "人体感应"), ("OCCUPIED", "有人"), False),
    "exit_button": (("exit button", "出门按钮"), ("EXIT", "出门"), False),
    "cabin_button": (("button inside", "中间区按钮"), ("BUTTON", "按钮"), False),
}
_CURRENT: dict[str, Words] = {
    "stop": ("current: stop", "通电=停"),
    "run": ("current: run", "通电=运行"),
    "unlock": ("current: unlock", "通电开锁"),
    "lock": ("current: lock", "通电上锁"),
    "release": ("current: release", "通电放行"),
    "hold": ("current: hold", "通电保持"),
    "alarm": ("current: alarm", "通电报警"),
    "quiet": ("current: quiet", "通电静默"),
}
_LANES: dict[str, Words] = {
    "barrier": ("barrier lane", "道闸车道"),
    "door": ("door", "门"),
    "turnstile": ("turnstile", "人行闸机"),
    "mantrap": ("mantrap", "双门互锁"),
}
_USB: Words = ("USB; fed by its plug, relays fall off without it", "USB 供电,拔出即全部断开")
_RS485: Words = ("RS-485 A-A, B-B; own 7-36 V supply", "RS-485 A 接 A、B 接 B;另接直流电源")
_TITLES: dict[str, tuple[Words, Words]] = {
    "lcus": (("LCUS relay board", "LCUS 继电器板"), _USB),
    "kmtronic": (("KMTronic relay board", "KMTronic 继电器板"), _USB),
    "devantech": (("Devantech USB-RLY", "Devantech USB-RLY"), _USB),
    "numato": (("Numato relay module", "Numato 继电器模块"), _USB),
    "waveshare": (("Waveshare Modbus relay", "微雪 Modbus 继电器"), _RS485),
    "lc": (("LC Modbus board", "LC Modbus 板"), _RS485),
    "quirk0100": (("LC Modbus board (0100)", "LC Modbus 板(0100)"), _RS485),
    "r421a08": (("R421A08 relay board", "R421A08 继电器板"), ("RS-485; own 12 V supply", "RS-485;另接 12 V")),
    "tcp": (("Modbus TCP board", "Modbus TCP 板"), ("Ethernet; own supply", "网线;另接电源")),
    "gpio": (
        ("Raspberry Pi, relay module", "树莓派与继电器模块"),
        ("pins to IN of the module; contacts to GND", "引脚接模块 IN;触点接 GND"),
    ),
    "reader": (("relays inside a reader", "读卡器内继电器"), ("RS-485 of the reader", "读卡器的 RS-485")),
    "simulated": (("simulated board", "模拟板卡"), ("nothing to be wired", "无需接线")),
}
# BCM number -> pin of the 40-pin header.
_HEADER_PINS = dict(
    zip(
        (
            2,
            3,
            4,
            14,
            15,
            17,
            18,
            27,
            22,
            23,
            24,
            10,
            9,
            25,
            11,
            8,
            7,
            0,
            1,
            5,
            6,
            12,
            13,
            19,
            16,
            26,
            20,
            21,
        ),
        (
            3,
            5,
            7,
            8,
            10,
            11,
            12,
            13,
            15,
            16,
            18,
            19,
            21,
            22,
            23,
            24,
            26,
            27,
            28,
            29,
            31,
            32,
            33,
            35,
            36,
            37,
            38,
            40,
        ),
        strict=True,
    )
)


def plan_of(lane: str, settings: Settings) -> Plan:
    """Everything that hangs on one lane.

    Args:
        lane: Its name; it must exist.
        settings: All of the configuration.
    """
    section = settings.lanes[lane]
    wires = _wires(section)
    names = list(dict.fromkeys(wire.board for _, wire in wires))
    rows = [_row(meaning, wire, settings.boards[wire.board]) for meaning, wire in wires]
    devices = list(dict.fromkeys(row.device for row in rows))
    rows.sort(key=lambda row: (names.index(row.board), devices.index(row.device)))
    boards = {name: _plate(name, settings.boards[name]) for name in names}
    return Plan(lane, _LANES.get(section.type, (section.type, section.type)), boards, tuple(rows))


def _wires(lane: Lane) -> list[tuple[str, Output | Input]]:
    """The wired options: relays first, each kind in the order in which devices are named above."""
    order = list(_DEVICES)
    named = [(option, getattr(lane, option)) for option in type(lane).model_fields]
    wired = [(option, wire) for option, wire in named if isinstance(wire, Output | Input)]
    return sorted(
        wired,
        key=lambda item: (
            isinstance(item[1], Input),
            order.index(item[0]) if item[0] in order else len(order),
        ),
    )


def _row(meaning: str, wire: Output | Input, board: AnyBoard) -> Row:
    device, title, is_fed = _DEVICES.get(meaning, ((meaning, meaning), (meaning.upper(), meaning), False))
    is_relay = isinstance(wire, Output)
    contact = wire.contact.upper() if isinstance(wire, Output) else "NC" if wire.inverted else "NO"
    label = f"{title[0]} {title[1]}"
    if is_fed:
        far = ("+", "-")
    elif is_relay:
        far = ("COM", label)
    else:
        far = ("COM", f"{label} {contact}" if device in (_BARRIER, _TURNSTILE) else contact)
    return Row(
        meaning=meaning,
        title=title,
        board=wire.board,
        board_terminals=_relay_terminals(wire) if isinstance(wire, Output) else _input_terminals(wire, board),
        device=device,
        device_terminals=far,
        is_relay=is_relay,
        contact=contact,
        is_fed=is_fed,
        note=_relay_note(wire, board) if isinstance(wire, Output) else _input_note(wire),
    )


def _relay_terminals(wire: Output) -> tuple[str, str]:
    return f"COM{wire.channel}", f"{wire.contact.upper()}{wire.channel}"


def _input_terminals(wire: Input, board: AnyBoard) -> tuple[str, str]:
    if isinstance(board, GpioBoard):
        pin = board.input_pins[wire.channel - 1]
        return "GND", f"GPIO{pin} ({_HEADER_PINS[pin]})"
    return "COM", f"IN{wire.channel}"


def _relay_note(wire: Output, board: AnyBoard) -> Words:
    length = (f"{wire.pulse_ms} ms pulse", f"脉冲 {wire.pulse_ms} ms") if wire.pulse_ms else ("level", "保持")
    current = _CURRENT.get(getattr(wire, "energise_to", ""), ("", ""))
    safe = (
        ("safe: coil energised", "安全态:吸合")
        if wire.safe_energised
        else ("safe: coil released", "安全态:释放")
    )
    english = "; ".join(words for words in (length[0], current[0], safe[0]) if words)
    chinese = ";".join(words for words in (length[1], current[1], safe[1]) if words)
    if isinstance(board, GpioBoard):
        pin = board.output_pins[wire.channel - 1]
        driven = f"GPIO{pin} ({_HEADER_PINS[pin]}) - IN{wire.channel}"
        return f"{driven}; {english}", f"{driven};{chinese}"
    return english, chinese


def _input_note(wire: Input) -> Words:
    if wire.inverted:
        return "opens when active (inverted = true)", "动作时断开(inverted = true)"
    return "closes when active", "动作时闭合"


def _plate(name: str, board: AnyBoard) -> BoardPlate:
    key: str = board.type
    where = board.port
    if isinstance(board, ModbusBoard):
        key = "tcp" if board.speaks_tcp else board.profile
        where = f"{board.port} @{board.address}"
    title, reached = _TITLES[key]
    return BoardPlate(name, title, "" if key == "gpio" else where, reached)
