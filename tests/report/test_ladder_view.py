"""The Pareto plot: where the pick lies, and the champion as far from it as it was found to be."""

from __future__ import annotations

import numpy as np
import pytest

from report.ladder_view import Rival, pareto_figure, rung_rows

RUNGS = [
    {"name": "teacher, float", "objective": 0.9, "latency_ms": 8.0, "size_bytes": 4_000_000},
    {"name": "teacher, static int8 minmax", "objective": 0.89, "latency_ms": 3.0, "size_bytes": 1_000_000},
]
LADDER = {"objective": "macro_f1", "front": ["teacher, float"], "pick": RUNGS[1]["name"], "rungs": RUNGS}


def dots(figure):
    """Where each mark lies: ms and objective."""
    return [tuple(np.round(marks.get_offsets()[0], 4)) for marks in figure.axes[0].collections]


def names(figure):
    """What stands beside the marks."""
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_champion_is_as_far_from_the_pick_as_it_was_found():
    """Twice as slow and 0.02 worse on the test split: so it lies on the plot."""
    figure = pareto_figure(LADDER, Rival("champion v3", 0.02, 2.0))

    assert dots(figure)[-1] == (6.0, 0.87)
    assert "champion v3" in names(figure)


def test_dots_bear_the_numbers_of_their_rows():
    """And the pick says that it was shipped; a form that is no number has its row and no dot."""
    broken = {"name": "student 4, float", "objective": float("nan"), "latency_ms": 1.0, "size_bytes": 1}
    ladder = LADDER | {"rungs": [broken, *RUNGS]}

    assert names(pareto_figure(ladder)) == ["2", "3 · shipped"]
    assert [(row.number, row.is_pick) for row in rung_rows(ladder)] == [(1, False), (2, False), (3, True)]


@pytest.mark.parametrize(
    ("ladder", "rival"), [(LADDER, None), (LADDER | {"pick": None}, Rival("champion v3", 0.02, 2.0))]
)
def test_without_a_champion_or_a_pick_there_is_no_mark(ladder, rival):
    """Of the first night; and where nothing holds the budget, there is nothing that it would be far from."""
    figure = pareto_figure(ladder, rival)

    assert not any("champion" in name for name in names(figure))
    assert len(dots(figure)) == len(RUNGS) + bool(ladder["pick"])
