"""A wire between two TCP ends that can be cut, frozen, or bitten off after so many bytes."""

import contextlib
import select
import socket
import threading
from types import TracebackType


class TcpProxy:
    """Listens on a free port of this machine and carries bytes to ``target`` and back.

    Faults: ``cut`` ends all connections; ``frozen`` swallows nothing and passes nothing (half-open);
    ``bite_after`` cuts each new connection after so many bytes towards the target.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.frozen = False
        self.bite_after: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"

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
            if not select.select([self._listener], [], [], 0.05)[0]:
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

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        passed, limit = 0, self.bite_after
        with near, far:
            while not self._stopping.is_set():
                if self.frozen:
                    self._stopping.wait(0.05)
                    continue
                for end in select.select([near, far], [], [], 0.05)[0]:
                    other = far if end is near else near
                    try:
                        data = end.recv(65536)
                        if end is near and limit is not None:
                            data = data[: max(0, limit - passed)]
                            passed += len(data)
                        if not data:
                            return
                        other.sendall(data)
                    except OSError:
                        return
