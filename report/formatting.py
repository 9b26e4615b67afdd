"""Figures as text: their digits, their names, and whom pictures are owed to; knows no run, so steps may use it."""

from __future__ import annotations

import re

from models.components.figures import figures, parts

KIB, LARGE_FIGURE, MIDDLE_FIGURE, SMALL_FIGURE = 1024, 100, 10, 0.001
FEW_DIGITS = 0.01  # below it four decimals would be fewer than three digits
NONE, MINUS, TIMES = "\u2013", "\u2212", "\u00d7"  # as typeset: a dash, a minus as wide as the plus, a times sign
_KEY = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")


def bytes_text(size_bytes: float) -> str:
    """`812 B`, `96.5 KB`, `3.4 MB`; in steps of 1024."""
    for unit in ("B", "KB", "MB"):
        if size_bytes < KIB:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= KIB
    return f"{size_bytes:.1f} GB"


def figure_text(value: float | str | None, *, signed: bool = False) -> str:
    """A figure at a precision that can be read: 0.8462, 12.31, 1,204, 0.00412; a dash for none."""
    if value is None or value != value:  # noqa: PLR0124  NaN
        return NONE
    if isinstance(value, bool | str):
        return str(value)
    if signed:
        return f"{'+' if value >= 0 else MINUS}{figure_text(abs(value))}"
    if value < 0:
        return f"{MINUS}{figure_text(-value)}"
    return f"{value:,}" if isinstance(value, int) else _decimals(value)


def _decimals(value: float) -> str:
    if 0 < value < FEW_DIGITS:
        return f"{value:.1e}" if value < SMALL_FIGURE else f"{value:.3g}"
    digits = 1 if value >= LARGE_FIGURE else 2 if value >= MIDDLE_FIGURE else 4
    return f"{value:,.{digits}f}"


def part_name(name: str) -> str:
    """A part that a family watches, as a person writes it; a label stays as it is."""
    return parts().get(name, name)


def reason_text(reason: str) -> str:
    """A reason of the registry with its figures called as a person writes them."""
    return _KEY.sub(lambda found: figures()[found[0]].name if found[0] in figures() else found[0], reason)


def credits_in(settings: object) -> list[str]:
    """Credits of pictures, one line each: the values of `credits` in a manifest's settings or in set.json."""
    given = settings.get("credits") if isinstance(settings, dict) else None
    lines = [str(line).strip() for line in given.values()] if isinstance(given, dict) else []
    return list(dict.fromkeys(filter(None, lines)))


def made_from_line(credited: list[str]) -> str:
    """Credit line below a picture that derives from the work of others; empty if none is due."""
    return f"Made from: {'; '.join(credited)}" if credited else ""
