"""The standard error of a difference, compared with known results, and its sampling unit."""

import numpy as np
import pandas as pd
import pytest

from compression.search.uncertainty import few_groups, standard_error


class Mean:
    """The plain mean of a column."""

    name = "mean"

    def __call__(self, rows, weights=None):
        """The weighted mean."""
        return float(np.average(rows["value"], weights=weights))


def rows(values, groups=None):
    """Scored rows."""
    count = len(values)
    return pd.DataFrame({"id": np.arange(count), "group": groups if groups is not None else np.arange(count),
                         "value": values})  # fmt: skip


def test_it_is_that_of_a_mean_of_differences():
    """For a mean it is the deviation of the differences over the root of their number; common variation cancels."""
    random = np.random.default_rng(1)
    shared, own = 50.0 * random.standard_normal(400), random.standard_normal(400)
    found = standard_error(Mean(), rows(shared), rows(shared + own))

    assert found == pytest.approx(own.std() / 20.0, rel=0.15)


def test_frames_of_one_shot_are_one_sample():
    """Planted: every face ten times. As single samples they would have a third of the standard error."""
    random = np.random.default_rng(2)
    own = np.repeat(random.standard_normal(40), 10)
    alone, together = (
        standard_error(Mean(), rows(np.zeros(400), groups), rows(own, groups))
        for groups in (None, np.arange(400) // 10)
    )

    assert together == pytest.approx(np.sqrt(10.0) * alone, rel=0.25)


def test_the_same_outputs_have_no_standard_error():
    """Rows of other samples are not pairs."""
    same = rows(np.arange(9.0))

    assert standard_error(Mean(), same, same) == 0.0
    with pytest.raises(ValueError, match="of other samples"):
        standard_error(Mean(), same, same.assign(id=range(1, 10)))
    with pytest.raises(ValueError, match="9 rows and 8"):
        standard_error(Mean(), same, same.head(8))


@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_groups_do_not_seem_sure(count):
    """Planted: all pictures of one performer. Groups alone would give nearly 0; single samples do not."""
    random = np.random.default_rng(3)
    own, groups = random.standard_normal(90), np.arange(90) % count
    found = standard_error(Mean(), rows(np.zeros(90), groups), rows(own, groups))

    assert found >= 0.8 * own.std() / np.sqrt(90)
    assert f"validation has {count} group" in few_groups(rows(own, groups))
    assert few_groups(rows(own, np.arange(90) % 10)) == ""


def test_of_a_single_sample_the_whole_difference_is_uncertain():
    """The standard error is the whole difference; for the same model it is none."""
    assert standard_error(Mean(), rows([1.0]), rows([0.25])) == 0.75
    assert standard_error(Mean(), rows([1.0]), rows([1.0])) == 0.0


def test_a_sample_without_a_group_is_a_group_of_its_own():
    """Ungrouped samples give the same standard error as samples with distinct groups."""
    own = np.random.default_rng(4).standard_normal(100)
    named, nameless = (
        standard_error(Mean(), rows(np.zeros(100), groups), rows(own, groups)) for groups in (None, [None] * 100)
    )

    assert nameless == pytest.approx(named)
