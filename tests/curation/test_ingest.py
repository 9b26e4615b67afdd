"""Samples come in once, whole and safely; what is refused says why."""

import csv
import hashlib
import io
import itertools
import os
import shutil
import stat
import sys

import numpy as np
import pytest
from PIL import Image

from curation.errors import DataError
from curation.index import read_bytes, read_index
from curation.ingest import inbox, ingest
from curation.params import CollectionParams

PARAMS = CollectionParams(labels=["angry", "happy", "neutral", "sad"])


def picture(file, seed, side_px=12):
    """A noisy picture; the same seed gives the same bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels_hw = np.random.default_rng(seed).integers(0, 256, (side_px, side_px), np.uint8)
    Image.fromarray(pixels_hw).save(file, quality=90)
    return file


def plant(folder, count=6, labels=("happy", "sad"), seed=0):
    """Class folders."""
    for number, label in itertools.product(range(count), labels):
        picture(folder / label / f"{number:02d}.jpg", seed + 100 * number + labels.index(label))
    return folder


@pytest.fixture
def root(tmp_path):
    """An empty checkout."""
    (tmp_path / "checkout").mkdir()
    return tmp_path / "checkout"


def reasons(root, source):
    """What the quarantine says, file to reason."""
    with (root / "quarantine" / "faces" / source / "reasons.csv").open(encoding="utf-8") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def state(*folders):
    """Every file in folders, by its place."""
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {str(file): sorted(file.read_bytes().splitlines()) for file in files}


def test_samples_come_in_once(root, tmp_path):
    """Again on the same path adds nothing, says so, and writes nothing."""
    folder = plant(tmp_path / "Лица актёров 1")
    first = ingest(folder, root, "faces", PARAMS)
    before = state(root)
    again = ingest(folder, root, "faces", PARAMS)

    assert (first.source, first.added, first.labels) == ("лица-актёров-1", 12, {"happy": 6, "sad": 6})
    assert sum(first.splits.values()) == 12
    assert (again.added, again.already) == (0, 12)
    assert "already there, all 12" in again.summary()
    assert state(root) == before


def test_more_samples_go_to_a_shard_of_their_own(root, tmp_path):
    """What was written is never written again."""
    folder = plant(tmp_path / "set")
    ingest(folder, root, "faces", PARAMS)
    shard = root / "datasets/faces/set/shard-000000.tar"
    written = shard.stat()
    plant(folder, labels=("neutral",), seed=7)
    more = ingest(folder, root, "faces", PARAMS)

    assert (more.added, more.already) == (6, 12)
    assert (shard.stat().st_ino, shard.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert len(list(read_bytes(root, "faces", read_index(root, "faces", PARAMS)))) == 18


def test_copies_are_kept_for_clean_to_find(root, tmp_path):
    """The same picture under another label, another split, another name, in another source."""
    folder = plant(tmp_path / "set")
    for place in ("happy/copy.jpg", "sad/copy.jpg"):
        picture(folder / place, 0)
    ingest(folder, root, "faces", PARAMS)
    ingest(folder, root, "faces", PARAMS, source="second")
    rows = read_index(root, "faces", PARAMS)

    assert len(rows) == 28
    assert rows["id"].is_unique
    assert rows["sha256"].nunique() == 12


def test_faults_are_refused_with_their_reasons(root, tmp_path):
    """A truncated JPEG, a text, an empty file, a link out, an unknown label; the source is as it was."""
    folder = plant(tmp_path / "set")
    (folder / "happy/cut.jpg").write_bytes((folder / "happy/00.jpg").read_bytes()[:-60])
    (folder / "happy/text.png").write_text("no picture", encoding="utf-8")
    (folder / "sad/empty.jpg").touch()
    (folder / "sad/link.jpg").symlink_to(picture(tmp_path / "secret.jpg", 1))
    picture(folder / "bored/ö 1.jpg", 5)
    before = state(folder)
    result = ingest(folder, root, "faces", PARAMS)

    assert reasons(root, "set") == {
        "bored/ö 1.jpg": "has the unknown label 'bored'",
        "happy/cut.jpg": "is truncated or damaged",
        "happy/text.png": "is no picture",
        "sad/empty.jpg": "is empty",
        "sad/link.jpg": "leads out of the folder",
    }
    assert (result.added, sum(result.refused.values())) == (12, 5)
    assert "labels: [angry, happy, neutral, sad, bored]" in result.summary()
    assert (root / "quarantine/faces/set/happy/cut.jpg").is_file()
    assert not (root / "quarantine/faces/set/sad/link.jpg").exists()
    assert state(folder) == before


def test_a_mended_file_leaves_the_quarantine(root, tmp_path):
    """Once the label is known; the others stay, and so does another file of that name."""
    folder = plant(tmp_path / "set")
    picture(folder / "bored/1.jpg", 5)
    picture(folder / "bored/2.jpg", 6)
    (folder / "happy/text.png").write_text("no picture", encoding="utf-8")
    ingest(folder, root, "faces", PARAMS)
    picture(root / "quarantine/faces/set/bored/2.jpg", 7)
    ingest(folder, root, "faces", PARAMS.model_copy(update={"labels": [*PARAMS.labels, "bored"]}))

    assert set(reasons(root, "set")) == {"happy/text.png", "bored/2.jpg"}
    assert not (root / "quarantine/faces/set/bored/1.jpg").exists()
    assert (root / "quarantine/faces/set/bored/2.jpg").exists()


def test_a_read_only_folder_is_fine(root, tmp_path):
    """Nothing is ever written beside the samples."""
    folder = plant(tmp_path / "set")
    places = [folder, *folder.iterdir()]
    for place in places:
        place.chmod(0o555)
    watched = [(place.stat().st_mtime_ns, place.stat().st_ctime_ns) for place in places]

    assert ingest(folder, root, "faces", PARAMS).added == 12
    assert [(place.stat().st_mtime_ns, place.stat().st_ctime_ns) for place in places] == watched


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "does not exist"),
        (lambda folder: (folder / "angry").mkdir() or folder, "nothing in: angry"),
        (lambda folder: plant(folder / "one", labels=("happy",)), "one class only"),
        (lambda folder: plant(plant(folder.parent / "a" / "b").parent / "c").parent, "none of 24.*b/happy/00.jpg"),
        (lambda folder: (folder / "angry").mkdir() or folder / "angry", "nothing found"),
        (lambda folder: folder.parent, "holds this checkout"),
        (lambda folder: folder.parent / "checkout" / "datasets" / "faces", "lies in datasets/"),
    ],
)
def test_what_cannot_be_a_set_is_an_error(root, tmp_path, make, message):
    """Nothing is written, and there is something to do about it."""
    (root / "datasets" / "faces").mkdir(parents=True)
    path = make(plant(tmp_path / "set"))

    with pytest.raises(DataError, match=message) as caught:
        ingest(path, root, "faces", PARAMS)
    assert caught.value.remedy
    assert not state(root)


def test_one_class_may_join_others(root, tmp_path):
    """More of one label is welcome where another is there already."""
    ingest(plant(tmp_path / "set"), root, "faces", PARAMS)

    assert ingest(plant(tmp_path / "more", labels=("happy",), seed=9), root, "faces", PARAMS).added == 6


def test_a_short_row_takes_nothing_in(root, tmp_path):
    """Not even the rows before it: streamed CSVs find it late."""
    rows = [f"{number % 2 + 3},{' '.join(['7'] * 16)},Training" for number in range(200)]
    (tmp_path / "fer.csv").write_text("\n".join(["emotion,pixels,Usage", *rows, "3,7 7"]), encoding="utf-8")

    with pytest.raises(DataError, match=r"fer.csv, line 202"):
        ingest(tmp_path / "fer.csv", root, "faces", PARAMS)
    assert not state(root)


def test_fer2013_as_a_csv_gives_the_pictures_of_the_folders(root, tmp_path):
    """Both layouts, the same pixels, labels and splits; the votes of FER+ go by the row's name."""
    table, votes = ["emotion,pixels,Usage"], ["Usage,Image name,neutral,happiness,sadness,NF"]
    usages = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    for number, (split, label) in enumerate(itertools.product(usages, ["happy", "sad"] * 3)):
        file = picture(tmp_path / "folders" / split / label / f"{number}.png", number)
        grey = " ".join(map(str, np.asarray(Image.open(file)).ravel()))
        table.append(f"{ {'happy': 3, 'sad': 4}[label] },{grey},{usages[split]}")
        votes.append(f"{usages[split]},fer{number:07d}.png,1,8,0,1")
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "fer2013.csv").write_text("\n".join(table), encoding="utf-8")
    (tmp_path / "csv" / "fer2013new.csv").write_text("\n".join(votes), encoding="utf-8")
    for source in ("folders", "csv"):
        ingest(tmp_path / source, root, "faces", PARAMS)
    rows = read_index(root, "faces", PARAMS)
    pixels = {row: np.asarray(Image.open(io.BytesIO(data))).tobytes() for row, data in read_bytes(root, "faces", rows)}
    rows["pixels"] = pd_series(pixels, rows)

    said = [set(map(tuple, part[["label", "split", "pixels"]].to_numpy())) for _, part in rows.groupby("source")]
    assert said[0] == said[1]
    assert len(said[0]) == 18
    assert rows.loc[rows["source"] == "csv", "votes"].tolist() == [[0.0, 8 / 9, 1 / 9, 0.0]] * 18


