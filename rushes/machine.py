"""The machine that something is measured on, by the name of its processor."""

from __future__ import annotations

import contextlib
import platform
import subprocess
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BOARD = Path("/proc/device-tree/model")
SYSCTL = "/usr/sbin/sysctl"
TIMEOUT_S = 5
UNKNOWN = "unknown"


def processor() -> str:
    """What the processor is called: milliseconds say something on that one alone."""
    named = {"Linux": _linux, "Darwin": _mac, "Windows": _windows}.get(platform.system(), str)
    return named() or platform.processor() or platform.machine() or UNKNOWN


def _linux() -> str:
    """An x86 has a name; an ARM says in numbers whose design its cores are and which, and its board may have a name."""
    pairs = [line.partition(":")[::2] for line in _text(CPUINFO).splitlines()]
    said: dict[str, list[str]] = {}
    for name, value in pairs:
        said.setdefault(name.strip(), []).append(value.strip())
    if "model name" in said:
        return said["model name"][0]
    parts = "+".join(dict.fromkeys(said.get("CPU part", [])))  # big and little cores
    cores = f"{platform.machine()} part {parts} by {said.get('CPU implementer', [UNKNOWN])[0]}" if parts else ""
    return ", ".join(filter(None, (_text(BOARD).strip("\0\n "), cores)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _mac() -> str:
    """Python itself knows only `arm` or `i386` there."""
    words = [SYSCTL, "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _windows() -> str:
    """Python itself knows family, model and stepping there, which many processors share."""
    if sys.platform == "win32":  # said in the way that mypy understands: elsewhere there is no winreg
        import winreg  # noqa: PLC0415  # is on Windows alone

        path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    return ""
