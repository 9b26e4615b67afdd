"""Data without consent, or with expired consent, are not trained on."""

from datetime import date

import pandas as pd
import pytest

from curation.errors import DataError
from curation.image.clean import clean, examine
from curation.ingest import inbox, ingest
from curation.quality.verdicts import hold_losses
from curation.store.consent import may_train, read_expired
from curation.store.index import read_index
from curation.store.sample_set import DROPPED
from curation.store.splits import extend
from tests.curation.planted import LATER, PARAMS, plant
from tests.support.raw import collection_params, photos, write_raw

LAST = date(2030, 1, 31)
NEXT = date(2030, 2, 1)


def table(folder, *rows):
    """samples.csv over class folders."""
    text = "\n".join(["path,label,use,until", *rows])
    (folder / "samples.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def taken(root, tmp_path):
    """A source with one picture permitted until LAST, and one for the archive only."""
    folder = plant(tmp_path / "set")
    rows = [f"{label}/{number:02d}.jpg,{label},," for label in ("happy", "sad") for number in range(1, 6)]
    return ingest(
        table(folder, "happy/00.jpg,happy,training,2030-01-31", "sad/00.jpg,sad,archive,", *rows), root, "faces", PARAMS
    )


@pytest.mark.parametrize("use", [None, "", "training", "Training ; archive", "promotion, training"])
def test_training_is_allowed_where_it_is_named_or_nothing_is(use):
    """Several uses may be listed."""
    assert may_train(use)


@pytest.mark.parametrize("use", ["archive", "no training", "training of actors", "evaluation;promotion"])
def test_any_other_use_is_not_consent_to_train(use):
    """Ambiguous uses do not count as consent."""
    assert not may_train(use)


@pytest.mark.usefixtures("taken")
def test_the_list_changes_on_the_day_after_the_last(root):
    """Only on that day, so that the version of the data changes too; a renewed consent reverts it."""
    written = root / "datasets" / "faces" / "expired.csv"
    extend(root, "faces", PARAMS, LAST)
    assert not written.exists()

    extend(root, "faces", PARAMS, NEXT)
    stamp = written.stat().st_mtime_ns
    extend(root, "faces", PARAMS, date(2031, 1, 1))
    assert list(read_expired(root, "faces").values()) == ["2030-01-31"]
    assert written.stat().st_mtime_ns == stamp

    extend(root, "faces", PARAMS, LAST)
    assert not written.exists()


@pytest.mark.usefixtures("taken")
def test_a_damaged_list_is_an_error(root):
    """A truncated line must not permit training."""
    (root / "datasets/faces/expired.csv").write_text("id,until\nabc\n", encoding="utf-8")

    with pytest.raises(DataError, match=r"expired.csv, line 2"):
        read_expired(root, "faces")


@pytest.mark.usefixtures("taken")
def test_a_consent_may_be_withdrawn_and_given_again(root, tmp_path):
    """By a new table; samples that it does not list are unchanged."""
    before = read_index(root, "faces", PARAMS)
    folder = table(tmp_path / "set", "happy/00.jpg,happy,archive,2029-12-31", "happy/01.jpg,happy,,")
    again = ingest(folder, root, "faces", PARAMS)
    after = read_index(root, "faces", PARAMS)
    changed = after[(after["use"] == "archive") & (after["until"] == "2029-12-31")]

    assert (again.added, again.already) == (0, 2)
    assert "1 that were there already have another use" in again.summary()
    assert len(changed) == 1
    pd.testing.assert_frame_equal(after.drop(changed.index), before.drop(changed.index))


def test_out_of_an_inbox_the_table_alone_is_enough(root):
    """The pictures have long been removed from it."""
    box = root / "inbox" / "faces" / "day"
    rows = [f"{label}/{number:02d}.jpg,{label},," for label in ("happy", "sad") for number in range(6)]
    table(plant(box), *rows)
    inbox(root, "faces", PARAMS, now=LATER)
    box.mkdir()
    table(box, "happy/00.jpg,happy,archive,")
    (result,) = inbox(root, "faces", PARAMS, now=LATER)

    assert (result.added, result.already) == (0, 1)
    assert (read_index(root, "faces", PARAMS)["use"] == "archive").sum() == 1
    assert not box.exists()


def test_ingest_reports_what_will_not_be_trained_on(root, taken, tmp_path):
    """A misspelled use is reported, and so is an expired date."""
    assert "1 of 12 will not be learned from: their use is 'archive'" in taken.summary()

    folder = plant(tmp_path / "old", 2, seed=7)
    old = ingest(table(folder, "happy/00.jpg,happy,,2001-01-01", "sad/00.jpg,sad,,"), root, "faces", PARAMS)
    assert "1 of 2 will not be learned from: their consent has ended" in old.summary()


def consented(root, **metadata):
    """A raw collection in which all test samples but one, and three others, have some metadata."""
    write_raw(root, photos(40))
    path = root / "datasets" / "faces" / "one" / "index.parquet"
    rows = pd.read_parquet(path)
    chosen = [4, 9, 14, 0, 1, 2]
    for name, text in metadata.items():
        rows.loc[chosen, name] = text
    rows.to_parquet(path)
    return set(rows.loc[chosen, "id"])


def test_clean_leaves_out_what_has_ended(tmp_path):
    """With its reason, by the list and not by the date: DVC may skip the stage on any day."""
    ended = consented(tmp_path, until="2001-01-01")
    assert examine(tmp_path, "faces", collection_params()).table["kept"].all()

    extend(tmp_path, "faces", collection_params(), NEXT)
    table = examine(tmp_path, "faces", collection_params()).table
    dropped = table[~table["kept"]]
    assert set(dropped["id"]) == ended
    assert set(zip(dropped["reason"], dropped["why"], strict=True)) == {("consent ended", "until 2001-01-01")}


def test_what_is_kept_back_is_nowhere_in_the_set(tmp_path):
    """Neither among the dropped ones of the test split nor among those shown."""
    consented(tmp_path, use="archive")
    made = clean(tmp_path, "faces", collection_params(), tmp_path / "build" / "clean" / "faces")
    examined = examine(tmp_path, "faces", collection_params())

    assert made.info["counts"] == {"not for training": 6}
    assert len(made.whole.array(DROPPED.removesuffix("-dropped"))) == len(made.kept("test")) == 5
    assert len(examined.shown) == 34
    assert examined.dropped.empty


def test_what_is_kept_back_is_not_even_read(tmp_path):
    """Its bytes may be invalid."""
    kept_back = consented(tmp_path, use="archive")
    rows = pd.read_parquet(tmp_path / "datasets/faces/one/index.parquet").set_index("id")
    shard = tmp_path / "datasets/faces/one/shard-000000.tar"
    data = bytearray(shard.read_bytes())
    data[rows.loc[min(kept_back), "offset"]] ^= 1
    shard.write_bytes(data)

    assert len(examine(tmp_path, "faces", collection_params()).shown) == 34


def test_withheld_samples_are_not_losses_of_the_source(tmp_path):
    """The stage does not stop for any number of them, not even all."""
    consented(tmp_path, use="archive")
    params = collection_params(max_dropped_share=0.01)
    hold_losses(examine(tmp_path, "faces", params), "faces", params)
    path = tmp_path / "datasets/faces/one/index.parquet"
    pd.read_parquet(path).assign(use="archive").to_parquet(path)

    hold_losses(examine(tmp_path, "faces", params), "faces", params)
    with pytest.raises(DataError, match="no sample of faces is left"):
        clean(tmp_path, "faces", params, tmp_path / "build" / "clean" / "faces")
