"""Documents that would lock a box out: it comes back and says so within confirm time + 30 s (CFG-1).

``python tests/faults/config_lockout.py`` sends every one of them to a whole daemon on a real mosquitto with
TLS and passwords, measures how long the platform waits for the word, and has it obey a command after each.
"""

import argparse
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from certificates import Authority
from control_bench import ControlBench, door, gate
from sync_bench import until

from edge.platform import BrokerProcess
from edge.platform.broker import free_port

CONFIRM_S = 5
Sections = dict[str, Any]


class Traps:
    """What stands ready to lead a box astray."""

    def __init__(self, bench: ControlBench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        other = Authority(folder, "other authority")
        self.other_ca, self.stray = other.certificate, other.issue("stray")
        self.wrong = self._file("wrong", "wrong\n")
        self.empty = self._file("empty", "\n")
        self.deaf = socket.create_server(("127.0.0.1", 0))
        (folder / "lonely").mkdir()
        self.lonely = BrokerProcess(folder / "lonely")
        self.lonely.start()

    def _file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def close(self) -> None:
        self.deaf.close()
        self.lonely.close()

    def link(self, **changes: Any) -> Sections:
        """The right link but for some options."""
        whole = {**self.bench.link, **{name: _plain(value) for name, value in changes.items()}}
        return {"sync": {name: value for name, value in whole.items() if value is not None}}

    @property
    def port(self) -> int:
        return self.bench.broker.port


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _camera(**changes: Any) -> Sections:
    camera = {"type": "replay", "source": "film", "looks_for": ["qr"], **changes}
    return {
        "cameras": {"eye": camera},
        "lanes": {"gate": gate(), "door": door(cameras=["eye"], accepts=["qr"])},
    }


DOCUMENTS: dict[str, Callable[[Traps], Sections]] = {
    "a host that does not exist": lambda t: t.link(brokers=[f"mqtts://no-such-host.invalid:{t.port}"]),
    "a host that is silent": lambda t: t.link(brokers=[f"mqtts://192.0.2.1:{t.port}"]),
    "a port where nobody is": lambda t: t.link(brokers=[f"mqtts://127.0.0.1:{free_port()}"]),
    "a port that takes and says nothing": lambda t: t.link(
        brokers=[f"mqtt://127.0.0.1:{t.deaf.getsockname()[1]}"]
    ),
    "without TLS where TLS is asked for": lambda t: t.link(brokers=[t.bench.broker.url]),
    "two brokers, both dead": lambda t: t.link(
        brokers=[f"mqtts://127.0.0.1:{free_port()}", f"mqtts://127.0.0.1:{free_port()}"]
    ),
    "a broker without a platform": lambda t: t.link(
        brokers=[t.lonely.url], username=None, password_file=None, ca_file=None
    ),
    "the CA of somebody else": lambda t: t.link(ca_file=t.other_ca),
    "a CA file that is not there": lambda t: t.link(ca_file=t.folder / "none.pem"),
    "a CA file that is none": lambda t: t.link(ca_file=t.wrong),
    "a certificate without its key": lambda t: t.link(cert_file=t.stray.certificate, key_file=t.wrong),
    "a wrong password": lambda t: t.link(password_file=t.wrong),
    "an empty password": lambda t: t.link(password_file=t.empty),
    "a password file that is not there": lambda t: t.link(password_file=t.folder / "none"),
    "a user nobody knows": lambda t: t.link(username="nobody"),
    "no user at all": lambda t: t.link(username=None, password_file=None),
    "a credential that systemd did not give": lambda t: t.link(password_file=None, password_credential="x"),
    "no broker": lambda t: t.link(brokers=[]),
    "the link switched off": lambda t: t.link(enabled=False),
    "other keys to believe": lambda t: t.link(platform_keys=t.wrong),
    "a camera whose film is not there": lambda t: _camera(source=str(t.folder / "no-film")),
    "a camera at a port where nobody is": lambda t: _camera(
        type="opencv", source=f"rtsp://admin:hunter2@127.0.0.1:{free_port()}/1"
    ),
    "a lane with a camera that is not there": lambda _t: {"lanes": {"gate": gate(cameras=["none"])}},
    "a lane on a board that is not there": lambda _t: {
        "lanes": {"gate": gate(open={"board": "none", "channel": 1})}
    },
    "a lane on a relay that is not there": lambda _t: {
        "lanes": {"gate": gate(open={"board": "relays", "channel": 99})}
    },
    "two lanes on one relay": lambda _t: {
        "lanes": {"gate": gate(), "door": door(lock={"board": "relays", "channel": 1})}
    },
}


def send_and_wait(bench: ControlBench, traps: Traps, name: str) -> tuple[str, float]:
    """Send one; returns how it ended and after how many seconds the platform knew."""
    before = bench.known.reported.get("running_rev", 0)
    began_s = time.monotonic()
    rev = bench.configure(DOCUMENTS[name](traps), confirm_s=CONFIRM_S)

    def ended() -> bool:
        reported = bench.known.reported
        return reported.get("rev") == rev and reported.get("state") in ("rejected", "rolled_back", "applied")

    until(ended, CONFIRM_S + 60, f"{name}: an end is reported")
    took_s = time.monotonic() - began_s
    reported = bench.known.reported
    assert reported["state"] in ("rejected", "rolled_back"), f"{name}: {dict(reported)}"
    assert reported["errors"], name
    assert reported["running_rev"] == before, name
    assert "hunter2" not in str(reported), f"{name}: a password is echoed"
    assert bench.send("ping").result == "done", f"{name}: it does not obey"
    return str(reported["state"]), took_s


def main(arguments: list[str] | None = None) -> int:
    """Send every document; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=DOCUMENTS, help="only these")
    options = parser.parse_args(arguments)
    names = options.only or list(DOCUMENTS)
    worst_s = 0.0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        keys = folder / "keys" / "platform_keys.json"
        with ControlBench(folder, secure=True, passes={"keys": str(keys)}) as bench:
            bench.start()
            traps = Traps(bench, folder)
            try:
                for name in names:
                    state, took_s = send_and_wait(bench, traps, name)
                    worst_s = max(worst_s, took_s)
                    sys.stdout.write(f"{name}: {state} after {took_s:.1f} s\n")
                    sys.stdout.flush()
            finally:
                traps.close()
    limit_s = CONFIRM_S + 30
    sys.stdout.write(
        f"{len(names)} documents, back and reported after {worst_s:.1f} s at most; limit {limit_s} s\n"
    )
    return 0 if worst_s <= limit_s else 1


if __name__ == "__main__":
    sys.exit(main())
