"""Charts of a search: history, importance of the params, parallel coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from report.formatting import figure_text
from report.images.charts import ACCENT, INK, PAPER, RULE, SECOND, SOFT, THIRD, dressed, figure_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from report.search.result import SearchResult, TrialResult

MOST_AXES = 7  # params of the parallel coordinates; more would be illegible
WIDE_PX = 860
BAR_PX = 26


def short(path: str) -> str:
    """`expression.train.learning_rate` as a label: `learning_rate`."""
    return path.split(".", 2)[-1]


def history_figure(result: SearchResult) -> Figure:
    """Figure of every trial in order, and the best so far."""
    figure = figure_of(WIDE_PX, 270)
    axes = figure.add_subplot()
    kinds = {"complete": (SECOND, "o", "complete"), "pruned": (THIRD, "x", "pruned, its last figure")}
    for state, (colour, marker, label) in kinds.items():
        found = [trial for trial in result.trials if trial.state == state and trial.value is not None]
        if found:
            x, y = [trial.number for trial in found], [trial.value or 0.0 for trial in found]
            axes.plot(x, y, marker, color=colour, markersize=6, markeredgewidth=1.6, label=label)
    numbers, values = best_so_far(result)
    axes.step(numbers, values, where="post", color=ACCENT, linewidth=1.6, label="best so far")
    default = next((trial.value for trial in result.trials if trial.number == 0), None)
    if default is not None:
        axes.axhline(default, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="default")
    failed = [trial.number for trial in result.trials if trial.state == "failed"]
    if failed:
        low = axes.get_ylim()[0]
        axes.plot(failed, [low] * len(failed), "v", color=ACCENT, markersize=7, label="failed", clip_on=False)
    dressed(axes, x_label="trial", y_label=result.monitor)
    axes.legend(frameon=False, fontsize=10, labelcolor=INK, ncols=5, loc="lower left", bbox_to_anchor=(-0.01, 1.0))
    axes.margins(x=0.02, y=0.1)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    return figure


def best_so_far(result: SearchResult) -> tuple[list[int], list[float]]:
    """Numbers of the trials from the first complete one on, and the best complete figure up to each."""
    best, numbers, values = None, [], []
    better = min if result.less_is_better else max
    for trial in result.trials:
        if trial.state == "complete" and trial.value is not None:
            best = trial.value if best is None else better(best, trial.value)
        if best is not None:
            numbers.append(trial.number)
            values.append(best)
    return numbers, values


def importance_figure(result: SearchResult) -> Figure:
    """Share of each param in the variation of the figure, the largest first."""
    rows = sorted(result.importance.items(), key=lambda row: row[1])
    figure = figure_of(WIDE_PX // 2, 50 + BAR_PX * len(rows))
    axes = figure.add_subplot()
    axes.barh([short(path) for path, _ in rows], [share for _, share in rows], height=0.62, color=SECOND, alpha=0.85)
    for place, (_, share) in enumerate(rows):
        axes.annotate(
            f"{100 * share:.0f} %", (share, place), xytext=(5, 0), textcoords="offset points", va="center",
            color=SOFT, fontsize=10,
        )  # fmt: skip
    dressed(axes)
    axes.grid(visible=False)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_xlim(0, 1.15 * max([share for _, share in rows], default=1.0) or 1.0)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    return figure


def axes_of(result: SearchResult) -> list[str]:
    """The params of the parallel coordinates: the most important ones, or else the first of the space."""
    ranked = sorted(result.space, key=lambda path: -result.importance.get(path, 0.0))
    return ranked[:MOST_AXES]


def parallel_figure(result: SearchResult) -> Figure:
    """One line a trial through its params, with the figure at the right; darker is better, pruned trials are thin."""
    paths = axes_of(result)
    trials = [trial for trial in result.trials if trial.value is not None]
    scales = {path: _Scale([trial.params[path] for trial in trials], log="log" in result.space[path]) for path in paths}
    goal = _Scale([trial.value for trial in trials], log=False)
    figure = figure_of(WIDE_PX, 330)
    axes = figure.add_subplot(facecolor="none")
    best = result.best
    for trial in sorted(trials, key=lambda one: (one.state == "complete", one == best)):
        heights = [*(scales[path].height(trial.params[path]) for path in paths), goal.height(trial.value)]
        axes.plot(range(len(heights)), heights, **_line(trial, result, goal, is_best=trial == best))
    for place, (name, scale) in enumerate([*((short(path), scales[path]) for path in paths), (result.monitor, goal)]):
        _draw_axis(axes, place, name, scale)
    axes.set(xlim=(-0.35, len(paths) + 0.35), ylim=(-0.14, 1.16), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return figure


class _Scale:
    """Positions of values on an axis from 0 to 1; values that are not numbers stand at equal distances."""

    def __init__(self, values: Sequence[Any], *, log: bool) -> None:
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        self.names = [] if numbers else sorted(set(map(str, values)))
        self.log = log and numbers and min(values) > 0
        self.low: float = min(values) if numbers else 0
        self.high: float = max(values) if numbers else max(1, len(self.names) - 1)

    def height(self, value: Any) -> float:  # noqa: ANN401 - any param
        """Position of a value."""
        if self.names:
            return self.names.index(str(value)) / self.high if len(self.names) > 1 else 0.5
        if self.low == self.high:
            return 0.5
        low, high, at = np.log([self.low, self.high, value]) if self.log else (self.low, self.high, value)
        return float((at - low) / (high - low))

    def ends(self) -> list[tuple[float, str]]:
        """Labels and their positions."""
        if self.names:
            return [(self.height(name), name) for name in self.names]
        return [(self.height(value), figure_text(value)) for value in dict.fromkeys((self.low, self.high))]


def _line(trial: TrialResult, result: SearchResult, goal: _Scale, *, is_best: bool) -> dict[str, Any]:
    if is_best:
        return {"color": ACCENT, "linewidth": 2.6, "zorder": 3}
    if trial.number == 0:
        return {"color": INK, "linewidth": 1.8, "linestyle": (0, (4, 3)), "zorder": 2}
    if trial.state == "pruned":
        return {"color": SOFT, "linewidth": 0.8, "alpha": 0.45}
    height = goal.height(trial.value)
    return {"color": SECOND, "linewidth": 1.5, "alpha": 0.35 + 0.6 * (1 - height if result.less_is_better else height)}


def _draw_axis(axes: Axes, place: int, name: str, scale: _Scale) -> None:
    axes.plot([place, place], [0, 1], color=RULE, linewidth=1.2, zorder=0)
    axes.text(place, 1.09, name, color=INK, fontsize=10, ha="center", va="bottom", parse_math=False)
    for height, text in scale.ends():
        side = {0.0: ("top", -0.03), 1.0: ("bottom", 0.02)}.get(height, ("center", 0.0))
        axes.text(
            place, height + side[1], text, color=SOFT, fontsize=9, ha="center", va=side[0], parse_math=False,
            bbox={"facecolor": PAPER, "linewidth": 0, "pad": 0.5} if side[0] == "center" else None,
        )  # fmt: skip
