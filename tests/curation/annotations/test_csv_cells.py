"""Foreign cell content stays text in a spreadsheet, and is read back unchanged."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.annotations.csv_cells import escape, unescape
from curation.annotations.csv_rows import rows_of
from curation.intake.pseudonyms import People
from curation.intake.quarantine import Quarantine, Refusal

FORMULAS = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "'=1", "''@", "=1+1"]


@given(st.one_of(st.sampled_from(FORMULAS), st.text()))
def test_what_is_written_is_read(cell):
    """Any text survives, and no written cell begins as a formula."""
    assert unescape(escape(cell)) == cell
    assert not escape(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("name", FORMULAS)
def test_reasons_of_hostile_names(tmp_path, name):
    """A file named like a formula is kept, its cell is text, and a second run finds it by its name."""
    (tmp_path / "inbox").mkdir()
    file = tmp_path / "inbox" / name
    file.write_bytes(b"x")
    quarantine = Quarantine(tmp_path / "quarantine")
    refusals = [Refusal(name, f"{name} is not a picture", name, file)]
    quarantine.keep(refusals, quarantine.note(refusals), move=True)
    with (tmp_path / "quarantine" / "reasons.csv").open(newline="") as opened:
        cells = [cell for row in csv.reader(opened) for cell in row]
    taken = {row["file"]: row["reason"] for row in quarantine._read("reasons.csv").values()}

    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert taken == {name: f"{name} is not a picture"}


def test_table_that_goes_back_into_the_inbox(tmp_path):
    """The rows that quarantine keeps are read back unchanged."""
    Quarantine(tmp_path).merge("samples.csv", ("file", "label"), [{"file": "=a.png", "label": "-sad"}])

    assert [row for _, row in rows_of(tmp_path / "samples.csv")] == [{"file": "=a.png", "label": "-sad"}]


def test_key_file_of_hostile_names(tmp_path):
    """A performer with a name like a formula keeps the pseudonym."""
    people = People.load(tmp_path, "faces")
    key = people.id_of("=cmd()")
    people.save()

    assert f"{key},'=cmd()" in (tmp_path / "keys/faces.csv").read_text()
    assert People.load(tmp_path, "faces").id_of("=cmd()") == key
