"""The Pareto plot: the front as stairs, the marks, the pick and the champion."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_hex, to_rgb

from report.compression.candidates import Rival
from report.compression.pareto_plot import COLOURS, LARGEST, SMALLEST, pareto_figure, ticks_of
from report.images.charts import ACCENT, INK, PAPER

MIB = 1024**2
TEACHER = ("teacher, float", 0.90, 8.0, 4 * MIB)
INT8 = ("teacher, static int8 minmax", 0.89, 3.0, MIB)
BY_BYTES = ("teacher, static int8 entropy", 0.88, 3.1, MIB // 2)
STUDENT = ("student 8, float", 0.86, 2.0, MIB // 4)
CANDIDATES = (TEACHER, INT8, BY_BYTES, STUDENT)


def marks(figure, name):
    """Positions (ms and objective) of the layers of a mark, and their collections."""
    found = [mark for mark in figure.axes[0].collections if mark.get_label() == name]
    return [tuple(np.round(mark.get_offsets()[0], 4)) for mark in found], found


def words(figure, part=0):
    """Texts of the plot (0) or of its key (1)."""
    return [text.get_text() for text in figure.axes[part].texts]


def line(figure, name):
    """The corners of a line by its name; None if it is not drawn."""
    return next((one.get_xydata() for one in figure.axes[0].lines if one.get_label() == name), None)


def test_the_front_is_drawn_as_stairs(search_json):
    """Level or upright, never falling; a candidate on the front by its bytes alone is not a step and has a ring."""
    drawn = search_json(CANDIDATES, max_objective_drop=0.015)
    figure = pareto_figure(drawn)
    corners = line(figure, "stairs")

    assert BY_BYTES[0] in drawn["front"]
    assert all((step == 0).sum() == 1 and (step >= 0).all() for step in np.diff(corners, axis=0))
    assert [tuple(corner) for corner in corners[1:-1:2]] == [(2.0, 0.86), (3.0, 0.89), (8.0, 0.90)]
    assert [len(marks(figure, f"candidate {number}")[1]) for number in (1, 2, 3, 4)] == [1, 2, 2, 1]
    assert [to_hex(marks(figure, f"candidate {n}")[1][1].get_edgecolor()[0]) for n in (2, 3)] == [ACCENT, INK]
    assert "on the front by its bytes alone" in words(figure, 1)


def test_the_key_lists_only_what_is_drawn(search_json):
    """Without rings, hollow dots, limits, champion or pick, the key does not mention them."""
    texts = words(pareto_figure(search_json([TEACHER], max_objective_drop=0.5) | {"pick": None}), 1)

    assert texts[texts.index("marks") :] == ["marks", "the front: best objective within so many ms"]


def test_example_sizes_are_as_large_as_dots_of_so_many_bytes(search_json):
    """2 MB have half the area of the teacher's 4 MB; the key marks sizes below the smallest dot."""
    figure = pareto_figure(search_json(CANDIDATES))
    areas = [mark.get_sizes()[0] for mark in figure.axes[1].collections]

    assert marks(figure, "candidate 4")[1][0].get_sizes()[0] == LARGEST
    assert {"2 MB", "1 MB", "200 KB or less"} < set(words(figure, 1))
    assert {LARGEST / 2, LARGEST / 4, SMALLEST} < set(areas)


def test_limits_have_a_line_where_they_are_near(search_json):
    """The least objective is the drop below the teacher; absent or distant limits have no line."""
    near, far = ({"max_objective_drop": drop, "max_latency_ms": ms} for drop, ms in ((0.02, 9.0), (0.9, 999.0)))
    near_figure, far_figure = (
        pareto_figure(search_json(CANDIDATES, **near)),
        pareto_figure(search_json(CANDIDATES, **far)),
    )

    assert {"at least\n0.8800", "at most 9 ms"} < set(words(near_figure))
    assert line(near_figure, "least")[0][1] == pytest.approx(0.88)
    assert line(near_figure, "most")[0][0] == 9.0
    assert [line(far_figure, name) for name in ("least", "most")] == [None, None]
    assert not any("at " in text for text in words(far_figure))


