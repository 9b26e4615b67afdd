"""Films are ingested once, complete, with a row per shot; the source is not modified, and refusals have a reason."""

import os
import shutil

import pandas as pd
import pytest

from curation.errors import DataError
from curation.ingest import inbox, ingest
from curation.store.index import read_index, read_sources
from curation.store.source_info import credits_by_source
from tests.curation.planted import LATER
from tests.curation.test_killed import changes_that_may_be_killed
from tests.support.films import cut_off, film_params, scene, shots, silent_picture, write_film

PARAMS = film_params()


def reel(folder, count=2):
    """Films of five shots each."""
    for number in range(count):
        write_film(folder / f"reel {number}.mp4", shots(5, first=10 * number))
    return folder


def look(folder):
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}


def test_films_come_in_once_a_row_a_shot(root, tmp_path):
    """A second call writes nothing; the files are independent copies, and the source is unchanged."""
    folder = reel(tmp_path / "Съёмка 12")
    before = look(folder)
    first = ingest(folder, root, "films", PARAMS)
    written = look(root / "datasets")
    again = ingest(folder, root, "films", PARAMS)
    rows = read_index(root, "films", PARAMS)

    assert (first.source, first.added, again.added, again.already) == ("съёмка-12", 10, 0, 10)
    assert "10 shots added, 0 already there, 0 films refused" in first.summary()
    assert look(folder) == before
    assert look(root / "datasets") == written
    assert rows["group"].is_unique
    assert set(rows["shard"]) == {f"{sha}.mp4" for sha in rows["sha256"]}
    assert all(file.stat().st_nlink == 1 for file in (root / "datasets").rglob("*.mp4"))


def test_a_single_film_and_the_same_one_under_another_name(root, tmp_path):
    """One file suffices; its copy is not a second film, here or in another source."""
    film = write_film(tmp_path / "reels" / "a.mov", shots(5))
    ingest(film, root, "films", PARAMS)
    shutil.copy(film, film.with_name("b.mov"))
    more = ingest(film.parent, root, "films", PARAMS, source="other")

    assert len(read_sources(root, "films")) == 5
    assert (more.added, more.already) == (0, 10)
    assert "byte for byte" in more.summary()


def test_what_is_wrong_goes_to_quarantine_with_its_reason(root, tmp_path):
    """A truncated film, a text, an empty file, sound alone, a link out; the valid film is ingested."""
    folder = reel(tmp_path / "set", 1)
    cut_off(write_film(folder / "cut.mp4", scene(1)))
    silent_picture(write_film(folder / "sound.mp4", scene(2)))
    (folder / "text.mp4").write_text("no film", encoding="utf-8")
    (folder / "empty.mkv").touch()
    (folder / "link.mp4").symlink_to(write_film(tmp_path / "secret.mp4", scene(3)))
    (folder / "notes.txt").write_text("notes", encoding="utf-8")
    result = ingest(folder, root, "films", PARAMS)
    output = pd.read_csv(root / "quarantine/films/set/reasons.csv").set_index("file")["reason"].to_dict()

    assert result.added == 5
    assert output == {
        "cut.mp4": "is truncated: the file ends before the film does",
        "sound.mp4": "holds no moving pictures that can be read",
        "text.mp4": "is not a film",
        "empty.mkv": "is empty",
        "link.mp4": "leads out of the folder",
    }
    assert "1 skipped: is not a film by its name" in result.summary()
    assert not (root / "quarantine/films/set/link.mp4").exists()


def test_a_table_has_performer_and_use_of_a_film(root, tmp_path):
    """All shots of a film have its terms, the name becomes an id; a later value applies to ingested ones too."""
    folder = reel(tmp_path / "set")
    table = folder / "films.csv"
    table.write_text(
        "path,label,performer,use,caption\nreel 0.mp4,Forest,Ann,archive,a wood\nreel 1.mp4,,,,\n", encoding="utf-8"
    )
    result = ingest(folder, root, "films", PARAMS)
    table.write_text("path,use\nreel 0.mp4,training\n", encoding="utf-8")
    again = ingest(folder, root, "films", PARAMS)
    rows = read_sources(root, "films").set_index("film")

    assert result.labels == {"forest": 5}
    assert "5 of 10 will not be learned from" in result.summary()
    assert "already have another use" in again.summary()
    assert set(rows.loc["reel 0", "use"]) == {"training"}
    assert set(rows.loc["reel 0", "caption"]) == {"a wood"}
    assert rows.loc["reel 0", "performer"].str.fullmatch("p-[0-9a-f]{8}").all()
    assert (root / "keys/films.csv").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [("film,label\nx,forest\n", "not a table of films"), ("path,label\n,forest\n", "it needs a path")],
)
def test_a_wrong_table_stops_all(root, tmp_path, text, message):
    """A film could otherwise be trained on without consent."""
    folder = reel(tmp_path / "set", 1)
    (folder / "films.csv").write_text(text, encoding="utf-8")

    with pytest.raises(DataError, match=message):
        ingest(folder, root, "films", PARAMS)
    assert not (root / "datasets").exists()


