"""What a process has used so far: processor time by thread, memory, descriptors. Reads /proc only."""

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds on a processor since the process began.

    Attributes:
        main_s: Its first thread: in a vision process everything but capture and decoding.
        others_s: All others together.
    """

    main_s: float
    others_s: float

    @property
    def all_s(self) -> float:
        """Of all threads."""
        return self.main_s + self.others_s

    def since(self, before: "ProcessorTime") -> "ProcessorTime":
        """What was used from then to now."""
        return ProcessorTime(self.main_s - before.main_s, self.others_s - before.others_s)

    def plus(self, other: "ProcessorTime") -> "ProcessorTime":
        """Both together."""
        return ProcessorTime(self.main_s + other.main_s, self.others_s + other.others_s)


NO_TIME = ProcessorTime(0.0, 0.0)


def processor_time(pid: int) -> ProcessorTime:
    """Processor time of a process.

    Raises:
        OSError: It has ended.
    """
    main_s = others_s = 0.0
    for task in (_PROC / str(pid) / "task").iterdir():
        try:
            used_s = _task_s(task)
        except (OSError, IndexError):  # the thread has just ended
            continue
        if int(task.name) == pid:
            main_s = used_s
        else:
            others_s += used_s
    return ProcessorTime(main_s, others_s)


def memory_mb(pid: int) -> dict[str, float]:
    """Memory in MB (a million bytes): ``rss``, ``peak`` and, where the kernel says it, ``pss``.

    PSS counts a page that several processes share by its part; it is what stays when all are added up.

    Raises:
        OSError: It has ended.
    """
    fields = _fields((_PROC / str(pid) / "status").read_text())
    said = {"rss": fields.get("VmRSS"), "peak": fields.get("VmHWM")}
    try:
        said["pss"] = _fields((_PROC / str(pid) / "smaps_rollup").read_text()).get("Pss")
    except OSError:  # kernels without CONFIG_PROC_PAGE_MONITOR
        said["pss"] = None
    return {name: round(kilo * 1024 / 1e6, 1) for name, kilo in said.items() if kilo is not None}


def descriptors(pid: int) -> int:
    """Open files of a process of ours."""
    return len(list((_PROC / str(pid) / "fd").iterdir()))


def threads(pid: int) -> int:
    """Threads of a process."""
    return len(list((_PROC / str(pid) / "task").iterdir()))


def _task_s(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[0]) / _NS_PER_S
    except FileNotFoundError:  # kernels without CONFIG_SCHED_INFO count in ticks only
        user, system = (task / "stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _fields(text: str) -> dict[str, int]:
    """Lines such as ``VmRSS:    123 kB``."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            found[name] = int(rest.split()[0])
    return found
