"""The state directory: room, rights, and how long the disk takes until a byte is safe."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from edge.doctor.finding import Finding, Grade

WRITES = 40
BLOCK = b"\xa5" * 4096
SLOW_MS, TOO_SLOW_MS = 60.0, 500.0
LEAST_FREE_MB = 256


def examine_disk(folder: Path) -> list[Finding]:
    """Look at the folder and write forty small blocks, each until the disk has it.

    Args:
        folder: ``device.state_dir``; made when it is not there, as the daemon would.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free_mb = shutil.disk_usage(folder).free >> 20
        mode = folder.stat().st_mode & 0o777
        times_ms = _fsync_times_ms(folder)
    except OSError as error:
        advice = "let the user of the daemon own it, on a disk that is not read-only"
        words = f"{folder}: {error.strerror}"
        return [Finding("disk", Grade.BAD, words, advice, "请检查目录属主与磁盘是否只读")]
    return [_room(folder, free_mb), _rights(folder, mode), _speed(times_ms)]


def _fsync_times_ms(folder: Path) -> list[float]:
    times_ms = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(WRITES):
            began_ns = time.perf_counter_ns()
            file.write(BLOCK)
            os.fsync(file.fileno())
            times_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
    return sorted(times_ms)


def _room(folder: Path, free_mb: int) -> Finding:
    figures = {"free_mb": free_mb}
    if free_mb < LEAST_FREE_MB:
        advice = "make room, or the oldest events that can be spared are given up"
        return Finding(
            "disk room", Grade.BAD, f"{free_mb} MB free at {folder}", advice, "请清理磁盘空间", figures
        )
    return Finding("disk room", Grade.GOOD, f"{free_mb} MB free at {folder}", figures=figures)


def _rights(folder: Path, mode: int) -> Finding:
    figures = {"mode": f"{mode:o}"}
    if mode & 0o077:
        return Finding(
            "disk rights",
            Grade.DOUBTFUL,
            f"{folder} can be read by others (mode {mode:o})",
            f"chmod 700 {folder}",
            "目录应仅限本服务访问",
            figures,
        )
    return Finding("disk rights", Grade.GOOD, f"{folder} is private", figures=figures)


def _speed(times_ms: list[float]) -> Finding:
    median_ms, worst_ms = times_ms[len(times_ms) // 2], times_ms[-1]
    figures = {"fsync_p50_ms": round(median_ms, 4), "fsync_worst_ms": round(worst_ms, 4), "writes": WRITES}
    words = f"{median_ms:.1f} ms until a block is safe, {worst_ms:.0f} at worst of {WRITES}"
    if median_ms >= TOO_SLOW_MS:
        grade, advice, zh = Grade.BAD, "replace the card: a door waits for it", "存储卡过慢,请更换"
    elif median_ms >= SLOW_MS:
        grade, advice, zh = Grade.DOUBTFUL, "an industrial card or a disk is faster", "建议更换工业级存储卡"
    else:
        grade, advice, zh = Grade.GOOD, "", ""
    return Finding("disk speed", grade, words, advice, zh, figures)
