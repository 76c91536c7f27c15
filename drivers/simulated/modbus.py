"""A simulated Modbus board of any family in ``modbus_profiles``, seen from the device: RTU or TCP.

It cuts requests out of the stream by length and CRC (or by the TCP header), keeps silent about what is not
for it, and answers what it does not know with an exception, as the boards do. It obeys the dangerous
operations too (toggle, latch, linkage mode), so that a driver that used them would be found out.
"""

import struct
from pathlib import Path

from drivers.link import NS_PER_MS
from drivers.relay.modbus_codec import Function, Refusal, append_crc, has_sound_crc
from drivers.simulated.boards import SimulatedBoard
from drivers.simulated.jacks import Jack, TcpJack

BROADCAST = 0
_ON, _OFF, _TOGGLE, _QUIRK_ON = 0xFF00, 0x0000, 0x5500, 0x0100
_ALL, _TOGGLE_ALL = 0x00FF, 0x01FF
_FLASH_ON, _FLASH_MAX = 0x0200, 0x7FFF
_CONTROL_MODE = 0x1000
_LONGEST_REQUEST_BYTES = 64
_HEADER = struct.Struct(">HHHB")  # of Modbus TCP: transaction, protocol, length of what follows, unit


class _Refused(Exception):
    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.name)
        self.reason = reason


