"""The stage: broker, platform, simulated site and the real daemon, each in its own process, watched.

What dies is started anew, as systemd would do it, so that the demo can be disturbed on purpose: kill the
daemon, its vision processes or the broker while it runs, and look what the table at the end says. The ids of
the processes stand in ``pids.json`` in the demo's folder.
"""

import json
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from edge.access import Person
from edge.app import CACHE_FOLDER, JOURNAL_FILE, KEY_FILE, SETS_FILE
from edge.clock import NS_PER_S, SystemClock
from edge.demo.children import Child
from edge.demo.play import (
    CAR_OWNER_ID,
    CAR_OWNER_NAME,
    EXPECTED,
    RESIDENT_ID,
    RESIDENT_NAME,
    RESIDENT_PLATE,
    Play,
    write_play,
)
from edge.demo.portraits import ASTRONAUT, portrait_path
from edge.demo.story import Story
from edge.demo.summary import Summary, draw_summary
from edge.demo.view import Scene, draw
from edge.enrolment import Examiner
from edge.errors import Exit, JournalError, Unavailable
from edge.platform import BrokerProcess, Counterpart, make_keys
from edge.settings import Settings
from edge.settings_file import load_settings
from edge.store import Consent, EventReader, SetStore, open_vault
from edge.sync.session import Broker, Login

SETTLE_S = 20.0
"""After the films, at most this long for the last events to reach the platform."""
TURN_S = 0.1

_OLD_FOLDER, _OLD_BROKER, _OLD_EPOCH = "/run/gatehouse-demo", "127.0.0.1:18883", "epoch_ns = 0"
_OLD_PROTOCOL = 'protocol = "auto"'
_CONFIG = Path(__file__).resolve().parents[2] / "config" / "demo.toml"


def run_demo(folder: Path | None, *, stay: bool, plain: bool, python_broker: bool = False) -> int:
    """Run the demo; returns 0 only if everything was shown.

    Args:
        folder: Where to keep everything; None for a temporary one that is removed.
        stay: Begin again at the end, until Ctrl-C.
        plain: Print lines instead of the live picture.
        python_broker: Use the broker of the demo extra although mosquitto may be there.
    """
    console = Console(highlight=False)
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatehouse-")))
        folder.mkdir(parents=True, exist_ok=True)
        stage = Stage(folder.resolve(), console, plain=plain or not console.is_terminal)
        return stage.run(stay=stay, python_broker=python_broker)


