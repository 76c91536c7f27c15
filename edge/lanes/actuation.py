"""The owner of one relay board: the only thread that talks to it, and the one that guarantees OFF.

What it promises for every output of its board (SAFE-4):

- safe state written when the board is opened, re-opened, given up or closed, and after every pulse;
- a write that fails is repeated until it stands; where the board can be read, what it says counts;
- away from safe for longer than its guard allows is ended here, whatever the lane is doing;
- a board that is lost is opened again after 0.5, 1, 2, 4, 4 ... seconds, and made safe before anything else.

What moves goes before what looks: nothing else is begun before the board's pause between frames is over, so
that an order finds the line free. Whatever goes wrong is named in the journal (``edge.lanes.troubles``).

A board's own timer, where there is one, is a net below the host's OFF and not its replacement. What this
thread cannot promise is its own life: see ``edge.lanes.guard``.
"""

import logging
from collections.abc import Callable

from drivers.errors import AnswerPending, BadReply, DriverError, LinkLost, ReplyTimeout
from drivers.relay import Board
from drivers.relay.base import Oddities
from edge.clock import NS_PER_S, Clock
from edge.health import Alarms
from edge.lanes.interlock import Interlock
from edge.lanes.line import Line
from edge.lanes.orders import Order, OrderQueue, Outcome, WireResult
from edge.lanes.relays import Relays
from edge.lanes.snapshots import BoardStatus, InputSnapshot
from edge.lanes.troubles import QUIET_NS, Note, Troubles, no_note
from edge.lanes.wiring import BoardWiring
from edge.worker import Worker

log = logging.getLogger(__name__)

BACK_OFF_S = (0.5, 1.0, 2.0, 4.0)
SHARED_BACK_OFF_S = (*BACK_OFF_S, 8.0, 15.0)  # looking for a dead board keeps the others of its line waiting
LOST_AFTER_NS = 1_500_000_000  # no sound answer for this long, though asked: the board is lost
GIVE_UP_S = 3.0  # at the end, this long is spent on reaching the safe state
TURN_S = 0.5


