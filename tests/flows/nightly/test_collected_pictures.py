"""A run takes in the pictures of `rushes capture --collect`: unlabelled, with their consent."""

from __future__ import annotations

import os
from datetime import timedelta

import numpy as np
import pytest

from curation.image.clean import clean
from curation.store.index import read_index
from curation.store.splits import extend
from flows.nightly.data_tasks import take_inbox
from models.expression.copies import balance
from models.expression.params import AugmentParams
from rushes.collect.sink import Collecting
from tests.support.collected import ANNA, LAST, Unsure, write_faces
from tests.support.exported import no_asset
from tests.support.raw import collection_params, photos, write_raw
from tests.support.runtime import BrightSquare, capture

FACES = collection_params()
VALUES = {"collections": {"faces": FACES.model_dump()}}


@pytest.fixture
def root(tmp_path):
    """A checkout with twenty labelled faces."""
    write_raw(tmp_path / "checkout", photos(20))
    return tmp_path / "checkout"


def collect(root, frames, clip):
    """Captures a clip beside the checkout, and collects a picture a second of it."""
    collecting = Collecting(root / "inbox" / "faces", ANNA, rate_per_minute=60, today=lambda: LAST)
    capture(str(write_faces(clip, frames)), BrightSquare(), Unsure(), json_to=os.devnull, collect=collecting)


def age(root):
    """Lets the copies into the inbox be over for an hour."""
    for path in (root / "inbox").rglob("*.*"):
        os.utime(path, (path.stat().st_mtime - 3600,) * 2)


def cleaned(root, today):
    """The collection as a run of that day cleans it."""
    extend(root, "faces", FACES, today)
    return clean(root, "faces", FACES, root / "build" / "clean" / "faces")


def test_collected_pictures_are_taken_in_without_a_label(root, tmp_path):
    """Two captures join one source, once their files are a minute old; the name becomes the same pseudonym."""
    for frames, name in ((3, "one.mp4"), (5, "two.mp4")):
        collect(root, frames, tmp_path / name)
    assert "still being written" in take_inbox(root, VALUES)[0].notes[0]
    age(root)
    results = take_inbox(root, VALUES)
    rows = read_index(root, "faces", FACES).query("source == 'collected'")

    assert sorted((one.source, one.added, one.refused, one.problem) for one in results) == [
        ("collected", 3, {}, ""),
        ("collected", 5, {}, ""),
    ]
    assert [list(one.labels) for one in results] == [["unlabelled"]] * 2
    assert set(rows["label"]) == {""}
    assert set(zip(rows["use"], rows["until"], strict=True)) == {("training, report", "2030-01-31")}
    assert rows["performer"].nunique() == 1
    assert rows["performer"].str.fullmatch("p-[0-9a-f]{8}").all()
    assert not list((root / "inbox" / "faces").iterdir())
    files = [path for path in root.rglob("*") if path.is_file() and path.parent.name != "keys"]
    assert not [path for path in files if b"quill" in path.read_bytes().lower() + path.name.lower().encode()]


def test_students_learn_from_them_until_the_consent_ends(root, tmp_path):
    """The day after its last day they are withheld, as any picture is."""
    collect(root, 5, tmp_path / "clip.mp4")
    age(root)
    take_inbox(root, VALUES)
    before = cleaned(root, LAST)
    made = balance(before, AugmentParams(), tmp_path / "set", no_asset)

    assert len(np.load(before.folder / "apart.npy")) == 5
    assert len(made.and_unlabelled.kept("train")) == len(made.kept("train")) + 5
    after = cleaned(root, LAST + timedelta(days=1))
    assert after.table.loc[after.table["source"] == "collected", "reason"].tolist() == ["consent ended"] * 5
    assert len(np.load(after.folder / "apart.npy")) == 0