class SimulatedModbusBoard(SimulatedBoard):
    """A Modbus RTU board on a pseudo-terminal.

    Args:
        profile: Family: ``waveshare``, ``lc``, ``quirk0100`` or ``r421a08``.
        address: Unit address.
        outputs, inputs: Channels.
        link: Path of a symbolic link to keep pointed at the port.
        wire_baud: Let bytes take their time on the wire.

    Attributes:
        control_modes: Per relay of a ``waveshare`` board with inputs; 0 is normal, 1 linkage.
    """

    def __init__(
        self,
        profile: str = "waveshare",
        address: int = 1,
        outputs: int = 8,
        inputs: int = 0,
        *,
        name: str = "modbus",
        link: Path | None = None,
        jack: Jack | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, channels=outputs, inputs=inputs, link=link, jack=jack, wire_baud=wire_baud)
        self._profile = profile
        self._address = address
        self._buffer = b""
        self.control_modes = [0] * outputs

    def power_up(self) -> None:
        """Forget what was half received."""
        self._buffer = b""

    def set_input(self, channel: int, active: bool) -> None:
        """Put a level on an input; in linkage mode the relay of the same number follows it."""
        super().set_input(channel, active)
        if channel <= len(self.control_modes) and self.control_modes[channel - 1] == 1:
            self.do(lambda: self._switch(channel, active))

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Answer every whole request that is for this board."""
        del now_ns
        self._buffer += data
        replies: list[bytes] = []
        while (request := self._next_request()) is not None:
            if (answer := self.exchange(request[:-2])) is not None:
                replies.append(append_crc(answer))
        return replies

    def exchange(self, body: bytes) -> bytes | None:
        """Obey one request.

        Args:
            body: Unit, function, data.

        Returns:
            Unit, function, data of the answer; None when there is none.
        """
        if self.is_lost():
            return None
        unit, function = body[0], body[1]
        if unit not in (self._address, BROADCAST):
            return None
        try:
            answer = bytes((function,)) + self._obey(function, body[2:])
        except _Refused as refused:
            answer = bytes((function | 0x80, refused.reason))
        answer_as = self._address if self.faults.answer_as is None else self.faults.answer_as
        return None if unit == BROADCAST else bytes((answer_as,)) + answer

    def _next_request(self) -> bytes | None:
        """Cut the next sound request, for whomever, out of the buffer; skip what cannot become one."""
        at = 0
        while at + 8 <= len(self._buffer):
            size = 8
            if self._buffer[at + 1] == Function.WRITE_COILS:
                size = 9 + self._buffer[at + 6]
            if size <= _LONGEST_REQUEST_BYTES and has_sound_crc(self._buffer[at : at + size]):
                request, self._buffer = self._buffer[at : at + size], self._buffer[at + size :]
                return request
            at += 1
        self._buffer = self._buffer[-_LONGEST_REQUEST_BYTES:]
        return None

    def _obey(self, function: int, data: bytes) -> bytes:
        address, value = struct.unpack(">HH", data[:4])
        if self._profile == "r421a08":
            return self._obey_registers(function, address, value)
        if function == Function.READ_COILS and self._profile != "quirk0100":
            return self._bits(self.relays, address, value)
        if function == Function.READ_INPUTS and self.inputs:
            if self._profile == "lc" and value != 8:
                raise _Refused(Refusal.BAD_VALUE)
            return self._bits(self.inputs, address, value)
        if function == Function.READ_REGISTERS and self._profile == "waveshare" and self.inputs:
            first = address - _CONTROL_MODE
            if first >= 0 and first + value <= len(self.control_modes):
                modes = self.control_modes[first : first + value]
                return bytes((2 * value,)) + struct.pack(f">{value}H", *modes)
            raise _Refused(Refusal.UNKNOWN_ADDRESS)
        if function == Function.WRITE_COIL:
            self._write_coil(address, value)
            return data[:4]
        if function == Function.WRITE_COILS and self._profile != "quirk0100":
            for i in range(value):
                self._switch(address + i + 1, bool(data[5 + i // 8] >> (i % 8) & 1))
            return data[:4]
        raise _Refused(Refusal.UNKNOWN_FUNCTION)

    def _write_coil(self, address: int, value: int) -> None:
        if self._profile == "quirk0100":
            if value not in (_QUIRK_ON, _OFF):
                raise _Refused(Refusal.BAD_VALUE)
            self._switch(address, value == _QUIRK_ON)
        elif self._profile == "waveshare" and address in (_ALL, _TOGGLE_ALL):
            for channel in range(1, len(self.relays) + 1):
                self._switch(
                    channel, not self.relays[channel - 1] if address == _TOGGLE_ALL else value == _ON
                )
        elif self._profile == "waveshare" and _FLASH_ON <= address < _FLASH_ON + len(self.relays):
            if not 0 < value <= _FLASH_MAX:
                raise _Refused(Refusal.BAD_VALUE)
            self.switch(address - _FLASH_ON + 1, True, for_ns=value * 100 * NS_PER_MS)
        elif value == _TOGGLE and address < len(self.relays):
            self._switch(address + 1, not self.relays[address])
        elif value in (_ON, _OFF):
            self._switch(address + 1, value == _ON)
        else:
            raise _Refused(Refusal.BAD_VALUE)

    def _obey_registers(self, function: int, register: int, value: int) -> bytes:
        """R421A08: register = relay, value = command in the high byte, argument in the low one."""
        if not 1 <= register <= len(self.relays):
            raise _Refused(Refusal.UNKNOWN_ADDRESS)
        if function == Function.READ_REGISTERS and value == 1:
            return bytes((2, 0, self.relays[register - 1]))
        if function != Function.WRITE_REGISTER:
            raise _Refused(Refusal.UNKNOWN_FUNCTION)
        command, argument = value >> 8, value & 0xFF
        match command:
            case 1 | 2:
                self._switch(register, command == 1)
            case 3:
                self._switch(register, not self.relays[register - 1])
            case 4:
                for channel in range(1, len(self.relays) + 1):
                    self._switch(channel, channel == register)
            case 5:
                self.switch(register, True, for_ns=1000 * NS_PER_MS)
            case 6 if argument:
                self.switch(register, True, for_ns=argument * 1000 * NS_PER_MS)
            case _:
                raise _Refused(Refusal.BAD_VALUE)
        return struct.pack(">HH", register, value)

    def _switch(self, channel: int, on: bool) -> None:
        if not self.switch(channel, on):
            raise _Refused(Refusal.UNKNOWN_ADDRESS)

    @staticmethod
    def _bits(states: tuple[bool, ...], address: int, count: int) -> bytes:
        if not 1 <= count <= 32 or address >= 32:
            raise _Refused(Refusal.UNKNOWN_ADDRESS)
        octets = bytearray((count + 7) // 8)
        for i in range(count):
            if address + i < len(states) and states[address + i]:
                octets[i // 8] |= 1 << (i % 8)
        return bytes((len(octets),)) + bytes(octets)


class SimulatedModbusTcpBoard(SimulatedModbusBoard):
    """The same boards with a network plug: Modbus TCP on a port of this machine."""

    def __init__(
        self,
        profile: str = "waveshare",
        address: int = 1,
        outputs: int = 8,
        inputs: int = 0,
        *,
        name: str = "modbus-tcp",
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(profile, address, outputs, inputs, name=name, jack=TcpJack(), wire_baud=wire_baud)

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Answer every whole request under its own transaction number."""
        del now_ns
        self._buffer += data
        replies: list[bytes] = []
        while len(self._buffer) > _HEADER.size:
            transaction, protocol, length, _ = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size - 1 + length
            if protocol or not 2 <= length <= _LONGEST_REQUEST_BYTES:
                self._buffer = b""  # a stream that has lost its place never finds it again
                break
            if end > len(self._buffer):
                break
            body, self._buffer = self._buffer[_HEADER.size - 1 : end], self._buffer[end:]
            if (answer := self.exchange(body)) is not None:
                header = _HEADER.pack(transaction, 0, len(answer), answer[0])
                replies.append(header + answer[1:])
        return replies