def test_a_network_has_one_colour_and_they_differ_in_grey(search_json):
    """A network tuned to bear rounding keeps its colour; a fourth network reuses the first colour in another shape."""
    others = [(f"student {n}, float", 0.8, 1.0 + n, MIB) for n in (1, 2, 3)]
    aware = ("student 1 quantisation-aware, static int8 minmax", 0.81, 1.5, MIB)
    figure = pareto_figure(search_json([TEACHER, *others, aware], max_objective_drop=0.0))
    dots = [marks(figure, f"candidate {number}")[1][0] for number in (1, 2, 3, 4, 5)]
    colours = [to_hex(dot.get_facecolor()[0]) for dot in dots]
    greys = sorted(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) for colour in [*COLOURS, PAPER])

    assert colours == [COLOURS[1], COLOURS[1], COLOURS[2], COLOURS[0], COLOURS[0]]
    assert len(dots[3].get_paths()[0]) != len(dots[4].get_paths()[0])
    assert min(np.diff(greys)) > 0.2
    assert not any("aware" in text for text in words(figure, 1))


def test_what_has_too_many_bytes_is_hollow(search_json):
    """The key states the limit in bytes."""
    figure = pareto_figure(search_json(CANDIDATES, max_bytes=2 * MIB))
    fills = [to_hex(marks(figure, f"candidate {number}")[1][0].get_facecolor()[0]) for number in (1, 4)]

    assert fills == [COLOURS[1], PAPER]
    assert "more bytes than the budget allows: 2.0 MB" in words(figure, 1)


def test_a_candidate_with_nan_is_not_drawn(search_json):
    """NaN would be on the front, since nothing beats it; if all values are NaN, no dot is drawn."""
    broken = ("student 4, float", math.nan, 0.5, 100)
    drawn = search_json([*CANDIDATES, broken]) | {"front": [broken[0]]}
    figure, empty = pareto_figure(drawn), pareto_figure(search_json([("teacher, float", math.nan, 1.0, 1)]))

    assert sorted(text[0] for text in words(figure) if text[0].isdigit()) == ["1", "2", "3", "4"]
    assert np.isfinite(line(figure, "stairs")).all()
    assert line(figure, "stairs")[0][0] == 2.0
    assert "student 4" not in words(figure, 1)
    assert len(empty.axes[0].collections) == 0


def test_numbers_lie_over_nothing(search_json):
    """Eight candidates within a few pixels, and a distant one: numbers neither overlap nor leave the axes."""
    crowd = [(f"student {n % 3}, way {n}", 0.9 - n % 4 / 300, 1 + n / 30, MIB) for n in range(8)]
    figure = pareto_figure(search_json([TEACHER, *crowd]), Rival("champion v3", 0.001, 1.1))
    renderer, axes = RendererAgg(*figure.bbox.size, 72), figure.axes[0]
    numbers = [text for text in axes.texts if not text.get_text().startswith("at ")]
    boxes = [text.get_window_extent(renderer) for text in numbers]

    assert len(boxes) == 10
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].padded(-1).overlaps(pair[1].padded(-1))]
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)


def test_an_axis_of_ms_always_has_ticks(search_json):
    """For two candidates of nearly equal speed, and for an axis over three decades."""
    close = pareto_figure(search_json([("teacher, float", 0.9, 1.8, MIB), ("teacher, dynamic int8", 0.89, 1.79, MIB)]))

    assert len(close.axes[0].get_xticks()) >= 2
    assert ticks_of(0.09, 120.0) == pytest.approx([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])


def test_the_champion_is_as_far_from_the_pick_as_it_was_found(search_json):
    """The champion was measured twice as slow and 0.02 worse on the test split, and is plotted there."""
    figure = pareto_figure(search_json(CANDIDATES, max_objective_drop=0.015), Rival("champion v3", 0.02, 2.0))

    assert marks(figure, "champion")[0] == [(6.0, 0.87)]
    assert {"champion v3", "2 · shipped"} < set(words(figure))
    assert "champion, as far off as on the test split" in words(figure, 1)


def test_a_pick_that_is_the_champion_is_both(search_json):
    """One place and one label; the key names both."""
    figure = pareto_figure(search_json(CANDIDATES, max_objective_drop=0.015), Rival("champion v3", is_pick=True))

    assert marks(figure, "champion")[0] == [INT8[2:0:-1]]
    assert "2 · shipped, champion v3" in words(figure)
    assert "champion v3" not in words(figure)
    assert "champion, which is what is shipped" in words(figure, 1)


@pytest.mark.parametrize(
    ("budget", "rival"),
    [
        ({}, None),
        ({"max_latency_ms": 0.1}, Rival("champion v3", 0.02, 2.0)),
        ({}, Rival("champion v3", math.nan, 2.0)),
    ],
)
def test_without_a_champion_or_a_pick_there_is_no_mark(search_json, budget, rival):
    """On a first run, and without a passing candidate, there is neither a champion's mark nor a gain."""
    figure = pareto_figure(search_json(CANDIDATES, **budget), rival)

    assert marks(figure, "champion")[1] == []
    assert not any("champion" in text for text in [*words(figure), *words(figure, 1)])
