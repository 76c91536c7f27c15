"""What is wrong with this box? Every part looked at once, each with a figure and what to do about it.

    finding    one thing that was looked at, and the order in which people should read them
    machine    cores, memory, temperature, throttling, clock
    disk       room, rights, and how long a byte takes to be safe
    eyes       each camera: does it deliver, how fast, how sharp; one picture kept to look at
    wires      each relay board: port, identity, answers
    broker     each broker: reachable, does it let this device in

Nothing here moves an output; that is ``gatehouse lane test``.
"""

from edge.doctor.broker import examine_brokers
from edge.doctor.disk import examine_disk
from edge.doctor.eyes import examine_camera
from edge.doctor.finding import Finding, Grade, worst
from edge.doctor.machine import examine_clock, examine_machine
from edge.doctor.wires import examine_board

__all__ = [
    "Finding",
    "Grade",
    "examine_board",
    "examine_brokers",
    "examine_camera",
    "examine_clock",
    "examine_disk",
    "examine_machine",
    "worst",
]
