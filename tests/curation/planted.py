"""Folders of small pictures to ingest, and checks of the result."""

import csv
import itertools

import numpy as np
from PIL import Image

from curation.params import CollectionParams
from tests.support.films import film_params, shots, write_film
from tests.support.scripts import plant as plant_scripts
from tests.support.scripts import script_params

PARAMS = CollectionParams(labels=["angry", "happy", "neutral", "sad"])
LATER = 4e9  # long after any file was written: no copy is under way


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


def by_performer(*names):
    """Pictures of a few performers."""

    def act(folder):
        pairs = ((label, name) for label in ("happy", "sad") for name in names)
        for seed, (label, name) in enumerate(pairs, 1000 * len(names)):
            picture(folder / label / name / "1.png", seed)

    return act


def reasons(root, source):
    """Reasons in the quarantine, by file."""
    with (root / "quarantine" / "faces" / source / "reasons.csv").open(encoding="utf-8") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def state(*folders):
    """Every file in folders, by its path."""
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {str(file): sorted(file.read_bytes().splitlines()) for file in files}


def fill_inbox(root):
    """Loose class folders, a set with a table and a performer, junk, faults, and something that is not a set."""
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


PLANTED = {
    "faces": (PARAMS, plant),
    "scripts": (script_params(), plant_scripts),
    "films": (film_params(), lambda folder: write_film(folder / "reel.mp4", shots(5))),
}
