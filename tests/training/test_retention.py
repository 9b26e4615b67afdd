"""Removal of what trainings leave behind when none has used it for some days; never what one in progress needs."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from common.settings import Settings, TrainingSettings
from tests.support.sets import small_set
from training import storage
from training.checkpoints import LAST
from training.retention import DAY_S, remove_abandoned
from training.shared_set import find, publish

OWN, OTHER, OLD = "a" * 64, "b" * 64, "c" * 64
DAYS = 14


@pytest.fixture
def settings(place, tmp_path):
    """With an empty storage, and an empty folder for the rest."""
    storage.replace(place / "films" / "take" / "reel", b"of somebody else")
    return Settings(state=tmp_path / "state", training=TrainingSettings(storage=str(place), keep_days=DAYS))


def checkpoint(settings, key):
    """Folder of a training, with a checkpoint."""
    folder = storage.checkpoint_folder(settings, "expression", key)
    storage.replace(folder / LAST, b"weights")
    return folder


def age(folder, days):
    """Makes all files below a folder older."""
    if isinstance(folder, Path):
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (time.time() - days * DAY_S,) * 2)
        return
    bucket, _, prefix = folder.path.partition("/")
    for name, key in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket].keys.items():
        if name.startswith(f"{prefix}/"):
            key.last_modified = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)


def left(folder):
    """Names in a folder."""
    return {path.name for path in storage.files(folder, "*")} if storage.exists(folder) else set()


def test_checkpoints_of_a_training_that_was_given_up(settings, place):
    """They go after the days of the settings; those of a longer training, and of one that starts now, do not."""
    old, other, own = (checkpoint(settings, key) for key in (OLD, OTHER, OWN))
    for folder, days in ((old, DAYS + 1), (other, DAYS - 1), (own, DAYS + 1)):
        age(folder, days)
    storage.replace(place / "expression" / "notes" / "file", b"of somebody else")
    for folder in (place / "expression" / "notes", place / "films"):
        age(folder, 10 * DAYS)
    remove_abandoned(settings, "expression", OWN)

    assert left(place / "expression") == {OWN[:16], OTHER[:16], "notes"}
    assert left(place / "films") == {"take"}
    remove_abandoned(settings, "expression", OTHER)
    assert left(place / "expression") == {OWN[:16], OTHER[:16], "notes"}, "it was marked when it started"


def test_checkpoints_from_before_the_storage_was_set(settings):
    """In the folder `state`."""
    old = settings.state / "checkpoints" / "expression" / OLD[:16]
    storage.replace(old / LAST, b"weights")
    age(old, DAYS + 1)
    remove_abandoned(settings, "expression", OWN)

    assert left(old.parent) == set()


def test_sets_that_no_training_needs(settings, place, tmp_path):
    """A set goes if it was not published again, and no other training has checkpoints: it may be at work for weeks."""
    first, second = (
        publish(small_set(tmp_path / name, {"train": 8, "validation": 4}, seed=seed), "expression", place, DAYS)
        for seed, name in enumerate(("first", "second"))
    )
    other = checkpoint(settings, OTHER)
    age(place / "sets", DAYS + 1)
    remove_abandoned(settings, "expression", OWN)

    assert left(first.folder.parent) == {first.folder.name, second.folder.name}
    age(other, DAYS + 1)
    publish(small_set(tmp_path / "second", {"train": 8, "validation": 4}, seed=1), "expression", place, DAYS)
    remove_abandoned(settings, "expression", OWN)
    assert left(first.folder.parent) == {second.folder.name}


def test_copies_of_sets_on_a_node(place, tmp_path):
    """A node that copies a set removes those that it has not used; it uses folders where they are."""
    sets = [small_set(tmp_path / str(seed), {"train": 8, "validation": 4}, seed=seed) for seed in range(2)]
    shared = [publish(samples, "expression", place, DAYS) for samples in sets]
    for samples in sets:
        samples.folder.rename(samples.folder.with_suffix(".elsewhere"))
    (tmp_path / "cache").mkdir()
    found = find(sets[0], shared[0], tmp_path / "cache")
    age(tmp_path / "cache", DAYS + 1)
    find(sets[1], shared[1], tmp_path / "cache")

    assert found.folder.exists() == isinstance(place, Path)


def test_kernels_that_are_not_read_any_more(tmp_path):
    """A kernel that is still read stays whole, however old its files are."""
    settings = Settings(state=tmp_path / "state")
    now = time.time()
    ages = {"old/kernel.so": (20, 20), "read/kernel.so": (1, 20), "read/kernel.json": (20, 20), "new/kernel.so": (1, 1)}
    for name, (read, written) in ages.items():
        path = settings.state / "inductor" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (now - read * DAY_S, now - written * DAY_S))
    remove_abandoned(settings, "expression", OWN)

    found = {str(path.relative_to(settings.state / "inductor")) for path in settings.state.rglob("kernel.*")}
    assert found == ages.keys() - {"old/kernel.so"}


def test_a_storage_that_fails_ends_no_training(settings, place, monkeypatch, capsys):
    """It is reported; the training finds out by itself."""

    def away(*_):
        message = "training.storage: away"
        raise storage.StorageError(message, "run again", kind="transient")

    monkeypatch.setattr(storage, "last_write_s", away)
    checkpoint(settings, OLD)
    remove_abandoned(settings, "expression", OWN)

    assert "those of former trainings are left behind: training.storage: away" in capsys.readouterr().out
    assert OLD[:16] in left(place / "expression")
