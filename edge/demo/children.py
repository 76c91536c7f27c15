"""Child processes of the demo, started anew when they die, as systemd would do for the real ones."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import Unavailable

RESTART_AFTER_S = 1.0
STOP_WITHIN_S = 15.0


class Child:
    """One child process with its log file.

    Thread: one only, the demo's main thread.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        *,
        environ: Mapping[str, str] | None = None,
        final_codes: Sequence[int] = (),
    ) -> None:
        """Prepare; ``start`` starts it.

        Args:
            name: For people.
            arguments: Program and its arguments.
            log: Both outputs are appended here.
            environ: Added to this process's environment.
            final_codes: Exit codes after which starting it again makes no sense.
        """
        self.name = name
        self.restarts = 0
        self._arguments = list(arguments)
        self._log = log
        self._environ = {**os.environ, **(environ or {})}
        self._final_codes = frozenset(final_codes)
        self._process: subprocess.Popen[bytes] | None = None
        self._died_at_s: float | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                # A Ctrl-C in the terminal reaches the demo, which stops its children in order.
                start_new_session=True,
            )
        self._died_at_s = None

    def watch(self) -> None:
        """Start it again a second after it died.

        Raises:
            Unavailable: It ended with a code that says that trying again is of no use.
        """
        if self._process is None or self._process.poll() is None:
            return
        now_s = time.monotonic()
        if self._died_at_s is None:
            self._died_at_s = now_s
            if self._process.returncode in self._final_codes:
                raise Unavailable(f"{self.name} gave up: {self.last_words()} (log: {self._log})")
        elif now_s - self._died_at_s >= RESTART_AFTER_S:
            self.restarts += 1
            self.start()

    def last_words(self) -> str:
        """Last line of its log."""
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return "no log"
        return lines[-1] if lines else "it said nothing"

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
