"""``python -m edge.enrolment.child``: the process that looks at enrolment pictures for the daemon, and ends.

It decodes pictures that strangers may have made and holds 200 MB of networks, so it is a process of its own
and lives for one job. It knows no person, no template but those it makes, and no key.
"""

import argparse
import ctypes
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from edge.enrolment.examiner import Examiner
from edge.enrolment.pipe import ExaminerGone, Pipe
from edge.errors import Exit
from edge.settings import ModelSettings
from models.errors import ModelError

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Open the networks, then answer each picture until the pipe is closed."""
    arguments = argparse.ArgumentParser(prog="edge.enrolment.child")
    for name in ("--up", "--down", "--parent"):
        arguments.add_argument(name, type=int, required=True)
    given = arguments.parse_args()
    _settle_in(given.parent)
    pipe = Pipe(given.down, given.up)
    with suppress(ExaminerGone):
        start, _ = pipe.receive()
        try:
            examiner = Examiner(ModelSettings.model_validate(start["models"]), Path(start["cache"]))
        except ModelError as error:
            pipe.send({"failed": str(error)})
            sys.exit(Exit.DATA)
        pipe.send({"set": examiner.set_name})
        while True:
            _, content = pipe.receive()
            _answer(pipe, examiner, bytes(content))


def _answer(pipe: Pipe, examiner: Examiner, content: bytes) -> None:
    try:
        found = examiner.examine(content)
    except ModelError as error:
        pipe.send({"failed": str(error)})
        return
    header = {
        "finding": found.finding.value,
        "detail": found.detail,
        "thumb": found.thumb.hex(),
        "digest": found.digest.hex(),
        "numbers": dict(found.numbers),
    }
    template = np.empty(0, "<f4") if found.template is None else found.template
    pipe.send(header, np.ascontiguousarray(template, "<f4").view(np.uint8).data)


def _settle_in(parent: int) -> None:
    """Die with the daemon, leave no core dump (it would hold pictures), and be last in line."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before we asked
        os._exit(Exit.OK)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # rather us than the barrier
    cv2.setNumThreads(1)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


if __name__ == "__main__":
    main()
