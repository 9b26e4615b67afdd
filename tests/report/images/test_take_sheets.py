"""Takes shown as six pictures: dropped ones with their reason, kept ones without the test split."""

import cv2
import numpy as np
import pytest

from curation.clean import examine
from curation.ingest import ingest
from curation.quality.verdicts import pack_kept
from report.data.loaders import Collection
from report.images import take_sheets
from report.page.collection_view import collection_view
from steps.clean import SHEETS
from tests.support.filmed_takes import GreyTracker, speech, take_params, write_jaw, write_take


@pytest.fixture
def examined(tmp_path, monkeypatch):
    """Five good takes, and one in which nothing moves."""
    monkeypatch.setattr("curation.take.tracking.FaceTracker", GreyTracker)
    monkeypatch.setattr("curation.take.tracking._networks", lambda _folder: ())
    for seed in range(5):
        write_take(tmp_path / "day" / "abcde"[seed] / f"good {seed}.mkv", speech(seed=seed))
    write_jaw(tmp_path / "day" / "a" / "still.mkv", [0.5] * 40)
    ingest(tmp_path / "day", tmp_path, "takes", take_params(), layout="{performer}/*")
    return examine(tmp_path, "takes", take_params(), lambda _asset: b"")


@pytest.fixture
def drawn(monkeypatch):
    """Arguments of each sheet: (pictures, captions, title)."""
    asked = []
    monkeypatch.setattr(take_sheets, "sheet", lambda p, c, path, *, title, **_: asked.append((p, c, title)) or path)
    return asked


def test_dropped_takes_stand_with_their_reason(tmp_path, examined, drawn):
    """Six pictures in two rows, the split and the figures."""
    take_sheets.dropped_sheet(examined, "takes", tmp_path / "x.jpg")
    (([picture], [caption], title),) = drawn

    assert picture.shape == (192, 288, 3)
    assert caption.startswith("still\nstill, day, ")
    assert caption.endswith("\nmotion 0.000, min_motion 0.02")
    assert title == "takes: 1 of 6 takes dropped"


def test_the_test_split_stays_shut(tmp_path, examined, drawn):
    """Only kept takes of train and validation are shown, with the fit of their curves."""
    take_sheets.kept_sheet(examined, "takes", tmp_path / "x.jpg")
    captions = drawn[0][1]

    assert {caption.split("\n")[0].rpartition(", ")[2] for caption in captions} == {"train", "validation"}
    assert all("40 frames, curves, fit 1.00" in caption for caption in captions)


def test_the_report_has_the_sheets_of_clean(tmp_path, examined, nightly):
    """By the packing, and no array of frames is taken for pictures."""
    folder = tmp_path / "build/clean/takes"
    pack_kept("takes", examined, take_params(), folder)
    SHEETS[examined.medium.packing.name].kept_sheet(examined, "takes", folder / "kept.jpg")
    view = collection_view(Collection(tmp_path, "takes"), [], nightly)

    assert (view.total, view.kept, view.broken) == (6, 5, [])
    assert len(view.pictures) == 1
    assert np.ptp(cv2.imread(str(folder / "kept.jpg"))) > 100
