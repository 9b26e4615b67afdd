"""The inbox is emptied: ingested files are removed, refused ones are moved, unfinished ones stay."""

import hashlib
import os
from pathlib import Path

import pytest

from curation.image import ingest
from curation.store.index import read_index
from curation.ingest import inbox
from curation.image.validate import check
from curation.inbox.stability import UNSETTLED
from tests.curation.planted import LATER, PARAMS, fill_inbox, picture, plant, reasons, state


def test_the_inbox_is_emptied(root):
    """Ingested files are removed, refused ones are moved, and nothing is lost."""
    box = fill_inbox(root)
    results = inbox(root, "faces", PARAMS, now=LATER)
    shoot = root / "quarantine" / "faces" / "shoot-7"

    assert {result.source: result.added for result in results if result.added} == {"shoot-7": 3, "inbox": 6}
    assert [file.name for file in box.rglob("*")] == ["set.zip"]
    assert [result.problem for result in results if result.problem] == []
    assert "set.zip skipped: no folder and no table of samples; unpack it, or take it out" in results[-1].summary()
    assert set(reasons(root, "inbox")) == {"bored/1.jpg", "happy/notes.txt", "no folder.png"}
    assert reasons(root, "shoot-7") == {
        "c.png": "is not an image",
        "x-" + hashed("unnamed.png"): "is not listed in samples.csv",
    }
    assert "c.png,sad" in (shoot / "samples.csv").read_text(encoding="utf-8")
    assert "cid" not in (shoot / "samples.csv").read_text(encoding="utf-8").casefold()


@pytest.mark.parametrize(
    ("name", "word"), [("notes/readme.md", "skipped"), ("a/b/plan.xlsx", "skipped"), ("shoot/0.heic", "problem")]
)
def test_a_folder_of_notes_is_skipped(root, name, word):
    """They are reported, and do not fail the run; pictures in an unsupported format do."""
    stray = root / "inbox" / "faces" / name
    stray.parent.mkdir(parents=True)
    stray.write_text("to whom it may concern")
    plant(root / "inbox" / "faces" / "day-12")
    results = inbox(root, "faces", PARAMS, now=LATER)

    assert [result.added for result in results if result.added] == [12]
    assert any(word in result.summary() for result in results)
    assert [bool(result.problem) for result in results if result.problem] == [True] * (word == "problem")
    assert stray.exists()


