"""Time left, as text."""

from __future__ import annotations

MINUTE_S, HOUR_S = 60, 3600


def left(done: int, total: int, taken_s: float) -> str:
    """Time for the rest at the pace so far: `about 2 min left`; empty where nothing is left or known."""
    if not done or done >= total:
        return ""
    return f"about {span(taken_s / done * (total - done))} left"


def span(seconds: float) -> str:
    """A span of time as people write it: 40 s, 3 min, 1 h 20 min."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds // HOUR_S:.0f} h {seconds % HOUR_S // MINUTE_S:.0f} min"