def pd_series(values, rows):
    """Values by row, in the order of the rows."""
    return [values[row] for row in rows.index]


def test_votes_may_come_later(root, tmp_path):
    """The samples stay where they are; votes that name none of them are an error."""
    folder = plant(tmp_path / "set")
    ingest(folder, root, "faces", PARAMS)
    votes = tmp_path / "v.csv"
    votes.write_text("image,happiness,sadness\nx.jpg,9,1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"v.csv names none of 12"):
        ingest(folder, root, "faces", PARAMS, votes=votes)

    votes.write_text("image,happiness,sadness\nhappy/00.jpg,9,1\n", encoding="utf-8")
    result = ingest(folder, root, "faces", PARAMS, votes=votes)
    assert "votes from v.csv for 1 of 12" in result.summary()
    assert read_index(root, "faces", PARAMS)["votes"].notna().sum() == 1


def test_people_stay_unnamed(root, tmp_path):
    """Their names stand in the key file alone, which is private; not in the index, the quarantine or the result."""
    folder = tmp_path / "cast"
    for label, name, number in itertools.product(("happy", "sad"), ("Zoë Quill", "Bo Xander", "Cy Ptolemy"), range(3)):
        picture(
            folder / label / name / f"{name.split()[0]}_{number}.png", number + 10 * len(label) + 100 * ord(name[0])
        )
    (folder / "sad/Zoë Quill/Zoë Quill broken.png").write_text("no picture", encoding="utf-8")
    picture(folder / "sad" / "Bo Xander.png", 1)
    result = ingest(folder, root, "faces", PARAMS, layout="{label}/{performer}/*")
    keys = root / "keys" / "faces.csv"
    written = [file for file in root.rglob("*") if file != keys]
    said = result.summary() + repr(result) + " ".join(map(str, written))
    said += " ".join(file.read_text(encoding="latin-1") for file in written if file.suffix != ".tar" and file.is_file())
    rows = read_index(root, "faces", PARAMS)

    assert not any(name in said.casefold() for name in ("quill", "xander", "ptolemy"))
    assert "quill" in keys.read_text(encoding="utf-8")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert rows["performer"].nunique() == 3
    assert rows.groupby("performer")["split"].nunique().max() == 1
    assert "flatter" not in result.summary()


def test_an_empty_folder_of_a_person_is_not_named(root, tmp_path):
    """The message says under which label it lies."""
    folder = plant(tmp_path / "cast")
    (folder / "happy" / "Zoe Quill").mkdir()

    with pytest.raises(DataError, match=r"nothing in: happy/\.\.\.") as caught:
        ingest(folder, root, "faces", PARAMS, layout="{label}/{performer}/*")
    assert "Quill" not in str(caught.value)


def test_without_groups_it_says_that_scores_will_flatter(root, tmp_path):
    """Each picture is a group of its own."""
    assert "scores will flatter" in ingest(plant(tmp_path / "set"), root, "faces", PARAMS).summary()


def test_too_few_groups_are_a_problem_that_is_told(root, tmp_path):
    """The samples are in; what lacks is said with what to do."""
    for label, name in itertools.product(("happy", "sad"), ("Ann", "Bob")):
        picture(tmp_path / "cast" / label / name / "1.png", len(label + name))
    result = ingest(tmp_path / "cast", root, "faces", PARAMS, layout="{label}/{performer}/*")

    assert result.added == 4
    assert "no sample in the split" in result.problem
    assert "at least 3 groups" in result.summary()


def test_real_samples_replace_the_starter(root, tmp_path):
    """Its folder and its rows in splits.csv go, and it says so; from then on the starter is refused."""
    ingest(plant(tmp_path / "drawn"), root, "faces", PARAMS, source="starter", starter=True, licence="CC0")
    result = ingest(plant(tmp_path / "real", seed=50), root, "faces", PARAMS)

    assert result.replaced_starter
    assert "real data" in result.summary()
    assert sorted(path.name for path in (root / "datasets/faces").iterdir()) == ["real", "splits.csv"]
    assert sum(result.splits.values()) == 12
    with pytest.raises(DataError, match="not mixed in"):
        ingest(tmp_path / "drawn", root, "faces", PARAMS, source="starter", starter=True)


def test_refused_samples_do_not_replace_the_starter(root, tmp_path):
    """Nothing came in, so what was there is still needed."""
    ingest(plant(tmp_path / "drawn"), root, "faces", PARAMS, source="starter", starter=True)
    result = ingest(plant(tmp_path / "real", labels=("bored",)), root, "faces", PARAMS)

    assert not result.replaced_starter
    assert len(read_index(root, "faces", PARAMS)) == 12


def test_a_full_disk_is_told_before_anything_is_written(root, tmp_path, monkeypatch):
    """By the size of the files."""
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("curation.intake.shutil.disk_usage", lambda _: usage)

    with pytest.raises(DataError, match="disk has 0 MiB left"):
        ingest(plant(tmp_path / "set"), root, "faces", PARAMS)
    assert not state(root)


def fill_inbox(root):
    """Loose class folders, a set with a table and a performer, junk, faults, and something that is no set."""
    box = root / "inbox" / "faces"
    plant(box, 3)
    picture(box / "bored" / "1.jpg", 1)
    picture(box / "no folder.png", 2)
    (box / "happy" / ".DS_Store").touch()
    (box / "happy" / "notes.txt").write_text("notes", encoding="utf-8")
    (box / "angry").mkdir()
    picture(box / "Shoot 7" / "a.png", 3)
    picture(box / "Shoot 7" / "b.png", 4)
    (box / "Shoot 7" / "c.png").write_text("no picture", encoding="utf-8")
    picture(box / "Shoot 7" / "unnamed.png", 5)
    picture(box / "Shoot 7" / "d.png", 6)
    rows = "a.png,happy,Ann\nb.png,neutral,Bob\nd.png,sad,Dee\nc.png,sad,Cid\n"
    (box / "Shoot 7" / "samples.csv").write_text(f"path,label,performer\n{rows}", encoding="utf-8")
    (box / "set.zip").write_bytes(b"PK")
    return box


def test_the_inbox_is_emptied(root):
    """What came in is removed, what was refused is moved, and nothing is lost."""
    box = fill_inbox(root)
    results = inbox(root, "faces", PARAMS)
    shoot = root / "quarantine" / "faces" / "shoot-7"

    assert {result.source: result.added for result in results if result.added} == {"shoot-7": 3, "inbox": 6}
    assert [file.name for file in box.rglob("*")] == ["set.zip"]
    assert [result.problem for result in results if result.problem] == [
        "inbox/faces/set.zip is no folder and no table of samples"
    ]
    assert set(reasons(root, "inbox")) == {"bored/1.jpg", "happy/notes.txt", "no folder.png"}
    assert reasons(root, "shoot-7") == {
        "c.png": "is no picture",
        "x-" + hashed("unnamed.png"): "does not stand in samples.csv",
    }
    assert "c.png,sad" in (shoot / "samples.csv").read_text(encoding="utf-8")
    assert "cid" not in (shoot / "samples.csv").read_text(encoding="utf-8").casefold()


def hashed(name):
    """How a path that may hold a person's name is shown."""
    return f"{hashlib.sha256(name.encode()).hexdigest()[:8]}.png"


def test_a_table_cannot_reach_out_of_its_folder(root, tmp_path):
    """Neither by climbing nor by name nor by a link: such files are not taken in, not copied, not moved."""
    secret = picture(tmp_path / "elsewhere" / "secret.png", 1)
    folder = plant(root / "inbox" / "faces" / "set").parent / "set"
    (folder / "link").symlink_to(secret.parent)
    rows = ["happy/00.jpg,happy", "sad/00.jpg,sad", "link/secret.png,sad", f"{secret},sad"]
    rows.append(f"{os.path.relpath(secret, folder)},sad")
    (folder / "samples.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    (result,) = inbox(root, "faces", PARAMS)

    assert result.added == 2
    assert result.refused["leads out of the folder"] == 4
    assert secret.exists()
    assert not list((root / "quarantine").rglob("secret.png"))
    assert not list((root / "inbox" / "faces").iterdir())


def test_the_inbox_again_adds_nothing(root):
    """And the same picture, sent in again under the same name, is already there and goes."""
    box = fill_inbox(root)
    inbox(root, "faces", PARAMS)
    (box / "set.zip").unlink()
    assert inbox(root, "faces", PARAMS) == []

    plant(box, 3)
    (result,) = inbox(root, "faces", PARAMS)
    assert (result.added, result.already) == (0, 6)
    assert not list(box.iterdir())


def test_votes_in_the_inbox_serve_all_and_go_last(root):
    """They lie beside two sources, and would speak of other pictures the night after."""
    box = root / "inbox" / "faces"
    for name, seed in (("one", 1), ("two", 2)):
        plant(box / name, seed=seed)
        picture(box / name / "sad" / f"{name}.jpg", 50 + seed)
    (box / "votes.csv").write_text("image,happiness,sadness\none.jpg,1,9\ntwo.jpg,9,1\n", encoding="utf-8")
    inbox(root, "faces", PARAMS)

    assert read_index(root, "faces", PARAMS)["votes"].notna().sum() == 2
    assert not list(box.iterdir())


def test_a_file_of_the_same_name_is_not_written_over_in_quarantine(root):
    """Two nights, two refused pictures of one name."""
    box = root / "inbox" / "faces"
    for seed in (1, 2):
        picture(box / "bored" / "1.jpg", seed)
        inbox(root, "faces", PARAMS)

    assert len(list((root / "quarantine").rglob("*.jpg"))) == 2
    assert len(reasons(root, "inbox")) == 2


def test_what_a_link_in_the_inbox_points_to_is_left_alone(root, tmp_path):
    """Neither taken in nor removed."""
    folder = plant(tmp_path / "set")
    before = state(folder)
    (root / "inbox" / "faces").mkdir(parents=True)
    (root / "inbox" / "faces" / "set").symlink_to(folder)
    (result,) = inbox(root, "faces", PARAMS)

    assert result.refused == {"leads out of the folder": 1}
    assert state(folder) == before
    assert not list((root / "inbox" / "faces").iterdir())


def test_an_entry_that_is_no_set_does_not_stop_the_others(root):
    """It stays, with its problem; the others come in."""
    box = root / "inbox" / "faces"
    plant(box / "good")
    picture(box / "bad" / "1.jpg", 1)
    (box / "bad" / "samples.csv").write_text("path,label\n1.jpg\n", encoding="utf-8")
    before = state(box / "bad")
    results = {result.source: result for result in inbox(root, "faces", PARAMS)}

    assert results["good"].added == 12
    assert "line 2" in results["bad"].problem
    assert results["bad"].remedy
    assert state(box) == before


CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir")


def die_before(step):
    """Has this process end, as if killed, right before the step-th change to the disk."""
    steps = itertools.count(1)

    def hook(event, _):
        if event in CHANGES and next(steps) == step:
            os._exit(9)

    sys.addaudithook(hook)


def run(act, step):
    """Runs an act in a process of its own that dies before a step; says whether it came to the end."""
    child = os.fork()
    if child == 0:
        die_before(step)
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def act_on(root, folder, kind):
    """An ingest with names and faults over a starter, or an inbox."""
    if kind == "inbox":
        return lambda: inbox(root, "faces", PARAMS)
    return lambda: ingest(folder, root, "faces", PARAMS, layout="{label}/{performer}/*")


def make(place, kind):
    """A checkout before the act, and a folder to take in."""
    root, folder = place / "checkout", place / "cast"
    root.mkdir(parents=True)
    for label, name in itertools.product(("happy", "sad"), ("Ann", "Bob", "Cid")):
        picture(folder / label / name / "1.png", len(label) * 10 + ord(name[0]))
    (folder / "sad" / "Ann" / "bad.png").write_text("no picture", encoding="utf-8")
    ingest(plant(place / "drawn", 3), root, "faces", PARAMS, source="starter", starter=True)
    if kind == "inbox":
        fill_inbox(root)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["path", "inbox"])
def test_killed_anywhere_and_run_again_ends_in_the_same_state(tmp_path, monkeypatch, kind):
    """Before each single change to the disk, one after another."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a kill leaves the disk's cache alone
    ids = {"ann": "p-1", "bob": "p-2", "cid": "p-3", "dee": "p-4"}
    monkeypatch.setattr(
        "curation.people.People.id_of",
        lambda self, name: name and self.ids.setdefault(name.casefold(), ids[name.casefold()]),
    )
    make(tmp_path / "before", kind)
    ends = []
    for step in itertools.count(1):
        place = shutil.copytree(tmp_path / "before", tmp_path / str(step))
        act = act_on(place / "checkout", place / "cast", kind)
        finished = run(act, step)
        act()
        ends.append({file.removeprefix(str(place)): lines for file, lines in state(place).items()})
        if finished:
            break

    assert len(ends) > 20
    for number, end in enumerate(ends, 1):
        assert end == ends[-1], f"killed before change {number}"
