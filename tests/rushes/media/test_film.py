"""Films from cameras and editors: correct pixels and times, and errors for missing frames."""

from fractions import Fraction

import numpy as np
import pytest

from rushes.capture.video_source import open_source
from rushes.errors import RushesError
from rushes.media.film import FilmError, open_film
from tests.support.encoded import HEIGHT_PX, RATE, WIDTH_PX, encode, h264_in_avi, pictures, remuxed, with_hole


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A plain film of three seconds."""
    return encode(tmp_path_factory.mktemp("films") / "plain.mp4", pictures(), options={"g": "25", "bf": "0"})


def read(path):
    """All frames of a film, and the film itself."""
    with open_film(path) as film:
        return list(film.frames()), film


def test_a_plain_film_is_read_to_its_end(plain):
    """Every frame, its time, its colours; nothing is missing."""
    frames, film = read(plain)

    assert [frame.number for frame in frames] == list(range(75))
    assert [frame.time_s for frame in frames] == pytest.approx([number / RATE for number in range(75)])
    assert np.abs(frames[10].picture_bgr[..., ::-1].astype(int) - pictures()[10]).mean() < 12
    assert (film.faults, film.lacking_s) == (0, pytest.approx(0, abs=0.05))


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".ts", ".mts", ".flv", ".mxf"])
def test_containers_count_alike(plain, tmp_path, suffix):
    """The same packets in another container: the same count, rate and length."""
    frames, film = read(remuxed(plain, tmp_path / f"film{suffix}"))

    assert (len(frames), film.fps) == (75, RATE)
    assert film.lacking_s < 0.1


def test_h264_in_avi_ends_in_time(plain, tmp_path):
    """AVI counts fields; the last frame is whole."""
    frames, film = read(h264_in_avi(plain, tmp_path / "film.avi"))

    assert [frame.time_s for frame in frames] == pytest.approx([number / RATE for number in range(75)])
    assert (film.fps, film.end_s) == (RATE, pytest.approx(3))


def test_mxf_counts_its_times(tmp_path):
    """FFmpeg numbers frames in decoding order, which differs with bidirectional frames."""
    frames, film = read(encode(tmp_path / "film.mxf", pictures(), pix_fmt="yuv422p", options={"bf": "3"}))

    assert [frame.time_s for frame in frames] == pytest.approx([number / RATE for number in range(75)])
    assert film.lacking_s < 0.05


@pytest.mark.parametrize("start", [60 * RATE, 3600 * RATE])
def test_a_film_may_start_at_any_time(tmp_path, start):
    """Times count from the first frame, and nothing is missing at the end."""
    frames, film = read(encode(tmp_path / "late.mkv", pictures(), pts=lambda number: number + start))

    assert frames[0].time_s == 0
    assert frames[-1].time_s == pytest.approx(74 / RATE, abs=0.01)
    assert film.lacking_s < 0.1


def test_a_variable_rate_keeps_its_times(tmp_path):
    """Fifteen seconds without a frame are not lost frames, and later frames keep their times."""
    frames, film = read(encode(tmp_path / "gap.mkv", pictures(), pts=lambda n: n if n < 25 else n + 375))

    assert frames[25].time_s == pytest.approx(16, abs=0.01)
    assert frames[-1].time_s == pytest.approx(17.96, abs=0.01)
    assert film.lost_s == 0


def test_a_trimmed_film_lacks_nothing(plain, tmp_path):
    """An edit list removes the frames before the cut, which the file still holds."""
    frames, film = read(remuxed(plain, tmp_path / "trimmed.mp4", start_s=1.4))

    assert len(frames) == 40
    assert film.lacking_s < 0.1


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi"])
def test_a_hole_is_named(tmp_path, suffix):
    """A fifth of the bytes is zero: decodable frames are returned, and capture ends with the number of missing ones."""
    noisy = [np.random.default_rng(n).integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3), np.uint8) for n in range(150)]
    file = with_hole(encode(tmp_path / f"hole{suffix}", noisy, options={"g": "25"}))
    frames, film = read(file)

    assert 30 < len(frames) < 140
    assert film.faults
    assert film.lacking_s > 1
    with pytest.raises(RushesError, match=r"s of its .* s cannot be decoded"):
        list(open_source(str(file)).frames())


def test_an_hdr_film_is_tone_mapped(tmp_path):
    """A film in HLG and BT.2020 is converted to SDR: brighter than its signal."""
    params = {"x265-params": "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"}
    grey = [np.full((HEIGHT_PX, WIDTH_PX, 3), 150, np.uint8)] * 5
    frames, _ = read(encode(tmp_path / "phone.mov", grey, "libx265", pix_fmt="yuv420p10le", options=params))

    assert frames[2].picture_bgr.mean() > 200


def test_pixels_are_square(tmp_path):
    """A film with pixels twice as wide as high has its full width."""
    file = encode(tmp_path / "wide.mp4", pictures(5), aspect=Fraction(2, 1))

    assert next(open_source(str(file)).frames()).picture_bgr.shape == (HEIGHT_PX, 2 * WIDTH_PX, 3)


def test_av1_is_read(tmp_path):
    """Its decoder comes with PyAV."""
    frames, film = read(encode(tmp_path / "film.mp4", pictures(10), "libsvtav1", options={"preset": "12"}))

    assert len(frames) == 10
    assert film.codec


def test_a_file_of_another_kind_is_refused(tmp_path):
    """A text, or sound alone: the message follows the film's name."""
    (tmp_path / "text.mp4").write_text("just a text")

    with pytest.raises(FilmError, match="holds no moving pictures"), open_film(tmp_path / "text.mp4"):
        pass
