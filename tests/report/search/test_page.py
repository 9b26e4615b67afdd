"""The page states the verdict honestly, stands alone, and can be read again from search.json."""

import re

import pytest

from report.search.page import FILES, build
from report.search.result import Comparison, SearchResult
from tests.support.searched import searched

EVEN = Comparison(trial=4, default=[0.80, 0.82], best=[0.81, 0.82], gain=0.005, low=-0.04, high=0.05)
ONLY_DEFAULT = {"trials": searched().trials[:1], "comparison": None, "patch": "", "importance": {}}


@pytest.mark.parametrize(
    ("changes", "verdict", "is_better"),
    [
        ({}, "trial 4 is better than the default, by +0.0127, 95 % interval +0.0081 to +0.0171", True),
        ({"comparison": EVEN}, "no better than the default by more than its interval: trial 4, +0.005", False),
        ({"comparison": Comparison(trial=4, failed="seed 1: out of memory")}, "was not compared", False),
        (ONLY_DEFAULT, "no trial is better than the default (1 trial: 1 complete)", False),
        ({**ONLY_DEFAULT, "trials": searched().trials[7:8]}, "no trial was completed", False),
    ],
)
def test_verdict(changes, verdict, is_better):
    """Better is only what is better by more than its interval."""
    result = searched(**changes)

    assert verdict in result.verdict()
    assert result.is_better is is_better


@pytest.mark.parametrize("changes", [{}, {"comparison": EVEN}, ONLY_DEFAULT, {"trials": [], "comparison": None}])
def test_page_is_complete_and_alone(tmp_path, changes):
    """Verdict, trials, patch and command; no script, and nothing is fetched."""
    result = searched(**changes)
    page = build(result, tmp_path).read_text(encoding="utf-8")

    assert result.verdict().replace("+", "&#43;") in page.replace("+", "&#43;")
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert ("nothing shows that it is better" in page) == (bool(result.patch) and not result.is_better)
    assert all(f'<th scope="row" class="n">{trial.number}</th>' in page for trial in result.trials)
    assert SearchResult.model_validate_json((tmp_path / FILES.data).read_text()) == result


def test_best_is_first_and_the_failed_last(tmp_path):
    """The table is in the order of the figures; a failure has its reason."""
    page = build(searched(), tmp_path).read_text(encoding="utf-8")
    order = [int(number) for number in re.findall(r'<th scope="row" class="n">(\d+)</th>', page)]

    assert (order[0], order[-1]) == (searched().best.number, 7)
    assert "the loss became NaN in epoch 3" in page


def test_a_loose_figure_is_named(tmp_path):
    """A family that keeps its last epoch does so because its figure is not to be trusted alone."""
    assert "only loosely" in build(searched(loosely=True), tmp_path).read_text(encoding="utf-8")
