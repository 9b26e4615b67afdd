"""The benchmark of robustness: what its corruptions do, which pictures it takes, and what its figures are made of."""

from __future__ import annotations

import tarfile
from itertools import pairwise

import cv2
import numpy as np
import pytest

from benchmarks import robustness
from benchmarks.robustness import Pictures, Size, figures_of, labelled, measure, scored
from benchmarks.support.corruptions import CORRUPTIONS, SEVERITIES, WORK_PX, corrupted, enlarged
from curation.synthetic_faces.takes import LABELS


def squares(count: int = 4, size_px: int = 112) -> list[np.ndarray]:
    """Coloured shapes of four sizes, down to a few pixels."""
    random, summed = np.random.default_rng(0), np.full((count, size_px, size_px, 3), 128.0)
    for cells in (4, 8, 16, 32):
        shapes = random.normal(0, 28, (count, cells, cells, 3))
        summed += [cv2.resize(one, (size_px, size_px), interpolation=cv2.INTER_CUBIC) for one in shapes]
    return list(np.clip(summed, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_pictures_more_with_its_severity(name):
    """By mean difference over eight pictures, in the same way in each call; the given pictures stay."""
    given = squares(8)
    kept = [one.copy() for one in given]
    before = np.stack([enlarged(one) for one in given]).astype(float)
    changes = [np.abs(np.stack(list(corrupted(given, name, severity))) - before).mean() for severity in SEVERITIES]
    again = [np.stack(list(corrupted(given, name, 3))) for _ in range(2)]

    assert changes[0] > 0.5
    assert changes[4] > 1.2 * changes[0]
    assert all(later > 0.95 * earlier for earlier, later in pairwise(changes))
    assert np.array_equal(*again)
    assert again[0].shape == (8, WORK_PX, WORK_PX, 3)
    assert again[0].dtype == np.uint8
    assert all(np.array_equal(one, two) for one, two in zip(given, kept, strict=True))


def written(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), squares(1, 48)[0])


def test_pictures_are_those_of_validation(tmp_path):
    """Of a folder and of an archive alike; other folders, and files of other kinds, are passed over."""
    written(tmp_path / "faces", ["train/happy/1.png", "validation/happy/2.png", "validation/sad/3.png", "other/4.png"])
    (tmp_path / "faces/validation/sad/note.txt").write_text("no picture")
    with tarfile.open(tmp_path / "faces.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "faces", "fer")

    for data in (tmp_path / "faces", tmp_path / "faces.tar.gz"):
        assert labelled(data, LABELS).labels == ["happy", "sad"]


def test_all_pictures_count_without_a_validation_folder(tmp_path):
    """And a folder without labelled pictures is an error that names the labels."""
    written(tmp_path, ["happy/1.png", "sad/2.png"])

    assert labelled(tmp_path, LABELS).labels == ["happy", "sad"]
    with pytest.raises(ValueError, match="no pictures in folders named cruel, kind"):
        labelled(tmp_path, ["cruel", "kind"])


SMALL = Size(corruptions=("resolution", "gamma"), severities=(1, 5))


def test_figures_are_means_over_severities(capsys):
    """A peer that reads everything, and ours, which only reads pictures with detail; the difference is paired."""
    given = Pictures(squares(6), ["happy"] * 5 + ["sad"])
    detail = np.mean([np.abs(np.diff(enlarged(one).astype(float), axis=1)).mean() for one in given.squares])

    def ours(pictures):
        found = [np.abs(np.diff(one.astype(float), axis=1)).mean() for one in pictures]
        return [label if one > 0.6 * detail else "sad" for one, label in zip(found, given.labels, strict=True)]

    figures = {one.name: one for one in measure(ours, lambda _: given.labels, given, SMALL)}
    err = capsys.readouterr().err

    assert figures["accuracy, resolution, ours/peer"].peer == [1.0]
    assert figures["accuracy, resolution, ours/peer"].ours[0] < 0.6
    assert figures["accuracy, as they are, ours/peer"].ours == [1.0]
    assert not figures["accuracy, resolution, ours/peer"].held
    assert "# resolution 5\tours\t0.1667\t0.5000" in err  # of five happy ones none, of one sad one all
    assert "# recall of sad\tours\t1.0000" in err
    assert "standard error" in err


def test_without_a_peer_ours_is_compared_with_itself():
    """Ratios are over the pictures as they are, and nothing is missed."""
    given = Pictures(squares(4), ["happy", "sad"] * 2)
    figures = figures_of(scored({"ours": lambda pictures: ["happy"] * len(pictures)}, given, SMALL))

    assert [one.ratio for one in figures] == [1.0] * 5
    assert all(one.held for one in figures)


def test_two_peers_are_refused(tmp_path, capsys):
    """Only one is compared with."""
    with pytest.raises(SystemExit):
        robustness.main(["--peer", str(tmp_path), "--fer", str(tmp_path)])

    assert "--peer and --fer" in capsys.readouterr().err


@pytest.mark.slow
def test_robustness_runs(capsys):
    """A small network is fitted to rendered faces, and every figure has its line."""
    robustness.main(["--quick"])
    out, err = capsys.readouterr()

    lines = [line.split("\t") for line in out.splitlines()]
    assert [len(line) for line in lines] == [6] * 5
    assert "# 21 pictures" in err
