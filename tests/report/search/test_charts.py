"""The charts show what the search found, and no trial is missing from them."""

import pytest

from report.search.charts import axes_of, best_so_far, history_figure, importance_figure, parallel_figure
from tests.support.searched import DEFAULT, SPACE, searched


def points(axes, label):
    """Points of one series, by trial."""
    [line] = [line for line in axes.lines if line.get_label() == label]
    return dict(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_history_has_every_trial():
    """Complete, pruned and failed ones; the line of the default is its figure."""
    result = searched()
    [axes] = history_figure(result).axes
    shown = {label: points(axes, label) for label in ("complete", "pruned, its last figure", "failed")}

    assert sorted(number for series in shown.values() for number in series) == list(range(24))
    assert shown["complete"][0] == result.trials[0].value
    assert list(shown["failed"]) == [7]
    assert [line.get_ydata()[0] for line in axes.lines if line.get_label() == "default"] == [result.trials[0].value]


@pytest.mark.parametrize("less_is_better", [False, True])
def test_best_so_far_follows_the_direction(less_is_better):
    """It ends at the best complete trial; a pruned trial never counts, even with a better figure."""
    result = searched(less_is_better=less_is_better)
    numbers, values = best_so_far(result)

    assert values[-1] == result.best.value
    assert values == sorted(values, reverse=less_is_better)
    assert numbers == list(range(24))


def test_importance_is_sorted():
    """The largest is on top, which is the last bar."""
    [axes] = importance_figure(searched()).axes

    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "learning_rate"
    assert [bar.get_width() for bar in axes.patches] == [0.05, 0.09, 0.24, 0.62]


def test_parallel_lines_pass_through_the_params():
    """A line a trial that has a figure; the ends of an axis are its lowest and highest value, or its names."""
    result = searched()
    [axes] = parallel_figure(result).axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == len(SPACE) + 1]
    best = max(lines, key=lambda line: line.get_linewidth())

    assert len(lines) == 23
    assert best.get_ydata()[-1] == 1.0
    assert all(0 <= height <= 1 for line in lines for height in line.get_ydata())
    assert {text.get_text() for text in axes.texts} >= {"learning_rate", "[16, 32]", "[32, 64]", "32", "128"}


def test_important_params_come_first():
    """If they do not all fit, the others are left out."""
    assert axes_of(searched(importance={"expression.train.widths": 0.9}))[0] == "expression.train.widths"


def test_one_trial_alone_is_drawn():
    """All its values are the only ones of their axes."""
    [axes] = parallel_figure(searched(trials=searched().trials[:1])).axes

    assert [list(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 5] == [[0.5] * 5]
    assert list(DEFAULT) == list(SPACE)
