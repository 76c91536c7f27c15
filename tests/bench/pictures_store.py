"""What pictures of passages cost: the decision that waits for nothing, the store, the disk's own fsync.

    python tests/bench/pictures_store.py [--pictures 300] [--kb 15] [--folder DIR]

``choose`` is all that the thread ``decide`` does; the rest is the thread ``pictures``'s. Run it on the card
that the box has, with nothing else to do.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from picture_bench import PictureBench, decision, jpeg  # noqa: E402

from edge.store.media_tables import KeptPicture  # noqa: E402


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    began_s = time.perf_counter()
    call()
    return (time.perf_counter() - began_s) * 1000


def say(what: str, times_ms: list[float]) -> None:
    times_ms.sort()
    p99 = times_ms[min(len(times_ms) - 1, len(times_ms) * 99 // 100)]
    sys.stdout.write(f"{what:28} median {times_ms[len(times_ms) // 2]:8.3f} ms   p99 {p99:8.3f} ms\n")


def fsync_of(path: Path, content: bytes) -> None:
    """The same bytes by themselves."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(handle, content)
    os.fsync(handle)
    os.close(handle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--kb", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name, PictureBench(Path(name)) as bench:
        pictures = [jpeg(number, options.kb * 1000) for number in range(options.pictures)]
        decisions = [decision(picture) for picture in pictures]
        choosing = [timed(lambda d=made: bench.desk.choose(d)) for made in decisions]
        hashes = [dict(bench.desk.choose(made).picture)["sha256"] for made in decisions]
        rows = [
            KeptPicture(sha256, len(picture), "plate", "in", "north", "deny", "", f"e{seq}", "e", seq, 1)
            for seq, (sha256, picture) in enumerate(zip(hashes, pictures, strict=True))
        ]
        putting = [
            timed(lambda r=row, p=picture: bench.media.put(r, p))
            for row, picture in zip(rows, pictures, strict=True)
        ]
        reading = [timed(lambda s=sha256: bench.media.read(s)) for sha256 in hashes]
        plain = Path(name) / "plain"
        disk = [timed(lambda p=picture: fsync_of(plain, p)) for picture in pictures]
        sys.stdout.write(f"{options.pictures} pictures of {options.kb} kB\n")
        say("choose (a decision waits)", choosing)
        say("seal, file, folder, row", putting)
        say("read and open", reading)
        say("the disk's own write+fsync", disk)
        deleting = timed(lambda: bench.media.remove(hashes, "bench"))
        sys.stdout.write(f"deleting all of them        {deleting:.0f} ms\n")


if __name__ == "__main__":
    main()
