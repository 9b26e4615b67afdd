"""Scripts are ingested once, unchanged, a row per document; refusals have a reason, and memory is bounded."""

import shutil
import tracemalloc

import pandas as pd
import pytest

from curation.ingest import inbox, ingest
from curation.intake.whole_files import intake
from curation.store.index import read_index, read_sources
from rushes.screenplay.fountain import write
from tests.curation.planted import LATER
from tests.curation.test_killed import changes_that_may_be_killed
from tests.support.scripts import fdx, plant, script, script_params, typed

PARAMS = script_params()
ENTITY = b'<!DOCTYPE F [<!ENTITY x SYSTEM "file:///etc/passwd">]><FinalDraft><Content>&x;</Content></FinalDraft>'


def look(folder):
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}


def test_scripts_come_in_once_a_row_a_work(root, tmp_path):
    """In every format; a second call writes nothing, and the files are unchanged."""
    folder = plant(tmp_path / "Réécriture 2", 2)
    (folder / "typed.txt").write_text(typed(script(20)), encoding="utf-16")
    (folder / "final.FDX").write_bytes(fdx(script(21)))
    (folder / "play.md").write_text("# A Play\n\n### SCENE I\n\n**Ann**  \nOh.\n", encoding="utf-8")
    before = look(folder)
    first = ingest(folder, root, "scripts", PARAMS)
    written = look(root / "datasets")
    again = ingest(folder, root, "scripts", PARAMS)
    rows = read_sources(root, "scripts").set_index("title")

    assert "5 scripts added, 0 already there, 0 scripts refused" in first.summary()
    assert "already there, all 5 scripts" in again.summary()
    assert (look(folder), look(root / "datasets")) == (before, written)
    assert set(rows.index) == {"script 0", "script 1", "typed", "final", "A Play"}
    assert (rows["group"] == rows["id"]).all()
    assert (root / "datasets/scripts" / first.source / rows["shard"]["final"]).read_bytes() == before["final.FDX"][0]


def test_a_folder_named_like_a_label_gives_the_genre(root, tmp_path):
    """The nearest one; scripts.csv overrides it, and most folders have none."""
    plant(tmp_path / "set" / "Comedies" / "drafts", 1)
    plant(tmp_path / "set" / "comedies" / "Tragedies", 1, 1)
    plant(tmp_path / "set", 2, 2)
    (tmp_path / "set" / "scripts.csv").write_text(
        "path,title,label,use,licence\nscript 3.fountain,The Ferry,tragedies,archive,CC0\n", encoding="utf-8"
    )
    result = ingest(tmp_path / "set", root, "scripts", PARAMS)
    rows = read_sources(root, "scripts").set_index("title")

    assert rows["label"].to_dict() == {
        "script 0": "comedies",
        "script 1": "tragedies",
        "script 2": "",
        "The Ferry": "tragedies",
    }
    assert (rows["licence"]["The Ferry"], rows["use"]["The Ferry"]) == ("CC0", "archive")
    assert "1 of 4 will not be learned from" in result.summary()


FAULTS = {
    "entity.fdx": (ENTITY, "names an entity or a document type, by which it could reach outside of itself"),
    "null.txt": (b"INT. HOUSE - DAY\n\n\0ANNA\nHi.\n", "contains a null byte: it is not text, or is damaged"),
    "line.fountain": (b"INT. HOUSE - DAY ANNA Hi.\n", "is a single line, not a script"),
    "empty.fountain": (b" \n", "is empty"),
    "prose.md": (
        b"Once upon a time.\n\nAnd they lived.\n",
        "is not a script: it has no scene heading and no dialogue",
    ),
    "bytes.txt": (bytes(range(0x80, 0x100)) * 9 + b"\n\n", "is undecodable"),
    "cut.fdx": (fdx(script(1))[:400], "is not a complete file of Final Draft"),
}


def test_what_is_wrong_goes_to_quarantine_with_its_reason(root, tmp_path):
    """The valid one is ingested; a file without a script's suffix is skipped."""
    folder = plant(tmp_path / "set", 3)
    for name, (data, _) in FAULTS.items():
        (folder / name).write_bytes(data)
    (folder / "notes.pdf").write_bytes(b"%PDF")
    result = ingest(folder, root, "scripts", PARAMS)
    output = pd.read_csv(root / "quarantine/scripts/set/reasons.csv").set_index("file")["reason"].to_dict()

    assert result.added == 3
    assert output.keys() == FAULTS.keys()
    assert all(output[name].startswith(reason) for name, (_, reason) in FAULTS.items())
    assert "1 skipped: is not a script by its name" in result.summary()