def test_an_unknown_label_is_refused_with_the_line_to_add(root, tmp_path):
    """Films without a label are not mentioned."""
    folder = reel(tmp_path / "set")
    (folder / "films.csv").write_text("path,label\nreel 0.mp4,moon\n", encoding="utf-8")
    result = ingest(folder, root, "films", PARAMS)

    assert (result.added, result.refused) == (5, {"has the unknown label 'moon'": 1})
    assert "labels: [forest, sea, moon]" in result.summary()


@pytest.mark.parametrize("name", ["notes.txt", ".hidden"])
def test_a_folder_without_films_is_an_error(root, tmp_path, name):
    """The message lists the accepted formats."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).touch()

    with pytest.raises(DataError, match="there is no film in set") as caught:
        ingest(tmp_path / "set", root, "films", PARAMS)
    assert "mp4" in caught.value.remedy


def test_the_first_real_film_replaces_the_starter(root, tmp_path):
    """Even if it is the starter's own film; the credit is removed with the starter."""
    film = write_film(tmp_path / "bunny.mp4", shots(5))
    ingest(film, root, "films", PARAMS, source="starter", starter=True, credit="(c) A Foundation")
    before = credits_by_source(root, "films")
    result = ingest(film, root, "films", PARAMS)

    assert before == {"starter": "(c) A Foundation"}
    assert (result.added, result.replaced_starter, credits_by_source(root, "films")) == (5, True, {})
    assert list((root / "datasets/films").glob("starter*")) == []


def test_the_inbox_is_emptied(root):
    """Loose films are one source, a folder is another; other files go to quarantine, new ones wait."""
    box = root / "inbox" / "films"
    write_film(box / "loose.mp4", shots(4))
    cut_off(write_film(box / "bad.mp4", scene(9)))
    reel(box / "Day 3", 1)
    late = write_film(box / "late.mp4", scene(8))
    os.utime(late, (LATER, LATER))
    results = inbox(root, "films", PARAMS, now=LATER)

    assert {result.source: result.added for result in results if result.added} == {"day-3": 5, "inbox": 4}
    assert [file.name for file in box.rglob("*")] == ["late.mp4"]
    assert (root / "quarantine/films/inbox/bad.mp4").is_file()


def test_a_changed_shot_list_never_parts_a_shot(root, tmp_path):
    """Every shot has one split, which more films do not change."""
    ingest(reel(tmp_path / "one"), root, "films", PARAMS)
    before = read_index(root, "films", PARAMS).set_index("id")["split"]
    ingest(write_film(tmp_path / "more.mp4", shots(6, first=50)), root, "films", PARAMS)
    after = read_index(root, "films", PARAMS).set_index("id")["split"]

    assert len(after) == 16
    assert after[before.index].equals(before)


def test_a_folder_alone_leaves_nothing_behind(root):
    """Once its films are ingested, the folder is removed without a note."""
    reel(root / "inbox" / "films" / "Day 3", 1)
    results = inbox(root, "films", PARAMS, now=LATER)

    assert [(result.source, result.added, result.problem) for result in results] == [("day-3", 5, "")]
    assert list((root / "inbox" / "films").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["path", "inbox"])
def test_killed_anywhere_and_run_again_ends_in_the_same_state(tmp_path, monkeypatch, kind):
    """Before each single change to the disk, one after another."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    reel(tmp_path / "cast")
    cut_off(write_film(tmp_path / "cast" / "bad.mp4", scene(9)))
    drawn = write_film(tmp_path / "drawn.mp4", shots(4, first=70))

    def prepare(place):
        root, folder = place / "checkout", place / "cast"
        root.mkdir(parents=True)
        ingest(drawn, root, "films", PARAMS, source="starter", starter=True)
        target = folder if kind == "path" else root / "inbox/films/cast"
        shutil.copytree(tmp_path / "cast", target)
        if kind == "path":
            return lambda: ingest(target, root, "films", PARAMS)
        return lambda: inbox(root, "films", PARAMS, now=LATER)

    assert changes_that_may_be_killed(tmp_path, prepare) > 15
