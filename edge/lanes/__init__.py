"""Lanes: from a decision to a relay, and from contacts to events.

    acts            vocabulary of the machines: requests in, acts out
    turn            what is the same in every machine: holds, wishes, alarms (lane_state: what each knows)
    barrier         the barrier machine: phases over time (barrier_turn: a step, barrier_state: what it knows,
                    barrier_traffic: cars, their visits and ways)
    door            the door machine                turnstile   one person for each pulse
    mantrap         two doors that exclude each other (mantrap_turn: a step, mantrap_state: what it knows)
    crossing        which way somebody went between two sensors
    machines        all of them behind one face
    hours           times of the week at which a lane is held open
    contacts        inputs by meaning: polarity, debounce, staleness
    lane            Lane: a thread that turns one machine, and does what it says
    outputs         its relays by meaning: pulses, levels, lamps, alarm
    clerk           LaneClerk: its writer; nothing moves before it is on disk (visits: whom it has dealt with,
                    drafts: what it writes, telling: who else hears of it)
    actuation       BoardWorker: the only owner of a board (orders: its queue, relays: OFF for certain,
                    troubles: what goes wrong, by name; line: whose turn it is on a shared line)
    interlock       OPEN and CLOSE never together
    guard           when a board's owner itself hangs
    boards          all boards of a configuration, and make_safe for those who are not the daemon
                    (wiring: what hangs on a board, snapshots: what it shows)

The road of one opening: ``Lane.submit`` -> clerk (in time? durable; in time?) -> machine -> board's owner ->
bytes on the line -> clerk (result with its milliseconds).
"""

from edge.lanes.acts import ABOUT_PEOPLE, OPENING_ASKS, Ask, Hold
from edge.lanes.actuation import BoardWorker
from edge.lanes.boards import Boards, make_safe
from edge.lanes.drafts import LaneJournal
from edge.lanes.guard import BoardGuard
from edge.lanes.lane import Lane, LaneStatus
from edge.lanes.snapshots import BoardStatus, InputSnapshot
from edge.lanes.telling import TellingJournal

__all__ = [
    "ABOUT_PEOPLE",
    "OPENING_ASKS",
    "Ask",
    "BoardGuard",
    "BoardStatus",
    "BoardWorker",
    "Boards",
    "Hold",
    "InputSnapshot",
    "Lane",
    "LaneJournal",
    "LaneStatus",
    "TellingJournal",
    "make_safe",
]
