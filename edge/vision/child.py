"""The vision process of one camera: ``python -m edge.vision.child --up FD --down FD --parent PID``.

It is told everything by its first message (a password in an address must not stand on a command line), holds
nothing secret, and ends with its parent. Three threads: ``main`` looks and speaks, ``capture`` reads the
camera, ``orders`` listens. The networks are loaded before the threads start, as onnxruntime wants it.
"""

import argparse
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NoReturn

import cv2
from pydantic import TypeAdapter, ValidationError

from drivers.camera import Frame
from edge.clock import NS_PER_S, Clock, SystemClock
from edge.errors import Exit
from edge.records import Box
from edge.settings import CameraSettings, ModelSettings, ReplayCamera
from edge.vision.capture import Capture, Loss
from edge.vision.codes import NAME as CODE_READER
from edge.vision.codes import CodeReader
from edge.vision.crops import cut
from edge.vision.loop import Lookout
from edge.vision.messages import (
    Attend,
    Compare,
    Configure,
    Failed,
    Look,
    Message,
    Picture,
    Ready,
    Settled,
    Show,
    Start,
    Stats,
    decode,
    encode,
)
from edge.vision.pulse import LEAST_PICTURES
from edge.vision.senses import Sense, open_senses
from edge.vision.sight import Sight
from edge.vision.watch import PictureWatch
from edge.vision.wire import Unframer, WireError
from models.errors import ModelError

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # prctl(2)
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # mallopt(3)
# Pictures are taken from the kernel and given back to it: in the heap they leave holes that nothing fills.
_MMAP_FROM = 256 * 1024
# Twice a second, because a black picture is to be named within two.
STATS_EVERY_S = 0.5
SHOWN_PX = 800  # longer side of a picture that somebody asked for
# The same picture for this long is no picture: where each is coded by itself, and where an encoder may say
# "as before" until its next key frame.
FREEZE_S, REPEATING_FREEZE_S = 1.5, 8.0
# While the same picture comes, the camera is opened anew this often: a stuck server may serve a new client.
REOPEN_EVERY_S = 4.0
# Without frames for this long, what was seen has left.
LEAVE_AFTER_S = 2.0
_WAIT_S = 0.1
_camera_settings: TypeAdapter[CameraSettings] = TypeAdapter(CameraSettings)


class Pipe:
    """The two pipes to the daemon. ``say`` is for the main thread, ``listen`` for the orders thread."""

    def __init__(self, up: int, down: int) -> None:
        self._up = up
        self._down = down
        self._unframer = Unframer()
        self.orders: SimpleQueue[Message] = SimpleQueue()

    def say(self, message: Message) -> None:
        """Send one message; ends the process when nobody listens any more."""
        rest = memoryview(encode(message))
        while rest:
            try:
                rest = rest[os.write(self._up, rest) :]
            except BrokenPipeError:
                os._exit(Exit.OK)

    def first(self) -> Start:
        """Wait for the first message."""
        while self.orders.empty():
            self._take()
        start = self.orders.get()
        if not isinstance(start, Start):
            raise WireError("the first message is not Start")
        return start

    def listen(self) -> None:
        """Put orders into the queue for ever; ends the process when the daemon is gone."""
        while True:
            self._take()

    def _take(self) -> None:
        piece = os.read(self._down, 65536)
        if not piece:
            os._exit(Exit.OK)
        for header, blob in self._unframer.feed(piece):
            self.orders.put(decode(header, blob))


