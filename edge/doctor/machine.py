"""The computer itself, from /proc and /sys; on older Raspberry Pis its firmware is asked."""

import os
import shutil
import subprocess
from pathlib import Path

from edge.clock import Clock, ClockState
from edge.doctor.finding import Finding, Grade

_MIB = 1 << 20
LEAST_FREE_MIB = 300
HOT_C, TOO_HOT_C = 75.0, 84.0
ANSWER_S = 2.0


def examine_machine(root: Path = Path("/")) -> list[Finding]:
    """Cores, memory, temperature.

    Args:
        root: Where /proc and /sys are; another folder in tests.
    """
    return [_processor(root), _memory(root), *_temperature(root)]


def examine_clock(clock: Clock) -> Finding:
    """Whether times can be trusted."""
    state = clock.state()
    figures = {"utc_s": clock.utc_ns() // 10**9, "state": state.value}
    if state is ClockState.SYNCED:
        return Finding("clock", Grade.GOOD, "held by the network", figures=figures)
    if state is ClockState.HOLDOVER:
        return Finding(
            "clock",
            Grade.DOUBTFUL,
            "plausible, but nothing holds it",
            "start systemd-timesyncd or chrony, and let the network reach a time server",
            "请启用时间同步(systemd-timesyncd 或 chrony)",
            figures,
        )
    return Finding(
        "clock",
        Grade.BAD,
        "not set: permits with times do not work",
        "fit a battery for the real-time clock, and let the network reach a time server",
        "时钟未设置,限时授权无效;请安装 RTC 电池并启用时间同步",
        figures,
    )


def _processor(root: Path) -> Finding:
    cores = len(os.sched_getaffinity(0))
    text = _text(root / "proc/device-tree/model").rstrip("\0")
    if not text:
        lines = _text(root / "proc/cpuinfo").splitlines()
        text = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    figures = {"cores": cores, "model": text}
    if cores < 2:
        return Finding(
            "processor",
            Grade.DOUBTFUL,
            f"{text or 'unknown'}, 1 core: recognition and doors share it",
            "use a board with two cores or more",
            "建议使用双核及以上主板",
            figures,
        )
    return Finding("processor", Grade.GOOD, f"{text or 'unknown'}, {cores} cores", figures=figures)


def _memory(root: Path) -> Finding:
    values = {}
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            values[name] = int(rest.split()[0]) // 1024
    if "MemAvailable" not in values:
        return Finding("memory", Grade.UNASKED, "/proc/meminfo does not say")
    free, total = values["MemAvailable"], values.get("MemTotal", 0)
    figures = {"available_mib": free, "total_mib": total}
    words = f"{free} of {total} MiB available"
    if free < LEAST_FREE_MIB:
        advice = f"a camera needs about {LEAST_FREE_MIB} MiB; end what else runs here"
        return Finding("memory", Grade.DOUBTFUL, words, advice, "可用内存不足,请关闭其他程序", figures)
    return Finding("memory", Grade.GOOD, words, figures=figures)


def _temperature(root: Path) -> list[Finding]:
    findings = []
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        text = _text(zone / "temp").strip()
        if not text.lstrip("-").isdigit():
            continue
        degrees = int(text) / 1000
        name = _text(zone / "type").strip() or zone.name
        grade = Grade.BAD if degrees >= TOO_HOT_C else Grade.DOUBTFUL if degrees >= HOT_C else Grade.GOOD
        advice = "" if grade is Grade.GOOD else "it slows down or will: give it air, shade or a heat sink"
        advice_zh = "" if grade is Grade.GOOD else "温度过高会降频,请改善散热或遮阳"
        words = f"{degrees:.0f} °C"
        findings.append(Finding(f"temperature {name}", grade, words, advice, advice_zh, {"celsius": degrees}))
    bits = _throttled(root)
    if bits is not None:  # bits 0..3 are now, 16..19 since the start
        low = bool(bits & 0x1_0001)
        words = f"0x{bits:x}" + (", too little voltage" if low else "")
        grade = Grade.BAD if bits & 0xF else Grade.DOUBTFUL if bits else Grade.GOOD
        advice = "use the board's own power supply and a short cable" if low else ""
        advice_zh = "供电不足,请使用原装电源和短线" if low else ""
        findings.append(Finding("throttling", grade, words, advice, advice_zh, {"bits": bits}))
    return findings


def _throttled(root: Path) -> int | None:
    """What a Raspberry Pi says of low voltage and heat; None elsewhere.

    Older kernels have no file for it; there the firmware is asked by ``vcgencmd``.
    """
    said = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled").strip()
    tool = shutil.which("vcgencmd", path=str(root / "usr/bin"))
    if not said and tool is not None:
        try:
            asked = subprocess.run(
                [tool, "get_throttled"], capture_output=True, text=True, timeout=ANSWER_S, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        said = asked.stdout.strip().removeprefix("throttled=")
    try:
        return int(said, 16)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
