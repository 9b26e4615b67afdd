"""The remedies of single files are followed: all are ingested then, and what else lies around stays as it was."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from PIL import Image

from curation.errors import DataError
from curation.film.video import check_file
from curation.ingest import inbox, ingest
from curation.store.index import read_sources
from tests.curation.planted import LATER, PARAMS, PLANTED, picture, plant, state
from tests.support.films import cut_off, film_params, shots, silent_picture, write_film
from tests.support.scripts import plant as plant_scripts


def listed(remedy, *suffixes):
    """The first of these formats that a remedy lists."""
    return next(one for one in suffixes if one in re.findall(r"\w+", remedy.rpartition(" of ")[2]))


def link(to):
    """A link where the file should be."""

    def act(file):
        to(file).parent.mkdir(parents=True, exist_ok=True)
        file.parent.mkdir(exist_ok=True)
        file.symlink_to(to(file))

    return act


def outside(file):
    """A file, or a folder, of the same name beside the set."""
    return file.parents[1 if file.parent.name == "set" else 2] / "outside" / file.name


def leading_out(draw):
    """A link to a file beside the set."""

    def act(file):
        link(outside)(file)
        draw(outside(file))

    return act


def put_there(_, file):
    """The file itself in place of the link."""
    to = file.resolve()
    file.unlink()
    (shutil.copytree if to.is_dir() else shutil.copy)(to, file)


def take_out(_, file):
    """A person removes it."""
    file.unlink()


def write(content):
    """A file with that content."""

    def act(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    return act


def again_from(draw):
    """Copied again from where it came from."""

    def act(_, file):
        file.unlink()
        draw(file)

    return act


def cut(draw):
    """A copy that broke off."""

    def act(file):
        draw(file)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    return act


def saved_as(draw):
    """Saved by its program in a format that the remedy lists."""

    def act(remedy, file):
        file.unlink()
        draw(file.with_suffix(f".{listed(remedy, 'png', 'fountain', 'mp4')}"))

    return act


def draw(file):
    """A picture of its own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture(file.with_suffix(".png"), 4711).rename(file)


def type_it(file):
    """A script of its own."""
    plant_scripts(file.parent / "typed", 1, first=50)
    next((file.parent / "typed").iterdir()).rename(file)
    (file.parent / "typed").rmdir()


def shoot(file):
    """A film of its own, of two shots."""
    write_film(file, shots(2, first=40))


def large(file):
    """More pixels than are safe to open, in a few bytes."""
    Image.new("1", (16_385, 2)).save(file)


def scaled(remedy, file):
    """To the side that the remedy names."""
    side_px = int(re.search(r"at most ([\d,]+) px a side", remedy)[1].replace(",", ""))
    with Image.open(file) as image:
        image.convert("L").resize((side_px, 2)).save(file)


def small(file):
    """A film of 12 px a side."""
    write_film(file, [one[:12, :12] for one in shots(2)])


PICTURE, SCRIPT, FILM = "happy/stray.png", "stray.fountain", "stray.mp4"
FILES = {
    "picture, leads out": ("faces", PICTURE, leading_out(draw), put_there, 1),
    "picture, dangling": ("faces", PICTURE, link(lambda _: Path("/nowhere/x.png")), again_from(draw), 1),
    "picture, circular": ("faces", PICTURE, lambda file: file.symlink_to(file), take_out, 0),
    "picture, a pipe": ("faces", PICTURE, os.mkfifo, take_out, 0),
    "picture, a text": ("faces", PICTURE, write(b"a text"), saved_as(draw), 1),
    "picture, cut": ("faces", PICTURE, cut(draw), again_from(draw), 1),
    "picture, empty": ("faces", PICTURE, write(b""), again_from(draw), 1),
    "picture, large": ("faces", PICTURE, large, scaled, 1),
    "pictures, a link to a folder": ("faces", "angry", leading_out(lambda file: draw(file / "a.png")), put_there, 1),
    "script, leads out": ("scripts", SCRIPT, leading_out(type_it), put_there, 1),
    "script, dangling": ("scripts", SCRIPT, link(lambda _: Path("/nowhere/x.fountain")), again_from(type_it), 1),
    "script, a pipe": ("scripts", SCRIPT, os.mkfifo, take_out, 0),
    "script, a letter": ("scripts", SCRIPT, write(b"Dear Ann,\n\nall is well.\n"), take_out, 0),
    "script, not text": ("scripts", SCRIPT, write(bytes(range(256)) * 9), again_from(type_it), 1),
    "film, cut": ("films", FILM, lambda file: cut_off(write_film(file, shots(2, first=40))), again_from(shoot), 2),
    "film, empty": ("films", FILM, write(b""), again_from(shoot), 2),
    "film, a text": ("films", FILM, write(b"a text"), saved_as(shoot), 2),
    "film, too small": ("films", FILM, small, again_from(shoot), 2),
    "film, sound alone": ("films", FILM, lambda file: (shoot(file), silent_picture(file)), take_out, 0),
}  # fmt: skip


