"""Clean for frames of films: black, still, fading frames, titles and copies are dropped with a reason."""

import cv2
import numpy as np
import pandas as pd
import pytest

from curation.clean import examine
from curation.errors import DataError
from curation.film.frame_sampling import sampled
from curation.film.title_cards import card_of
from curation.ingest import ingest
from curation.params import ShotParams
from curation.quality.verdicts import pack_kept
from curation.store.index import read_index
from tests.support.films import film_params, scene, shots, write_film
from tests.support.raw import photo

LINES = ("A FILM BY NOBODY AT ALL", "WITH EVERYBODY IN IT", "PRODUCED IN A SHED", "COPYRIGHT NOBODY")


def card(width_px=320, height_px=240, level=235, ground=30):
    picture = np.full((height_px, width_px, 3), ground, np.uint8)
    for number, line in enumerate(LINES):
        origin = (20, 60 + 40 * number)
        cv2.putText(picture, line, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (level, level, level), 1, cv2.LINE_AA)
    return picture


def large(frames):
    return [cv2.resize(frame, (320, 240), interpolation=cv2.INTER_CUBIC) for frame in frames]


def detailed(seed, length):
    wide_hw = photo(seed, 512)
    return [np.repeat(wide_hw[:240, 4 * n : 4 * n + 320, None], 3, axis=2) for n in range(length)]


def cleaned(root, tmp_path, frames, params=None):
    """The table of a film, and the shot in which each planted part begins."""
    params = params or film_params()
    ingest(write_film(tmp_path / "film.mp4", frames), root, "films", params)
    return examine(root, "films", params).table


def reasons_from(table, first, end):
    return set(table.loc[(table["frame"] >= first) & (table["frame"] < end), "reason"])


def test_planted_faults_go_with_their_reasons(root, tmp_path):
    """Four good shots, a black run, a frozen run and two title cards."""
    still = [scene(20)[0]] * 48
    frames = large(shots(4)) + large([np.zeros((48, 64, 3), np.uint8)] * 30) + large(still)
    frames += [card()] * 30 + large(scene(30)) + [card(level=20, ground=200)] * 30
    table = cleaned(root, tmp_path, frames)

    assert reasons_from(table, 0, 120) == {""}
    assert reasons_from(table, 120, 150) == {"black"}
    assert reasons_from(table, 151, 197) == {"", "frozen"}
    assert reasons_from(table, 198, 228) == {"title card"}
    assert reasons_from(table, 228, 258) == {""}
    assert reasons_from(table, 258, 288) == {"title card"}


def test_a_dissolve_is_a_transition_and_a_swung_camera_is_none(root, tmp_path):
    """Both change much and steadily; only the dissolve is a mixture of two pictures."""
    mixed = [
        cv2.addWeighted(first, 1 - share, second, share, 0)
        for first, second, share in zip(scene(1, 48, 0), scene(2, 48, 0), np.linspace(0, 1, 48), strict=True)
    ]
    table = cleaned(root, tmp_path, shots(4, first=5) + mixed + scene(3, 48, 6))

    assert "transition" in reasons_from(table, 124, 164)
    assert "transition" not in reasons_from(table, 0, 120) | reasons_from(table, 170, 216)


def test_a_blurred_shot_is_found_among_sharp_ones(root, tmp_path):
    """Relative to the rest of its source."""
    sharp = [frame for seed in range(12) for frame in detailed(seed, 36)]
    soft = [cv2.GaussianBlur(frame, (0, 0), 12) for frame in detailed(50, 30)]
    table = cleaned(root, tmp_path, sharp + soft, film_params(shots={"sample_every_s": 0.25}, size_px=96))

    assert set(table.loc[table["reason"] == "blurred", "frame"]) <= set(range(432, 462))
    assert "blurred" in reasons_from(table, 432, 462)


