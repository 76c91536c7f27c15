"""What a child process of ours is given."""

import json
import os
import select
import sys
from pathlib import Path

import pytest

from edge.children import WITHHELD, spawn

CHILD = """
import argparse, json, os
given = argparse.ArgumentParser()
for name in ("--up", "--down", "--parent"):
    given.add_argument(name, type=int)
given.add_argument("word")
given = given.parse_args()
heard = os.read(given.down, 100).decode()
told = {"heard": heard, "parent": given.parent, "word": given.word, "environment": sorted(os.environ)}
os.write(given.up, json.dumps(told).encode())
"""


def test_a_child_gets_two_pipes_and_neither_credentials_nor_proxies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_child.py").write_text(CHILD, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in WITHHELD:
        monkeypatch.setenv(name, "secret")
    process, up, down = spawn("a_child", ["hello"])
    try:
        os.write(down, b"over to you")
        assert select.select([up], [], [], 30.0)[0]
        told = json.loads(os.read(up, 65_536))
        assert process.wait(30.0) == 0
    finally:
        os.close(up)
        os.close(down)
        process.kill()
        process.wait()
    assert (told["heard"], told["parent"], told["word"]) == ("over to you", os.getpid(), "hello")
    assert not WITHHELD & set(told["environment"])


def test_a_child_that_cannot_be_started_leaves_no_pipe_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="nowhere"):
        spawn("a_child")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
