"""Takes come in once, complete, with the curves beside them, and are refused with them."""

import json
import os
import shutil

import numpy as np
import pytest

from curation.errors import DataError
from curation.ingest import inbox, ingest
from curation.store.index import read_index, read_sources
from tests.curation.planted import LATER
from tests.support.filmed_takes import speech, take_params, write_csv, write_jaw, write_take
from tests.support.takes import write_take as write_recording

PARAMS = take_params()


def look(folder):
    return {
        file.relative_to(folder).as_posix(): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


def people(folder, *names):
    """A take of each."""
    for seed, name in enumerate(names):
        write_take(folder / name / f"{name} {seed}.mkv", speech(seed=seed))
    return folder


def test_film_and_curves_come_in_once(root, tmp_path):
    """Named by their hashes, unchanged, a row a take; a second call writes nothing, and the source stays as it is."""
    folder = people(tmp_path / "day 1", "anna", "ben", "cara")
    write_jaw(folder / "cara" / "alone.mkv", speech(30, seed=9))
    before = look(folder)
    first = ingest(folder, root, "takes", PARAMS, layout="{performer}/*")
    written = look(root / "datasets")
    again = ingest(folder, root, "takes", PARAMS, layout="{performer}/*")
    rows = read_index(root, "takes", PARAMS)

    assert (first.added, first.refused, again.added, again.already) == (4, {}, 0, 4)
    assert "4 takes added, 0 already there, 0 takes refused" in first.summary()
    assert "3 with curves" in first.summary()
    assert look(folder) == before
    assert look(root / "datasets") == written
    with_curves = rows[rows["curves"].notna()]
    stored = root / "datasets/takes/day-1"
    assert {(stored / name).read_bytes() for name in with_curves["curves"]} == {
        file.read_bytes() for file in folder.rglob("*.csv")
    }
    assert (with_curves["curves"] == with_curves["curves_sha256"] + ".csv").all()
    assert sorted(rows["frames"]) == [30, 40, 40, 40]
    assert sorted(rows["length_s"].round(3)) == [1.2, 1.6, 1.6, 1.6]


def test_takes_are_added_to_the_starter(root, tmp_path):
    """In any order: three performers are few, and the starter has a hundred. The same film is stored once."""
    starter = people(tmp_path / "rendered", "first", "second", "third")
    own = people(tmp_path / "own", "anna", "ben", "cara", "dora")
    rendered = {"source": "starter", "layout": "{performer}/*", "starter": True}
    first = ingest(starter, root, "takes", PARAMS, **rendered)
    second = ingest(own, root, "takes", PARAMS, layout="{performer}/*")

    assert (first.added, second.added, second.replaced_starter) == (3, 1, False)  # films of three are the starter's
    assert (ingest(starter, root, "takes", PARAMS, **rendered).added, len(read_sources(root, "takes"))) == (0, 4)


def test_a_performer_is_in_one_split(root, tmp_path):
    """All takes of one, also those that come later and from another source; the names are replaced."""
    for day in range(3):
        folder = tmp_path / f"day {day}"
        for seed, name in enumerate(("anna", "ben", "cara", "dan")):
            write_take(folder / name / f"{day}.mkv", speech(seed=10 * day + seed))
        ingest(folder, root, "takes", PARAMS, layout="{performer}/*")
    rows = read_index(root, "takes", PARAMS)

    assert len(rows) == 12
    assert (rows.groupby("performer")["split"].nunique() == 1).all()
    assert rows["performer"].nunique() == 4
    assert set(rows["split"]) == {"train", "validation", "test"}
    assert "anna" not in rows.astype(str).to_string()


def test_a_recording_keeps_its_performer_and_loses_its_curves(root, tmp_path):
    """The slate names the performer; the curves come from a model, and do not become truth."""
    people(tmp_path / "shoot", "ben", "cara")
    folder = write_recording(tmp_path / "shoot" / "take01")
    write_jaw(folder / "camera.mkv", speech(seed=9))
    (tmp_path / "shoot" / "takes.csv").write_text("path,performer\nben/ben 0.mkv,ben\ncara/cara 1.mkv,cara\n")
    result = ingest(tmp_path / "shoot", root, "takes", PARAMS)
    rows = read_sources(root, "takes").set_index("title")

    assert (result.added, result.refused) == (3, {})
    assert "skipped" not in result.summary()
    assert rows.loc["take01", "curves"] is None
    assert rows.loc["take01", "performer"] is not None
    assert "anna" in (root / "keys/takes.csv").read_text()


def test_a_take_is_refused_with_its_curves(root, tmp_path):
    """Both lie in quarantine, with one reason, and go when a corrected CSV comes in."""
    folder = people(tmp_path / "day", "anna", "ben", "cara", "dan")
    bad = folder / "dan" / "dan 3.csv"
    good = bad.read_text()
    bad.write_text(good.replace("TongueOut", "TongueIn"))
    first = ingest(folder, root, "takes", PARAMS, layout="{performer}/*")
    quarantine = root / "quarantine/takes/day"
    held = sorted(file.suffix for file in quarantine.rglob("*.*") if file.name != "reasons.csv")
    reasons = (quarantine / "reasons.csv").read_text()
    bad.write_text(good)
    second = ingest(folder, root, "takes", PARAMS, layout="{performer}/*")

    assert (first.added, sum(first.refused.values()), second.added) == (3, 1, 1)
    assert held == [".csv", ".mkv"]
    assert "an unknown column 'TongueIn'" in reasons
    assert "dan" not in reasons
    assert not quarantine.exists()


def test_curves_of_another_length_are_refused(root, tmp_path):
    """With both lengths and a remedy."""
    folder = people(tmp_path / "day", "anna", "ben", "cara")
    write_csv(folder / "anna" / "anna 0.csv", {"JawOpen": np.zeros(60)})
    result = ingest(folder, root, "takes", PARAMS, layout="{performer}/*")

    assert list(result.refused) == ["has curves of 2.40 s beside a film of 1.60 s"]
    assert "this very film" in result.summary()
    write_csv(folder / "anna" / "anna 0.csv", {"JawOpen": np.zeros(40)})
    assert ingest(folder, root, "takes", PARAMS, layout="{performer}/*").added == 1


def test_corrected_curves_replace_those_that_are_there(root, tmp_path):
    """The take keeps its id and its split; bad ones leave it as it was."""
    folder = people(tmp_path / "day", "anna", "ben", "cara")
    ingest(folder, root, "takes", PARAMS, layout="{performer}/*")
    before = read_index(root, "takes", PARAMS).set_index("id")
    file = folder / "ben" / "ben 1.csv"
    write_csv(file, {"JawOpen": speech(seed=77)})
    ingest(folder, root, "takes", PARAMS, layout="{performer}/*")
    after = read_index(root, "takes", PARAMS).set_index("id")
    file.write_text("nonsense\n")
    worse = ingest(folder, root, "takes", PARAMS, layout="{performer}/*")

    assert before["split"].to_dict() == after["split"].to_dict()
    assert (before["curves"] != after["curves"].loc[before.index]).sum() == 1
    assert len(worse.refused) == 1
    assert read_index(root, "takes", PARAMS).set_index("id")["curves"].equals(after["curves"])


def test_the_inbox_is_emptied_of_both(root):
    """Folders and loose files; a film waits for the CSV that is still being copied."""
    box = root / "inbox/takes"
    people(box / "day", "anna", "ben", "cara")
    (box / "day/takes.csv").write_text(
        "path,performer,use\nanna/anna 0.mkv,anna,training\nben/ben 1.mkv,ben,\ncara/cara 2.mkv,cara,\n"
    )
    write_take(box / "dan.mkv", speech(seed=8))
    first = inbox(root, "takes", PARAMS, now=LATER)

    assert [one.source for one in first] == ["day", "inbox"]
    assert [one.added for one in first] == [3, 1]
    assert list(box.rglob("*.*")) == []
    assert read_sources(root, "takes")["curves"].notna().all()

    late = write_take(box / "eve.mkv", speech(seed=9))
    os.utime(late, (1, 1))
    written = late.with_suffix(".csv").stat().st_mtime
    waiting = inbox(root, "takes", PARAMS, now=written + 1)
    assert "still being written to" in waiting[0].notes[0]
    assert late.is_file()


def test_a_csv_without_a_film_is_reported(root, tmp_path):
    """A renamed film would otherwise become a take without truth, unseen."""
    folder = people(tmp_path / "day", "anna", "ben", "cara")
    (folder / "anna" / "anna 0.csv").rename(folder / "anna" / "other.csv")
    result = ingest(folder, root, "takes", PARAMS, layout="{performer}/*")

    assert any("belongs to no film" in note for note in result.notes)


def test_links_beside_a_film_are_not_followed(root, tmp_path):
    """A CSV that points elsewhere is not its curves."""
    folder = people(tmp_path / "day", "anna", "ben", "cara")
    file = folder / "anna" / "anna 0.csv"
    shutil.move(file, tmp_path / "elsewhere.csv")
    file.symlink_to(tmp_path / "elsewhere.csv")
    ingest(folder, root, "takes", PARAMS, layout="{performer}/*")

    assert read_sources(root, "takes")["curves"].isna().sum() == 1


@pytest.mark.parametrize(("layout", "message"), [("{actor}/*", "no field {actor}"), ("{performer}/*/*", "no take")])
def test_a_layout_that_fits_nothing_is_refused(root, tmp_path, layout, message):
    """Before anything is taken in."""
    folder = people(tmp_path / "day", "anna")

    with pytest.raises(DataError, match=message):
        ingest(folder, root, "takes", PARAMS, layout=layout)
    assert ingest(folder, root, "takes", PARAMS, layout="{performer}/*").added == 1


@pytest.mark.parametrize("slate", [json.dumps(["anna"]), "{", "[" * 60_000])
def test_a_slate_that_is_none_is_passed_over(root, tmp_path, slate):
    """The film comes in without a performer."""
    folder = people(tmp_path / "day", "ben", "cara")
    write_jaw(folder / "take" / "camera.mkv", speech(seed=9))
    (folder / "take" / "slate.json").write_text(slate)
    result = ingest(folder, root, "takes", PARAMS)

    assert result.added == 3
    assert read_sources(root, "takes")["performer"].isna().all()