@pytest.mark.parametrize("act", ["grows", "is renamed"])
def test_a_picture_that_changes_while_it_is_read_is_left_alone(root, monkeypatch, act):
    """A partial file would be moved to quarantine while it is being written; the next run ingests it."""
    half = next(plant(root / "inbox" / "faces" / "day-12").rglob("*.jpg"))
    whole, read = half.read_bytes(), ingest.read_safely
    half.write_bytes(whole[: len(whole) // 2])

    def meanwhile(file, folder):
        data = read(file, folder) if act == "grows" or file != half else b""
        if file == half:
            half.write_bytes(whole[:-9]) if act == "grows" else half.rename(half.with_name("other.jpg"))
        return data

    monkeypatch.setattr(ingest, "read_safely", meanwhile)
    first = inbox(root, "faces", PARAMS, now=LATER)[0]
    monkeypatch.undo()
    [left] = (root / "inbox").rglob("*.jpg")
    left.write_bytes(whole)

    assert (first.added, first.refused) == (11, {UNSETTLED: 1})
    assert not list((root / "quarantine").rglob("*.jpg"))
    assert inbox(root, "faces", PARAMS, now=LATER)[0].added == 1


def hashed(name):
    """Display of a path that may contain a person's name."""
    return f"{hashlib.sha256(name.encode()).hexdigest()[:8]}.png"


def test_a_table_cannot_reach_out_of_its_folder(root, tmp_path):
    """A path with `..`, a name or a link out: such files are neither ingested, copied nor moved."""
    secret = picture(tmp_path / "elsewhere" / "secret.png", 1)
    folder = plant(root / "inbox" / "faces" / "set").parent / "set"
    (folder / "link").symlink_to(secret.parent)
    rows = ["happy/00.jpg,happy", "sad/00.jpg,sad", "link/secret.png,sad", f"{secret},sad"]
    rows.append(f"{os.path.relpath(secret, folder)},sad")
    (folder / "samples.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    (result,) = inbox(root, "faces", PARAMS, now=LATER)

    assert result.added == 2
    assert result.refused["leads out of the folder"] == 4
    assert secret.exists()
    assert not list((root / "quarantine").rglob("secret.png"))
    assert not list((root / "inbox" / "faces").iterdir())


def test_the_inbox_again_adds_nothing(root):
    """The same picture under the same name is already ingested, and is removed."""
    box = fill_inbox(root)
    inbox(root, "faces", PARAMS, now=LATER)
    (box / "set.zip").unlink()
    assert inbox(root, "faces", PARAMS, now=LATER) == []

    plant(box, 3)
    (result,) = inbox(root, "faces", PARAMS, now=LATER)
    assert (result.added, result.already) == (0, 6)
    assert not list(box.iterdir())


def test_parts_of_a_source_join_it(root):
    """Folders that differ in digits after an @; an @ before letters is part of the name."""
    box = root / "inbox" / "faces"
    for number, name in enumerate(("shoot@20270630-0915", "shoot@20270701-0800", "takes@home")):
        plant(box / name, seed=number)
    results = inbox(root, "faces", PARAMS, now=LATER)

    assert [(result.source, result.added, result.already) for result in results] == [
        ("shoot", 12, 0),
        ("shoot", 12, 0),
        ("takes-home", 12, 0),
    ]
    assert len(read_index(root, "faces", PARAMS)) == 36


def test_votes_in_the_inbox_serve_all_and_go_last(root):
    """They lie beside two sources, and would be applied to other pictures in a later run."""
    box = root / "inbox" / "faces"
    for name, seed in (("one", 1), ("two", 2)):
        plant(box / name, seed=seed)
        picture(box / name / "sad" / f"{name}.jpg", 50 + seed)
    (box / "votes.csv").write_text("image,happiness,sadness\none.jpg,1,9\ntwo.jpg,9,1\n", encoding="utf-8")
    inbox(root, "faces", PARAMS, now=LATER)

    assert read_index(root, "faces", PARAMS)["votes"].notna().sum() == 2
    assert not list(box.iterdir())


def test_a_file_of_the_same_name_is_not_written_over_in_quarantine(root):
    """Two runs refuse two pictures of the same name."""
    box = root / "inbox" / "faces"
    for seed in (1, 2):
        picture(box / "bored" / "1.jpg", seed)
        inbox(root, "faces", PARAMS, now=LATER)

    assert len(list((root / "quarantine").rglob("*.jpg"))) == 2
    assert len(reasons(root, "inbox")) == 2


def test_what_a_link_in_the_inbox_points_to_is_left_alone(root, tmp_path):
    """It is neither ingested nor removed."""
    folder = plant(tmp_path / "set")
    before = state(folder)
    (root / "inbox" / "faces").mkdir(parents=True)
    (root / "inbox" / "faces" / "set").symlink_to(folder)
    (result,) = inbox(root, "faces", PARAMS, now=LATER)

    assert result.refused == {"leads out of the folder": 1}
    assert state(folder) == before
    assert not list((root / "inbox" / "faces").iterdir())


def test_an_invalid_entry_does_not_stop_the_others(root):
    """It stays, with its problem; the others are ingested."""
    box = root / "inbox" / "faces"
    plant(box / "good")
    picture(box / "bad" / "1.jpg", 1)
    (box / "bad" / "samples.csv").write_text("path,label\n1.jpg\n", encoding="utf-8")
    before = state(box / "bad")
    results = {result.source: result for result in inbox(root, "faces", PARAMS, now=LATER)}

    assert results["good"].added == 12
    assert "line 2" in results["bad"].problem
    assert results["bad"].remedy
    assert state(box) == before


NOW = 2_000_000_000.0


def write_at(folder, age_s):
    """Makes every file of a folder so many seconds old at NOW."""
    for file in [folder, *folder.rglob("*")]:
        if file.is_file():
            os.utime(file, (NOW - age_s, NOW - age_s))
    return folder


def test_what_is_still_being_copied_stays_for_the_next_run(root):
    """Half an image looks like a broken one; it is neither refused nor moved, and the note has its path."""
    box = root / "inbox" / "faces"
    write_at(plant(box / "ready"), 3600)
    write_at(plant(box / "coming", seed=9), 3600)
    half = box / "coming" / "sad" / "00.jpg"
    half.write_bytes(half.read_bytes()[:-60])
    os.utime(half, (NOW - 5, NOW - 5))
    before = state(box / "coming")
    results = inbox(root, "faces", PARAMS, now=NOW)

    assert {result.source: result.added for result in results} == {"inbox": 0, "ready": 12}
    assert results[0].summary().startswith("faces/inbox: still being written to")
    assert results[0].summary().endswith("until the next run: coming")
    assert state(box) == before
    assert not (root / "quarantine").exists()


def test_complete_files_are_ingested_in_the_next_run(root):
    """All at once, so that the splits are dealt over the whole."""
    box = root / "inbox" / "faces"
    write_at(plant(box / "coming"), 5)
    (held,) = inbox(root, "faces", PARAMS, now=NOW)
    (result,) = inbox(root, "faces", PARAMS, now=NOW + 3600)

    assert (held.added, held.problem) == (0, "")
    assert result.added == 12
    assert not list(box.iterdir())


@pytest.mark.parametrize("name", ["sad/late.jpg", "sad/.late.jpg.Xq12", "late.csv"])
def test_loose_class_folders_wait_for_each_other(root, name):
    """They are one source; rsync's temporary files count, and so do tables and votes."""
    box = write_at(plant(root / "inbox" / "faces"), 3600)
    (box / name).write_bytes(b"half")
    os.utime(box / name, (NOW, NOW))
    before = state(box)
    (held,) = inbox(root, "faces", PARAMS, now=NOW)

    assert "happy" in held.summary()
    assert state(box) == before


def test_a_table_waits_for_its_pictures(root):
    """So does everything else beside the table: otherwise it would be ingested without its annotations."""
    box = write_at(plant(plant(root / "inbox" / "faces" / "set").with_name("ready"), seed=9).parent, 3600)
    (box / "samples.csv").write_text("path,label,use\nready/happy/00.jpg,happy,archive\n", encoding="utf-8")
    os.utime(box / "samples.csv", (NOW - 3600, NOW - 3600))
    os.utime(box / "set" / "sad" / "00.jpg", (NOW, NOW))
    before = state(box)
    (held,) = inbox(root, "faces", PARAMS, now=NOW)

    assert "ready" in held.summary()
    assert state(box) == before


def test_a_wrong_clock_holds_up_nothing(root):
    """A time in the future does not mean that a copy is under way."""
    write_at(plant(root / "inbox" / "faces"), -1_000_000)
    (result,) = inbox(root, "faces", PARAMS, now=NOW)

    assert result.added == 12


def test_a_table_that_cannot_be_read_holds_up_what_it_speaks_of(root):
    """Otherwise the images would be trained on, whatever their use."""
    box = plant(root / "inbox" / "faces")
    (box / "samples.csv").write_text("path,label,use\nhappy/00.jpg,happy,archive\nsad/00.jpg\n", encoding="utf-8")
    before = state(box)
    (result,) = inbox(root, "faces", PARAMS, now=LATER)

    assert "samples.csv, line 3" in result.problem
    assert state(box) == before
    assert not (root / "datasets").exists()


def test_a_file_that_is_written_to_while_it_is_read_stays(root, monkeypatch):
    """The index has only the part that was read; the rest would be lost."""
    box = plant(root / "inbox" / "faces")
    changed = box / "sad" / "00.jpg"

    def check_and_write(data, sha256=""):
        if data == first:
            changed.write_bytes(first + b"more")
        return check(data, sha256)

    first = changed.read_bytes()
    monkeypatch.setattr("curation.image.ingest.check", check_and_write)
    (result,) = inbox(root, "faces", PARAMS, now=LATER)

    assert result.added == 12
    assert "stay in the inbox" in result.summary()
    assert [file for file in box.rglob("*") if file.is_file()] == [changed]


def closed(name):
    """A folder of that name that this user may not list; root may list all, so it is simulated."""
    listed, walk = Path.iterdir, os.walk

    def iterdir(self):
        if self.name == name:
            raise PermissionError(13, "Permission denied", str(self))
        return listed(self)

    def walked(top, onerror=None, **how):
        if Path(top).name != name:
            return walk(top, onerror=onerror, **how)
        if onerror:
            onerror(PermissionError(13, "Permission denied", str(top)))
        return iter(())

    return iterdir, walked


def test_a_folder_that_cannot_be_read_does_not_stop_the_others(root, monkeypatch):
    """It stays with its problem."""
    box = root / "inbox" / "faces"
    plant(box / "closed")
    plant(box / "open", seed=9)
    iterdir, walked = closed("closed")
    monkeypatch.setattr("pathlib.Path.iterdir", iterdir)
    monkeypatch.setattr("os.walk", walked)
    results = {result.source: result for result in inbox(root, "faces", PARAMS, now=LATER)}

    assert results["open"].added == 12
    assert "cannot be read" in results["closed"].problem
    assert results["closed"].remedy


def test_a_file_that_cannot_be_removed_is_reported(root, monkeypatch):
    """The samples are ingested, and the next run recognises them."""
    plant(root / "inbox" / "faces")

    remove = Path.unlink

    def refuse(self, **how):
        if self.parent.name == "sad":
            raise PermissionError(13, "Permission denied", str(self))
        remove(self, **how)

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    (result,) = inbox(root, "faces", PARAMS, now=LATER)
    monkeypatch.undo()

    assert result.added == 12
    assert "Permission denied" in result.problem
    assert "allow this user" in result.remedy
    assert [(again.added, again.already) for again in inbox(root, "faces", PARAMS, now=LATER)] == [(0, 6)]


def test_what_systems_leave_behind_does_not_keep_a_folder(root):
    """A folder with only a thumbnail cache is empty."""
    (root / "inbox" / "faces" / "set").mkdir(parents=True)
    (root / "inbox" / "faces" / "set" / "Thumbs.db").touch()
    (result,) = inbox(root, "faces", PARAMS, now=LATER)

    assert "nothing was in: set" in result.summary()
    assert not (root / "inbox" / "faces" / "set").exists()
