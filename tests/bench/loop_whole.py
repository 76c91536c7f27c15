"""Benches of the whole box: the daemon with both lanes, a broker, and boards on pseudo-terminals."""

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
from loop_rigs import SIZE_PX, Line, cars, pinned, spread_words, write_film
from rich.progress import Progress
from whole_box import CLOSE, LOCK, OPEN, WholeBox

from edge.bench import Spread
from edge.bench.figures import slope_per_hour
from edge.bench.usage import descriptors, memory_mb, threads
from edge.demo.portraits import ASTRONAUT, FPS, Appearance, face_frames, portrait_path
from edge.errors import JournalError
from edge.hatch import request
from edge.records import Event
from edge.store import EventReader, from_wire

LANE_FPS, DOOR_FPS = 25.0, 30.0
PERSON = "eileen-collins"
WARM_SHARE = 0.25
SAMPLE_S = 10.0

BARRIER = {
    "type": "barrier",
    "cameras": ["lane"],
    "accepts": ["plate"],
    "open": {"board": "relay", "channel": OPEN, "pulse_ms": 400},
    "close": {"board": "relay", "channel": CLOSE, "pulse_ms": 400},
    "open_limit": {"board": "io", "channel": 1},
    "closed_limit": {"board": "io", "channel": 2},
    "presence": {"board": "io", "channel": 3},
    "beam": {"board": "io", "channel": 4},
    "times": {"pass_timeout_s": 3.0},
}
DOOR = {
    "type": "door",
    "cameras": ["hall"],
    "accepts": ["face"],
    "other_ways": ["staff"],
    "lock": {"board": "relay", "channel": LOCK, "pulse_ms": 0},
    "contact": {"board": "io", "channel": 7},
    "times": {"unlock_s": 1.0},
}


def door_film(path: Path) -> Path:
    """720p: somebody steps up, stands there and leaves; drawn at 15 frames a second, played at any pace."""
    frames = face_frames([Appearance(portrait_path(ASTRONAUT), 4.0, 8.5)], 9.0)
    return write_film(path, (cv2.resize(frame, SIZE_PX) for frame in frames), round(9.0 * FPS), FPS)


@contextmanager
def running_box(
    given: argparse.Namespace, folder: Path, fps: tuple[float, float], cores: set[int] | None = None
) -> Iterator[WholeBox]:
    """A box with a plate lane and a face lane before films that go on for ever."""
    film = cars(folder / "cars.avi", LANE_FPS, 4)
    common = {"type": "replay", "repeat": True, "max_fps": 60.0}
    cameras = {
        "lane": common | {"source": str(folder / "cars.avi"), "looks_for": ["plate"], "fps": fps[0]},
        "hall": common
        | {"source": str(door_film(folder / "door.avi")), "looks_for": ["face"], "fps": fps[1]},
    }
    models = {"face_detector": "yunet" if given.yunet else "hog"}
    if given.yunet:
        models["yunet_path"] = str(given.yunet.resolve())
    lanes, decision = {"entry": BARRIER, "door": DOOR}, {"visit_gap_s": 1.0}
    sections = {"decision": decision, "models": models}
    with WholeBox(folder, cameras=cameras, lanes=lanes, family=given.board, **sections) as box:
        for i, visit in enumerate(film.truth.visits):
            _must(box, "roster", "add", f"owner-{i}", "--plate", visit.plate)
        _must(box, "roster", "add", PERSON)
        _must(box, "enroll", PERSON, str(portrait_path(ASTRONAUT)), "--consent", "bench")
        with pinned(cores):
            box.start()
        yield box


def _must(box: WholeBox, *arguments: str) -> None:
    done = box.command(*arguments)
    if done.returncode:
        raise SystemExit(f"gatehouse {' '.join(arguments)}: {done.stderr}{done.stdout}")