class Stage:
    """One run of the demo. Thread: main."""

    def __init__(self, folder: Path, console: Console, *, plain: bool) -> None:
        self._folder, self._console, self._plain = folder, console, plain
        self._clock = SystemClock()
        self._config = folder / "gatehouse.toml"
        self._story = Story()
        self._told = 0
        self._stopping = threading.Event()
        self._broker_restarts = 0

    def run(self, *, stay: bool, python_broker: bool) -> int:
        """Set up, play, sum up."""
        self._console.print("[bold]Gatehouse 演示 demo[/bold]  " + str(self._folder))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._stopping.set())
        play = self._draw_films()
        with ExitStack() as stack:
            broker = BrokerProcess(self._folder, only_python=python_broker)
            broker.start()
            stack.callback(broker.close)
            settings = self._prepare(broker)
            platform = Counterpart(
                self._login(broker), self._folder / "keys", self._clock, protocol=broker.protocol
            )
            stack.callback(platform.close)
            platform.start()
            codes = [self._play_once(play, settings, broker, platform)]
            while stay and not self._stopping.is_set():
                codes.append(self._play_once(play, settings, broker, platform))
        return max(codes)

    # Setting up

    def _draw_films(self) -> Play:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, disable=self._plain) as progress:
            task = progress.add_task("绘制车道录像 drawing the lane's film", total=1.0)
            return write_play(self._folder, lambda share: progress.update(task, completed=share))

    def _prepare(self, broker: BrokerProcess) -> Settings:
        """Keys, configuration, roster, one enrolled face."""
        keys = self._folder / "keys"
        keys.mkdir(mode=0o700, exist_ok=True)
        if not (keys / "platform_keys.json").exists():
            make_keys(keys)
        self._write_config(broker, epoch_ns=0)
        settings = load_settings(self._config)
        state = settings.device.state_dir
        state.mkdir(mode=0o700, exist_ok=True)
        sets = SetStore(state / SETS_FILE, open_vault(state / KEY_FILE), self._clock)
        try:
            sets.put_person(Person(CAR_OWNER_ID, CAR_OWNER_NAME, room="3-2-1201", plates=(RESIDENT_PLATE,)))
            sets.put_person(Person(RESIDENT_ID, RESIDENT_NAME, room="3-2-1202"))
            self._console.print(f"登记人脸 enrolling {RESIDENT_NAME} ...")
            examiner = Examiner(settings.models, state / CACHE_FOLDER)
            portrait = examiner.examine(portrait_path(ASTRONAUT))
            if portrait.template is None:
                raise Unavailable(f"the demo's portrait cannot be enrolled: {portrait.finding}")
            now_utc_s = self._clock.utc_ns() // NS_PER_S
            consent = Consent(RESIDENT_NAME, now_utc_s, "public domain portrait", "demo")
            sets.enrol(RESIDENT_ID, consent, examiner.set_name, [portrait.template], note={"by": "demo"})
        finally:
            sets.close()
        return settings

    def _write_config(self, broker: BrokerProcess, epoch_ns: int) -> None:
        text = _CONFIG.read_text(encoding="utf-8")
        text = text.replace(_OLD_FOLDER, str(self._folder))
        text = text.replace(_OLD_BROKER, f"127.0.0.1:{broker.port}")
        text = text.replace(_OLD_EPOCH, f"epoch_ns = {epoch_ns}")
        text = text.replace(_OLD_PROTOCOL, f'protocol = "{broker.protocol}"')
        self._config.write_text(text, encoding="utf-8")

    def _login(self, broker: BrokerProcess) -> Login:
        return Login(Broker.parse(broker.url), "gh-platform", clean=True)

    # Playing

    def _play_once(self, play: Play, settings: Settings, broker: BrokerProcess, platform: Counterpart) -> int:
        epoch_ns = self._clock.boot_ns()
        self._write_config(broker, epoch_ns)
        self._story = Story(epoch_ns=epoch_ns, last_row=self._last_row(settings), feed=[])
        self._told = 0
        (self._folder / "status.json").unlink(missing_ok=True)
        site = self._site(play, epoch_ns)
        daemon = self._daemon()
        with ExitStack() as stack:
            stack.callback(site.stop)
            site.start()
            self._wait_for_site()
            stack.callback(daemon.stop)
            daemon.start()
            self._watch(play, settings, epoch_ns, broker, platform, site, daemon)
            daemon.stop()
            self._read_journal(settings)
            self._tell_plainly()
            self._drain(settings, platform)
            summary = self._sum_up(
                settings, broker, platform, {"daemon": daemon.restarts, "site": site.restarts}
            )
        self._console.print(draw_summary(summary))
        (self._folder / "summary.json").write_text(
            json.dumps(summary.to_json(), ensure_ascii=False, indent=1, default=str), encoding="utf-8"
        )
        return Exit.BUG if summary.missing() and not self._stopping.is_set() else Exit.OK

    def _site(self, play: Play, epoch_ns: int) -> Child:
        folder = self._folder
        arguments = [sys.executable, "-m", "drivers.simulated.site"]
        arguments += ["--lcus", str(folder / "lcus"), "--io", str(folder / "io")]
        arguments += ["--status", str(folder / "status.json"), "--edges", str(folder / "edges.jsonl")]
        arguments += ["--script", str(play.script), "--epoch-ns", str(epoch_ns)]
        return Child("site", arguments, folder / "site.log")

    def _daemon(self) -> Child:
        arguments = [sys.executable, "-m", "edge", "run", "--config", str(self._config)]
        return Child("daemon", arguments, self._folder / "daemon.log", final_codes=(Exit.CONFIG, Exit.USAGE))

    def _wait_for_site(self) -> None:
        until_s = time.monotonic() + 10.0
        while not (self._folder / "status.json").exists():
            if time.monotonic() > until_s:
                raise Unavailable(f"the simulated site does not start; see {self._folder / 'site.log'}")
            time.sleep(0.05)

    def _watch(
        self,
        play: Play,
        settings: Settings,
        epoch_ns: int,
        broker: BrokerProcess,
        platform: Counterpart,
        site: Child,
        daemon: Child,
    ) -> None:
        with ExitStack() as stack:
            live = None
            if not self._plain:
                live = stack.enter_context(Live(console=self._console, auto_refresh=False, transient=False))
            while not self._stopping.wait(TURN_S):
                film_s = (self._clock.boot_ns() - epoch_ns) / NS_PER_S
                if film_s > play.duration_s and self._is_quiet(settings, platform):
                    break
                if film_s > play.duration_s + SETTLE_S:
                    break
                site.watch()
                daemon.watch()
                self._watch_broker(broker)
                self._write_pids(broker, site, daemon)
                self._read_journal(settings)
                if live is None:
                    self._tell_plainly()
                else:
                    live.update(
                        draw(self._scene(film_s, play, settings, broker, platform, daemon)), refresh=True
                    )

    def _watch_broker(self, broker: BrokerProcess) -> None:
        if not broker.is_running:
            self._broker_restarts += 1
            broker.kill()
            broker.start()

    def _is_quiet(self, settings: Settings, platform: Counterpart) -> bool:
        """Everything journaled is in the platform's table, and nothing is energised."""
        site = self._site_status()
        return self._stored(settings, platform) >= self._journaled(settings) and not any(
            site.get("relays", [True])
        )

    def _drain(self, settings: Settings, platform: Counterpart) -> None:
        """The daemon's last words arrive after it has ended only if it sent them before; wait a moment."""
        until_s = time.monotonic() + 3.0
        while self._stored(settings, platform) < self._journaled(settings) and time.monotonic() < until_s:
            time.sleep(TURN_S)

    # Looking

    def _reader(self, settings: Settings) -> EventReader | None:
        try:
            return EventReader(settings.device.state_dir / JOURNAL_FILE)
        except JournalError:
            return None

    def _last_row(self, settings: Settings) -> int:
        reader = self._reader(settings)
        if reader is None:
            return 0
        with reader:
            return max((row.id for row in reader.newest(1)), default=0)

    def _read_journal(self, settings: Settings) -> None:
        reader = self._reader(settings)
        if reader is not None:
            with reader:
                self._story.take(reader.tail(self._story.last_row, limit=2000))

    def _journaled(self, settings: Settings) -> int:
        return self._last_row(settings)

    def _stored(self, settings: Settings, platform: Counterpart) -> int:
        device = f"{settings.device.tenant}/{settings.device.id}"
        return sum(platform.counts().get(device, {}).values())

    def _site_status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads((self._folder / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return status

    def _scene(
        self,
        film_s: float,
        play: Play,
        settings: Settings,
        broker: BrokerProcess,
        platform: Counterpart,
        daemon: Child,
    ) -> Scene:
        device = f"{settings.device.tenant}/{settings.device.id}"
        return Scene(
            film_s=film_s,
            duration_s=play.duration_s,
            site=self._site_status(),
            feed=self._story.feed,
            journaled=self._journaled(settings),
            stored=self._stored(settings, platform),
            acknowledged=sum(platform.acknowledged().get(device, {}).values()),
            restarts={"daemon": daemon.restarts, "broker": self._broker_restarts},
            broker=f"{broker.kind} {broker.url}",
        )

    def _tell_plainly(self) -> None:
        if self._plain:
            for line in self._story.feed[self._told :]:
                self._console.print(
                    f"{line.at_s:7.2f} s  {line.where:<11} {line.what}", style=line.style, markup=False
                )
            self._told = len(self._story.feed)

    def _write_pids(self, broker: BrokerProcess, site: Child, daemon: Child) -> None:
        pids = {"demo": os.getpid(), "broker": broker.pid, "site": site.pid, "daemon": daemon.pid}
        fresh = self._folder / "pids.json.new"
        fresh.write_text(json.dumps(pids), encoding="utf-8")
        fresh.replace(self._folder / "pids.json")

    def _sum_up(
        self, settings: Settings, broker: BrokerProcess, platform: Counterpart, restarts: dict[str, int]
    ) -> Summary:
        device = f"{settings.device.tenant}/{settings.device.id}"
        site = self._site_status()
        barrier = site.get("barrier", {})
        return Summary(
            outcomes=tuple(self._story.outcomes.values()),
            expected=EXPECTED,
            journaled=self._journaled(settings),
            stored=self._stored(settings, platform),
            acknowledged=sum(platform.acknowledged().get(device, {}).values()),
            duplicates=platform.duplicates,
            hits=int(barrier.get("hits", -1)),
            closes_on_presence=int(barrier.get("closes_on_presence", -1)),
            away=sum(map(bool, site.get("relays", []))),
            pulses=tuple(site.get("pulses", ())),
            reversals=self._story.reversals,
            restarts={**restarts, "broker": self._broker_restarts},
            broker=broker.kind,
            alarms=tuple(self._story.alarms),
        )
