"""Scenes shown as typed pages: dropped ones with their reason, kept ones without the test split."""

import numpy as np
import pytest
from PIL import Image

from curation.clean import examine
from curation.ingest import ingest
from curation.quality.verdicts import pack_kept
from report.data.loaders import Collection
from report.images import script_sheets
from report.images.contact_sheet import title_of
from report.images.script_sheets import dropped_sheet, kept_sheet
from report.images.typed_page import LINES, PAPER, page_of
from report.page.collection_view import collection_view
from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import write
from tests.support.scripts import FRENCH, plant, scene, script, script_params


@pytest.fixture
def examined(tmp_path):
    """Six good documents, and one with two scenes in which nothing happens."""
    folder = plant(tmp_path / "set", 6)
    empty = [Element("heading", "INT. A - DAY"), Element("heading", "INT. B - DAY")]
    (folder / "empty.fountain").write_text(write([*script(9), *empty]), encoding="utf-8")
    ingest(folder, tmp_path, "scripts", script_params())
    return examine(tmp_path, "scripts", script_params())


@pytest.fixture
def drawn(monkeypatch):
    """Arguments of each sheet: (pages, captions, title)."""
    asked = []
    monkeypatch.setattr(script_sheets, "sheet", lambda p, c, path, *, title, **_: asked.append((p, c, title)) or path)
    return asked


def test_dropped_scenes_stand_with_their_reason(tmp_path, examined, drawn):
    """The document, the number, the split and the figures."""
    dropped_sheet(examined, "scripts", tmp_path / "x.jpg")
    ((pages, captions, title),) = drawn
    split = examined.table.loc[examined.table["document"] == "empty", "split"].iloc[0]

    assert captions[0] == f"too short\nempty, scene 5, {split}\n0 characters of text, min_text_length 20"
    assert (len(pages), title) == (2, "scripts: 2 of 30 scenes dropped")


def test_the_test_split_stays_shut(tmp_path, examined, drawn):
    """Only kept scenes of train and validation are shown."""
    kept_sheet(examined, "scripts", tmp_path / "x.jpg")

    assert {caption.split("\n")[0].rpartition(", ")[2] for caption in drawn[0][1]} == {"train", "validation"}


def test_a_page_is_set_in_columns():
    """Headings and action begin at the margin, cues and dialogue are indented; a long scene is cut."""
    page = page_of(write(scene(1, speeches=40)))
    heading = page_of("INT. A - DAY\n")
    speech = page_of("INT. A - DAY\n\nANNA\nWell.\n")
    inked = np.flatnonzero((speech[LINES * 3 :] != np.array(PAPER)).any(axis=(0, 2)))

    assert page.shape == (426, 426, 3)
    assert (heading[60:] == np.array(PAPER)).all()
    assert (page[-30:] == np.array(PAPER)).all()
    assert inked.min() > 80


def test_documents_kept_apart_are_listed_and_not_counted_as_lost(tmp_path, nightly):
    """The page counts held-back documents by language; their source has no loss."""
    folder = plant(plant(tmp_path / "set", 6), 2, 70, FRENCH)
    ingest(folder, tmp_path, "scripts", script_params())
    examined = examine(tmp_path, "scripts", script_params())
    pack_kept("scripts", examined, script_params(), tmp_path / "build/clean/scripts")
    view = collection_view(Collection(tmp_path, "scripts"), ["script"], nightly)
    [source] = view.sources

    assert view.broken == []
    assert (view.kept, source.apart, source.dropped_share) == (24, 8, 0.0)
    assert ("kept apart, in fr", "8") in view.findings


def test_a_sheet_is_a_picture_with_its_title(tmp_path, examined):
    """Two pages are as wide as the column of the report."""
    path = kept_sheet(examined, "scripts", tmp_path / "kept.jpg")

    assert Image.open(path).width < 910
    assert title_of(path.read_bytes()) == "scripts: 28 of 30 scenes kept; up to 12 of each label"
