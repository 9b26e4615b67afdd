"""The index lists the samples, and the positions of their bytes."""

import io
import tarfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curation.errors import DataError
from curation.image.clean import clean
from curation.ingest import ingest
from curation.params import CleanParams, CollectionParams
from curation.store.index import SCHEMA, read_bytes, read_index, read_source_index, schema_of

PARAMS = CollectionParams(labels=["happy", "sad"])
OF_FILMS = ["film", "first", "end", "start_s", "end_s"]
OF_CONSENT = ["use", "until", "caption"]


def plant(folder, count=12, labels=("happy", "sad")):
    """Class folders of small noisy pictures, the same in every call."""
    rng = np.random.default_rng(len(folder.name))
    for label in labels:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 9), np.uint8)).save(folder / label / f"{number:02d}.png")
    return folder


@pytest.fixture
def root(tmp_path):
    """A checkout with one source."""
    (tmp_path / "checkout").mkdir()
    ingest(plant(tmp_path / "real"), tmp_path / "checkout", "faces", PARAMS)
    return tmp_path / "checkout"


def write(root, name, text):
    """A file of the collection."""
    (root / "datasets" / "faces" / name).write_text(text, encoding="utf-8")


def test_the_bytes_are_those_that_came_in(root, tmp_path):
    """By hash, for any rows in any order."""
    rows = read_index(root, "faces", PARAMS)
    files = {file.read_bytes() for file in (tmp_path / "real").rglob("*.png")}
    some = rows.sample(9, random_state=0)
    read = dict(read_bytes(root, "faces", some))

    assert {data for _, data in read_bytes(root, "faces", rows)} == files
    assert set(read) == set(some.index)
    assert all(Image.open(io.BytesIO(data)).size == (9, 8) for data in read.values())


def test_a_shard_is_a_plain_tar(root):
    """Any tool reads it: members by id, one file per sample."""
    rows = read_index(root, "faces", PARAMS)
    with tarfile.open(root / "datasets/faces/real/shard-000000.tar") as tar:
        sizes = {member.name: member.size for member in tar}

    assert sizes == dict(zip(rows["member"], rows["size_bytes"], strict=True))
    assert list(rows.columns) == [*SCHEMA.names, "grouped"]


def test_a_damaged_shard_is_found(root):
    """One byte is enough."""
    shard = root / "datasets/faces/real/shard-000000.tar"
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)

    with pytest.raises(DataError, match="damaged"):
        list(read_bytes(root, "faces", read_index(root, "faces", PARAMS)))


def test_a_missing_shard_names_the_command_to_fetch_it(root):
    """As after a clone without a pull."""
    (root / "datasets/faces/real/shard-000000.tar").unlink()

    with pytest.raises(DataError, match="missing") as caught:
        list(read_bytes(root, "faces", read_index(root, "faces", PARAMS)))
    assert caught.value.remedy.startswith("make nightly")


def test_a_damaged_index_is_an_error(root):
    """Not a stack trace."""
    (root / "datasets/faces/real/index.parquet").write_bytes(b"PAR1 no more")

    with pytest.raises(DataError, match="cannot be read"):
        read_index(root, "faces", PARAMS)


def test_corrections_relabel(root):
    """By synonym too; the votes of a corrected sample were for another label, and are dropped."""
    before = read_index(root, "faces", PARAMS)
    happy = before.index[before["label"] == "happy"][0]
    write(root, "corrections.csv", f"id,label,reason\n{before['id'][happy]},sadness,looks sad\nunknown,happy,gone\n")
    after = read_index(root, "faces", PARAMS)

    assert after["label"][happy] == "sad"
    assert (after["label"] != before["label"]).sum() == 1


def test_a_correction_to_an_unknown_label_is_an_error(root):
    """The error names the line, and the required change."""
    write(root, "corrections.csv", "id,label,reason\na,happy,\nb,bored,\n")

    with pytest.raises(DataError, match=r"corrections.csv, line 3.*'bored'") as caught:
        read_index(root, "faces", PARAMS)
    assert "labels: [happy, sad, bored]" in caught.value.remedy


def test_a_taxonomy_may_change(root):
    """Another order, another synonym, a removed label: samples of the latter are skipped and counted."""
    rows = read_index(root, "faces", CollectionParams(labels=["neutral", "happiness"]))

    assert set(rows["label"]) == {"happiness"}
    assert rows.attrs["left_out"] == {"sad": 12}
    assert list(rows.index) == list(range(12))


def test_votes_are_shares_in_the_order_of_the_taxonomy(tmp_path):
    """They are stored by name, and follow the order of the taxonomy."""
    plant(tmp_path / "voted", 3)
    (tmp_path / "checkout").mkdir()
    lines = "happy/00.png,1,3,6\nhappy/01.png,0,0,10\n"
    (tmp_path / "voted" / "votes.csv").write_text(f"image,anger,happiness,contempt\n{lines}", encoding="utf-8")
    params = CollectionParams(labels=["angry", "happy", "sad"])
    ingest(tmp_path / "voted", tmp_path / "checkout", "faces", params)
    turned = CollectionParams(labels=["sad", "happy", "angry"])
    votes = [votes for votes in read_index(tmp_path / "checkout", "faces", turned)["votes"] if votes is not None]

    assert votes == [[0.0, 0.75, 0.25]]


