"""Splits are dealt once, by label and group, and then extended."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import DataError
from curation.params import CollectionParams
from curation.store.index import SCHEMA, read_splits
from curation.store.splits import extend

PARAMS = CollectionParams(labels=["happy", "sad", "neutral"])


def sha256(text):
    """A hash, as of a picture."""
    return hashlib.sha256(text.encode()).hexdigest()


def samples(count, label="happy", **columns):
    """Rows for an index."""
    return [{"label": label, **columns} for _ in range(count)]


def plant(root, rows, source="set"):
    """Writes the index of a source: each row is a different picture, unless it gives its sha256."""
    folder = root / "datasets" / "faces" / source
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"split": "", "group": "", "source": source}
    full = [plain | {"id": f"{source}-{i}", "sha256": sha256(f"{source}{i}")} | row for i, row in enumerate(rows)]
    table = pa.Table.from_pylist([{name: row.get(name) for name in SCHEMA.names} for row in full], schema=SCHEMA)
    pq.write_table(table, folder / "index.parquet")
    return pd.DataFrame(full)


def dealt(root, rows):
    """The split of each row."""
    return rows["id"].map(read_splits(root, "faces"))


def test_shares_hold_for_every_label(tmp_path):
    """Also for a rare one."""
    rows = plant(tmp_path, samples(400, "happy") + samples(200, "sad") + samples(20, "neutral"))
    counts = extend(tmp_path, "faces", PARAMS)

    assert counts == {"train": 465, "validation": 62, "test": 93}
    assert (pd.crosstab(dealt(tmp_path, rows), rows["label"])["neutral"] == [3, 15, 2]).all()


def test_a_group_is_never_parted(tmp_path):
    """A group is a performer, a film, or the copies of one picture."""
    rng = np.random.default_rng(0)
    label = rng.choice(PARAMS.labels, 300)
    people = [{"label": label[i], "performer": f"p-{i % 20}"} for i in range(100)]
    films = [{"label": label[100 + i], "group": f"film {i % 20}", "performer": f"q-{i}"} for i in range(100)]
    copies = [{"label": label[200 + i], "sha256": sha256(f"copy {i // 5}")} for i in range(100)]
    rows = plant(tmp_path, people + films + copies)
    extend(tmp_path, "faces", PARAMS)
    rows["dealt"] = dealt(tmp_path, rows)

    assert rows[:100].groupby("performer")["dealt"].nunique().max() == 1
    assert rows[100:200].groupby("group")["dealt"].nunique().max() == 1
    assert rows[200:].groupby("sha256")["dealt"].nunique().max() == 1
    assert rows["dealt"].value_counts(normalize=True)["train"] == pytest.approx(0.75, abs=0.04)


def test_nothing_is_redrawn(tmp_path):
    """New samples of a known group follow it; the shares apply to the whole."""
    first = [{"label": "happy", "performer": f"p-{i % 30}"} for i in range(150)]
    more = [{"label": "happy", "performer": f"p-{i % 60}"} for i in range(150)]
    rows = plant(tmp_path, first)
    extend(tmp_path, "faces", PARAMS)
    before = dealt(tmp_path, rows)
    rows = plant(tmp_path, first + more)
    extend(tmp_path, "faces", PARAMS)
    after = dealt(tmp_path, rows)

    assert after[: len(first)].tolist() == before.tolist()
    assert after.groupby(rows["performer"]).nunique().max() == 1
    assert after.value_counts(normalize=True)["test"] == pytest.approx(0.15, abs=0.04)


def test_where_there_is_nothing_nothing_is_dealt(tmp_path):
    """An empty collection is not an error here; training reports it."""
    assert extend(tmp_path, "faces", PARAMS) == {"train": 0, "validation": 0, "test": 0}


def test_a_drip_of_samples_reaches_every_split(tmp_path):
    """With three per run, each time too few for a share of a tenth."""
    rows = []
    for _ in range(10):
        rows += samples(2, "happy") + samples(1, "sad")
        table = plant(tmp_path, rows)
        counts = extend(tmp_path, "faces", PARAMS)

    assert counts["validation"] in range(2, 5)
    assert counts["test"] in range(3, 7)
    assert set(dealt(tmp_path, table[table["label"] == "sad"])) == {"train", "validation", "test"}


@pytest.mark.parametrize("name", ["validation", "test"])
def test_of_two_given_splits_one_is_the_test(tmp_path, name):
    """A tenth of train, by label and group, becomes validation, for early stopping."""
    train = [{"label": PARAMS.labels[i % 3], "split": "train", "performer": f"p-{i % 40}"} for i in range(200)]
    rows = plant(tmp_path, train + samples(50, split=name))
    counts = extend(tmp_path, "faces", PARAMS)
    rows["dealt"] = dealt(tmp_path, rows)

    assert counts == {"train": 180, "validation": 20, "test": 50}
    assert set(rows.loc[rows["split"] == name, "dealt"]) == {"test"}
    assert rows[:200].groupby("performer")["dealt"].nunique().max() == 1


def test_three_given_splits_are_kept(tmp_path):
    """Unchanged."""
    plant(tmp_path, samples(8, split="train") + samples(3, split="validation") + samples(2, split="test"))

    assert extend(tmp_path, "faces", PARAMS) == {"train": 8, "validation": 3, "test": 2}


def test_a_given_split_stays_though_its_copy_is_elsewhere(tmp_path):
    """A train sample does not follow its copy into test: clean finds the pair, and drops train's copy."""
    train = [{"label": "happy", "split": "train", "sha256": sha256(f"train {i}")} for i in range(50)]
    copy = [{"label": "happy", "split": "validation", "sha256": sha256("train 0")}]
    rows = plant(tmp_path, train + copy)
    counts = extend(tmp_path, "faces", PARAMS)

    assert counts["test"] == 1
    assert dealt(tmp_path, rows)[0] in {"train", "validation"}


