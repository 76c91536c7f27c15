"""The shared film: frames a second and faces named, ours against the loop of face_recognition's examples.

    python tests/bench/faces_film.py --clip faces/clip --yunet yunet.onnx --json out.json

Both get every frame of the same film at full size on the same cores, and the same two portraits. Ours is the
product's own loop (motion gate, tracks, evidence, the rule calibrated on the gallery of two), in two ways:
"every frame" searches each frame, so that face-frames can be compared; "as at the gate" searches as often as
the product does. The peer is timed as its examples do it: locate, encode, nearest of the two; it names what
is nearer than its default 0.6.

A face-frame is a face found in one frame. "Named in the frame": what was said at that very moment. "Named by
its track": the last word on a track counts for all frames in which it was seen (as a gate does it: the visit
is what is named); a frame between two searches counts while its track lives. Who is who is known by place and
time: the film has four shots.
"""

import argparse
import json
import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from drivers.camera import Frame
from edge.evidence import FaceEvidence
from edge.face_models import face_set, open_face_detector, open_face_embedder, pair_distances
from edge.records import Kind, Sighting
from edge.settings import ModelSettings, ReplayCamera
from edge.vision import loop
from edge.vision.loop import Lookout
from edge.vision.senses import open_senses
from models.face import FaceRule, Gallery, ask, load_picture, single_face

LIN, ALEX, STRANGER = "lin-manuel-miranda", "alex-lacamoire", ""
# The last is what 0.6 accepts with two persons enrolled (lfw-dev), the rule that the peer is given.
RATES = (0.001, 0.01, 0.02)
FILM, FPS = "short_hamilton_clip.mp4", 30


def truth(frame: int, left: float, top: float, right: float, bottom: float) -> str:
    """Who is at this place of this frame."""
    middle = (left + right) / 2
    if frame < 20:
        return LIN if middle > 400 else ALEX if middle < 150 else STRANGER
    if frame < 82:
        return ALEX if bottom - top > 110 else STRANGER
    return LIN if frame < 211 else STRANGER