class BoardWorker(Worker):
    """Thread ``io-<board>``; everything public may be called from any thread.

    Args:
        name: The board's name.
        make_driver: Builds its driver, port closed; called for every try to open.
        wiring: What hangs on it.
        clock: CLOCK_BOOTTIME, the same clock that the drivers stamp with.
        alarms: ``board.lost`` and ``relay.stuck`` are raised here.
        interlock: Shared by all boards.
        line: Whose turn it is; shared by the boards on one line.
        note: Takes the events about this board; must not wait.
        quiet_ns: After so long without a fault the board counts as recovered.
    """

    def __init__(
        self,
        name: str,
        make_driver: Callable[[], Board],
        wiring: BoardWiring,
        clock: Clock,
        alarms: Alarms,
        interlock: Interlock,
        line: Line | None = None,
        *,
        note: Note = no_note,
        quiet_ns: int = QUIET_NS,
    ) -> None:
        super().__init__(f"io-{name}", clock, stalls_after_s=15.0)
        self.board_name = name
        self._make_driver = make_driver
        self._wiring = wiring
        self._alarms = alarms
        self._interlock = interlock
        self._line = line or Line()
        self._troubles = Troubles(name, note, quiet_ns)
        self._relays = Relays(name, wiring, clock, alarms, interlock, self._line, self._saw)
        self._queue = OrderQueue()
        self._listeners: list[Callable[[], None]] = []
        self._board: Board | None = None
        self._is_up = False
        self._interlocked_ns: dict[int, int] = {}  # channel -> when its order may be tried again
        self._snapshot = InputSnapshot(0, 0, None)
        self._detail = "not opened yet"
        self._tries = self._reconnects = 0
        self._next_try_ns = self._next_poll_ns = self._polled_ns = 0
        self._odd = Oddities()  # as last looked at
        self._told: set[str] = set()  # the faults that the alarm has named since the board was lost
        self._silent_ns: int | None = None  # since when every answer has been missing or damaged

    # --- for lanes, guard and console -----------------------------------------------------------------

    @property
    def snapshot(self) -> InputSnapshot:
        """The newest look at the inputs."""
        return self._snapshot

    @property
    def is_up(self) -> bool:
        """True while the board is open and every output has been made safe since."""
        return self._is_up

    @property
    def status(self) -> BoardStatus:
        """How the board does, for people."""
        return BoardStatus(
            self.board_name,
            self.is_up,
            self._detail,
            self._relays.away(),
            self._snapshot.values,
            self._reconnects,
            self._troubles.faults,
        )

    def on_inputs(self, listener: Callable[[], None]) -> None:
        """Be told in this worker's thread that an input has changed: be quick."""
        self._listeners.append(listener)

    def order(self, order: Order) -> None:
        """Have a relay moved away from safe; ``order.done`` is told the result, also when it is refused."""
        if not self._queue.put(order):
            order.done(WireResult(Outcome.FAILED, why="too many orders wait, or the board is closed"))

    def release(self, channel: int) -> None:
        """Have a relay made safe now; orders that wait for it are cancelled."""
        for order in self._queue.release(channel):
            order.done(WireResult(Outcome.CANCELLED, why="released before it was done"))

    def keep_line_free(self, until_ns: int) -> None:
        """Put off slow read-backs until then: something may have to be raised at once."""
        self._line.keep_free(until_ns)

    def update(self, wiring: BoardWiring) -> None:
        """Take new wiring; relays that are new or no longer used are made safe."""
        self._wiring = wiring
        for channel in self._relays.rewire(wiring):
            self.release(channel)

    def overdue_ns(self, now_ns: int) -> int:
        """How long the most overdue relay should have been back in its safe state; 0 when none is."""
        return self._relays.overdue_ns(now_ns)

    @property
    def patience_ns(self) -> int:
        """It may be busy with one thing for so long without hanging."""
        return self._wiring.patience_ns

    def stop(self) -> None:
        """Ask the worker to make everything safe and end."""
        super().stop()
        self._queue.wake()

    # --- the thread -----------------------------------------------------------------------------------

    def work(self) -> None:
        """Serve the board until stopped; lose and find it again as often as it takes."""
        try:
            while not self.stopping.is_set():
                self.beat()
                try:
                    if self._board is None:
                        self._try_open()
                    else:
                        self._serve(self._board)
                except (ReplyTimeout, BadReply) as error:
                    self._missed(error)
                except DriverError as error:
                    self._lose(error)
        finally:
            self._end()

    def _try_open(self) -> None:
        now_ns = self.clock.boot_ns()
        others_first_ns = self._line.free_until_ns if self._line.is_shared else 0
        wait_ns = max(self._next_try_ns, others_first_ns) - now_ns
        if wait_ns > 0:
            self._fail_orders(f"the board is not there: {self._detail}")
            self._troubles.look(now_ns)
            self._queue.wait(min(wait_ns / NS_PER_S, TURN_S))
            return
        try:
            self._open()
        except DriverError as error:
            self._lose(error)
            return
        self._reconnects += self._tries > 0
        self._tries = 0
        self._detail, self._is_up, self._silent_ns = "up", True, None
        self._told.clear()
        self._alarms.clear("board.lost", self.board_name)
        log.info("board %s is open, every output is in its safe state", self.board_name)

    def _open(self) -> None:
        self._board = self._make_driver()  # kept at once, so that a failure half-way closes it again
        self._odd = Oddities()
        with self._line.turn():
            self._board.open()
        self._relays.make_all_safe(self._board)

    def _lose(self, error: DriverError) -> None:
        """Close the board, say so, and come back later; what was away from safe stays on the list."""
        board, self._board = self._board, None
        self._is_up = False
        if board is not None:
            with self._line.turn():
                board.close()
        self._detail = str(error)
        self._saw(error.fault, str(error))
        self._publish(InputSnapshot(self.clock.boot_ns(), 0, None))
        self._fail_orders(f"the board is lost: {error}")
        pauses_s = SHARED_BACK_OFF_S if self._line.is_shared else BACK_OFF_S
        pause_s = pauses_s[min(self._tries, len(pauses_s) - 1)]
        self._tries += 1
        self._next_try_ns = self.clock.boot_ns() + round(pause_s * NS_PER_S)
        self._sound_the_alarm(error)

    def _sound_the_alarm(self, error: DriverError) -> None:
        """Raise it; and again when the reason has become another one, for whoever works on it."""
        if self._told and error.fault not in self._told:
            self._alarms.clear("board.lost", self.board_name)
        self._told.add(error.fault)
        self._alarms.set("board.lost", self.board_name, str(error))

    def _saw(self, fault: str, detail: str, times: int = 1) -> None:
        self._troubles.saw(fault, detail, self.clock.boot_ns(), times)

    def _missed(self, error: DriverError) -> None:
        """An answer is missing or damaged; for too long, and the board counts as lost."""
        log.debug("board %s: %s", self.board_name, error)
        if not isinstance(error, AnswerPending):
            self._saw(error.fault, str(error))
        now_ns = self.clock.boot_ns()
        heard_ns = max(self._relays.heard_ns, self._polled_ns)
        if self._silent_ns is None or self._silent_ns < heard_ns:
            self._silent_ns = now_ns
        elif now_ns - self._silent_ns > LOST_AFTER_NS:
            self._lose(error)

    def _serve(self, board: Board) -> None:
        """One turn: what must end, what must start at once, a look, the rest, a check, a pause."""
        if not board.is_there:
            raise LinkLost(self.board_name, "its port has gone (unplugged, or its USB hub lost power)")
        self._relays.make_due_safe(board, self._queue.take_releases())
        if self._do_next(board, only_first=True):
            return
        if (early_ns := board.free_ns - self.clock.boot_ns()) > 0:
            # The pause after the last frame is waited out here, where an order or a release ends it.
            self._queue.wait(min(early_ns / NS_PER_S, self._idle_s(board, only_due=True)))
            return
        self._poll(board)
        if self._do_next(board, only_first=False) or self._relays.repeat(board):
            return
        self._relays.check(board, self._is_wanted)
        self._look_for_oddities(board)
        self._queue.wait(self._idle_s(board))

    def _is_wanted(self) -> bool:
        """Asked during slow readings: is there something that cannot wait?"""
        return self._queue.has_urgent() or self._relays.is_due() or self._line.is_wanted

    def _look_for_oddities(self, board: Board) -> None:
        """Name what did no harm, and yet says that something is wrong."""
        now, before = board.oddities, self._odd
        if slow := now.slow_answers - before.slow_answers:
            self._saw("slow", f"board {self.board_name} took more than half of its reply_timeout_ms", slow)
        if stray := now.stray_bytes - before.stray_bytes:
            self._saw("stray", f"board {self.board_name}: bytes that nobody asked for", stray)
        self._odd = Oddities(now.slow_answers, now.stray_bytes)
        self._troubles.look(self.clock.boot_ns())

    def _idle_s(self, board: Board, *, only_due: bool = False) -> float:
        wakes = [self._relays.due_ns() if only_due else self._relays.next_ns(board)]
        if self._wiring.poll_ns and not only_due:
            wakes.append(self._next_poll_ns)
        wakes += [self._interlocked_ns.get(order.channel, 0) for order in self._queue.waiting()]
        return min(max(0, min(wakes) - self.clock.boot_ns()) / NS_PER_S, TURN_S)

    def _do_next(self, board: Board, *, only_first: bool) -> bool:
        """Do one order that is ready; True when there was one."""
        for order in self._queue.waiting():
            if only_first and not order.first:
                return False
            if self._interlocked_ns.get(order.channel, 0) > self.clock.boot_ns():
                continue
            refusal = self._why_not(order)
            if refusal is None and self._has_to_wait(order):
                continue
            if self._queue.take(order):
                self._do(board, order, refusal)
                return True
            if refusal is None and order.channel not in self._relays.away():
                # Released in this very moment: the claim just made is given back.
                self._interlock.back((self.board_name, order.channel), self.clock.boot_ns())
        return False

    def _why_not(self, order: Order) -> WireResult | None:
        if self.clock.boot_ns() > order.not_after_ns:
            return WireResult(Outcome.TOO_LATE, why="its time was over before the relay could be switched")
        if not order.only_if():
            return WireResult(Outcome.CANCELLED, why="the lane is no longer clear")
        return None

    def _has_to_wait(self, order: Order) -> bool:
        now_ns = self.clock.boot_ns()
        wait_ns = self._interlock.claim((self.board_name, order.channel), now_ns)
        self._interlocked_ns[order.channel] = now_ns + wait_ns
        return wait_ns > 0

    def _do(self, board: Board, order: Order, refusal: WireResult | None) -> None:
        try:
            result = self._relays.move(board, order) if refusal is None else refusal
        except DriverError as error:
            order.done(WireResult(Outcome.UNKNOWN, why=str(error)))
            raise
        order.done(result)

    def _poll(self, board: Board) -> None:
        now_ns = self.clock.boot_ns()
        if not self._wiring.poll_ns or now_ns < self._next_poll_ns:
            return
        self._next_poll_ns = now_ns + self._wiring.poll_ns
        with self._line.turn():
            values = board.read_inputs()
        self._polled_ns = self.clock.boot_ns()
        self._publish(InputSnapshot(now_ns, now_ns + self._wiring.stale_ns, values))

    def _publish(self, snapshot: InputSnapshot) -> None:
        changed = snapshot.values != self._snapshot.values
        self._snapshot = snapshot
        if changed:
            for listener in self._listeners:
                listener()

    def _end(self) -> None:
        """Make everything safe, as far as it can be reached, and close."""
        self._is_up = False
        self._fail_orders("the board is being closed", for_good=True)
        give_up_ns = self.clock.boot_ns() + round(GIVE_UP_S * NS_PER_S)
        while True:
            try:
                if self._board is None:
                    self._open()
                else:
                    self._relays.make_all_safe(self._board)
                break
            except DriverError as error:
                self._lose(error)
                if self.clock.boot_ns() > give_up_ns or not self._relays.away():
                    log.error("board %s could not be made safe at the end: %s", self.board_name, error)
                    break
                self._queue.wait(0.2)
        if self._board is not None:
            with self._line.turn():
                self._board.close()
            self._board = None
        self._troubles.close()

    def _fail_orders(self, why: str, *, for_good: bool = False) -> None:
        for order in self._queue.take_all(close=for_good):
            order.done(WireResult(Outcome.FAILED, why=why))