@pytest.mark.parametrize("fault", FILES)
def test_following_the_remedy_of_a_file_helps(root, tmp_path, fault):
    """None is refused then; the others came in at once and are not touched again."""
    collection, name, spoil, follow, more = FILES[fault]
    params, plant_it = PLANTED[collection]
    folder = tmp_path / "set"
    plant_it(folder)
    spoil(folder / name)
    first = ingest(folder, root, collection, params)
    before, beside = set(read_sources(root, collection)["id"]), state(tmp_path / "outside")
    [remedy] = first.remedies.values()
    follow(remedy, folder / name)
    again = ingest(folder, root, collection, params)

    assert remedy
    assert (list(first.refused.values()), again.refused, again.added, again.already) == ([1], {}, more, first.added)
    assert before <= set(read_sources(root, collection)["id"])
    assert state(tmp_path / "outside") == beside


LISTED = {
    "a picture by no name": ("faces", "happy/stray.dat", draw, lambda _, it: it.rename(it.with_suffix(".png")), 1),
    "a picture that the table lacks": ("faces", PICTURE, draw, None, 1),
    "a script by no name": ("scripts", "stray.doc", type_it, saved_as(type_it), 1),
}  # fmt: skip


def add_line(remedy, file):
    """As in the other lines."""
    with (file.parents[1] / remedy.rpartition(" ")[2]).open("a", encoding="utf-8") as table:
        table.write("happy/stray.png,happy\n")


@pytest.mark.parametrize("fault", LISTED)
def test_what_was_skipped_is_ingested(root, tmp_path, fault):
    """Once it has the name, or the line of the table, that the remedy asks for."""
    collection, name, spoil, follow, more = LISTED[fault]
    params, plant_it = PLANTED[collection]
    folder = tmp_path / "set"
    plant_it(folder)
    spoil(folder / name)
    if follow is None:
        rows = [f"{file.relative_to(folder)},{file.parent.name}\n" for file in folder.rglob("*.jpg")]
        (folder / "samples.csv").write_text("".join(["path,label\n", *rows]), encoding="utf-8")
    first = ingest(folder, root, collection, params)
    [note] = [line for line in first.notes if " skipped: " in line]
    (follow or add_line)(note.rpartition("; ")[2], folder / name)
    again = ingest(folder, root, collection, params)

    assert (again.added, again.already) == (more, first.added)
    assert not [line for line in again.notes if " skipped: " in line]


MAGICK = """#!{python}
import sys
from PIL import Image
Image.open(sys.argv[1]).save(sys.argv[2])
"""


