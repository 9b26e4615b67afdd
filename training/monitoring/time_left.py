"""Remaining time as text."""

from __future__ import annotations

MINUTE_S, HOUR_S = 60, 3600


def left(done: int, total: int, taken_s: float) -> str:
    """Remaining time at the pace so far, such as `about 2 min left`; empty if nothing remains or nothing is done."""
    if not done or done >= total:
        return ""
    return f"about {span(taken_s / done * (total - done))} left"


def span(seconds: float) -> str:
    """Formats a duration: 40 s, 3 min, 1 h 20 min."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds // HOUR_S:.0f} h {seconds % HOUR_S // MINUTE_S:.0f} min"
