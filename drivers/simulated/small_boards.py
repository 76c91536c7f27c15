"""Simulated KMTronic, Devantech and Numato boards."""

from pathlib import Path

from drivers.simulated.boards import SimulatedBoard


class SimulatedKmtronicBoard(SimulatedBoard):
    """KMTronic USB relay board: three-byte commands that start with FF."""

    def __init__(
        self,
        channels: int = 8,
        *,
        name: str = "kmtronic",
        link: Path | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, channels=channels, link=link, wire_baud=wire_baud)
        self._buffer = b""

    def power_up(self) -> None:
        """Forget what was half received."""
        self._buffer = b""

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Obey and answer every whole command."""
        del now_ns
        self._buffer += data
        replies: list[bytes] = []
        while len(self._buffer) >= 3:
            if self._buffer[0] != 0xFF:
                self._buffer = self._buffer[1:]
                continue
            _, channel, what = self._buffer[:3]
            self._buffer = self._buffer[3:]
            if self.is_lost():
                continue
            if channel == 9 and what == 0 and len(self.relays) > 2:
                replies.append(bytes(self.relays))
            elif what == 3 and 1 <= channel <= len(self.relays) <= 2:
                replies.append(bytes((0xFF, channel, self.relays[channel - 1])))
            elif what in (0, 1):
                self.switch(channel, what == 1)
        return replies


class SimulatedDevantechBoard(SimulatedBoard):
    """Devantech USB-RLY08: one byte per command."""

    def __init__(
        self,
        channels: int = 8,
        *,
        name: str = "devantech",
        link: Path | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, channels=channels, link=link, wire_baud=wire_baud)

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Obey and answer every byte."""
        del now_ns
        replies: list[bytes] = []
        for byte in data:
            if self.is_lost():
                continue
            if byte == 0x5B:
                replies.append(bytes((sum(on << i for i, on in enumerate(self.relays)),)))
            elif byte in (0x64, 0x6E):
                for channel in range(1, len(self.relays) + 1):
                    self.switch(channel, byte == 0x64)
            elif 0x65 <= byte <= 0x6C:
                self.switch(byte - 0x64, True)
            elif 0x6F <= byte <= 0x76:
                self.switch(byte - 0x6E, False)
        return replies


class SimulatedNumatoBoard(SimulatedBoard):
    """Numato relay module: lines of text, an echo, a prompt."""

    def __init__(
        self,
        channels: int = 8,
        *,
        name: str = "numato",
        link: Path | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, channels=channels, link=link, wire_baud=wire_baud)
        self._buffer = b""

    def power_up(self) -> None:
        """Forget what was half received."""
        self._buffer = b""

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Obey and answer every whole line."""
        del now_ns
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\r")
        heard = (line for line in lines if not self.is_lost())
        return [line + b"\n\r" + self._obey(line.decode("ascii", "replace").split()) + b">" for line in heard]

    def _obey(self, words: list[str]) -> bytes:
        match words:
            case ["relay", ("on" | "off") as what, index] if self._channel(index):
                self.switch(self._channel(index), what == "on")
            case ["relay", "read", index] if self._channel(index):
                return b"on\n\r" if self.relays[self._channel(index) - 1] else b"off\n\r"
        return b""

    def _channel(self, index: str) -> int:
        """1.. for 0..9 and A..V, 0 when there is no such relay."""
        channel = "0123456789ABCDEFGHIJKLMNOPQRSTUV".find(index) + 1 if len(index) == 1 else 0
        return channel if channel <= len(self.relays) else 0
