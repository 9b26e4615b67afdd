"""The benchmark of unlabelled faces: the hidden labels, and its smoke run on invented faces."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks import unlabelled
from benchmarks.unlabelled import ALONE, BOTH, figures_of, part_labelled
from models.expression.definition import family
from models.expression.params import AugmentParams
from tests.benchmarks.test_compression import faces
from tests.support.exported import no_asset
from tests.support.sets import small_set


def test_labels_are_hidden_by_whole_groups(tmp_path):
    """No group has both kinds; every picture is on one side, and a hidden one keeps no label."""
    clean = small_set(tmp_path / "clean", {"train": 40, "validation": 4, "test": 4})
    before = clean.kept("train").set_index("id")
    few = part_labelled(clean, 0.25, 0, tmp_path / "few")
    labelled, both = few.kept("train"), few.and_unlabelled.kept("train")
    hidden = both[len(labelled) :]

    assert len(labelled) == 30
    assert len(both) == 120
    assert set(both["id"]) == set(before.index)
    assert not set(labelled["group"]) & set(hidden["group"])
    assert labelled["label"].tolist() == before.loc[labelled["id"], "label"].tolist()
    assert not few.and_unlabelled.targets("train")[len(labelled) :].any()
    pictures_nhwc = clean.array("train")[before.loc[both["id"], "row"].to_numpy()]
    np.testing.assert_array_equal(few.and_unlabelled.array("train"), pictures_nhwc)
    assert "test" not in set(few.table["split"])
    assert len(few.kept("validation")) == 12


def test_other_seeds_hide_others(tmp_path):
    """The same seed hides the same ones."""
    clean = small_set(tmp_path / "clean", {"train": 40, "validation": 4})
    chosen = [part_labelled(clean, 0.5, seed, tmp_path / f"few{i}").kept("train") for i, seed in enumerate((0, 0, 1))]

    assert chosen[0]["id"].tolist() == chosen[1]["id"].tolist()
    assert set(chosen[0]["id"]) != set(chosen[2]["id"])


def test_copies_are_made_of_labelled_faces_alone(tmp_path):
    """A copy of a hidden face would carry its label."""
    few = part_labelled(small_set(tmp_path / "clean", {"train": 40, "validation": 4}), 0.25, 0, tmp_path / "few")
    made = family.augment(few, AugmentParams(min_growth=1.0, max_unlabelled_ratio=4.0), tmp_path / "set", no_asset)

    assert set(made.kept("train")["group"]) == set(few.kept("train")["group"])
    assert made.info["copies"] == 30
    assert made.info["unlabelled"] == 90


def test_students_that_read_worse_with_more_faces_miss_the_goal(capsys):
    """Both figures cover all seeds; each seed's gain has its standard error."""
    labels = ["happy", "sad"] * 20
    rows = pd.DataFrame({"id": range(40), "group": range(40), "label": labels, "predicted": labels})
    worse = rows.assign(predicted=["happy"] * 20 + labels[20:])
    figures = figures_of([{ALONE: rows, BOTH: worse}, {ALONE: rows, BOTH: worse}])

    assert [figure.held for figure in figures] == [False, False]
    assert figures[0].ratios == [0.75, 0.75]
    assert "seed 1: -0.2" in capsys.readouterr().err
    assert all(figure.held for figure in figures_of([{ALONE: worse, BOTH: rows}]))


@pytest.mark.slow
def test_it_runs(tmp_path, capsys):
    """Two figures over two seeds; cached networks are not trained again; with fewer faces only students of both are."""
    asked = ["--data", str(faces(tmp_path / "faces")), "--quick", "--keep", str(tmp_path / "kept")]
    unlabelled.main(asked)
    first = capsys.readouterr()
    unlabelled.main(asked)
    second = capsys.readouterr()
    unlabelled.main([*asked, "--most", "0.25"])
    third = capsys.readouterr()

    assert third.err.count("epoch 1 of") == 2
    assert [line.split("\t")[0] for line in first.out.splitlines()] == [
        "accuracy, student of all faces/of labelled ones alone",
        "macro F1, student of all faces/of labelled ones alone",
    ]
    assert sum(line.startswith("# student, seed") and "accuracy" in line for line in first.err.splitlines()) == 4
    assert "epoch 1 of" in first.err
    assert "epoch 1 of" not in second.err
    assert second.out == first.out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--labelled", "1"], "nothing to compare"),
        (["--seeds", "0"], "asks for no student"),
        (["--minutes", "0"], "no time"),
        (["--data", "nowhere"], "nowhere does not exist"),
    ],
)
def test_wrong_arguments_are_refused(more, message, capsys):
    """Exit status 2, before any work."""
    with pytest.raises(SystemExit) as left:
        unlabelled.main(["--data", ".", *more])

    assert left.value.code == 2
    assert message in capsys.readouterr().err
