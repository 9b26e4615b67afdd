import json

import pandas as pd
import pytest
import yaml

from curation.ingest import ingest
from curation.params import load_collection
from curation.store.sample_set import SampleSet
from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import write
from steps.__main__ import main
from steps.clean import run
from tests.support.raw import LABELS, Sample, encode, photo, photos, write_raw
from tests.support.scripts import plant, script

DARK = [Sample(encode(photo(500 + n) // 8)) for n in range(4)]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one collection, and the working folder in it."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"collections": {"faces": {"labels": LABELS}}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_writes_the_set_and_its_sheets(checkout):
    """build/clean/C has all that the report and the next stage read."""
    write_raw(checkout, [*photos(40), *DARK])
    run("faces")
    folder = checkout / "build" / "clean" / "faces"
    names = {path.name for path in folder.iterdir()}

    assert names >= {"samples.parquet", "set.json", "train.npy", "validation.npy", "test.npy"}
    assert names >= {"dropped.jpg", "kept.jpg"}
    assert SampleSet(folder).info["counts"] == {"underexposed": 4}


def test_nothing_dropped_leaves_no_sheet_of_it(checkout):
    """That of an earlier run is removed."""
    write_raw(checkout, [*photos(40), *DARK])
    run("faces")
    write_raw(checkout, photos(40))
    run("faces")

    assert not (checkout / "build" / "clean" / "faces" / "dropped.jpg").exists()


def test_too_many_dropped_names_check_sheet_and_param(checkout):
    """The failure is the user's to fix, and its remedy names an existing picture."""
    write_raw(checkout, [*photos(10), *DARK])
    status = main(["clean", "faces"])
    failure = json.loads((checkout / "build" / "failures" / "clean@faces.json").read_text())

    assert status == 1
    assert failure["kind"] == "user"
    assert "29%" in failure["message"]
    assert "underexposed" in failure["message"]
    assert "collections.faces.clean.min_p95_brightness" in failure["remedy"]
    assert "build/failures/dropped-one.jpg" in failure["remedy"]
    assert (checkout / "build" / "failures" / "dropped-one.jpg").stat().st_size


def test_what_consent_keeps_back_is_on_no_sheet(checkout):
    """None of six pictures for the archive alone is drawn; each has a row with the reason."""
    write_raw(checkout, photos(40))
    index = checkout / "datasets" / "faces" / "one" / "index.parquet"
    rows = pd.read_parquet(index)
    rows.loc[:5, "use"] = "archive"
    rows.to_parquet(index)
    run("faces")
    folder = checkout / "build" / "clean" / "faces"

    assert SampleSet(folder).info["counts"] == {"not for training": 6}
    assert not (folder / "dropped.jpg").exists()


def test_scripts_have_sheets_of_pages(checkout):
    """The set of a collection of scripts has the same path and file names as one of pictures."""
    section = {"medium": "script", "labels": ["comedies"], "script": {"min_text_length": 60}}
    (checkout / "params.yaml").write_text(yaml.safe_dump({"collections": {"scripts": section}}))
    folder = plant(checkout / "set", 6)
    short = [Element("heading", "INT. HALL - DAY"), Element("action", "Dark.")]
    (folder / "more.fountain").write_text(write([*script(9), *short]), encoding="utf-8")
    ingest(folder, checkout, "scripts", load_collection(checkout / "params.yaml", "scripts"))
    run("scripts")
    made = checkout / "build" / "clean" / "scripts"

    assert {path.name for path in made.iterdir()} >= {"train.npy", "apart.npy", "set.json", "dropped.jpg", "kept.jpg"}
    assert SampleSet(made).info["counts"] == {"too short": 1}
