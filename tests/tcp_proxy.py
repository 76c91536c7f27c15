"""A wire between two TCP ends that can be cut, frozen, bitten off, slowed down, or say things twice."""

import contextlib
import random
import select
import socket
import threading
import time
from collections import deque
from types import TracebackType

from mqtt_packets import Doubler, Packets

TURN_S = 0.05


class TcpProxy:
    """Listens on a free port of this machine and carries bytes to ``target`` and back.

    Faults: ``cut`` ends all connections; ``frozen`` swallows nothing and passes nothing (half-open);
    ``bite_after`` cuts each new connection after so many bytes towards the target; ``delay_s`` and
    ``jitter_s`` make every piece of both ways late by U(delay, delay + jitter), in order; ``double_up`` and
    ``double_down`` are the shares of MQTT PUBLISH packets of QoS 1 that each new connection says twice,
    towards the target and back.

    Args:
        target_port: Where it leads to. seed: Of jitter and of what is doubled.
    """

    def __init__(self, target_port: int, seed: int = 1) -> None:
        self.target_port = target_port
        self.frozen = False
        self.bite_after: int | None = None
        self.delay_s = self.jitter_s = 0.0
        self.double_up = self.double_down = 0.0
        self._seed, self._chance = seed, random.Random(seed)
        self._doublers: list[Doubler] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def doubled(self) -> int:
        """PUBLISH packets that were said twice so far."""
        with self._lock:
            return sum(doubler.doubled for doubler in self._doublers)

    def __enter__(self) -> "TcpProxy":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def cut(self) -> None:
        """End every connection, as when a router reboots."""
        with self._lock:
            for pair in self._pairs:
                for end in pair:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not select.select([self._listener], [], [], TURN_S)[0]:
                continue
            near, _ = self._listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.target_port), 2)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.append((near, far))
            thread = threading.Thread(target=self._carry, args=(near, far), name="proxy-wire")
            self._threads.append(thread)
            thread.start()

    def _ways(self, near: socket.socket, far: socket.socket) -> tuple["_Way", "_Way"]:
        """Both directions of a new connection."""
        if not self.double_up and not self.double_down:
            return _Way(near, far, self.bite_after), _Way(far, near)
        with self._lock:
            name = f"{self._seed} {len(self._doublers)}"
            up, down = Doubler(self.double_up, f"{name} up"), Doubler(self.double_down, f"{name} down")
            self._doublers += [up, down]
        return _Way(near, far, self.bite_after, (up, down)), _Way(far, near, None, (down, up))

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        ways = self._ways(near, far)
        with near, far:
            while not self._stopping.is_set():
                if self.frozen:
                    self._stopping.wait(TURN_S)
                    continue
                now_s = time.monotonic()
                wait_s = min((way.due_s for way in ways), default=now_s + TURN_S) - now_s
                open_ends = [way.source for way in ways if not way.is_over]
                ready = select.select(open_ends, [], [], max(0.0, min(TURN_S, wait_s)))[0]
                try:
                    for way in ways:
                        if way.source in ready:
                            way.take(way.source.recv(65536), time.monotonic() + self._late_s())
                    if not all(way.flush(time.monotonic()) for way in ways):
                        return
                except OSError:
                    return

    def _late_s(self) -> float:
        return self.delay_s + (self._chance.uniform(0.0, self.jitter_s) if self.jitter_s else 0.0)


class _Way:
    """One direction of one connection; what has come waits here until it is due. Thread: one."""

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        limit: int | None = None,
        doublers: tuple[Doubler, Doubler] | None = None,
    ) -> None:
        """Carry from ``source`` to ``sink``, at most ``limit`` bytes.

        Args:
            source, sink: The two ends.
            limit: The connection ends after so many bytes.
            doublers: The one that doubles in this direction, and the one of the other.
        """
        self.source, self.is_over = source, False
        self._sink, self._left, self._doublers = sink, limit, doublers
        self._packets = Packets()
        self._waiting: deque[tuple[float, bytes]] = deque()

    @property
    def due_s(self) -> float:
        """When there is something to pass on; never, while nothing waits."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def take(self, data: bytes, due_s: float) -> None:
        """Take what has come; empty: the source has ended."""
        if data and self._doublers is not None:
            there, back = self._doublers
            data = b"".join(
                out
                for packet in self._packets.feed(data)
                for once in there.there(packet)
                for out in back.back(once)
            )
            if not data:
                return
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self.is_over = not data
        last_s = self._waiting[-1][0] if self._waiting else 0.0
        self._waiting.append((max(due_s, last_s), data))

    def flush(self, now_s: float) -> bool:
        """Pass on what is due; False at the end."""
        while self._waiting and self._waiting[0][0] <= now_s:
            _, data = self._waiting.popleft()
            if not data:
                return False
            self._sink.sendall(data)
        return True
