"""A box in a process of its own, to be killed: ``python box_process.py FOLDER URL KEYS PROTOCOL FIRST``.

It journals events numbered from FIRST, and prints each number once the event is on the disk. After a line on
standard input it journals nothing more and only delivers.
"""

import sys
import threading
from pathlib import Path

from sync_bench import Box, make_settings

from edge.records import EventDraft, Stream


def main() -> None:
    folder, url, keys, protocol, first = sys.argv[1:6]
    settings = make_settings(Path(folder), brokers=(url,), protocol=protocol, reconnect_max_s=1.0)
    box = Box(Path(folder), settings, Path(keys)).start()
    enough = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        enough.set()

    threading.Thread(target=listen, daemon=True).start()
    number = int(first)
    while not enough.is_set():
        box.journal.append_now(EventDraft(Stream.ACCESS, "access.decided", "in", {"number": number}))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1
    while box.backlog():
        enough.wait(0.01)
    box.close()


if __name__ == "__main__":
    main()
