"""Samples are ingested once, completely and safely; refusals have a reason."""

import errno
import io
import itertools
import os
import stat

import numpy as np
import pytest
from PIL import Image

from curation.errors import DataError
from curation.image.ingest import ImageIntake
from curation.ingest import ingest
from curation.store.index import read_bytes, read_index
from tests.curation.planted import PARAMS, picture, plant, reasons, state


def test_samples_come_in_once(root, tmp_path):
    """A second call with the same path reports that nothing is new, and writes nothing."""
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
    """Existing files are never rewritten."""
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
    """The same picture under another label, split or name, and in another source."""
    folder = plant(tmp_path / "set")
    for place in ("happy/copy.jpg", "sad/copy.jpg"):
        picture(folder / place, 0)
    ingest(folder, root, "faces", PARAMS)
    again = ingest(folder, root, "faces", PARAMS, source="second")
    rows = read_index(root, "faces", PARAMS)

    assert len(rows) == 28
    assert rows["id"].is_unique
    assert rows["sha256"].nunique() == 12
    assert "14 of the 14 new ones lie in another source already" in again.summary()
    path = again.summary().partition("only the others in collections.faces.")[2].split(" ")[0]
    assert len(read_index(root, "faces", PARAMS.model_copy(update={path: ["set"]}))) == 14


def test_faults_are_refused_with_their_reasons(root, tmp_path):
    """A truncated JPEG, a text, an empty file, a link out, an unknown label; the source is unchanged."""
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
        "happy/text.png": "is not an image",
        "sad/empty.jpg": "is empty",
        "sad/link.jpg": "leads out of the folder",
    }
    assert (result.added, sum(result.refused.values())) == (12, 5)
    assert "labels: [angry, happy, neutral, sad, bored]" in result.summary()
    assert (root / "quarantine/faces/set/happy/cut.jpg").is_file()
    assert not (root / "quarantine/faces/set/sad/link.jpg").exists()
    assert state(folder) == before


@pytest.mark.parametrize("name", ["samples.csv", "votes.csv", "captions.csv", "happy/notes.csv"])
def test_a_pipe_in_place_of_a_table_blocks_nothing(root, tmp_path, name):
    """It is not read; the pictures beside it are taken."""
    folder = plant(tmp_path / "set")
    os.mkfifo(folder / name)

    assert ingest(folder, root, "faces", PARAMS).added == 12


def test_a_fixed_file_leaves_the_quarantine(root, tmp_path):
    """Once its label is known; the others stay, and so does another file of that name."""
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
        (lambda folder: folder.parent, "contains this checkout"),
        (lambda folder: folder.parent / "checkout" / "datasets" / "faces", "lies in datasets/"),
    ],
)
def test_what_cannot_be_a_set_is_an_error(root, tmp_path, make, message):
    """Nothing is written, and the message has a remedy."""
    (root / "datasets" / "faces").mkdir(parents=True)
    path = make(plant(tmp_path / "set"))

    with pytest.raises(DataError, match=message) as caught:
        ingest(path, root, "faces", PARAMS)
    assert caught.value.remedy
    assert not state(root)


def test_one_class_may_join_others(root, tmp_path):
    """A single label is accepted if others have been ingested."""
    ingest(plant(tmp_path / "set"), root, "faces", PARAMS)

    assert ingest(plant(tmp_path / "more", labels=("happy",), seed=9), root, "faces", PARAMS).added == 6


def test_a_short_row_takes_nothing_in(root, tmp_path):
    """Earlier rows are not ingested either: streamed CSVs detect it late."""
    rows = [f"{number % 2 + 3},{' '.join(['7'] * 16)},Training" for number in range(200)]
    (tmp_path / "fer.csv").write_text("\n".join(["emotion,pixels,Usage", *rows, "3,7 7"]), encoding="utf-8")

    with pytest.raises(DataError, match=r"fer.csv, line 202"):
        ingest(tmp_path / "fer.csv", root, "faces", PARAMS)
    assert not state(root)


def test_fer2013_as_a_csv_gives_the_pictures_of_the_folders(root, tmp_path):
    """Both layouts give the same pixels, labels and splits; the votes of FER+ are matched by the row's name."""
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

    output = [set(map(tuple, part[["label", "split", "pixels"]].to_numpy())) for _, part in rows.groupby("source")]
    assert output[0] == output[1]
    assert len(output[0]) == 18
    assert rows.loc[rows["source"] == "csv", "votes"].tolist() == [[0.0, 8 / 9, 1 / 9, 0.0]] * 18


def pd_series(values, rows):
    """Values by row, in the order of the rows."""
    return [values[row] for row in rows.index]


def test_votes_may_come_later(root, tmp_path):
    """The samples are not moved; votes that match none of them are an error."""
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
    """Their names are only in the key file, which is private; not in the index, the quarantine or the result."""
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
    output = result.summary() + repr(result) + " ".join(map(str, written))
    output += " ".join(
        file.read_text(encoding="latin-1") for file in written if file.suffix != ".tar" and file.is_file()
    )
    rows = read_index(root, "faces", PARAMS)

    assert not any(name in output.casefold() for name in ("quill", "xander", "ptolemy"))
    assert "quill" in keys.read_text(encoding="utf-8")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert rows["performer"].nunique() == 3
    assert rows.groupby("performer")["split"].nunique().max() == 1
    assert "flatter" not in result.summary()


