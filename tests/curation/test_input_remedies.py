"""The remedies of refused input are followed: with the change that they name, the same samples are ingested."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from curation.errors import DataError
from curation.ingest import ingest
from curation.store.index import read_csv
from tests.curation.planted import PARAMS, by_performer, picture, plant, state
from tests.support.scripts import plant as plant_scripts
from tests.support.scripts import script_params


def quoted(remedy):
    """The first text in single quotes."""
    return re.search(r"'([^']+)'", remedy)[1]


def write(name, text):
    """Writes a table into a folder of pictures."""

    def act(folder):
        plant(folder)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return act


def rewrite(name, change):
    """Changes the table as the remedy asks."""

    def act(remedy, folder):
        (folder / name).write_bytes(change((folder / name).read_bytes(), remedy))
        return {}

    return act


def header(text, remedy):
    """The first line as the remedy spells it."""
    wanted = re.search(r"(?:must be: |CSV with )(\S+?,\s?\S+?)(?= or|$)", remedy)[1].replace(", ", ",")
    return wanted.encode() + text[text.index(b"\n") :]


def without_line(text, remedy):
    """A person drops the line."""
    lines = text.splitlines(keepends=True)
    del lines[int(re.search(r"fix line (\d+)", remedy)[1]) - 1]
    return b"".join(lines)


def in_encoding(text, remedy):
    """A person saves it again, in the encoding that is named."""
    return text.decode("latin-1").encode(remedy.rpartition(" in ")[2])


def renamed(remedy, folder):
    """A folder named like the first label, and the layout of the example."""
    labels = re.search(r"like a label: (.*?);", remedy)[1].split(", ")
    for place, label in zip(sorted(folder.iterdir()), labels, strict=False):
        place.rename(folder / label)
    return {"layout": quoted(remedy)}


def by_label(*labels):
    """Pictures of some labels."""
    return lambda folder: plant(folder, labels=labels)


def an_empty_folder(folder):
    """A label without pictures."""
    plant(folder)
    (folder / "angry").mkdir()


def gone(_, folder):
    """The empty folders are removed."""
    for place in folder.iterdir():
        if not any(place.iterdir()):
            place.rmdir()
    return {}


def more_labels(remedy, folder):
    """Pictures of as many labels as the remedy wants, in addition."""
    plant(folder, labels=remedy.partition(" of: ")[2].split(", ")[:2], seed=900)
    return {}


def counted(folder):
    """Votes on pictures of other names."""
    plant(folder)
    (folder.parent / "votes.csv").write_text("Image name,happy,sad\nx.jpg,7,3\n", encoding="utf-8")


def named(remedy, folder):
    """The first column holds the paths of the pictures."""
    assert "first column must hold" in remedy
    rows = [f"{file.relative_to(folder)},7,3" for file in folder.rglob("*.jpg")]
    (folder.parent / "votes.csv").write_text("\n".join(["Image name,happy,sad", *rows, ""]), encoding="utf-8")
    return {}


def votes_there(remedy, folder):
    """A file that exists, by the option of the remedy."""
    named("first column must hold", folder)
    return {re.search(r"--(\w+) FILE", remedy)[1]: folder.parent / "votes.csv"}


LAYOUT = {"layout": "{label}/{performer}/*"}
CASES = {
    "captions, columns": (write("captions.csv", "name,text\nhappy/00.jpg,she smiles\n"), {},
                          rewrite("captions.csv", header)),
    "captions, a line": (write("captions.csv", "file,caption\nhappy/00.jpg,a\nhappy/00.jpg,b\n"), {},
                         rewrite("captions.csv", without_line)),
    "captions, encoding": (write("captions.csv", "file,caption\nhappy/00.jpg,café\n".encode("latin-1")), {},
                           rewrite("captions.csv", in_encoding)),
    "captions, names": (write("captions.csv", "file,caption\nhappy/nobody.jpg,a\n"), {},
                        rewrite("captions.csv", lambda text, _: text.replace(b"nobody", b"00"))),
    "layout, not one": (by_label("happy", "sad"), {"layout": "{label}"}, lambda remedy, _: {"layout": quoted(remedy)}),
    "layout, unfit": (by_label("happy", "sad"), LAYOUT, lambda remedy, _: {"layout": quoted(remedy)}),
    "layout, left out": (lambda folder: [plant(folder / name, seed=ord(name)) for name in "AB"], {},
                         lambda remedy, _: {"layout": quoted(remedy)}),
    "layout, no label": (by_label("day 1", "day 2"), LAYOUT, renamed),
    "empty folders": (an_empty_folder, {}, gone),
    "one class": (by_label("happy"), {}, more_labels),
    "votes, names": (counted, {"votes": "votes.csv"}, named),
    "votes, not there": (by_label("happy", "sad"), {"votes": "vote.csv"}, votes_there),
}  # fmt: skip


@pytest.mark.parametrize("fault", CASES)
def test_following_the_remedy_of_an_input_helps(root, tmp_path, fault):
    """Nothing is written before, and all pictures are ingested after."""
    plant_it, how, follow = CASES[fault]
    folder = tmp_path / "set"
    plant_it(folder)
    how = {**how, **({"votes": tmp_path / how["votes"]} if "votes" in how else {})}
    pictures = len(list(folder.rglob("*.jpg")))
    with pytest.raises(DataError) as refused:
        ingest(folder, root, "faces", PARAMS, **how)
    before = state(root)
    if fault == "layout, not one":  # its example has performers, and so must the folder
        for file in [*folder.rglob("*.jpg")]:
            (file.parent / file.stem).mkdir()
            file.rename(file.parent / file.stem / file.name)
    result = ingest(folder, root, "faces", PARAMS, **(how | follow(refused.value.remedy, folder)))

    assert not before
    assert result.added >= pictures
    assert not result.refused


def test_a_table_is_ingested_without_a_layout(root, tmp_path):
    """As the remedy asks; its first line is one that the remedy of a table lists."""
    write("samples.csv", "file,class\nhappy/00.jpg,happy\nsad/00.jpg,sad\n")(tmp_path / "set")
    table = tmp_path / "set" / "samples.csv"
    with pytest.raises(DataError, match="layout is for folders") as refused:
        ingest(table, root, "faces", PARAMS, layout="{label}/*")
    assert refused.value.remedy == "leave --layout out"
    with pytest.raises(DataError, match="not a table of samples") as unread:
        ingest(table, root, "faces", PARAMS)
    table.write_bytes(header(table.read_bytes(), unread.value.remedy))

    assert ingest(table, root, "faces", PARAMS).added == 2


def test_a_header_that_is_missing_is_written(root, tmp_path):
    """Of a table in datasets/: as the remedy spells it."""
    plant(tmp_path / "set")
    ingest(tmp_path / "set", root, "faces", PARAMS)
    table = root / "datasets/faces/corrections.csv"
    table.write_text("name,class\nx,sad\n")
    with pytest.raises(DataError) as refused:
        read_csv(table, ("id", "label"))
    table.write_bytes(header(table.read_bytes(), refused.value.remedy))

    assert len(read_csv(table, ("id", "label"))) == 1


def test_a_long_script_is_taken_in_with_a_larger_limit(root, tmp_path):
    """The param is the one that the remedy names."""
    folder = plant_scripts(tmp_path / "scripts", 6)
    small = script_params(script={"max_size_mb": 1e-6})
    result = ingest(folder, root, "scripts", small)
    path = re.search(r"raise collections\.scripts\.([\w.]+)", str(result.remedies))[1].split(".")
    again = ingest(folder, root, "scripts", script_params(**{path[0]: {path[1]: 5.0}}))

    assert (result.added, again.added) == (0, 6)


def test_folders_of_people_are_read_by_the_printed_layout(root, tmp_path):
    """Once the pictures of each lie in folders of labels, as the remedy asks."""
    folder = plant(tmp_path / "set", 1, labels=[f"person {number}" for number in range(14)])
    first = ingest(folder, root, "faces", PARAMS)
    [remedy] = set(first.remedies.values())
    for number, file in enumerate(sorted(folder.rglob("*.jpg"))):
        place = file.parent / ("happy", "sad")[number % 2]
        place.mkdir()
        file.rename(place / file.name)
    again = ingest(folder, root, "faces", PARAMS, layout=quoted(remedy))

    assert (first.added, again.refused, again.labels) == (0, {}, {"happy": 7, "sad": 7})


@pytest.mark.parametrize(
    ("place", "layout"), [("holdout/happy", "{split}/{label}/*"), ("happy/Ann/day 1", "{label}/{group}/*")]
)
def test_a_picture_elsewhere_is_moved(root, tmp_path, place, layout):
    """Into a split, or to where a layout has it: none is refused then."""
    folder = tmp_path / "set"
    plant(folder / "train")
    if "{group}" in layout:
        shutil.rmtree(folder)
        by_performer("Ann", "Bob", "Dee")(folder)
    stray = picture(folder / place / "stray.jpg", 77)
    result = ingest(folder, root, "faces", PARAMS, layout=layout)
    remedy = str(result.remedies)
    split = re.search(r"name the folder (\w+)", remedy)
    stray.rename((folder / split[1] / "happy" if split else stray.parents[1]) / "stray.jpg")
    shutil.rmtree(folder / "holdout" if split else stray.parent)
    again = ingest(folder, root, "faces", PARAMS, layout=layout)

    assert (sum(result.refused.values()), again.refused, again.added) == (1, {}, 1)
    assert split or f"'{layout}'" in remedy


def test_an_archive_is_unpacked(root, tmp_path):
    """Its folder is ingested; the archive stays."""
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", plant(tmp_path / "packed"))
    with pytest.raises(DataError, match="neither a folder nor a CSV") as refused:
        ingest(Path(archive), root, "faces", PARAMS)
    assert "unpack it" in refused.value.remedy
    shutil.unpack_archive(archive, tmp_path / "unpacked")

    assert ingest(tmp_path / "unpacked", root, "faces", PARAMS).added == 12
    assert Path(archive).is_file()


def test_a_table_beside_scripts_gets_its_column(root, tmp_path):
    """The first that the remedy names."""
    folder = plant_scripts(tmp_path / "scripts", 6)
    names = sorted(file.name for file in folder.iterdir())
    table = folder / "scripts.csv"
    table.write_text("\n".join(["file,label", *(f"{name},comedies" for name in names), ""]), encoding="utf-8")
    with pytest.raises(DataError, match="not a table of scripts") as refused:
        ingest(folder, root, "scripts", script_params())
    column = re.search(r"a column (\w+)", refused.value.remedy)[1]
    table.write_text(table.read_text(encoding="utf-8").replace("file,", f"{column},", 1), encoding="utf-8")

    assert ingest(folder, root, "scripts", script_params()).labels == {"comedies": 6}
