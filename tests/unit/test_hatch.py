"""The local socket: one line in, one line out, whoever asks is named, and nobody is left waiting."""

import json
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from edge.clock import SystemClock
from edge.errors import Unavailable, UsageError
from edge.hatch import SOCKET_NAME, Hatch, request
from edge.lanes import Ask, Lane


class FalseLane:
    """Takes commands and answers them as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[Ask, str]] = []
        self.takes = True
        self.answers = True

    def command(
        self, ask: Ask, command_id: str, operator: str, not_after_ns: int, done: Any, *, at_box: bool
    ) -> bool:
        assert at_box, "whoever uses the hatch stands at the box"
        self.asked.append((ask, operator))
        if self.takes and self.answers:
            threading.Thread(target=done, args=("done", "")).start()
        return self.takes


@contextmanager
def hatch(folder: Path) -> Iterator[FalseLane]:
    lane = FalseLane()
    worker = Hatch(folder, {"gate": cast("Lane", lane)}, lambda: {"lanes": ["通道"]}, SystemClock())
    worker.start()
    try:
        yield lane
    finally:
        worker.close()
    assert not (folder / SOCKET_NAME).exists()


def test_the_state_is_told_and_the_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    with hatch(tmp_path):
        assert request(tmp_path, {"do": "status"}) == {"lanes": ["通道"]}
        assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600


def test_a_command_is_answered_when_it_has_ended_and_carries_a_name(tmp_path: Path) -> None:
    with hatch(tmp_path) as lane:
        answer = request(tmp_path, {"do": "ask", "lane": "gate", "ask": "open"})
        assert answer == {"result": "done", "why": ""}
        ((ask, operator),) = lane.asked
        assert ask is Ask.OPEN
        assert operator.startswith("local:")


def test_a_lane_that_takes_nothing_is_an_answer_too(tmp_path: Path) -> None:
    with hatch(tmp_path) as lane:
        lane.takes = False
        answer = request(tmp_path, {"do": "ask", "lane": "gate", "ask": "close"})
        assert answer == {"result": "failed", "why": "the lane takes no command now"}


def test_who_waits_is_told_when_the_daemon_ends(tmp_path: Path) -> None:
    answers: list[Any] = []

    def ask() -> None:
        answers.append(request(tmp_path, {"do": "ask", "lane": "gate", "ask": "open"}))

    with hatch(tmp_path) as lane:
        lane.answers = False
        waiting = threading.Thread(target=ask)
        waiting.start()
        while not lane.asked:
            pass
    waiting.join(10.0)
    assert answers == [{"result": "unknown", "why": "the daemon is being stopped"}]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"do": "ask", "lane": "gat", "ask": "open"}, "no lane 'gat'; there are: gate"),
        ({"do": "ask", "lane": "gate", "ask": "fly"}, "not a valid Ask"),
        ({"do": "dance"}, "cannot do 'dance'"),
        ({}, "do"),
    ],
)
def test_what_makes_no_sense_is_said_so(what: dict[str, str], said: str, tmp_path: Path) -> None:
    with hatch(tmp_path), pytest.raises(UsageError, match=said):
        request(tmp_path, what)


def test_noise_and_silence_do_not_stop_it(tmp_path: Path) -> None:
    with hatch(tmp_path):
        for noise in (b"\n", b"{", b"\xff\xfe\n", b"[1]\n", b"x" * 10_000):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(tmp_path / SOCKET_NAME))
                connection.sendall(noise)
                connection.shutdown(socket.SHUT_WR)
        assert request(tmp_path, {"do": "status"}) is not None


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 60)
    folder.mkdir(parents=True)
    with hatch(folder):
        assert request(folder, {"do": "status"}) is not None


def test_without_a_daemon_there_is_no_answer(tmp_path: Path) -> None:
    assert request(tmp_path, {"do": "status"}) is None
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / SOCKET_NAME))
    assert request(tmp_path, {"do": "status"}) is None
    with hatch(tmp_path):  # what a killed daemon left behind is no obstacle either
        assert request(tmp_path, {"do": "status"}) is not None


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"the local socket .* cannot be made"):
        Hatch(tmp_path / "no-such-folder", {}, dict, SystemClock())


def test_the_answer_is_one_line_of_json(tmp_path: Path) -> None:
    with hatch(tmp_path), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / SOCKET_NAME))
        connection.sendall(b'{"do": "status"}\n')
        data = b""
        while piece := connection.recv(100):
            data += piece
        assert json.loads(data) == {"lanes": ["通道"]}
        assert data.count(b"\n") == 1
