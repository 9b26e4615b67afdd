"""A packed set reaches nodes that do not mount the checkout, once, and only if it is the one of the training."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from rushes.errors import MisuseError
from tests.support.s3 import ROOT, s3_server
from tests.support.sets import small_set
from training import storage
from training.shared_set import digest_of, find, publish


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    """A shared storage."""
    if request.param == "folder":
        (tmp_path / "storage").mkdir()
        yield tmp_path / "storage"
        return
    with s3_server():
        yield storage.place_of(ROOT)


@pytest.fixture
def samples(tmp_path):
    """The set, where the driver has it."""
    return small_set(tmp_path / "driver", {"train": 8, "validation": 4})


def test_a_node_without_the_checkout_reads_the_same_set(place, samples, tmp_path):
    """Pictures and table are equal."""
    shared = publish(samples, "expression", place, 14)
    train = np.array(samples.array("train"))
    table = samples.kept("train")
    shutil.rmtree(samples.folder)
    found = find(samples, shared, tmp_path / "cache")

    assert found.folder != samples.folder
    assert np.array_equal(found.array("train"), train)
    assert found.kept("train").equals(table)


def test_another_set_at_the_same_path_is_not_trained_on(place, samples, tmp_path):
    """A node whose own build has as many files of the same sizes, of other pictures."""
    shared = publish(samples, "expression", place, 14)
    wanted = np.array(samples.array("train"))
    small_set(samples.folder, {"train": 8, "validation": 4}, seed=1)
    found = find(samples, shared, tmp_path / "cache")

    assert not np.array_equal(small_set(samples.folder, {"train": 8, "validation": 4}, seed=1).array("train"), wanted)
    assert np.array_equal(found.array("train"), wanted)


def test_a_mounted_checkout_is_read_where_it_is(place, samples, tmp_path):
    """Nothing is copied."""
    assert find(samples, publish(samples, "expression", place, 14), tmp_path / "cache") is samples
    assert not (tmp_path / "cache").exists()


def test_a_former_set_stays(place, samples, tmp_path):
    """A training in progress may need it; what is there is not written again."""
    first = publish(samples, "expression", place, 14)
    storage.replace(first.folder / "train.npy", b"there")
    assert publish(samples, "expression", place, 14) == first
    assert storage.read(first.folder / "train.npy") == b"there"
    other = publish(small_set(tmp_path / "other", {"train": 8, "validation": 4}, seed=1), "expression", place, 14)

    found = [path.name for path in storage.files(place / "sets" / "expression", "*")]
    assert found == sorted([first.folder.name, other.folder.name])


def test_a_damaged_set_is_refused(place, samples, tmp_path):
    """On the storage: the remedy removes it, and the next run publishes it again."""
    shared = publish(samples, "expression", place, 14)
    storage.replace(shared.folder / "train.npy", b"damaged")
    driver = samples.folder.rename(tmp_path / "elsewhere")
    with pytest.raises(MisuseError, match=r"is not that of this training") as refused:
        find(samples, shared, tmp_path / "cache")
    driver.rename(samples.folder)
    storage.remove_folder(storage.place_of(refused.value.remedy.split()[1].rstrip(",")))

    assert digest_of(samples.folder) == publish(samples, "expression", place, 14).digest
    shutil.move(samples.folder, tmp_path / "elsewhere")
    assert find(samples, shared, tmp_path / "cache").array("train").shape[0] == 24