def frames(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """The film, decoded by a thread of its own, as the product's capture does it."""
    waiting: queue.Queue[np.ndarray | None] = queue.Queue(4)

    def read() -> None:
        capture = cv2.VideoCapture(str(path))
        while True:
            more, image = capture.read()
            waiting.put(image if more else None)
            if not more:
                capture.release()
                return

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    number = 0
    while (image := waiting.get()) is not None:
        yield number, image
        number += 1
    thread.join()


class Gate:
    """The product's loop on a film, remembering what it said when."""

    def __init__(self, senses: list, gallery: Gallery, rule: FaceRule, smallest_px: int) -> None:
        self._gallery, self._rule = gallery, rule
        self._evidence: dict[int, FaceEvidence] = {}
        self.named: dict[int, str] = {}
        self._now_ns = 0
        settings = ReplayCamera(source=FILM, looks_for=("face",), min_face_px=smallest_px, max_fps=60)
        self.lookout = Lookout("film", "run", settings, senses, self._say, lambda: self._now_ns)
        self.seen: list[tuple[int, int, tuple[float, float, float, float], str]] = []

    def step(self, number: int, image: np.ndarray) -> None:
        self._now_ns = 10**9 + round(number * 1e9 / FPS)
        self.lookout.step(Frame(image=image, camera="film", seq=number, taken_ns=self._now_ns))
        for track in self.lookout._tracker.tracks(Kind.FACE):
            if not track.misses:
                box = (track.box.left, track.box.top, track.box.right, track.box.bottom)
                self.seen.append((number, track.id, box, self.named.get(track.id, "")))

    def _say(self, sighting: Sighting) -> None:
        evidence = self._evidence.setdefault(sighting.track_id, FaceEvidence(visit="v", rule=self._rule))
        usable = sighting.template and not sighting.flaw
        match = self._gallery.match(np.frombuffer(sighting.template, "<f4")) if usable else None
        identity = evidence.observe(sighting, match, self._gallery.match)
        self.named[sighting.track_id] = identity.subject or ""
        if identity.subject:
            self.lookout.settle(sighting.track_id)


def counted(said: list[tuple[int, tuple[float, float, float, float], str]]) -> dict[str, int]:
    """Face-frames: named rightly, a stranger named, a known person under another's name, found at all."""
    found = [(name, truth(number, *box)) for number, box, name in said]
    return {
        "named rightly": sum(name == who != STRANGER for name, who in found),
        "strangers named": sum(name != "" and who == STRANGER for name, who in found),
        "under another's name": sum(name not in ("", who) and who != STRANGER for name, who in found),
        "faces found": len(found),
    }


def ours(
    film: Path, senses: list, gallery: Gallery, rule: FaceRule, smallest_px: int, carry_s: float
) -> dict:
    before, loop.CARRY_S = loop.CARRY_S, carry_s
    try:
        gate = Gate(senses, gallery, rule, smallest_px)
        started = time.perf_counter()
        count = 0
        for number, image in frames(film):
            gate.step(number, image)
            count += 1
        seconds = time.perf_counter() - started
    finally:
        loop.CARRY_S = before
    return {
        "frames/s": count / seconds,
        "rule": {"rate": rule.rate, "measure": rule.measure.value, "limit": rule.threshold},
        "searched": gate.lookout.searched,
        "reads": gate.lookout.reads,
        "tracks": len({track for _, track, _, _ in gate.seen}),
        "tracks named": sum(bool(name) for name in gate.named.values()),
        "named in the frame": counted([(n, box, name) for n, _, box, name in gate.seen]),
        "named by its track": counted([(n, box, gate.named.get(t, "")) for n, t, box, _ in gate.seen]),
        "ms": gate.lookout.timer.medians(),
    }


def peer(film: Path, portraits: dict[str, Path], most: int) -> dict:
    from edge.cli.face_peer import Peer

    library = Peer()
    known = []
    for path in portraits.values():
        image = library.read(path)
        known.append(library.describe(image, library.find_all(image)[0]))
    names, said, count = list(portraits), [], 0
    started = time.perf_counter()
    for number, image in frames(film):
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        boxes = library.find_all(rgb)
        for top, right, bottom, left in boxes:
            template = library.describe(rgb, (top, right, bottom, left))
            distances = np.linalg.norm(np.array(known) - template, axis=1)
            best = int(distances.argmin())
            name = names[best] if distances[best] <= 0.6 else ""
            said.append((number, (left, top, right, bottom), name))
        count += 1
        if count == most:
            break
    seconds = time.perf_counter() - started
    return {"frames/s": count / seconds, "frames": count, "named in the frame": counted(said)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, required=True, help="folder with the film and two portraits")
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--threads", type=int, default=1, help="of our networks, beside that of the decoder")
    parser.add_argument("--smallest", type=int, default=40, help="smallest face, pixels high")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many is reported")
    parser.add_argument("--peer-frames", type=int, default=10**6, help="0 leaves the peer out")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    models = ModelSettings(
        face_detector="yunet" if given.yunet else "hog", yunet_path=given.yunet, threads=given.threads
    )
    portraits = {name: given.clip / f"{name}.png" for name in (LIN, ALEX)}
    detector = open_face_detector(models, given.cache, upsample=1)
    embedder = open_face_embedder(models, given.cache, thorough=True)
    entries = []
    for name, path in portraits.items():
        image = load_picture(path)
        entries.append((name, embedder.embed(image, [single_face(image, detector)])[0]))
    gallery = Gallery.build(face_set(models), entries)
    asked = ask(gallery, pair_distances(models))
    senses = open_senses(
        ("face",), models, min_face_px=given.smallest, min_plate_px=16, cache_dir=given.cache
    )
    film = given.clip / FILM
    result: dict = {
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "threads": given.threads,
    }
    for rate in RATES:
        rule = asked.rule(rate, of_visits=True)
        for label, carry_s in (("every frame", 0.0), ("as at the gate", loop.CARRY_S)):
            runs = [ours(film, senses, gallery, rule, given.smallest, carry_s) for _ in range(given.rounds)]
            result[f"ours, {label}, 1 stranger in {round(1 / rate)}"] = max(runs, key=lambda r: r["frames/s"])
    if given.peer_frames:
        result["face_recognition"] = peer(film, portraits, given.peer_frames)
    speed = result.get("face_recognition", {}).get("frames/s")
    for label, run in result.items():
        if not isinstance(run, dict):
            continue
        factor = f"{run['frames/s'] / speed:6.1f} x" if speed else ""
        print(f"{label:44s} {run['frames/s']:7.1f} frames/s {factor}")
        for way in ("named in the frame", "named by its track"):
            if way in run:
                print(f"    {way:20s} {run[way]}")
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
