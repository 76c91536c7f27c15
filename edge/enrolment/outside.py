"""The examiner in a process of its own, as the daemon uses it: started for one job, gone after it."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edge.children import spawn
from edge.clock import NS_PER_S, Clock
from edge.enrolment.pipe import ExaminerGone, Pipe
from edge.enrolment.verdicts import Examination, Finding
from edge.errors import Unavailable
from edge.settings import ModelSettings

START_LIMIT_S = 120.0
"""The first start ever converts a network, which takes half a minute on a small board."""
PICTURE_LIMIT_S = 30.0
_REAP_S = 5.0


class OutsideExaminer:
    """Use as a context manager. ``examine`` as ``Examiner.examine``.

    Args:
        models: Which networks.
        cache: Where they are kept.
        clock: Boot time.
        turn: Called a few times a second while waiting; may raise to give up.

    Attributes:
        set_name: ``faces-<model>`` of the templates that it makes.

    Raises:
        Unavailable: It cannot be started, or the networks cannot be opened; the message says why.

    Thread: one, which must live as long as the process does: the kernel ends the child with that thread.
    """

    def __init__(
        self, models: ModelSettings, cache: Path, clock: Clock, turn: Callable[[], None] = lambda: None
    ) -> None:
        self._clock, self._between = clock, turn
        self._until_ns = 0
        self.set_name = ""
        self._process, self._pipe = self._spawn()
        try:
            self._greet(models, cache)
        finally:
            if not self.set_name:  # whatever happened, also when the caller gave up
                self.close()

    def examine(self, content: bytes) -> Examination:
        """Judge the content of a picture file; the template may be overwritten.

        Raises:
            Unavailable: The process has ended, hangs, or its networks fail.
        """
        self._allow(PICTURE_LIMIT_S)
        self._pipe.send({}, content)
        header, blob = self._pipe.receive()
        if "failed" in header:
            raise Unavailable(f"a picture cannot be examined: {header['failed']}")
        try:
            return Examination(
                finding=Finding(header["finding"]),
                template=np.frombuffer(blob, "<f4") if blob else None,
                detail=str(header["detail"]),
                thumb=bytes.fromhex(header["thumb"]),
                digest=bytes.fromhex(header["digest"]),
                numbers={str(name): float(value) for name, value in dict(header["numbers"]).items()},
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ExaminerGone(f"the examiner speaks nonsense: {error}") from error

    def close(self) -> None:
        """End the process and reap it; harmless when it has ended."""
        self._pipe.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(_REAP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _greet(self, models: ModelSettings, cache: Path) -> None:
        self._allow(START_LIMIT_S)
        self._pipe.send({"models": models.model_dump(mode="json"), "cache": str(cache)})
        hello, _ = self._pipe.receive()
        if "failed" in hello:
            raise Unavailable(f"pictures cannot be examined: {hello['failed']}")
        self.set_name = str(hello.get("set") or "faces-unknown")

    def _allow(self, seconds: float) -> None:
        self._until_ns = self._clock.boot_ns() + round(seconds * NS_PER_S)

    def _turn(self) -> None:
        self._between()
        if self._clock.boot_ns() > self._until_ns:
            raise ExaminerGone("the examiner does not answer")

    def _spawn(self) -> tuple[subprocess.Popen[bytes], Pipe]:
        try:
            process, up, down = spawn("edge.enrolment.child")
        except OSError as error:
            raise Unavailable(f"the examiner cannot be started: {error.strerror or error}") from error
        return process, Pipe(up, down, self._turn)