class Openings:
    """Every opening by recognition, with the milliseconds of its decision and of its relay.

    Each event is read once: this process also plays the boards, which must answer meanwhile.
    """

    def __init__(self, box: WholeBox) -> None:
        self._path = box.folder / "state" / "events.db"
        self._at = 0
        self._granted: dict[str, Mapping[str, Any]] = {}
        self.found: list[dict[str, Any]] = []

    def look(self) -> int:
        """Read what is new; how many there are by now."""
        try:
            with EventReader(self._path) as reader:
                while rows := reader.tail(self._at, limit=100):
                    for row in rows:
                        self._add(from_wire(row.payload).event)
                    self._at = rows[-1].id
        except JournalError:
            pass
        return len(self.found)

    def _add(self, event: Event) -> None:
        if event.type == "access.decided" and event.data["verdict"] == "grant":
            self._granted[event.data["decision"]] = event.data
        decision = next((self._granted[link] for link in event.chain if link in self._granted), None)
        stages = event.data.get("stages_ms", {})
        if event.type.endswith(".actuated") and decision is not None and "capture_to_relay" in stages:
            voted = {"vote": span_ms(decision["evidence"]["explanation"], decision["subject"])}
            self.found.append({"lane": decision["lane"], **decision["stages_ms"], **stages, **voted})


def behind(box: WholeBox, within_ms: float = 70.0) -> list[dict[str, Any]]:
    """The openings whose frame stood right behind another one on the board's line, and that frame.

    A board that wants a pause between two frames keeps the second one waiting for what is left of it.
    """
    frames = list(box.site.lcus.frames)
    ons = sorted(at_ns for at_ns, channel, on in box.site.lcus.history if on and channel in (OPEN, LOCK))
    found, at = [], 0
    for on_ns in ons:
        while at + 1 < len(frames) and frames[at + 1][0] <= on_ns:
            at += 1
        if at and (gap_ms := (frames[at][0] - frames[at - 1][0]) / 1e6) < within_ms:
            found.append({"gap_ms": round(gap_ms, 1), "before": frames[at - 1][1].hex(" ")})
    return found


def span_ms(explanation: Mapping[str, Any], subject: str) -> float:
    """From the first read that agrees with the outcome to the one that decided."""
    told = explanation["votes"][subject] if "votes" in explanation else explanation
    return float(told["span_ms"])


def relay(given: argparse.Namespace, folder: Path) -> tuple[list[Line], dict[str, Any]]:
    """From the arrival of a frame to the bytes on the relay's line, both lanes at work, on two cores."""
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    with running_box(given, folder, (LANE_FPS, DOOR_FPS), cores) as box, Progress(transient=True) as bar:
        task = bar.add_task("openings", total=given.visits)
        deadline = time.monotonic() + 30.0 * given.visits
        opened = Openings(box)
        while opened.look() < given.visits and time.monotonic() < deadline and box.is_alive:
            bar.update(task, completed=len(opened.found))
            time.sleep(1.0)
        pulses = {"barrier": box.pulses(OPEN), "door": box.pulses(LOCK)}
        queued = behind(box)
    done = opened.found
    lines, figures = [], {"pulses": pulses, "openings": done, "behind_another_frame": queued}
    by_lane = {"both lanes": done} | {
        lane: [one for one in done if one["lane"] == lane] for lane in ("entry", "door")
    }
    for name, those in by_lane.items():
        voted = Spread.of([one["capture_to_relay"] + one["vote"] for one in those])
        alone = Spread.of([one["capture_to_relay"] for one in those])
        judged = name == "both lanes"
        lines += [
            Line(
                f"{name}: first agreeing read -> relay bytes",
                "p50 <= 120, p99 <= 250 ms",
                spread_words(voted),
                (voted.p50 <= 120 and voted.p99 <= 250) if judged else None,
            ),
            Line(
                f"{name}: deciding frame -> relay bytes",
                "p99 <= 60 ms",
                spread_words(alone),
                alone.p99 <= 60 if judged else None,
            ),
        ]
        figures[name] = {"with_voting_ms": voted, "without_waiting_ms": alone}
    lines.append(Line("openings measured", f"{given.visits}", f"{len(done)}", len(done) >= given.visits))
    frames = ", ".join(one["before"] for one in queued) or "none"
    lines.append(
        Line("openings right behind another frame on the line", "", f"{len(queued)} ({frames})", None)
    )
    figures["board"] = given.board
    return lines, figures