def test_samples_without_a_split_leave_the_given_test_alone(tmp_path):
    """If a source has a given test split, the rest is divided between train and validation."""
    plant(tmp_path, samples(100) + samples(20, split="test"))

    assert extend(tmp_path, "faces", PARAMS) == {"train": 88, "validation": 12, "test": 20}


def test_three_groups_are_enough(tmp_path):
    """Each split gets one, though a tenth of three rounds to none."""
    plant(tmp_path, [{"label": "happy", "performer": f"p-{i % 3}"} for i in range(30)])

    assert extend(tmp_path, "faces", PARAMS) == {"train": 10, "validation": 10, "test": 10}


def test_an_empty_split_is_an_error(tmp_path):
    """Two performers do not fill three splits; the error has a remedy."""
    plant(tmp_path, [{"label": "happy", "performer": f"p-{i % 2}"} for i in range(30)])

    with pytest.raises(DataError, match="no sample in the split") as caught:
        extend(tmp_path, "faces", PARAMS)
    assert "at least 3 groups" in caught.value.remedy


def test_sources_of_one_performer_each_leave_test_empty(tmp_path):
    """Each is divided by itself, so the remedy is a larger source, not another share."""
    for number in range(4):
        plant(tmp_path, [{"label": "happy", "performer": f"p-{number}"}] * 9, source=f"day-{number}")

    with pytest.raises(DataError, match="its largest source has 1 group") as caught:
        extend(tmp_path, "faces", PARAMS)
    assert "at least 3 groups" in caught.value.remedy


def test_a_third_performer_fills_the_split_that_two_left_empty(tmp_path):
    """Ingested later into the same source; nothing is redrawn."""
    two = [{"label": "happy", "performer": f"p-{i % 2}"} for i in range(20)]
    rows = plant(tmp_path, two)
    with pytest.raises(DataError, match="no sample in the split validation"):
        extend(tmp_path, "faces", PARAMS)
    before = dealt(tmp_path, rows)
    rows = plant(tmp_path, two + [{"label": "happy", "performer": "p-2"}] * 10)

    assert extend(tmp_path, "faces", PARAMS) == {"train": 10, "validation": 10, "test": 10}
    assert dealt(tmp_path, rows)[:20].tolist() == before.tolist()


def test_given_splits_without_a_test_are_an_error(tmp_path):
    """Train alone: the message lists the given ones."""
    plant(tmp_path, samples(30, split="train"))

    with pytest.raises(DataError, match="give are train") as caught:
        extend(tmp_path, "faces", PARAMS)
    assert "test" in caught.value.remedy


def test_rows_of_gone_samples_go(tmp_path):
    """An extension that changes nothing does not write."""
    plant(tmp_path, samples(20))
    plant(tmp_path, samples(20), source="gone")
    extend(tmp_path, "faces", PARAMS)
    (tmp_path / "datasets/faces/gone/index.parquet").unlink()
    extend(tmp_path, "faces", PARAMS)
    written = (tmp_path / "datasets/faces/splits.csv").stat().st_mtime_ns
    extend(tmp_path, "faces", PARAMS)

    assert set(read_splits(tmp_path, "faces")) == {f"set-{i}" for i in range(20)}
    assert (tmp_path / "datasets/faces/splits.csv").stat().st_mtime_ns == written


def test_only_sources_that_are_learned_from_count(tmp_path):
    """A source that params.yaml excludes must not be the only one in a split."""
    plant(tmp_path, samples(20))
    plant(tmp_path, samples(5, split="train"), source="kept")

    with pytest.raises(DataError, match="validation and test"):
        extend(tmp_path, "faces", PARAMS.model_copy(update={"sources": ["k*"]}))
