"""Films from cameras and editors are ingested, and those with a hole are refused."""

import shutil

import numpy as np
import pytest

from curation.errors import RefusedError
from curation.film.ingest import FILM
from curation.film.shot_detection import shots_of
from curation.film.video import check_file
from curation.ingest import ingest
from curation.intake.whole_files.listing import scan_files
from curation.params import ShotParams
from tests.support.encoded import HEIGHT_PX, RATE, WIDTH_PX, encode, pictures, remuxed, with_hole
from tests.support.films import film_params


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A film of three seconds with a cut after two."""
    frames = pictures(50) + [255 - frame for frame in pictures(25)]
    return encode(tmp_path_factory.mktemp("films") / "plain.mp4", frames, options={"g": "25", "bf": "0"})


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".mts", ".ts", ".flv", ".3gp"])
def test_other_containers_are_taken(plain, tmp_path, suffix):
    """The bytes identify them as films, and their shots are those of the plain one."""
    file = remuxed(plain, tmp_path / f"film{suffix}") if suffix != ".3gp" else shutil.copy(plain, tmp_path / "film.3gp")
    check_file(tmp_path / f"film{suffix}")
    found = shots_of(tmp_path / f"film{suffix}", ShotParams())

    assert file
    assert [(shot.first, shot.end) for shot in found.shots] == [(0, 50), (50, 75)]
    assert found.shots[-1].end_s == pytest.approx(3, abs=0.05)


def test_broadcast_mpeg_is_taken(tmp_path):
    """MPEG-2 in MXF, as cameras write it."""
    found = shots_of(encode(tmp_path / "film.mxf", pictures(50), "mpeg2video"), ShotParams())

    assert found.shots[-1].end == 50


@pytest.mark.parametrize("start", [0, 60 * RATE])
def test_trimmed_and_late_films_are_taken(tmp_path, plain, start):
    """An edit list removes frames, a stream starts at a minute: nothing is missing."""
    late = encode(tmp_path / "late.mkv", pictures(50), pts=lambda number: number + start)
    trimmed = remuxed(plain, tmp_path / "trimmed.mp4", start_s=1.4)

    assert shots_of(late, ShotParams()).shots[-1].end == 50
    assert shots_of(trimmed, ShotParams()).shots[-1].end == 40


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi"])
def test_a_film_with_a_hole_is_refused(tmp_path, suffix):
    """A fifth of the bytes is zero: the reason counts frames and seconds."""
    noisy = [np.random.default_rng(n).integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3), np.uint8) for n in range(150)]
    file = with_hole(encode(tmp_path / f"hole{suffix}", noisy, options={"g": "25"}))

    with pytest.raises(RefusedError, match=r"damaged: \d+ of 150 frames can be read, \d.\d s are missing"):
        shots_of(file, ShotParams())


def test_skipped_files_are_named(tmp_path):
    """The names of the files, and the change that would include them."""
    (tmp_path / "in").mkdir()
    encode(tmp_path / "in" / "film.mp4", pictures(10))
    for name in ("notes.pages", "mix.wav"):
        (tmp_path / "in" / name).touch()
    (tmp_path / "photos" / "happy").mkdir(parents=True)
    listing = scan_files(tmp_path / "in", FILM, ())
    output = ingest(tmp_path / "in", tmp_path, "films", film_params()).summary()

    assert sorted(one.path for one in listing.others) == ["mix.wav", "notes.pages"]
    assert "2 skipped: is not a film by its name: mix.wav, notes.pages; take it out, or convert it to one of" in output
