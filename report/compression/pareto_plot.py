"""Plot of a compression search: objective against latency, a dot a candidate, larger for more bytes, with a key below.

All is laid out in pixels, so that numbers are kept off the dots and off each other before anything is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from models.components.figures import figure_name
from report.compression.candidates import (
    BY_BYTES,
    BYTES,
    DROP,
    LATENCY,
    NumberedCandidate,
    Rival,
    has_numbers,
    numbered_candidates,
    stairs_of,
    teacher_of,
)
from report.formatting import KIB, bytes_text, figure_text
from report.images.charts import ACCENT, INK, PAPER, SECOND, SOFT, THIRD, dressed, figure_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import BboxBase

    At = tuple[float, float]

NEAR, DROPS = 0.05, 4.0  # the axis spans at least this share of the objective, and so many allowed drops
LARGEST, SMALLEST = 560.0, 50.0  # areas of dots, in square pixels
WIDTH, HEIGHT = 640, 348  # of the plot without its key
LEFT, RIGHT, TOP, BOTTOM = 66, 78, 26, 46  # what its axes leave free
LINE, COLUMNS, TEXT = 21, (16, 210, 330), 10.5  # of the key: how high a line is, where its columns begin, its letters
# Dark, middle and light, so that they differ in grey too; a fourth network has the first colour in another shape.
COLOURS, SHAPES = (INK, SECOND, THIRD), ("o", "s", "^")
FILLS = {"o": 1.0, "s": math.pi / 4, "^": math.pi / 2}  # as much ink in each shape as in a disc
TICKS, FEW_TICKS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0)  # of a decade
SPREAD, WIDE = 3.0, 12.0  # how far apart the ends of the axis of ms are at least, and from where on its ticks are few
ROUND = tuple(n * KIB**power for power in range(4) for n in (1, 2, 5, 10, 20, 50, 100, 200, 500))  # bytes
APART = 4.0  # how many times smaller the second example is, where all candidates are equally large
LONGEST = 28  # letters of a network's name that find room in the key
# Where a number may stand about its dot, the likelier first.
ASIDE = ((0, 1), (1, 0), (0, -1), (-1, 0), (0.75, 0.75), (-0.75, 0.75), (0.75, -0.75), (-0.75, -0.75))
LETTER, RISE, GAP = 6.6, 13.0, 3.0  # of a number, in pixels: how wide a letter is, how high it is, how far off its dot
STAIRS: dict[str, Any] = {"color": SOFT, "linewidth": 1.3, "linestyle": (0, (4, 3))}
LIMIT: dict[str, Any] = {"color": ACCENT, "linewidth": 1.0, "alpha": 0.75}
DIAMOND: dict[str, Any] = {"s": 60, "marker": "D", "facecolor": "none", "edgecolor": INK, "linewidth": 1.4}


def pareto_figure(search: Mapping[str, Any], rival: Rival | None = None) -> Figure:
    """Objective against latency; the larger a dot, the more bytes.

    Dots bear the numbers of their rows: names of a dozen candidates would lie over each other. The dashed stairs are
    the best objective within so many ms; what is on the front by its bytes alone has a ring and takes no part in them.
    The champion, which was judged on the test split, is a diamond as far from the pick as it was there.
    """
    plot = _Plot(search, rival)
    key = _key_of(plot)
    below = LINE * max(map(len, key)) + 12
    figure = figure_of(WIDTH, HEIGHT + below)
    figure.set_layout_engine("none")  # it would move the axes after the numbers have found their places
    height = HEIGHT - TOP - BOTTOM
    box = (LEFT / WIDTH, (below + BOTTOM) / (HEIGHT + below), 1 - (LEFT + RIGHT) / WIDTH, height / (HEIGHT + below))
    axes = figure.add_axes(box)
    dressed(axes, "ms, 95th percentile of one sample on one thread", figure_name(str(search["objective"])))
    if plot.candidates:
        _scale(axes, plot)
        _draw_limits(axes, plot)
        corners = corners_of(plot.stairs, axes.get_ylim()[0], axes.get_xlim()[1])
        axes.plot(*zip(*corners, strict=True), **STAIRS, zorder=1, label="stairs")
        _draw_dots(axes, plot)
        _draw_numbers(axes, plot, corners)
    _draw_key(figure.add_axes((0, 0, 1, below / (HEIGHT + below))), key)
    return figure


@dataclass(frozen=True)
class _Plot:
    """Contents of the plot before they are drawn."""

    search: Mapping[str, Any]
    rival: Rival | None

    @cached_property
    def candidates(self) -> list[NumberedCandidate]:
        return [one for one in numbered_candidates(self.search) if one.gave]

    @property
    def budget(self) -> Mapping[str, Any]:
        return self.search.get("budget") or {}

    @cached_property
    def networks(self) -> dict[str, tuple[str, str]]:
        """Colour and shape of each network, in the order of search.json."""
        drawn = {one.name: one.network for one in self.candidates}
        ordered = [drawn[one["name"]] for one in self.search["candidates"] if one["name"] in drawn]
        looks = [(colour, shape) for shape in SHAPES for colour in COLOURS]
        return {name: looks[n % len(looks)] for n, name in enumerate(dict.fromkeys(ordered))}

    @cached_property
    def stairs(self) -> list[At]:
        return stairs_of(one.at for one in self.candidates)

    @cached_property
    def pick(self) -> NumberedCandidate | None:
        return next((one for one in self.candidates if one.is_pick), None)

    @cached_property
    def champion(self) -> At | None:
        """Position of the champion; None where there is none, or nothing to compare its distance with."""
        if self.pick is None or self.rival is None:
            return None
        at = (self.pick.latency_ms * self.rival.latency_ratio, self.pick.objective - self.rival.gain)
        return at if has_numbers(at) else None

    @property
    def points(self) -> list[At]:
        return [one.at for one in self.candidates] + [at for at in [self.champion] if at]

    @property
    def floor(self) -> float | None:
        """The least objective that the budget allows, where it is near enough to be seen."""
        drop, teacher = self.budget.get(DROP), teacher_of(self.candidates)
        if drop is None or teacher is None:
            return None
        floor = teacher.objective - float(drop)
        lowest, highest = (edge(one.objective for one in self.candidates) for edge in (min, max))
        # Further down it would flatten all else.
        return floor if floor >= lowest - max(highest - lowest, NEAR * abs(highest)) else None

    @property
    def ceiling(self) -> float | None:
        """The most ms that the budget allows, likewise."""
        most = self.budget.get(LATENCY)
        lowest, highest = (edge((one.latency_ms for one in self.candidates), default=math.inf) for edge in (min, max))
        return float(most) if most and lowest / 4 <= most <= 2 * highest else None

    @cached_property
    def largest(self) -> int:
        return max((one.size_bytes for one in self.candidates), default=1) or 1

    def area(self, size_bytes: float) -> float:
        """Of a dot, in square pixels."""
        return max(SMALLEST, LARGEST * size_bytes / self.largest)

    def layers(self, one: NumberedCandidate) -> list[dict[str, Any]]:
        """Layers that the dot of a candidate consists of."""
        look = self.networks[one.network]
        over, ringed = BYTES in one.misses, one.front == BY_BYTES
        return layers_of(self.area(one.size_bytes), look, is_over=over, is_ringed=ringed, is_pick=one.is_pick)


def layers_of(
    area: float, look: tuple[str, str], *, is_over: bool = False, is_ringed: bool = False, is_pick: bool = False
) -> list[dict[str, Any]]:
    """A dot from the bottom up, hollow where it has too many bytes; then the rings of the front and of the pick."""
    colour, shape = look
    edge = {"edgecolor": colour if is_over else PAPER, "linewidth": 2.0 if is_over else 0.8}
    layers: list[dict[str, Any]] = [
        {"s": area * FILLS[shape], "marker": shape, "facecolor": PAPER if is_over else colour} | edge
    ]
    for wanted, ring in ((is_ringed, (INK, 1.0)), (is_pick, (ACCENT, 2.2))):
        if wanted:
            across = area**0.5 + 8 * len(layers)
            layers.append({"s": across**2, "facecolor": "none", "edgecolor": ring[0], "linewidth": ring[1]})
    return layers


def _scale(axes: Axes, plot: _Plot) -> None:
    """The ends of both axes, and the ticks; what differs by next to nothing should look so."""
    ms, objectives = (list(values) for values in zip(*plot.points, strict=True))
    ms += [plot.ceiling] if plot.ceiling else []
    objectives += [] if plot.floor is None else [plot.floor]
    low, high = math.log(min(ms)), math.log(max(ms))
    room = 0.09 * (high - low) + max(0.0, math.log(SPREAD) - (high - low)) / 2
    axes.set_xscale("log")
    axes.set_xlim(math.exp(low - room), math.exp(high + room))
    axes.xaxis.set_major_locator(FixedLocator(ticks_of(*axes.get_xlim())))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    least, most = min(objectives), max(objectives)
    span = max(NEAR * abs(most), DROPS * float(plot.budget.get(DROP) or 0.0), 1e-9)
    room = 0.15 * (most - least) + max(0.0, span - (most - least)) / 2
    axes.set_ylim(least - room, most + room)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.ticklabel_format(axis="y", useOffset=False)


def ticks_of(low: float, high: float) -> list[float]:
    """Round numbers between two, on an axis that multiplies."""
    steps = FEW_TICKS if high > WIDE * low else TICKS
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    return [tick for decade in decades for step in steps if low <= (tick := step * 10.0**decade) <= high]


def _draw_limits(axes: Axes, plot: _Plot) -> None:
    """Draws the limits of the budget; their texts stand outside the axes, where no dot can lie."""
    words: dict[str, Any] = {"textcoords": "offset points", "color": ACCENT, "fontsize": TEXT}
    if plot.floor is not None:
        axes.axhline(plot.floor, **LIMIT, zorder=0, label="least")
        sides = words | {"xycoords": axes.get_yaxis_transform(), "ha": "left", "va": "center"}
        axes.annotate(f"at least\n{figure_text(plot.floor)}", (1, plot.floor), (6, 0), **sides)
    if plot.ceiling is not None:
        axes.axvline(plot.ceiling, **LIMIT, zorder=0, label="most")
        sides = words | {"xycoords": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        axes.annotate(f"at most {plot.ceiling:g} ms", (plot.ceiling, 1), (0, 4), **sides)


def corners_of(stairs: Sequence[At], low: float, right: float) -> list[At]:
    """The stairs from below the fastest to right of the best: nothing lies above them."""
    heights = [low, *(objective for _, objective in stairs)]
    steps = zip(stairs, pairwise(heights), strict=True)
    return [*((ms, height) for (ms, _), pair in steps for height in pair), (right, heights[-1])]


def _draw_dots(axes: Axes, plot: _Plot) -> None:
    for one in sorted(plot.candidates, key=lambda one: -one.size_bytes):  # the smaller over the larger
        for layer in plot.layers(one):
            axes.scatter(*one.at, **layer, zorder=2, label=f"candidate {one.number}")
    if plot.champion and plot.pick and plot.rival:
        around = {"s": (math.sqrt(plot.area(plot.pick.size_bytes)) + 3) ** 2} if plot.rival.is_pick else {}
        axes.scatter(*plot.champion, **DIAMOND | around, zorder=3, label="champion")


def _draw_numbers(axes: Axes, plot: _Plot, corners: Sequence[At]) -> None:
    """Each where it lies over least; first those with words beside them, which need the most room."""
    labels = [(_called(one, plot.rival), one.at, reach_of(plot.layers(one))) for one in plot.candidates]
    if plot.champion and plot.rival and not plot.rival.is_pick:
        labels.append((plot.rival.name, plot.champion, reach_of([DIAMOND])))

    def pixels(at: At) -> At:
        x, y = axes.transData.transform(at)
        return float(x), float(y)

    taken = [Bbox([pixels(at), pixels(at)]).padded(0.85 * reach) for _, at, reach in labels]
    lines = [*pairwise(corners), *_limit_lines(axes, plot)]
    taken += [Bbox([pixels(one), pixels(end)]).padded(0.1) for one, end in lines]  # rather over a line than over a dot
    for text, at, reach in sorted(labels, key=lambda label: -len(label[0])):
        box = free_box(text, pixels(at), reach, taken, axes.bbox)
        taken.append(box)
        x, y = pixels(at)
        # Letters are narrower in some fonts than was reckoned with: what stands aside ends at its dot.
        side, edge = ("left", box.x0) if box.x0 > x else ("right", box.x1) if box.x1 < x else ("center", x)
        axes.annotate(
            text, at, (edge - x, (box.y0 + box.y1) / 2 - y), textcoords="offset points", ha=side, va="center",
            fontsize=11, color=INK, parse_math=False, zorder=4,
        )  # fmt: skip


def _limit_lines(axes: Axes, plot: _Plot) -> list[tuple[At, At]]:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    floor = [] if plot.floor is None else [((left, plot.floor), (right, plot.floor))]
    ceiling = [] if plot.ceiling is None else [((plot.ceiling, low), (plot.ceiling, high))]
    return floor + ceiling


def _called(candidate: NumberedCandidate, rival: Rival | None) -> str:
    also = f", {rival.name}" if rival and rival.is_pick else ""
    return f"{candidate.number} · shipped{also}" if candidate.is_pick else str(candidate.number)


def reach_of(layers: Sequence[Mapping[str, Any]]) -> float:
    """Radius of a dot in pixels; a diamond stands on its corner."""
    return max(math.sqrt(layer["s"] * (2 if layer.get("marker") == "D" else 1)) for layer in layers) / 2


def free_box(text: str, at: At, reach: float, taken: Sequence[BboxBase], inside: BboxBase) -> Bbox:
    """Box for a text beside a dot that overlaps the taken boxes, and leaves the axes, by the fewest pixels."""
    width, height = LETTER * len(text), RISE

    def box(aside: At) -> Bbox:
        spans = zip(at, aside, (width, height), strict=True)
        x, y = (middle + to * (reach + GAP) + math.copysign(size / 2, to) * bool(to) for middle, to, size in spans)
        return Bbox.from_bounds(x - width / 2, y - height / 2, width, height)

    def lost(spot: Bbox) -> float:
        return width * height - _shared(spot, inside) + sum(_shared(spot, other) for other in taken)

    return min(map(box, ASIDE), key=lost)


def _shared(one: BboxBase, other: BboxBase) -> float:
    both: Bbox | None = Bbox.intersection(one, other)
    return float(both.width * both.height) if both else 0.0


def _key_of(plot: _Plot) -> list[list[tuple[list[dict[str, Any]], str]]]:
    """The columns of the key: signs, and what each means. Nothing that is not in the plot."""
    networks = [(layers_of(110, look), _short(name)) for name, look in plot.networks.items()]
    sizes = [(layers_of(plot.area(size), (SOFT, "o")), text) for size, text in examples_of(plot)]
    return [
        [([], "network"), *networks],
        [([], "bytes"), *sizes],
        [([], "marks"), *_marks_of(plot)],
    ]


def _marks_of(plot: _Plot) -> list[tuple[list[dict[str, Any]], str]]:
    look = (SOFT, "o")
    again = plot.rival is not None and plot.rival.is_pick
    champion = f"champion, {'which is what is shipped' if again else 'as far off as on the test split'}"
    most = bytes_text(plot.budget.get(BYTES) or 0)
    has = {
        "pick": plot.pick is not None,
        "ringed": any(one.front == BY_BYTES for one in plot.candidates),
        "over": any(BYTES in one.misses for one in plot.candidates),
        "limit": plot.floor is not None or plot.ceiling is not None,
        "champion": plot.champion is not None,
    }
    signs = {
        "pick": (layers_of(60, look, is_pick=True), "shipped"),
        "ringed": (layers_of(60, look, is_ringed=True), "on the front by its bytes alone"),
        "over": (layers_of(60, look, is_over=True), f"more bytes than the budget allows: {most}"),
        "limit": ([LIMIT], "what the budget allows"),
        "champion": ([DIAMOND], champion),
    }
    return [([STAIRS], "the front: best objective within so many ms"), *(signs[name] for name in signs if has[name])]


def examples_of(plot: _Plot) -> list[tuple[float, str]]:
    """Two or three round sizes over the span of the candidates', the largest first, and the text of each."""
    alike = plot.largest * SMALLEST / LARGEST  # up to it all dots are as small as each other
    least = max(alike, min((one.size_bytes for one in plot.candidates), default=0))
    sizes = {_rounded(size): None for size in (plot.largest, math.sqrt(plot.largest * least), least)}
    if len(sizes) == 1:
        sizes[_rounded(plot.largest / APART)] = None
    return [(size, bytes_text(size).replace(".0 ", " ") + " or less" * (size <= alike)) for size in sizes]


def _rounded(size_bytes: float) -> float:
    return max((size for size in ROUND if size <= size_bytes), default=size_bytes)


def _draw_key(axes: Axes, key: Sequence[Sequence[tuple[list[dict[str, Any]], str]]]) -> None:
    """Three columns of signs, in pixels from the lower left."""
    high = LINE * max(map(len, key))
    axes.set(xlim=(0, WIDTH), ylim=(-12, high))
    axes.set_axis_off()
    for left, column in zip(COLUMNS, key, strict=True):
        for row, (layers, text) in enumerate(column):
            at = (left, high - LINE * (row + 0.5))
            for layer in layers:
                if "s" in layer:
                    axes.scatter(*at, **layer)
                else:
                    axes.plot((left - 11, left + 11), (at[1], at[1]), **layer)
            indent, colour = (18, INK) if layers else (-8, SOFT)
            axes.text(left + indent, at[1] - 1, text, color=colour, fontsize=TEXT, va="center", parse_math=False)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