def test_an_empty_folder_of_a_person_is_not_named(root, tmp_path):
    """The message has its current label."""
    folder = plant(tmp_path / "cast")
    (folder / "happy" / "Zoe Quill").mkdir()

    with pytest.raises(DataError, match=r"these are empty: happy/\.\.\.") as caught:
        ingest(folder, root, "faces", PARAMS, layout="{label}/{performer}/*")
    assert "Quill" not in str(caught.value)


def test_without_groups_it_warns_of_optimistic_scores(root, tmp_path):
    """Each picture is its own group."""
    assert "scores will flatter" in ingest(plant(tmp_path / "set"), root, "faces", PARAMS).summary()


def test_too_few_groups_are_reported(root, tmp_path):
    """The samples are ingested; the missing ones are reported with a remedy."""
    for label, name in itertools.product(("happy", "sad"), ("Ann", "Bob")):
        picture(tmp_path / "cast" / label / name / "1.png", len(label + name))
    result = ingest(tmp_path / "cast", root, "faces", PARAMS, layout="{label}/{performer}/*")

    assert result.added == 4
    assert "no sample in the split" in result.problem
    assert "at least 3 groups" in result.summary()


def test_real_samples_replace_the_starter(root, tmp_path):
    """Its folder and its rows in splits.csv are removed, which is reported; from then on the starter is refused."""
    ingest(plant(tmp_path / "drawn"), root, "faces", PARAMS, source="starter", starter=True, licence="CC0")
    result = ingest(plant(tmp_path / "real", seed=50), root, "faces", PARAMS)

    assert result.replaced_starter
    assert "real data" in result.summary()
    assert sorted(path.name for path in (root / "datasets/faces").iterdir()) == ["real", "splits.csv"]
    assert sum(result.splits.values()) == 12
    with pytest.raises(DataError, match="not mixed in"):
        ingest(tmp_path / "drawn", root, "faces", PARAMS, source="starter", starter=True)


def test_refused_samples_do_not_replace_the_starter(root, tmp_path):
    """Without new samples the existing ones are still needed."""
    ingest(plant(tmp_path / "drawn"), root, "faces", PARAMS, source="starter", starter=True)
    result = ingest(plant(tmp_path / "real", labels=("bored",)), root, "faces", PARAMS)

    assert not result.replaced_starter
    assert len(read_index(root, "faces", PARAMS)) == 12


def test_a_full_disk_is_reported_before_anything_is_written(root, tmp_path, monkeypatch):
    """By the size of the files."""
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("curation.intake.intake.shutil.disk_usage", lambda _: usage)

    with pytest.raises(DataError, match="disk has 0 MiB left"):
        ingest(plant(tmp_path / "set"), root, "faces", PARAMS)
    assert not state(root)


def test_unknown_labels_have_one_remedy(root, tmp_path):
    """Adding labels one by one would hide the others; the one line is in the quarantine, too."""
    folder = plant(tmp_path / "set")
    for label in ("bored", "calm"):
        picture(folder / label / "1.jpg", 5)
    result = ingest(folder, root, "faces", PARAMS)
    line = "labels: [angry, happy, neutral, sad, bored, calm]"

    assert result.summary().count("labels: [") == 1
    assert line in result.summary()
    assert (root / "quarantine/faces/set/reasons.csv").read_text(encoding="utf-8").count(line) == 2


def test_folders_without_any_label_are_reported_in_few_lines(root, tmp_path):
    """For folders by person, the hint is the layout."""
    folder = plant(tmp_path / "cast", 1, labels=[f"Person {number}" for number in range(40)])
    output = ingest(folder, root, "faces", PARAMS).summary()

    assert "--layout" in output
    assert "28 more reasons" in output
    assert len(output.splitlines()) < 20


def test_a_disk_that_fills_up_is_reported_with_a_remedy(root, tmp_path, monkeypatch):
    """Partial files are removed."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "shard")

    monkeypatch.setattr("curation.store.shards.sync_and_replace", full)
    with pytest.raises(DataError, match="No space left") as caught:
        ingest(plant(tmp_path / "set"), root, "faces", PARAMS)
    assert "free space" in caught.value.remedy
    assert not state(root)


def test_pixels_of_a_table_are_let_go(root, tmp_path, monkeypatch):
    """Those of a whole FER2013 are 300 MB of text."""
    seen, found = [], ImageIntake._check_found
    monkeypatch.setattr(ImageIntake, "_check_found", lambda self: seen.extend(self.taken) or found(self))
    rows = [f"{number % 2 + 3},{' '.join([str(number)] * 16)},Training" for number in range(20)]
    (tmp_path / "fer.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]), encoding="utf-8")
    ingest(tmp_path / "fer.csv", root, "faces", PARAMS)

    assert len(seen) == 20
    assert not any(one.candidate.pixels for one in seen)


def test_a_damaged_source_json_is_an_error(root, tmp_path):
    """The remedy is the command that restores it."""
    ingest(plant(tmp_path / "set"), root, "faces", PARAMS)
    (root / "datasets/faces/set/source.json").write_text("{", encoding="utf-8")

    with pytest.raises(DataError, match=r"source.json cannot be read") as caught:
        ingest(tmp_path / "set", root, "faces", PARAMS)
    assert "dvc get --rev HEAD" in caught.value.remedy