def memory(given: argparse.Namespace, folder: Path) -> tuple[list[Line], dict[str, Any]]:
    """Two cameras 720p on one control process."""
    with running_box(given, folder, (15.0, 15.0)) as box:
        time.sleep(given.seconds)
        parts = {"control": memory_mb(box.pid)}
        parts |= {f"vision {pid}": memory_mb(pid) for pid in box.vision_pids()}
    lines = []
    sums = {kind: sum(part.get(kind, 0.0) for part in parts.values()) for kind in ("rss", "pss", "peak")}
    for name, part in parts.items():
        lines.append(Line(name, "", ", ".join(f"{kind} {mb:.0f} MB" for kind, mb in part.items()), None))
    said = f"{sums['rss']:.0f} MB (PSS {sums['pss']:.0f}, sum of peaks {sums['peak']:.0f})"
    lines.append(Line("resident in all", "<= 500 MB", said, sums["rss"] <= 500 and len(parts) == 3))
    return lines, {"parts_mb": parts, "sums_mb": sums}


def soak(given: argparse.Namespace, folder: Path) -> tuple[list[Line], dict[str, Any]]:
    """For hours at 60 frames a second and camera: does anything grow?"""
    length_s = given.hours * 3600 if given.hours else given.minutes * 60
    samples: list[dict[str, Any]] = []
    with running_box(given, folder, (60.0, 60.0)) as box, Progress(transient=True) as bar:
        task = bar.add_task("soak", total=length_s)
        began_s = time.monotonic()
        while (at_s := time.monotonic() - began_s) < length_s and box.is_alive:
            time.sleep(min(SAMPLE_S, max(0.1, length_s - at_s)))
            samples.append(sample(box, time.monotonic() - began_s))
            bar.update(task, completed=at_s)
        answer = request(box.folder / "state", {"do": "status"}) or {}
        frames = sum(camera["frames"] for camera in answer.get("cameras", ()))
        opened = Openings(box).look()
    warm = list(islice((s for s in samples if s["at_s"] >= WARM_SHARE * length_s), 0, None))
    first, last = warm[0], warm[-1]
    slope = slope_per_hour([s["at_s"] for s in warm], [s["rss"] for s in warm])
    slope_pss = slope_per_hour([s["at_s"] for s in warm], [s["pss"] for s in warm])
    is_long = length_s >= 3600
    lines = [
        Line("frames", ">= 500,000 in 8 h", f"{frames:,} in {length_s / 3600:.2f} h",
             frames >= 500_000 * length_s / 28_800),
        Line(f"resident memory after {WARM_SHARE:.0%} warm-up, slope", "< 1 MB/h",
             f"RSS {slope:+.2f}, PSS {slope_pss:+.2f} MB/h; {first['rss']:.1f} -> {last['rss']:.1f} MB",
             slope < 1.0 if is_long else None),
        Line("descriptors of all processes", "flat", f"{first['fds']} -> {last['fds']}",
             last["fds"] <= first["fds"]),
        Line("threads of all processes", "no growth", f"{first['threads']} -> {last['threads']}",
             last["threads"] <= first["threads"]),
        Line("processes", "the same all the time", f"{last['pids']}", first["pids"] == last["pids"]),
        Line("openings meanwhile", "", str(opened), None),
    ]  # fmt: skip
    if not is_long:
        lines.append(Line("", "", "the slope is judged from one hour on: --hours", None))
    return lines, {"samples": samples, "frames": frames, "slope_mb_per_h": slope, "openings": opened}


def sample(box: WholeBox, at_s: float) -> dict[str, Any]:
    """All processes of the box together."""
    pids = [box.pid, *sorted(box.vision_pids())]
    parts = [memory_mb(pid) for pid in pids]
    return {
        "at_s": round(at_s, 1),
        "pids": pids,
        "rss": sum(part["rss"] for part in parts),
        "pss": sum(part.get("pss", 0.0) for part in parts),
        "each_rss": [part["rss"] for part in parts],
        "fds": sum(descriptors(pid) for pid in pids),
        "threads": sum(threads(pid) for pid in pids),
    }