def test_the_same_shot_twice_is_kept_once(root, tmp_path):
    """A scene repeats in an edit; the copy in test stays, and no shot is split."""
    table = cleaned(root, tmp_path, shots(3) + shots(3) + shots(4, first=10))
    again = table[table["reason"].isin(["near duplicate", "exact duplicate"])]

    assert len(again) >= 3
    assert table.groupby("shot")["split"].nunique().max() == 1
    assert table.groupby("shot")["group"].nunique().max() == 1


def test_packed_samples_have_their_origin(root, tmp_path):
    """Squares of the configured size, and the film, shot, frame and time of each."""
    params = film_params(crop="attention")
    ingest(write_film(tmp_path / "film.mp4", shots(6)), root, "films", params, credit="(c) A Foundation")
    made = pack_kept("films", examine(root, "films", params), params, root / "build/clean/films")
    rows = made.kept("train")

    assert made.array("train").shape[1:] == (32, 32, 3)
    assert (made.info["credits"], made.info["starters"]) == ({"film": "(c) A Foundation"}, [])
    assert set(rows["film"]) == {"film"}
    assert np.allclose(rows["time_s"], rows["frame"] / 24, atol=0.05)
    assert set(rows["crop"]) == {"attention"}
    assert rows["left"].between(0, 16).all()
    assert (rows["group"] == rows["shot"]).all()


def test_consent_keeps_a_film_back_unread(root, tmp_path):
    """Its frames are listed with the reason, without pictures."""
    folder = tmp_path / "set"
    write_film(folder / "a.mp4", shots(5))
    write_film(folder / "b.mp4", shots(5, first=20))
    (folder / "films.csv").write_text("path,use\na.mp4,archive\n", encoding="utf-8")
    ingest(folder, root, "films", film_params())
    found = examine(root, "films", film_params())

    assert set(found.table.loc[found.table["film"] == "a", "reason"]) == {"not for training"}
    assert set(found.shown["film"]) == {"b"}


def test_a_damaged_film_is_an_error(root, tmp_path):
    """The stage stops with the command that restores it."""
    ingest(write_film(tmp_path / "film.mp4", shots(5)), root, "films", film_params())
    [film] = (root / "datasets/films/film").glob("*.mp4")
    film.write_bytes(film.read_bytes()[:-10])

    with pytest.raises(DataError, match="hash differs"):
        examine(root, "films", film_params())


def test_a_corrected_shot_has_its_label(root, tmp_path):
    """The others have no category."""
    ingest(write_film(tmp_path / "film.mp4", shots(5)), root, "films", film_params())
    shot = read_index(root, "films", film_params())["id"][2]
    pd.DataFrame({"id": [shot], "label": ["sea"]}).to_csv(root / "datasets/films/corrections.csv", index=False)
    table = examine(root, "films", film_params()).table

    assert set(table.loc[table["shot"] == shot, "label"]) == {"sea"}
    assert set(table.loc[table["shot"] != shot, "label"]) == {"no category"}


@pytest.mark.parametrize(
    ("shot", "frames"),
    [((0, 48, 2.0), [6, 24, 41]), ((0, 3, 0.1), [1]), ((10, 11, 0.0), [10]), ((0, 12, 0.5), [5])],
)
def test_frames_are_spread_away_from_the_ends(shot, frames):
    """In shots of any length."""
    assert sampled(*shot, ShotParams()) == frames


def test_a_long_shot_gives_no_more_than_its_share():
    """Its frames spread over all of it."""
    found = sampled(0, 24 * 600, 600.0, ShotParams(max_frames=12))

    assert (len(found), found[0], found[-1]) == (12, 6, 24 * 600 - 7)


@pytest.mark.parametrize("seed", range(8))
def test_no_picture_is_a_card(seed):
    """A few bright spots do not make one; a title card is detected at any size."""
    picture = photo(seed, 256)
    picture[40:44, 20:240:30] = 255

    assert card_of(picture).letters < 9
    assert card_of(cv2.cvtColor(card(640, 480), cv2.COLOR_BGR2GRAY)).letters >= 18
