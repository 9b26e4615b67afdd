from types import SimpleNamespace

import pandas as pd
import pytest

from flows.nightly.disk import FIXED_BYTES, STARTER_BYTES, DiskFullError, check, estimate

VALUES = {
    "families": {"expression": "faces"},
    "collections": {"faces": {"labels": ["happy"], "size_px": 50, "channels": 1}},
}


def test_estimate_grows_with_pictures_and_inbox(tmp_path):
    """Four arrays for every picture, two copies of every file of the inbox."""
    for folder in ("datasets/faces/day-1", "inbox/faces/day-2"):
        (tmp_path / folder).mkdir(parents=True)
    pd.DataFrame({"id": range(1000)}).to_parquet(tmp_path / "datasets/faces/day-1/index.parquet")
    (tmp_path / "inbox/faces/day-2/a.jpg").write_bytes(bytes(700))

    assert estimate(tmp_path, VALUES, ["expression"], starters=[]).total == FIXED_BYTES + 1000 * 2500 * 4 + 1400
    assert estimate(tmp_path, VALUES, [], starters=["films"]).total == FIXED_BYTES + STARTER_BYTES["films"]


def test_estimate_grows_with_the_takes_of_the_starter(tmp_path):
    """Four times the performers, four times the films."""
    values = [
        {"collections": {"takes": {"medium": "take", "labels": [], "take": take}}}
        for take in ({}, {"starter_performers": 1200})
    ]
    few, many = (estimate(tmp_path, one, [], starters=["takes"]).parts["starter"] for one in values)

    assert few - STARTER_BYTES["takes"] == (many - STARTER_BYTES["takes"]) / 4 == 150_000_000


def test_full_disk_is_reported_with_both_numbers(tmp_path):
    """The needed space, the free space, and the way to free more."""
    need = estimate(tmp_path, VALUES, ["expression"], starters=[])
    with pytest.raises(DiskFullError, match=r"20 MB free.*needs about 500 MB") as caught:
        check(need, tmp_path, lambda _path: SimpleNamespace(free=20_000_000))

    assert "dvc gc" in caught.value.remedy
    check(need, tmp_path, lambda _path: SimpleNamespace(free=need.total))
