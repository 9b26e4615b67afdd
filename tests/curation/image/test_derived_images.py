"""A collection with a parent: its own pictures and the parent's frames in one set, each shot in one split."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from curation.clean import examine
from curation.ingest import ingest
from curation.params import CollectionParams
from curation.quality.verdicts import pack_kept
from curation.store.splits import extend
from tests.support.films import film_params, shots, write_film
from tests.support.raw import photo

PARAMS = CollectionParams.model_validate(
    {
        "labels": ["forest", "sea", "street"],
        "parent": "films",
        "needs": "build/clean/films",
        "size_px": 16,
        "channels": 3,
        "style_clusters": {"count": 3},
        "clean": {"max_aspect": 4.0},
    }
)


def places(folder, count=12, labels=("forest", "sea"), first=500):
    """Colour pictures of places, wider than high."""
    for number in range(count * len(labels)):
        file = folder / labels[number % len(labels)] / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        wide_hw = photo(first + number, 72)[:48]
        cv2.imwrite(str(file), np.stack([wide_hw, wide_hw // 2, 255 - wide_hw], axis=2))
    return folder


def with_films(root, tmp_path, **metadata):
    """A film of nine shots, cleaned."""
    film = write_film(tmp_path / "film.mp4", shots(9))
    ingest(film, root, "films", film_params(), **metadata)
    examined = examine(root, "films", film_params())
    return pack_kept("films", examined, film_params(), root / "build/clean/films")


def joined(root):
    return pack_kept("scenes", examine(root, "scenes", PARAMS), PARAMS, root / "build/clean/scenes")


def test_frames_alone_make_a_set_with_looks(root, tmp_path):
    """Each cluster has a name and train samples; split and group are the shot's; the film's author is named."""
    films = with_films(root, tmp_path, source="starter", starter=True, credit="(c) A Foundation")
    extend(root, "scenes", PARAMS)
    made = joined(root)
    table = made.table.set_index("id")
    before = films.table[films.table["kept"]].set_index("id")

    assert 1 < len(made.labels) <= 3
    assert all(label.startswith("look: ") for label in made.labels)
    assert set(made.kept("train")["label"]) == set(made.labels)
    assert set(table.index) == set(before.index)
    assert table.loc[before.index, ["split", "group"]].equals(before[["split", "group"]])
    assert made.info["credits"] == {"films/starter": "(c) A Foundation"}
    assert made.array("train").shape[1:] == (16, 16, 3)
    assert (root / "datasets/scenes/splits.csv").read_text(encoding="utf-8") == "id,split\n"


def test_looks_are_the_same_in_every_run(root, tmp_path):
    """The same files, byte for byte."""
    with_films(root, tmp_path)
    first = {file.name: file.read_bytes() for file in joined(root).folder.iterdir()}
    again = {file.name: file.read_bytes() for file in joined(root).folder.iterdir()}

    assert first == again


def test_real_pictures_end_the_starter(root, tmp_path):
    """With the first real source the starter's frames are skipped, and the set reports it."""
    films = with_films(root, tmp_path, source="starter", starter=True)
    frames_alone = examine(root, "scenes", PARAMS).info["starter_only"]
    ingest(places(tmp_path / "places"), root, "scenes", PARAMS)
    made = joined(root)

    assert (films.starter_only, frames_alone, made.starter_only) == (True, True, False)
    assert made.labels == ["forest", "sea"]
    assert set(made.table["source"]) == {"places"}
    assert sum(made.info["left_out"].values()) == int(films.table["kept"].sum())


