"""Films without PyAV: correct if OpenCV can read them, else refused by name."""

import cv2
import numpy as np
import pytest

from rushes.capture.video_source import OpenCvClip, open_source
from rushes.errors import RushesError
from rushes.media.film_headers import edited_s, frame_fields, is_hdr, is_interlaced
from tests.rushes.media.test_film_pixels import AT, BT601, FINE, INTERLACED, LIMITED, SDR, error
from tests.support.encoded import encode, encode_fields, h264_in_avi, pictures, remuxed, turned_by, waves, with_hole

REMEDY = r"pip install av \(the wheel's extra \[film\]\)"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A plain film of three seconds."""
    return encode(tmp_path_factory.mktemp("films") / "plain.mp4", pictures(), options={"g": "25", "bf": "0"})


@pytest.fixture(autouse=True)
def without_pyav(monkeypatch):
    """Makes PyAV unavailable to a source."""
    monkeypatch.setattr("rushes.capture.video_source.find_spec", lambda _: None)


@pytest.mark.parametrize("form", list(SDR))
def test_sdr_shows_the_scene(tmp_path, form):
    """The SDR formats that PyAV reads: none is refused, and the pixels are right."""
    name, codec, pix_fmt, options, matrix, levels = SDR[form]
    colours = {"pix_fmt": pix_fmt, "options": options, "matrix": matrix, "levels": levels}
    source = open_source(str(encode(tmp_path / name, waves(12), codec, **colours)))
    frames = list(source.frames())

    assert isinstance(source, OpenCvClip)
    assert [frame.number for frame in frames] == list(range(12))
    assert error(frames[AT].picture_bgr, waves(12)[AT]) < 3


@pytest.mark.parametrize("form", list(INTERLACED))
def test_interlaced_films_are_refused(tmp_path, form):
    """OpenCV gives black or earlier frames; the same film coded by frames is read."""
    name, codec, pix_fmt, options, top_first = INTERLACED[form]
    size = (720, 576) if form == "DV" else (176, 144)
    times = waves(12, *size)
    file = encode_fields(tmp_path / name, times, codec, pix_fmt=pix_fmt, options=options, top_first=top_first)
    frames = encode(tmp_path / f"plain{name}", times, codec, pix_fmt=pix_fmt, matrix=BT601, levels=LIMITED)

    with pytest.raises(RushesError, match=f"is interlaced, which OpenCV alone does not read right.*{REMEDY}"):
        open_source(str(file))
    assert is_interlaced(frames) == (form == "DV")


@pytest.mark.parametrize("transfer", ["arib-std-b67", "smpte2084"])
@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_hdr_films_are_refused(tmp_path, suffix, transfer):
    """Detected in the header of the container, if it declares them."""
    params = f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    options = {"x265-params": params}
    tags = {"matrix": 9, "transfer": {"arib-std-b67": 18, "smpte2084": 16}[transfer]}
    file = encode(tmp_path / f"x{suffix}", waves(5), "libx265", pix_fmt="yuv420p10le", options=options, tags=tags)

    with pytest.raises(RushesError, match=rf"is in HDR \(HLG or PQ\), which OpenCV alone.*{REMEDY}"):
        open_source(str(file))
    assert not is_hdr(encode(tmp_path / f"sdr{suffix}", waves(5), options=FINE, matrix=1, levels=1))


def test_mirrored_films_are_refused(tmp_path):
    """OpenCV would turn them by half; one that is rotated alone is read."""
    file = turned_by(encode(tmp_path / "x.mp4", waves(5), options=FINE), 1, mirrored=True)

    with pytest.raises(RushesError, match=f"is shown mirrored, which OpenCV alone.*{REMEDY}"):
        open_source(str(file))
    assert len(list(open_source(str(turned_by(file, 1))).frames())) == 5


def test_a_trimmed_film_is_whole(plain, tmp_path):
    """OpenCV counts the frames that the edit list removes."""
    file = remuxed(plain, tmp_path / "trimmed.mp4", start_s=1.4)
    source = open_source(str(file))

    assert cv2.VideoCapture(str(file)).get(cv2.CAP_PROP_FRAME_COUNT) > 40
    assert (len(list(source.frames())), source.total) == (40, 40)
    assert edited_s(file) == pytest.approx(1.6, abs=0.05)


def test_h264_in_avi_has_its_rate(plain, tmp_path):
    """OpenCV counts fields: 50 per second and 150 in all."""
    source = open_source(str(h264_in_avi(plain, tmp_path / "film.avi")))
    frames = list(source.frames())

    assert (source.fps, source.total, len(frames)) == (25, 75, 75)
    assert frame_fields(encode(tmp_path / "other.avi", pictures(10), "mpeg4")) == 1


def test_a_hole_is_named(tmp_path):
    """A fifth of the bytes is zero: decodable frames are given, and then an error is raised."""
    noisy = [np.random.default_rng(n).integers(0, 255, (120, 160, 3), np.uint8) for n in range(150)]
    file = with_hole(encode(tmp_path / "hole.mkv", noisy, options={"g": "25"}))

    with pytest.raises(RushesError, match=rf"ends at frame \d+ of 150: the others cannot be decoded.*{REMEDY}"):
        list(open_source(str(file)).frames())
