"""The remedies of a collection that cannot be used are followed: its labels, sources, splits and starter."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from curation.errors import DataError
from curation.ingest import ingest
from curation.params import SplitParams, load_collection
from curation.store.index import read_index, read_splits
from curation.store.splits import extend
from rushes.errors import MisuseError
from tests.curation.planted import PARAMS, by_performer, plant, state
from tests.support.repos import ROOT

LAYOUT = {"layout": "{label}/{performer}/*"}


def test_unknown_labels_become_known(root, tmp_path):
    """With the line for params.yaml that the summary prints; in a correction too."""
    plant(tmp_path / "set", labels=("happy", "sad", "bored"))
    refused = ingest(tmp_path / "set", root, "faces", PARAMS)
    line = re.search(r"write  (labels: \[.*?\])", refused.summary())[1]
    params = PARAMS.model_copy(update=yaml.safe_load(line))
    again = ingest(tmp_path / "set", root, "faces", params)
    first = read_index(root, "faces", params)["id"][0]
    table = root / "datasets/faces/corrections.csv"
    table.write_text(f"id,label\n{first},calm\n")
    with pytest.raises(DataError, match="unknown label 'calm'") as unknown:
        read_index(root, "faces", params)
    more = params.model_copy(update=yaml.safe_load(unknown.value.remedy.partition("write  ")[2]))

    assert (again.added, again.already) == (6, 12)
    assert read_index(root, "faces", more)["label"][0] == "calm"


def test_sources_that_match_nothing(root, tmp_path):
    """A source that exists, under the param that the remedy names."""
    plant(tmp_path / "set")
    ingest(tmp_path / "set", root, "faces", PARAMS)
    with pytest.raises(DataError, match=r"faces's sources \(set\)") as refused:
        read_index(root, "faces", PARAMS.model_copy(update={"sources": ["sets"]}))
    param = refused.value.remedy.rpartition("collections.faces.")[2]

    assert len(read_index(root, "faces", PARAMS.model_copy(update={param: ["set"]}))) == 12


def test_the_name_of_the_starter_is_left_to_it(root, tmp_path):
    """Another name is accepted; the starter's pictures are replaced, as by any real source."""
    plant(tmp_path / "starter")
    ingest(tmp_path / "starter", root, "faces", PARAMS, source="starter", starter=True)
    plant(tmp_path / "real", seed=90)
    with pytest.raises(DataError, match="starter set's name") as refused:
        ingest(tmp_path / "real", root, "faces", PARAMS, source="starter")
    assert "--source NAME" in refused.value.remedy

    assert ingest(tmp_path / "real", root, "faces", PARAMS, source="name").added == 12


def test_shares_of_nothing_are_raised(root, tmp_path):
    """Those that the remedy names; samples keep their splits."""
    plant(tmp_path / "set")
    none = PARAMS.model_copy(update={"split": SplitParams(validation_share=0.0, test_share=0.0)})
    result = ingest(tmp_path / "set", root, "faces", none)
    shares = dict.fromkeys(re.findall(r"(\w+_share)", result.remedy), 0.2)
    section = re.search(r"under collections\.faces\.(\w+)", result.remedy)[1]
    params = PARAMS.model_copy(update={section: SplitParams(**shares)})
    plant(tmp_path / "more", 20, seed=5000)

    assert set(shares) == {"validation_share", "test_share"}
    assert not ingest(tmp_path / "more", root, "faces", params).problem


def test_groups_that_cannot_be_divided_get_a_source_with_more(root, tmp_path):
    """As many as the remedy asks for fill every split; what was there keeps its own."""
    by_performer("Ann", "Bob")(tmp_path / "first")
    result = ingest(tmp_path / "first", root, "faces", PARAMS, **LAYOUT)
    before = read_splits(root, "faces")
    count = int(re.search(r"a source of at least (\d) groups", result.remedy)[1])
    by_performer(*("Cid", "Dee", "Eve", "Fay")[:count])(tmp_path / "second")
    again = ingest(tmp_path / "second", root, "faces", PARAMS, **LAYOUT)

    assert "cannot be divided" in result.problem
    assert not again.problem
    assert read_splits(root, "faces").items() >= before.items()


def test_a_split_that_no_source_gives_is_ingested(root, tmp_path):
    """In a folder of the name that the remedy has."""
    for name in ("train", "test"):
        plant(tmp_path / "set" / name, seed=len(name))
    plant(tmp_path / "alone/train", seed=300)
    result = ingest(tmp_path / "alone", root, "faces", PARAMS, layout="{split}/{label}/*")
    wanted = re.search(r"ingest samples for (.*?), or", result.remedy)[1].split(" and ")
    for number, name in enumerate(wanted):
        plant(tmp_path / "more" / name, seed=700 + 50 * number)
    again = ingest(tmp_path / "more", root, "faces", PARAMS, layout="{split}/{label}/*")

    assert result.problem
    assert not again.problem


@pytest.mark.parametrize("name", ["face", "fases"])
def test_a_collection_of_the_remedy_can_be_read(name):
    """Each that is listed."""
    with pytest.raises(MisuseError) as refused:
        load_collection(ROOT / "params.yaml", name)
    names = re.search(r"name one of (.*), or", refused.value.remedy)[1].split(", ")

    assert all(load_collection(ROOT / "params.yaml", one) for one in names)


def test_the_starter_is_left_out(root, tmp_path):
    """The real samples are as they were, and more of them are ingested."""
    ingest(plant(tmp_path / "real"), root, "faces", PARAMS)
    before = state(root / "datasets/faces/real")
    with pytest.raises(DataError, match="holds real samples") as refused:
        ingest(plant(tmp_path / "drawn", seed=90), root, "faces", PARAMS, source="starter", starter=True)

    assert refused.value.remedy == "leave the starter out"
    assert state(root / "datasets/faces/real") == before
    assert ingest(plant(tmp_path / "drawn", seed=90), root, "faces", PARAMS).added == 12


def test_an_empty_collection_is_ingested_by_the_printed_command(root, tmp_path):
    """Into the collection that it names."""
    plant(tmp_path / "set")
    with pytest.raises(DataError, match="no samples") as refused:
        read_index(root, "faces", PARAMS)
    verb, collection, _ = shlex.split(refused.value.remedy)[-3:]
    ingest(tmp_path / "set", root, collection, PARAMS)

    assert verb == "ingest"
    assert len(read_index(root, "faces", PARAMS)) == 12


def test_samples_without_a_split_get_one_in_the_next_run(root, tmp_path):
    """Its task `version` extends the splits."""
    plant(tmp_path / "set")
    ingest(tmp_path / "set", root, "faces", PARAMS)
    (root / "datasets/faces/splits.csv").unlink()
    with pytest.raises(DataError, match="no split yet") as refused:
        read_index(root, "faces", PARAMS)
    extend(root, "faces", PARAMS)

    assert refused.value.remedy == "run: make nightly"
    assert len(read_index(root, "faces", PARAMS)) == 12