def test_own_pictures_and_real_frames_are_one_set(root, tmp_path):
    """Categories first, then clusters; each label matches the picture of its row."""
    with_films(root, tmp_path)
    ingest(places(tmp_path / "places"), root, "scenes", PARAMS)
    made = joined(root)
    train, array = made.kept("train"), made.array("train")
    frames = train["source"] == "films/film"

    assert made.labels[:2] == ["forest", "sea"]
    assert made.labels[2].startswith("look: ")
    assert 0 < frames.sum() < len(frames)
    assert made.targets("train").shape == (len(train), len(made.labels))
    # Blue falls as red rises in the pictures of places; frames have the same tint in every channel.
    blue, red = (array[..., place].reshape(len(array), -1).astype(float) for place in (2, 0))
    falls = np.array([np.corrcoef(one, other)[0, 1] for one, other in zip(blue, red, strict=True)])
    assert (falls[~frames] < 0).all()
    assert (falls[frames] > 0).all()


def test_a_still_of_a_film_is_found_among_the_pictures(root, tmp_path):
    """One of the two is dropped: the copy in test stays, so that no test sample is trained on."""
    films = with_films(root, tmp_path)
    folder = places(tmp_path / "places")
    still = films.array("test")[0]
    cv2.imwrite(str(folder / "sea" / "still.png"), cv2.cvtColor(still, cv2.COLOR_RGB2BGR))
    ingest(folder, root, "scenes", PARAMS)
    table = examine(root, "scenes", PARAMS).table
    copies = table[table["reason"].str.contains("duplicate")]

    assert len(copies) == 1
    assert set(copies["split"]) | {"test"} == {"test", copies["split"].iloc[0]}


def test_copies_across_categories_go(root, tmp_path):
    """Either label may be wrong."""
    with_films(root, tmp_path, source="starter", starter=True)
    folder = places(tmp_path / "places")
    (folder / "sea" / "same.png").write_bytes((folder / "forest" / "000.png").read_bytes())
    ingest(folder, root, "scenes", PARAMS)
    made = joined(root)

    assert made.info["counts"]["conflicting labels"] == 2


def test_a_category_that_train_lacks_is_dropped(root, tmp_path):
    """It cannot be learned; one that test lacks is reported."""
    with_films(root, tmp_path, source="starter", starter=True)
    folder = places(tmp_path / "places")
    places(folder, 1, ("street",), first=900)
    ingest(folder, root, "scenes", PARAMS)
    splits = root / "datasets/scenes/splits.csv"
    index = pd.read_parquet(root / "datasets/scenes/places/index.parquet")
    [street] = index.loc[index["label"] == "street", "id"]
    rows = pd.read_csv(splits).set_index("id")
    rows.loc[street] = "test"
    rows.to_csv(splits)
    lacking = joined(root)
    assert lacking.labels == ["forest", "sea"]
    assert lacking.info["counts"]["no train sample"] == 1

    rows.loc[street] = "train"
    rows.to_csv(splits)
    untested = joined(root)

    assert untested.info["findings"]["labels without a test sample"] == {"number": 1, "names": "street"}


@pytest.mark.parametrize("layout", ["file", "path"])
def test_captions_come_in_with_their_pictures(root, tmp_path, layout):
    """By path or by file name; a picture may have none, and a new caption replaces the old one."""
    with_films(root, tmp_path, source="starter", starter=True)
    folder = places(tmp_path / "places")
    name = "000.png" if layout == "file" else "forest/000.png"
    (folder / "captions.csv").write_text(f"file,caption\n{name},An old wood\n", encoding="utf-8")
    result = ingest(folder, root, "scenes", PARAMS)
    (folder / "captions.csv").write_text(f"file,caption\n{name},A wood in the fog\n", encoding="utf-8")
    ingest(folder, root, "scenes", PARAMS)
    table = joined(root).table

    assert "captions from captions.csv for 1 of 24" in result.summary()
    assert table["caption"].dropna().tolist() == ["A wood in the fog"]


def test_a_parent_that_is_unknown_to_dvc_is_refused():
    """A new film would otherwise not reach the scenes."""
    with pytest.raises(ValueError, match="needs: build/clean/films"):
        CollectionParams.model_validate({**json.loads(PARAMS.model_dump_json()), "needs": "datasets/scenes"})