def test_a_file_of_200_mb_is_refused_and_never_loaded(root):
    """It is moved from the inbox to quarantine without ever loading more than a buffer."""
    box = plant(root / "inbox/scripts/day", 3)
    with (box / "huge.txt").open("wb") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    [result] = inbox(root, "scripts", PARAMS, now=LATER)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (result.added, result.refused) == (3, {"is larger than a script can be: more than 16 MB": 1})
    assert peak < 20_000_000
    assert (root / "quarantine/scripts/day/huge.txt").stat().st_size == 200_000_000


MEANWHILE = {
    "grows": (fdx(script(7)), lambda file: file.write_bytes(file.read_bytes() + b"\n")),
    "half there, grows": (fdx(script(7))[:400], lambda file: file.write_bytes(fdx(script(7))[:900])),
    "renamed": (fdx(script(7)), lambda file: file.rename(file.with_name("draft-2.fdx"))),
}


@pytest.mark.parametrize("act", MEANWHILE)
@pytest.mark.parametrize("is_inbox", [True, False])
def test_a_file_that_changes_while_it_is_read_is_left_alone(root, monkeypatch, act, is_inbox):
    """No part of it is ingested, it stays in place, and the others are ingested; the next run ingests it."""
    box, (data, change), hashed = plant(root / "inbox/scripts/day", 3), MEANWHILE[act], intake.sha256_of
    (box / "draft.fdx").write_bytes(data)
    take = (
        (lambda: inbox(root, "scripts", PARAMS, now=LATER)[0])
        if is_inbox
        else (lambda: ingest(box, root, "scripts", PARAMS))
    )

    def meanwhile(file):
        found = hashed(file)
        if file == box / "draft.fdx":
            change(file)
        return found

    monkeypatch.setattr(intake, "sha256_of", meanwhile)
    first = take()
    monkeypatch.undo()
    [left] = box.glob("draft*")
    left.write_bytes(fdx(script(7)))

    assert (first.added, list((root / "quarantine").rglob("draft*"))) == (3, [])
    assert "was written to or renamed while it was read" in first.summary()
    assert take().added == 1


def test_the_inbox_is_emptied(root):
    """Loose scripts are one source, a folder is another."""
    box = plant(root / "inbox/scripts", 3)
    plant(box / "Comedies", 1, 3)
    results = inbox(root, "scripts", PARAMS, now=LATER)

    assert {result.source: (result.added, result.labels) for result in results} == {
        "comedies": (1, {"comedies": 1}),
        "inbox": (3, {}),
    }
    assert list(box.iterdir()) == []


def test_a_work_keeps_its_split_when_more_come(root, tmp_path):
    """The first real ones replace the starter."""
    ingest(plant(tmp_path / "plays", 6), root, "scripts", PARAMS, source="starter", starter=True)
    result = ingest(plant(tmp_path / "one", 6, 6), root, "scripts", PARAMS)
    before = read_index(root, "scripts", PARAMS).set_index("id")["split"]
    ingest(plant(tmp_path / "two", 6, 12), root, "scripts", PARAMS)
    after = read_index(root, "scripts", PARAMS).set_index("id")["split"]

    assert (result.replaced_starter, len(before), len(after)) == (True, 6, 12)
    assert after[before.index].equals(before)
    assert set(before) == {"train", "validation", "test"}


@pytest.mark.slow
def test_killed_anywhere_and_run_again_ends_in_the_same_state(tmp_path, monkeypatch):
    """Before each single change to the disk, one after another."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    plant(tmp_path / "day", 3)
    (tmp_path / "day" / "line.txt").write_text("One line.", encoding="utf-8")

    def prepare(root):
        root.mkdir()
        ingest(plant(tmp_path / "drawn", 3, 9), root, "scripts", PARAMS, source="starter", starter=True)
        shutil.copytree(tmp_path / "day", root / "inbox/scripts/day")
        return lambda: inbox(root, "scripts", PARAMS, now=LATER)

    assert changes_that_may_be_killed(tmp_path, prepare) > 15


def test_the_text_of_a_script_is_not_touched(root, tmp_path):
    """The text parsed for the check is discarded: datasets/ has the original bytes."""
    file = tmp_path / "a.fountain"
    file.write_bytes(write(script(1)).replace("\n", "\r\n").encode("utf-16"))
    ingest(file, root, "scripts", PARAMS)
    [kept] = (root / "datasets/scripts/a").glob("*.fountain")

    assert kept.read_bytes() == file.read_bytes()
