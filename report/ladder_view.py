"""The ladder in the page: every compressed form by what it gives and what it costs, and which one was shipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from report.charts import ACCENT, INK, PAPER, SECOND, SOFT, dressed, figure_of
from report.figures import NONE, bytes_text, figure_text, metric_name
from report.words import seconds_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIMITS = {"max_objective_drop": "drop of the objective", "max_latency_ms": "ms", "max_bytes": "bytes"}
NEAR = 0.05  # of the objective
LARGEST, SMALLEST = 420.0, 25.0  # areas of dots, in square points


@dataclass(frozen=True)
class RungRow:
    """A row of the table; the plot calls it by its number."""

    number: int
    name: str
    objective: str
    latency: str
    size: str
    made_in: str
    verdict: str
    note: str
    is_pick: bool
    is_front: bool


def rung_rows(ladder: Mapping[str, Any]) -> list[RungRow]:
    """The rungs as they were made, each with what it misses of the budget."""
    return [
        RungRow(
            number,
            str(rung["name"]),
            figure_text(rung["objective"]),
            f"{rung['latency_ms']:.3g} ms",
            bytes_text(rung["size_bytes"]),
            seconds_text(rung["seconds"]) if "seconds" in rung else NONE,
            _verdict(rung.get("misses") or {}),
            str(rung.get("note") or ""),
            rung["name"] == ladder.get("pick"),
            rung["name"] in ladder.get("front", ()),
        )
        for number, rung in enumerate(ladder.get("rungs", ()), 1)
    ]


def _verdict(misses: Mapping[str, Sequence[float]]) -> str:
    told = (f"{LIMITS.get(name, name)} {_plain(own)} for {_plain(most)}" for name, (own, most) in misses.items())
    return f"misses {', '.join(told)}" if misses else "holds"


def _highest(rungs: Sequence[Mapping[str, Any]]) -> float:
    """The best objective."""
    return max(float(rung["objective"]) for rung in rungs)


def _plain(value: float) -> str:
    """A figure; bytes, which JSON has as 133730.0, without decimals."""
    return figure_text(int(value) if value == int(value) else value)


@dataclass(frozen=True)
class Rival:
    """The champion that the shipped form was held against when it was registered, on the test split.

    Attributes:
        name: Such as `champion v3`.
        gain: The objective of what was shipped, less that of the champion.
        latency_ratio: The champion's latency over that of what was shipped, measured in turns.
    """

    name: str
    gain: float
    latency_ratio: float


def pareto_figure(ladder: Mapping[str, Any], rival: Rival | None = None) -> Figure:
    """Objective against latency; the larger a dot, the more bytes. The front is a line, the pick has a ring.

    Dots bear the numbers of their rows: names of a dozen forms would lie over each other.

    The champion, which was judged on the test split, is a diamond as far from the pick as it was there.
    """
    numbered = [{**rung, "number": number} for number, rung in enumerate(ladder["rungs"], 1)]
    rungs = [rung for rung in numbered if np.isfinite([rung["objective"], rung["latency_ms"]]).all()]
    figure = figure_of(520, 320)
    axes = figure.add_subplot()
    dressed(axes, "ms, 95th percentile of one sample on one thread", metric_name(str(ladder["objective"])))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    front = sorted((r["latency_ms"], r["objective"]) for r in rungs if r["name"] in ladder["front"])
    axes.plot(*zip(*front, strict=True), color=SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    most = max(rung["size_bytes"] for rung in rungs)
    for rung in rungs:
        area = max(SMALLEST, LARGEST * rung["size_bytes"] / most)
        _dot(axes, rung, area, is_front=rung["name"] in ladder["front"], is_pick=rung["name"] == ladder["pick"])
    _limits(axes, ladder, rungs)
    _champion(axes, next((rung for rung in rungs if rung["name"] == ladder["pick"]), None), rival)
    axes.margins(x=0.2, y=0.22)
    axes.ticklabel_format(axis="y", useOffset=False)
    low_y, high_y = axes.get_ylim()
    short = 2 * NEAR * abs(_highest(rungs)) - (high_y - low_y)  # what differs by next to nothing should look so
    if short > 0:
        axes.set_ylim(low_y - short / 2, high_y + short / 2)
    return figure


def _dot(axes: Axes, rung: Mapping[str, Any], area: float, *, is_front: bool, is_pick: bool) -> None:
    at = (rung["latency_ms"], rung["objective"])
    axes.scatter(*at, s=area, color=ACCENT if is_pick else SECOND, alpha=0.85, linewidth=0, zorder=2)
    if is_pick:
        axes.scatter(*at, s=area + 160, facecolor="none", edgecolor=ACCENT, linewidth=1.5, zorder=3)
    away = 3 + area**0.5 / 2
    # What is beaten has its number below; the pick has its words aside, where no dot stands on it.
    offset, sides = ((0.0, away if is_front else -away), ("center", "bottom" if is_front else "top"))
    if is_pick:
        offset, sides = ((away + 7, 0.0), ("left", "center"))
    axes.annotate(
        f"{rung['number']}{' · shipped' if is_pick else ''}", at, xytext=offset, textcoords="offset points",
        ha=sides[0], va=sides[1], fontsize=9.5, color=INK, parse_math=False, zorder=1.5,
        bbox={"facecolor": PAPER, "alpha": 0.7, "linewidth": 0, "pad": 1},
    )  # fmt: skip


def _champion(axes: Axes, pick: Mapping[str, Any] | None, rival: Rival | None) -> None:
    if pick is None or rival is None:
        return
    at = (pick["latency_ms"] * rival.latency_ratio, pick["objective"] - rival.gain)
    axes.scatter(*at, s=55, marker="D", facecolor="none", edgecolor=INK, linewidth=1.3, zorder=4)
    axes.annotate(
        rival.name, at, xytext=(-8, 0), textcoords="offset points", ha="right", va="center", fontsize=9.5, color=INK,
        parse_math=False, zorder=4,
    )  # fmt: skip


def _limits(axes: Axes, ladder: Mapping[str, Any], rungs: Sequence[Mapping[str, Any]]) -> None:
    """The floor of the objective and the ceiling of the latency, where they are near enough to be seen."""
    budget = ladder.get("budget") or {}
    teacher = next((rung for rung in rungs if rung["name"] == "teacher, float"), rungs[0])
    floor = teacher["objective"] - float(budget.get("max_objective_drop") or 0.0)
    lowest, highest = (edge(rung["objective"] for rung in rungs) for edge in (min, max))
    if floor >= lowest - max(highest - lowest, NEAR * abs(highest)):  # further down it would flatten all else
        axes.axhline(floor, color=ACCENT, linewidth=0.9, alpha=0.6, zorder=0)
    ceiling = budget.get("max_latency_ms")
    if ceiling and ceiling <= 2.0 * max(rung["latency_ms"] for rung in rungs):
        axes.axvline(ceiling, color=ACCENT, linewidth=0.9, alpha=0.6, zorder=0)