def test_groups_are_never_empty(root, tmp_path):
    """The performer, or the image; `grouped` is true if a performer was given."""
    performer = plant(tmp_path / "cast" / "happy", 2, ["Ann"]) and plant(tmp_path / "cast" / "sad", 2, ["Ann", "Bob"])
    ingest(performer.parent, root, "faces", PARAMS, layout="{label}/{performer}/*")
    rows = read_index(root, "faces", PARAMS)
    cast = rows[rows["source"] == "cast"]

    assert (cast["group"] == cast["performer"]).all()
    assert cast["group"].nunique() == 2
    assert (rows["grouped"] == (rows["source"] == "cast")).all()
    assert not (rows["group"] == "").any()


def test_only_named_sources_are_read(root, tmp_path):
    """By patterns in params.yaml; if none matches, the error lists the existing ones."""
    ingest(plant(tmp_path / "second source"), root, "faces", PARAMS)

    assert set(read_index(root, "faces", PARAMS)["source"]) == {"real", "second-source"}
    assert set(read_index(root, "faces", PARAMS.model_copy(update={"sources": ["sec*"]}))["source"]) == {
        "second-source"
    }
    with pytest.raises(DataError, match="second-source"):
        read_index(root, "faces", PARAMS.model_copy(update={"sources": ["x"]}))


def test_a_sample_without_a_split_is_an_error(root):
    """An ingest was killed before it dealt out the splits."""
    write(root, "splits.csv", "id,split\n")

    with pytest.raises(DataError, match="24 samples of faces have no split"):
        read_index(root, "faces", PARAMS)


def test_an_empty_collection_has_a_remedy(tmp_path):
    """As one line that can be pasted."""
    with pytest.raises(DataError, match="no samples") as caught:
        read_index(tmp_path, "faces", PARAMS)
    assert "python -m flows ingest faces" in caught.value.remedy


def test_a_split_that_is_cut_off_is_an_error(root):
    """A short row, reported with its line; otherwise the sample would not be in any split."""
    whole = (root / "datasets/faces/splits.csv").read_text(encoding="utf-8")
    write(root, "splits.csv", whole.replace(",train", "", 1))

    with pytest.raises(DataError, match=r"splits.csv, line \d+: it needs id and split"):
        read_index(root, "faces", PARAMS)


def age(root, columns):
    """Rewrites the index without the columns of later versions; returns its file."""
    file = root / "datasets/faces/real/index.parquet"
    older = [field for field in SCHEMA if field.name not in columns]
    pd.read_parquet(file)[[field.name for field in older]].to_parquet(file, index=False, schema=pa.schema(older))
    return file


@pytest.mark.parametrize("columns", [OF_FILMS, [*OF_FILMS, *OF_CONSENT]])
def test_an_index_from_before_there_were_films_is_read(root, columns):
    """Missing columns are None in every row; samples, splits and bytes are equal, and can be packed."""
    before = read_index(root, "faces", PARAMS)
    file = age(root, columns)
    after = read_index(root, "faces", PARAMS)

    assert not set(columns) & set(pq.read_schema(file).names)
    assert all(value is None for name in columns for value in read_source_index(file.parent)[name])
    pd.testing.assert_frame_equal(before, after)
    assert len(dict(read_bytes(root, "faces", after))) == 24
    lenient = PARAMS.model_copy(update={"clean": CleanParams(min_size_px=1)})
    assert len(clean(root, "faces", lenient, root / "build").table) == 24


def test_more_comes_into_an_index_from_before_there_were_films(root, tmp_path):
    """The next ingest into the source keeps its rows, and writes the index with all current columns."""
    before, file = read_index(root, "faces", PARAMS), age(root, OF_FILMS)
    plant(tmp_path / "again" / "real", 13)
    result = ingest(tmp_path / "again" / "real", root, "faces", PARAMS)
    rows = read_index(root, "faces", PARAMS)

    assert (result.added, result.already) == (14, 12)
    assert pq.read_schema(file).names == SCHEMA.names
    assert set(before["id"]) < set(rows["id"])
    assert len(rows) == 38


def test_a_medium_has_columns_of_its_own(root):
    """They are read back after those of SCHEMA; the file of another medium has the same bytes as ever."""
    file = root / "datasets/faces/real/index.parquet"
    table, before = pq.read_table(file), file.read_bytes()
    assert schema_of("image", {}) == SCHEMA
    pq.write_table(pa.Table.from_pylist(table.to_pylist(), schema=schema_of("image", {})), file)
    assert file.read_bytes() == before
    rows = [row | {"blinks": number} for number, row in enumerate(table.to_pylist())]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema_of("image", {"blinks": "int64"})), file)
    samples = read_source_index(file.parent)

    assert list(samples.columns) == [*SCHEMA.names, "blinks"]
    assert samples["blinks"].tolist() == list(range(len(rows)))
    assert list(read_index(root, "faces", PARAMS).columns) == [*SCHEMA.names, "blinks", "grouped"]


def test_a_column_that_no_medium_declares_is_not_read(root):
    """Such as one that an earlier version wrote."""
    file = root / "datasets/faces/real/index.parquet"
    pd.read_parquet(file).assign(old=1).to_parquet(file, index=False)

    assert "old" not in read_source_index(file.parent).columns
