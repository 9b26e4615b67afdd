"""Counts of unlabelled pictures in the report."""

import json

import pytest

from report.page.family_view import beside_text
from tests.report.conftest import build


@pytest.mark.parametrize(
    ("taken", "there", "line"),
    [(0, 0, ""), (1200, 1200, "all 1,200 pictures"), (30, 1200, "30 of 1,200 pictures"), (0, 1200, "0 of 1,200")],
)
def test_pictures_without_a_label_are_counted(taken, there, line):
    """The ones that students learn from, out of all; nothing if there are none."""
    text = beside_text({"unlabelled": taken, "without_label": there})

    assert line in text
    assert bool(text) == bool(there)


def test_sets_that_count_none_have_no_line():
    """Sets of other families."""
    assert beside_text({}) == ""


def test_the_page_has_the_line(tree, nightly, tmp_path):
    """Below the table of augmentation."""
    path = tree / "build/expression/set/set.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"unlabelled": 30, "without_label": 90}))

    assert "Beside these, 30 of 90 pictures without a label" in build(tree, tmp_path / "out", nightly).read_text()