def test_a_picture_in_another_format_is_converted_by_the_printed_command(root, tmp_path, monkeypatch):
    """Whatever its name is; the original stays, and a picture of almost the same name."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/magick").write_text(MAGICK.format(python=sys.executable))
    (tmp_path / "bin/magick").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    folder = plant(tmp_path / "set")
    stray, other = folder / "happy/it's day 1.heic", folder / "happy/it's day 1.png"
    draw(stray)
    picture(other, 99)
    content = stray.read_bytes(), other.read_bytes()
    first = ingest(folder, root, "faces", PARAMS)
    [note] = [line for line in first.notes if "magick" in line]
    subprocess.run(["/bin/sh", "-c", note.partition("folder: ")[2]], cwd=stray.parent, check=True)

    assert ingest(folder, root, "faces", PARAMS).added == 1
    assert (stray.read_bytes(), other.read_bytes()) == content


def test_a_single_picture_of_a_film_goes_into_a_collection_of_pictures(root, tmp_path):
    """As png; the other films stay."""
    folder = write_film(tmp_path / "reels/reel.mp4", shots(5)).parent
    write_film(folder / "still.mp4", shots(1)[:1])
    first = ingest(folder, root, "films", film_params())
    [remedy] = first.remedies.values()
    (tmp_path / "stills/happy").mkdir(parents=True)
    plant(tmp_path / "stills")
    _, frame_hwc = cv2.VideoCapture(str(folder / "still.mp4")).read()
    cv2.imwrite(str(tmp_path / "stills/happy" / f"still.{remedy.split(',')[0].split()[-1]}"), frame_hwc)

    assert "collection of pictures" in remedy
    assert ingest(tmp_path / "stills", root, "faces", PARAMS).added == 13
    assert ingest(folder, root, "films", film_params()).already == first.added == 5


WRONG = {
    "does not exist": ("sett", "faces"),
    "lies in datasets/": ("checkout/datasets", "faces"),
    "contains this checkout": ("", "faces"),
    "nothing found": ("notes", "faces"),
    "is not a script by its name": ("set/happy/00.jpg", "scripts"),
    "there is no script in": ("notes", "scripts"),
}


@pytest.mark.parametrize("message", WRONG)
def test_another_path_is_given(root, tmp_path, message):
    """Nothing was written; the folder of the kind that the remedy asks for is ingested."""
    folder, scripts = plant(tmp_path / "set"), plant_scripts(tmp_path / "scripts")
    (root / "datasets").mkdir()
    write(b"a text")(tmp_path / "notes/plan.xlsx")
    path, collection = WRONG[message]
    params = PLANTED[collection][0]
    with pytest.raises(DataError, match=message) as refused:
        ingest(tmp_path / path, root, collection, params)
    written = state(root)
    right = {"faces": folder, "scripts": scripts}[collection]

    assert "folder" in refused.value.remedy
    assert not written
    assert ingest(right, root, collection, params).added == {"faces": 12, "scripts": 6}[collection]


@pytest.mark.parametrize(("name", "is_link"), [("stray.png", False), ("more", True)])
def test_what_lies_loose_in_the_inbox_is_put_into_a_folder(root, tmp_path, name, is_link):
    """From the quarantine, or what a link pointed to; the rest of the inbox came in."""
    box = plant(root / "inbox/faces")
    draw(tmp_path / "outside/a.png")
    if is_link:
        (box / name).symlink_to(tmp_path / "outside")
    else:
        draw(box / name)
    [first, aside] = sorted(inbox(root, "faces", PARAMS, now=LATER), key=lambda one: not one.added)
    [remedy] = aside.remedies.values()
    plant(box, 1, seed=90)
    if is_link:
        shutil.copy(tmp_path / "outside/a.png", box / "happy")
    else:
        shutil.copy(root / "quarantine/faces/inbox" / name, box / "happy")
    [again] = inbox(root, "faces", PARAMS, now=LATER)

    assert ("what it points to" in remedy) == is_link
    assert (first.added, again.added, again.refused) == (12, 3, {})
    assert (tmp_path / "outside/a.png").is_file()


def test_check_is_of_the_suffix_that_the_remedy_lists(tmp_path):
    """Each format of a film that is listed can be read."""
    (tmp_path / "film.mp4").write_bytes(b"text")
    with pytest.raises(Exception, match="is not a film") as refused:
        check_file(tmp_path / "film.mp4")
    for suffix in shlex.split(refused.value.remedy.partition(" of ")[2].replace(",", "")):
        if suffix in {".mp4", ".mov", ".mkv", ".avi"}:
            check_file(write_film(tmp_path / f"film{suffix}", shots(1), "MJPG" if suffix == ".avi" else "mp4v"))
