"""Charts in one hand: as pictures for MLflow and for the page, as SVG that follows the page's light and dark.

Every chart is a matplotlib Figure of its own; pyplot and its global state are never touched. Sizes are in CSS pixels:
a figure of 420 px is drawn at 72 dpi units, so that text of 11 px is 11 px in the page.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from models.components.figures import figure_name, less_is_better
from report.formatting import figure_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

# In a picture these are the colours; in the page each becomes the CSS variable of its name.
PAPER, INK, SOFT, RULE = "#fbfaf7", "#1d1b18", "#716b62", "#ddd8ce"
ACCENT, SECOND, THIRD = "#b5481a", "#2c6e76", "#c9a45c"
VARIABLES = {
    PAPER: "paper", INK: "ink", SOFT: "soft", RULE: "rule", ACCENT: "accent", SECOND: "second", THIRD: "third",
}  # fmt: skip

PICTURE_DPI = 160
MANY_LABELS = 14  # above this the cells of a confusion matrix are too small for figures
DARK_CELL = 0.55  # share from which the text of a cell turns light
BINS = 10
# Which curves come first; all others follow by name.
CURVE_ORDER = ("loss", "accuracy", "macro_f1", "lr")
CURVE_NAMES = {"loss": "Loss", "accuracy": "Accuracy", "macro_f1": "Macro F1", "lr": "Learning rate"}
AXIS_COLUMNS = ("epoch", "step")


def confusion(matrix: Sequence[Sequence[float]] | np.ndarray, labels: Sequence[str], path: Path) -> Path:
    """Draws a confusion matrix (counts; rows are the truth, columns what was read) to a .png or .svg."""
    return save(confusion_figure(matrix, labels), path)


def reliability(confidence: np.ndarray | pd.Series, correct: np.ndarray | pd.Series, path: Path) -> Path:
    """Draws how often the model is right against its confidence, to a .png or .svg."""
    return save(reliability_figure(confidence, correct), path)


def confusion_figure(matrix: Sequence[Sequence[float]] | np.ndarray, labels: Sequence[str]) -> Figure:
    """The figure of `confusion`."""
    counts_ll = np.asarray(matrix, float)
    totals_l = counts_ll.sum(axis=1, keepdims=True)
    shares_ll = np.divide(counts_ll, totals_l, out=np.zeros_like(counts_ll), where=totals_l > 0)
    figure = figure_of(430, 405)
    axes = figure.add_subplot()
    for row, column in np.ndindex(shares_ll.shape):
        _draw_cell(axes, (row, column), shares_ll[row, column])
    if len(labels) <= MANY_LABELS:
        _write_cells(axes, shares_ll, counts_ll)
    _frame_cells(axes, labels)
    return figure


def _draw_cell(axes: Axes, at: tuple[int, int], share: float) -> None:
    row, column = at
    colour = SECOND if row == column else ACCENT
    for fill, alpha in ((RULE, 0.35), (colour, share)):
        axes.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=fill, alpha=alpha, linewidth=0))


def _write_cells(axes: Axes, shares_ll: np.ndarray, counts_ll: np.ndarray) -> None:
    for row, column in np.argwhere(counts_ll > 0):
        share, count = shares_ll[row, column], counts_ll[row, column]
        colour = PAPER if share >= DARK_CELL else INK
        texts = (
            axes.text(column, row - 0.08, f"{100 * share:.0f}", color=colour, fontsize=11.5),
            axes.text(column, row + 0.27, f"{count:.0f}", color=colour, fontsize=8.5, alpha=0.75),
        )
        for text in texts:
            # Inside the axes, so the layout need not measure it: that would take longer than to draw it.
            text.set(ha="center", va="center", in_layout=False)


def _frame_cells(axes: Axes, labels: Sequence[str]) -> None:
    count = len(labels)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(count), labels, rotation=38, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(count), labels, parse_math=False)
    axes.set_xlabel("read as", color=SOFT, fontsize=10)
    axes.set_ylabel("truth", color=SOFT, fontsize=10)
    axes.tick_params(length=0, labelsize=10.5, labelcolor=INK)
    axes.set_facecolor("none")
    axes.spines[:].set_visible(False)


def reliability_figure(confidence: np.ndarray | pd.Series, correct: np.ndarray | pd.Series) -> Figure:
    """The figure of `reliability`: ten bins, the share that was right in each, and how many samples lie there."""
    sure, right = np.asarray(confidence, float), np.asarray(correct, float)
    bin_of = np.clip((sure * BINS).astype(int), 0, BINS - 1)
    counts = np.bincount(bin_of, minlength=BINS)
    rights = np.bincount(bin_of, weights=right, minlength=BINS)
    middle = (np.arange(BINS) + 0.5) / BINS
    filled = counts > 0
    figure = figure_of(410, 405)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.bar(middle[filled], rights[filled] / counts[filled], width=0.085, color=SECOND, alpha=0.85, linewidth=0)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.03, 0.95, "bars under the line: too sure\nbars over it: too modest", color=SOFT, fontsize=9.5, va="top")
    dressed(axes, y_label="share that was right")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    below.bar(middle, counts, width=0.085, color=SOFT, alpha=0.6, linewidth=0)
    dressed(below, x_label="confidence of the model", y_label="samples")
    below.yaxis.set_major_locator(MaxNLocator(2, integer=True, prune="lower"))  # its 0 stands on that of the other axis
    return figure


def curve_panels(history: pd.DataFrame) -> dict[str, dict[str, pd.Series]]:
    """The curves that belong in one panel: `train/loss` and `val/loss` share `loss`. By epoch or row, from 1."""
    numeric = history.select_dtypes("number")
    # Lightning counts from 0, a person, the log of the training and the pager from 1.
    epochs = numeric["epoch"] + 1 if "epoch" in numeric else pd.Series(np.arange(len(numeric)) + 1, numeric.index)
    panels: dict[str, dict[str, pd.Series]] = {}
    for column in [column for column in numeric if column not in AXIS_COLUMNS]:
        series = numeric[column].set_axis(epochs).dropna()
        if len(series):
            source, _, name = str(column).rpartition("/")
            panels.setdefault(name, {})[source] = series
    known = [name for name in CURVE_ORDER if name in panels]
    return {name: panels[name] for name in known + sorted(panels.keys() - set(known))}


def curve_figure(name: str, series: Mapping[str, pd.Series]) -> Figure:
    """One panel of the curves."""
    figure = figure_of(390, 215)
    _draw_curve(figure.add_subplot(), name, series)
    return figure


def _draw_curve(axes: Axes, name: str, series: Mapping[str, pd.Series]) -> None:
    colours = {"val": ACCENT, "train": SECOND}
    for source, values in series.items():
        colour = colours.get(source, INK)
        marker = "o" if len(values) == 1 else ""
        axes.plot(values.index, values, color=colour, linewidth=1.8, marker=marker, markersize=4, label=source)
    title = curve_name(name)
    axes.set_title(title, loc="left", color=INK, fontsize=11.5, fontweight="bold", parse_math=False)
    if len(series) > 1:
        axes.legend(frameon=False, labelcolor="linecolor", fontsize=10, handlelength=1.2, loc="best")
    if "val" in series:
        _mark_best(axes, series["val"], lowest=less_is_better(name))
    dressed(axes, x_label="epoch")
    axes.margins(x=0.02, y=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def curve_name(name: str) -> str:
    """A curve as a person writes it."""
    known = figure_name(name)
    return CURVE_NAMES.get(name, known[:1].upper() + known[1:])


def _mark_best(axes: Axes, values: pd.Series, *, lowest: bool) -> None:
    at = int(np.argmin(values) if lowest else np.argmax(values))
    epoch, best = values.index[at], values.iloc[at]
    axes.plot([epoch], [best], marker="o", markersize=5, color=PAPER, markeredgecolor=ACCENT, markeredgewidth=1.6)
    axes.set_title(f"best {_figure_text(best)}, epoch {epoch:g}", loc="right", color=ACCENT, fontsize=10)


def interval_figure(
    gain: float, low: float, high: float, min_gain: float = 0.0, *, against: str = "champion"
) -> Figure:
    """The gain of one model over another with its 95 % interval, against what is asked of its lower end."""
    colour = SECOND if low > min_gain else ACCENT
    figure = figure_of(420, 130)
    axes = figure.add_subplot(facecolor="none")
    axes.axvline(0, ymax=0.84, color=INK, linewidth=1)
    _write_above(axes, 0, f"{against} ", INK, "right" if min_gain else "center")
    if min_gain:
        axes.axvline(min_gain, ymax=0.84, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        _write_above(axes, min_gain, " must exceed", SOFT, "left")
    axes.plot([low, high], [0, 0], color=colour, linewidth=7, alpha=0.35, solid_capstyle="round")
    axes.plot([gain], [0], marker="o", markersize=9, color=colour)
    for value, side, rise in ((low, "right", -14), (gain, "center", 13), (high, "left", -14)):
        shift = {"right": 8, "center": 0, "left": -8}[side]
        axes.annotate(
            figure_text(value, signed=True), (value, 0), xytext=(shift, rise), textcoords="offset points",
            ha=side, va="center", color=colour, fontsize=12 if side == "center" else 10,
            bbox={"facecolor": PAPER, "linewidth": 0, "pad": 1},
        )  # fmt: skip
    ends = sorted((low, high, 0.0, min_gain))
    room = 0.28 * max(ends[-1] - ends[0], 1e-6)
    axes.set(xlim=(ends[0] - room, ends[-1] + room), ylim=(-0.7, 1.0), yticks=[])
    dressed(axes)
    axes.tick_params(length=3)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.3g}" if value else "0"))
    return figure


def _write_above(axes: Axes, x: float, text: str, colour: str, side: str) -> None:
    axes.text(x, 0.93, text, color=colour, fontsize=9.5, ha=side, va="center", transform=axes.get_xaxis_transform())


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure by the suffix of the path. The same data give the same bytes: no date, no random ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".svg":
        path.write_text(_svg(figure), encoding="utf-8")
    else:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a label in a script that DejaVu lacks
            figure.savefig(path, dpi=PICTURE_DPI, facecolor=PAPER)
    return path


def inline(figure: Figure, title: str = "") -> str:
    """The figure as an <svg> element for the page: its colours are the page's CSS variables, its font the page's."""
    svg = _svg(figure)
    svg = svg[svg.index("<svg") :]
    head, rest = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    for colour, name in VARIABLES.items():
        rest = rest.replace(colour, f"var(--{name})")
    rest = re.sub(r' id="(?:figure|axes|matplotlib|patch|text|line2d|xtick|ytick|PolyC|PathC)[^"]*"', "", rest)
    rest = re.sub(r"<style.*?</style>", "", rest, flags=re.DOTALL)  # it would speak to the whole page
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'<svg class="chart" role="img" aria-label="{label}" {box.group(0) if box else ""}>{rest}'


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with (
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rushes"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", facecolor="none", metadata=nothing)
    return buffer.getvalue()


def figure_of(width_px: int, height_px: int) -> Figure:
    """An empty one, of CSS pixels."""
    figure = Figure(
        figsize=(width_px / 72, height_px / 72), dpi=72, layout=ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07)
    )
    FigureCanvasAgg(figure)
    return figure


def dressed(axes: Axes, x_label: str = "", y_label: str = "") -> None:
    """Gives axes the looks that all of them have."""
    axes.set_facecolor("none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, labelsize=10.5, length=0)
    axes.set_xlabel(x_label, color=SOFT, fontsize=10)
    axes.set_ylabel(y_label, color=SOFT, fontsize=10)


def _figure_text(value: float) -> str:
    return f"{value:.3f}" if abs(value) >= 0.1 else f"{value:.3g}"  # noqa: PLR2004  # below, three decimals are too few
