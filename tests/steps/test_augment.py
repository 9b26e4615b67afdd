"""The sheet of pictures before and after augmentation."""

from __future__ import annotations

import json

import pytest

from curation.store.sample_set import SampleSet
from models.scene.crops import crop_closer
from models.scene.params import AugmentParams
from steps import augment
from tests.support.places import place_set


@pytest.mark.parametrize(("crops", "pictures"), [(2, 2 * augment.PAIRS), (0, 0)])
def test_frames_of_one_film_are_pairs_of_their_own(tmp_path, monkeypatch, crops, pictures):
    """They share the hash of their file; each is drawn once beside its first copy, and without copies none is."""
    made = place_set(tmp_path, params=AugmentParams(crops=crops), monkeypatch=monkeypatch)
    made.table.assign(sha256="of the film").to_parquet(made.folder / "samples.parquet")
    drawn = []
    monkeypatch.setattr(augment, "sheet", lambda _shown, captions, *_path, **_words: drawn.extend(captions))

    augment._draw_before_and_after(type(made)(made.folder))

    assert len(drawn) == pictures
    assert drawn[1::2] == ["copy"] * (pictures // 2)
    assert len(set(drawn[::2])) == (3 if pictures else 0)


def test_a_set_of_starter_data_is_still_one(tmp_path, monkeypatch):
    """Training reads it from the packed set."""
    made = place_set(tmp_path, params=AugmentParams(crops=0), monkeypatch=monkeypatch)
    info = tmp_path / "clean" / "set.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"starter_only": True}))
    again = crop_closer(SampleSet(info.parent), AugmentParams(crops=0), tmp_path / "again", lambda _asset: b"")

    assert (made.starter_only, again.starter_only) == (False, True)
