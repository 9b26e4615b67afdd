"""Name of the processor."""

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
    """Name of the processor; milliseconds are comparable only on the same processor."""
    named = {"Linux": _linux, "Darwin": _mac, "Windows": _windows}.get(platform.system(), str)
    return named() or platform.processor() or platform.machine() or UNKNOWN


def _linux() -> str:
    """Model name of an x86 processor; for ARM the board name, and implementer and part numbers of the cores."""
    pairs = [line.partition(":")[::2] for line in _text(CPUINFO).splitlines()]
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name.strip(), []).append(value.strip())
    if "model name" in fields:
        return fields["model name"][0]
    parts = "+".join(dict.fromkeys(fields.get("CPU part", [])))  # big and little cores
    cores = f"{platform.machine()} part {parts} by {fields.get('CPU implementer', [UNKNOWN])[0]}" if parts else ""
    return ", ".join(filter(None, (_text(BOARD).strip("\0\n "), cores)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _mac() -> str:
    """Brand string from sysctl; Python gives only `arm` or `i386`."""
    words = [SYSCTL, "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _windows() -> str:
    """Name from the registry; Python gives only family, model and stepping, which many processors share."""
    if sys.platform == "win32":  # in a form that mypy understands: other systems have no winreg
        import winreg  # noqa: PLC0415  # is on Windows alone

        path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    return ""