class Child:
    """Everything of one run, wired together. Owned by the main thread.

    Args:
        pipe: To the daemon.
        start: The first message.
        settings: The camera's section, checked.
        senses: The loaded networks.
        clock: Of the process.
    """

    def __init__(
        self, pipe: Pipe, start: Start, settings: CameraSettings, senses: list[Sense], clock: Clock
    ) -> None:
        self._pipe = pipe
        self._settings = settings
        self._clock = clock
        now_ns = clock.boot_ns()
        configured_ns = settings.epoch_ns if isinstance(settings, ReplayCamera) else 0
        self.epoch_ns = start.epoch_ns or configured_ns or now_ns
        self._capture = Capture(start.camera, settings, clock, self.epoch_ns)
        self._sight = Sight(pipe.say, _stall_s(settings), self._freeze_s(), now_ns)
        self._watch = PictureWatch(settings, pipe.say)
        codes = CodeReader() if "qr" in settings.looks_for else None
        self._lookout = Lookout(
            start.camera, start.session, settings, senses, pipe.say, clock.boot_ns, codes, pipe.say
        )
        self._last_frame_ns = now_ns
        self._reopened_ns = now_ns
        self._due_ns = 0
        self._skipped = 0
        self._is_asked_for = False
        self._stats_ns = now_ns
        self._stats_frames = 0

    def run(self) -> NoReturn:
        """Look until the daemon ends it."""
        self._capture.start()
        threading.Thread(target=self._pipe.listen, name="orders", daemon=True).start()
        while True:
            self._turn()
            if self._capture.is_stalled:
                self._pipe.say(Failed("the camera's driver hangs or failed: see the log"))
                os._exit(Exit.UNAVAILABLE)
            if self._clock.boot_ns() - self._stats_ns >= STATS_EVERY_S * NS_PER_S:
                self._tell_stats()

    def _turn(self) -> None:
        frame = self._capture.frames.take(_WAIT_S)
        self._obey()
        self._hear_news()
        now_ns = self._clock.boot_ns()
        if frame is not None:
            self._sight.on_frame(frame)
            self._last_frame_ns = now_ns
            if self._is_due(frame) and not self._sight.is_frozen:
                self._lookout.step(frame)
            # After the look: whoever stands there does not wait for it.
            self._watch.on_frame(frame)
            if self._is_asked_for:
                self._is_asked_for = False
                height, width = frame.image.shape[:2]
                self._pipe.say(Picture(cut(frame.image, Box(0, 0, width, height), 0.0, SHOWN_PX)))
        elif now_ns - self._last_frame_ns > LEAVE_AFTER_S * NS_PER_S:
            self._lookout.leave()
        self._sight.check(now_ns)
        if self._sight.is_frozen:
            self._lookout.leave()
            live = not isinstance(self._settings, ReplayCamera)
            if live and now_ns - self._reopened_ns > REOPEN_EVERY_S * NS_PER_S:
                self._reopened_ns = now_ns
                self._capture.reopen()

    def _is_due(self, frame: Frame) -> bool:
        """Whether to look at this frame under ``max_fps``.

        Why not sleep between two frames: the one taken after the sleep would have waited for us.
        """
        if frame.taken_ns < self._due_ns:
            self._skipped += 1
            return False
        # A tenth less: a camera of exactly max_fps whose clock trembles would lose every other frame.
        self._due_ns = frame.taken_ns + round(0.9 * NS_PER_S / self._settings.max_fps)
        return True

    def _obey(self) -> None:
        while True:
            try:
                order = self._pipe.orders.get_nowait()
            except Empty:
                return
            if isinstance(order, Look):
                self._lookout.wake(order.for_ms / 1000)
            elif isinstance(order, Settled):
                self._lookout.settle(order.track_id)
            elif isinstance(order, Attend):
                self._lookout.attend(order.track_id, order.for_ms / 1000)
            elif isinstance(order, Compare):
                self._watch.compare(order)
            elif isinstance(order, Show):
                self._is_asked_for = True
            elif isinstance(order, Configure):
                self._configure(_camera_settings.validate_python(order.settings))

    def _configure(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._sight.configure(_stall_s(settings), self._freeze_s(), self._least_pictures())
        self._watch.configure(settings)
        self._lookout.configure(settings)
        self._capture.configure(settings)

    def _freeze_s(self) -> float:
        """How long the same picture may come, as far as it was left to us."""
        if self._settings.freeze_s is not None:
            return self._settings.freeze_s
        return REPEATING_FREEZE_S if self._capture.may_repeat else FREEZE_S

    def _least_pictures(self) -> int:
        """How many pictures in the stall time are a sign of life: more than one where noise may become one.

        Where each picture is coded by itself noise becomes none, and a film comes as fast as we decode it.
        """
        is_film = isinstance(self._settings, ReplayCamera)
        return LEAST_PICTURES if self._capture.may_repeat and not is_film else 0

    def _hear_news(self) -> None:
        while True:
            try:
                news = self._capture.news.get_nowait()
            except Empty:
                return
            if isinstance(news, Loss):
                self._sight.on_loss(_printable(news.detail), news.at_ns)
            else:
                self._sight.on_end(_printable(news.detail))

    def _tell_stats(self) -> None:
        now_ns = self._clock.boot_ns()
        self._sight.configure(_stall_s(self._settings), self._freeze_s(), self._least_pictures())
        delivered = self._capture.delivered
        seconds = (now_ns - self._stats_ns) / NS_PER_S
        self._pipe.say(
            Stats(
                frames=delivered,
                dropped=self._capture.frames.dropped + self._skipped,
                looked=self._lookout.looked,
                searched=self._lookout.searched,
                reads=self._lookout.reads,
                opened=self._capture.opened,
                tracks=self._lookout.tracks,
                fps=round((delivered - self._stats_frames) / seconds, 2),
                rss_mb=_resident_mb(),
                stages_ms=self._lookout.timer.medians(),
                counts=self._lookout.counts,
                picture=self._watch.numbers(now_ns),
            )
        )
        self._stats_ns, self._stats_frames = now_ns, delivered


def main() -> None:
    """Run the vision process."""
    arguments = argparse.ArgumentParser(prog="edge.vision.child")
    for name in ("--up", "--down", "--parent"):
        arguments.add_argument(name, type=int, required=True)
    arguments.add_argument("--log-level", default="info")
    given = arguments.parse_args()
    _tie_to(given.parent)
    _settle_in(given.log_level)
    pipe = Pipe(given.up, given.down)
    try:
        start = pipe.first()
        settings = _camera_settings.validate_python(start.settings)
        models = ModelSettings.model_validate(start.models)
        senses = open_senses(
            settings.looks_for,
            models,
            min_face_px=settings.min_face_px,
            min_plate_px=settings.min_plate_px,
            cache_dir=Path(start.cache_dir) if start.cache_dir else None,
            with_cues=bool(settings.liveness_cues),
        )
    except (ModelError, ValidationError, WireError) as error:
        pipe.say(Failed(_printable(str(error))))
        sys.exit(Exit.UNAVAILABLE)
    _give_memory_back()
    child = Child(pipe, start, settings, senses, SystemClock())
    names = {str(sense.kind): sense.name for sense in senses}
    if "qr" in settings.looks_for:
        names["qr"] = CODE_READER
    pipe.say(Ready(start.session, child.epoch_ns, names))
    child.run()


def _tie_to(parent: int) -> None:
    """Die with the daemon, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before we asked
        os._exit(Exit.OK)
    # Ctrl-C reaches the whole group of the terminal; the daemon decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _settle_in(log_level: str) -> None:
    """Quiet libraries, no core dumps (they would hold pictures), and last in line for everything."""
    # Libraries written in C complain to file descriptor 2; our own log goes to a copy of it.
    log_stream = os.fdopen(os.dup(2), "w", buffering=1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    os.close(silent)
    sys.stderr = log_stream
    logging.basicConfig(
        stream=log_stream, level=log_level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)  # the lanes' threads come first
    try:
        Path("/proc/self/oom_score_adj").write_text("300")  # rather us than the barrier
    except OSError as error:
        log.debug("oom_score_adj stays: %s", error)
    cv2.setNumThreads(1)
    _call_libc("mallopt", _M_ARENA_MAX, 2)  # each thread its own heap would keep what others could use
    _call_libc("mallopt", _M_MMAP_THRESHOLD, _MMAP_FROM)


def _give_memory_back() -> None:
    """Loading a network needs several times what it keeps; the heap holds on to the rest unless told."""
    gc.collect()
    _call_libc("malloc_trim", 0)


def _call_libc(name: str, *numbers: int) -> None:
    """Call what glibc has and other C libraries have not."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*numbers)


def _stall_s(settings: CameraSettings) -> float:
    """Slow films may take their time between two pictures."""
    if isinstance(settings, ReplayCamera) and settings.fps:
        return max(settings.stall_s, 3 / settings.fps)
    return settings.stall_s


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:400]


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


if __name__ == "__main__":
    main()
