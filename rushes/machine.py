"""The machine that something is measured on, by the name of its processor."""

from __future__ import annotations

import platform


def processor() -> str:
    """What the processor is called: milliseconds say something on that one alone."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123  # a kernel's file
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
