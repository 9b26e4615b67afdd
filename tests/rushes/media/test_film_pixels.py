"""Pixels of decoded films, compared with the filmed scene and with a second decoder (OpenCV's own)."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from rushes.media.film import open_film
from rushes.media.film_headers import is_interlaced, is_mirrored
from rushes.media.tone_mapping import HLG, LUMINANCE, PQ, TO_BT709, WHITE_NITS, eetf, pq_signal, tone_mapped
from tests.support.encoded import encode, encode_fields, h264_by_fields, remuxed, turned_by, waves

AT = 6  # the examined frame
FINE = {"crf": "12"}
BT709, BT601, LIMITED, FULL = 1, 6, 1, 2  # ITU-T H.273 table 4, and FFmpeg's colour ranges
SDR = {
    "BT.601": ("x.mkv", "libx264", "yuv420p", FINE, BT601, LIMITED),
    "BT.709": ("x.mkv", "libx264", "yuv420p", FINE, BT709, LIMITED),
    "BT.709, full range": ("x.mp4", "libx264", "yuv420p", FINE, BT709, FULL),
    "BT.601, full range": ("x.mkv", "libx264", "yuv420p", FINE, BT601, FULL),
    "4:2:2": ("x.mkv", "libx264", "yuv422p", FINE, BT709, LIMITED),
    "4:2:2, 10 bit": ("x.mov", "libx264", "yuv422p10le", FINE, BT709, LIMITED),
    "4:2:0, 10 bit": ("x.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none:crf=12"}, BT709, LIMITED),
    "4:4:4": ("x.mkv", "libx264", "yuv444p", FINE, BT709, LIMITED),
    "ProRes": ("x.mov", "prores_ks", "yuv422p10le", {}, BT709, LIMITED),
    "RGB": ("x.mkv", "ffv1", "bgr0", {}, None, None),
}


def read(path):
    """The picture of frame AT; uint8 H,W,3 BGR."""
    with open_film(path) as film:
        return [frame.picture_bgr for frame in film.frames()][AT]


def second_decoder(path):
    """The same picture as OpenCV decodes it."""
    video = cv2.VideoCapture(str(path))
    return [video.read()[1] for _ in range(AT + 1)][AT]


def error(picture_bgr, scene_rgb):
    """Mean difference of two pictures, in levels of 255."""
    return np.abs(picture_bgr.astype(int) - scene_rgb[..., ::-1]).mean()


def combs(picture_hwc):
    """Difference of lines from the mean of their neighbours."""
    lines = picture_hwc.astype(int)
    return np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean()


@pytest.mark.parametrize("form", list(SDR))
def test_sdr_shows_the_scene(tmp_path, form):
    """In every matrix, range, depth and sampling of the signal; a second decoder gives the same contrast."""
    name, codec, pix_fmt, options, matrix, levels = SDR[form]
    scene = waves(12)
    colours = {"pix_fmt": pix_fmt, "options": options, "matrix": matrix, "levels": levels}
    file = encode(tmp_path / name, scene, codec, **colours)
    seen = read(file)

    assert error(seen, scene[AT]) < 3
    assert seen.std() == pytest.approx(scene[AT].std(), rel=0.02)
    assert seen.std() == pytest.approx(second_decoder(file).std(), rel=0.02)


@pytest.mark.parametrize(("wrong", "least"), [({"matrix": BT601}, 4), ({"levels": FULL}, 5)])
def test_the_scene_detects_wrong_colours(tmp_path, wrong, least):
    """Calibrates the test above: a signal with wrong tags differs by more than the tolerance."""
    file = encode(tmp_path / "x.mkv", waves(12), options=FINE, matrix=BT709, levels=LIMITED, tags=wrong)

    assert error(read(file), waves(12)[AT]) > least


@pytest.mark.parametrize("size", [(161, 121), (175, 143), (33, 17)])
def test_odd_sizes(tmp_path, size):
    """Sides that are not multiples of a block: no line is missing, and none is invented."""
    scene = waves(12, *size)
    seen = read(encode(tmp_path / "x.mkv", scene, pix_fmt="yuv444p", options=FINE))

    assert seen.shape == scene[AT].shape
    assert error(seen, scene[AT]) < 3


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_turned_films_are_upright(tmp_path, suffix, quarters, mirrored):
    """A phone does not turn or mirror pixels, it writes a matrix; OpenCV follows those that do not mirror."""
    file = turned_by(encode(tmp_path / "x.mp4", waves(12), options=FINE), quarters, mirrored=mirrored)
    file = file if suffix == ".mp4" else remuxed(file, tmp_path / f"x{suffix}")
    scene = waves(12)[AT][:, ::-1] if mirrored else waves(12)[AT]

    assert error(read(file), np.rot90(scene, -quarters)) < 3
    assert is_mirrored(file) == mirrored
    assert mirrored or error(second_decoder(file), np.rot90(scene, -quarters)) < 3


def test_transparency_is_on_white(tmp_path):
    """Colours under transparent pixels are not visible; half transparent ones are half white."""
    scene = waves(12)
    alpha = np.full((*scene[0].shape[:2], 1), 255, np.uint8)
    alpha[:, :40], alpha[:, 40:80] = 0, 128
    layered = [np.concatenate([frame, alpha], 2) for frame in scene]
    seen = read(encode(tmp_path / "x.mov", layered, "qtrle", pix_fmt="argb"))

    assert error(seen, np.round(255 - alpha / 255.0 * (255 - scene[AT]))) < 1


FIELDS = "+ildct+ilme"
INTERLACED = {
    "H.264": ("x.mkv", "libx264", "yuv420p", {"flags": FIELDS, "x264-params": "tff=1:crf=12"}, True),
    "H.264, bottom first": ("x.ts", "libx264", "yuv420p", {"flags": FIELDS, "x264-params": "bff=1:crf=12"}, False),
    "H.264 4:2:2 in MXF": ("x.mxf", "libx264", "yuv422p", {"x264-params": "tff=1:crf=12"}, True),
    "MPEG-2": ("x.ts", "mpeg2video", "yuv420p", {"flags": FIELDS, "b": "12M"}, True),
    "MPEG-2, bottom first": ("x.mxf", "mpeg2video", "yuv420p", {"flags": FIELDS, "b": "12M"}, False),
    "ProRes": ("x.mov", "prores_ks", "yuv422p10le", {"flags": "+ildct"}, True),
    "DV": ("x.dv", "dvvideo", "yuv420p", {"flags": "+ildct"}, False),
}


@pytest.mark.parametrize("form", list(INTERLACED))
def test_interlaced_motion_is_seen_at_one_time(tmp_path, form):
    """With fields of two times, the picture is that of a progressive film of the first ones, without combing."""
    name, codec, pix_fmt, options, top_first = INTERLACED[form]
    size = (720, 576) if form == "DV" else (176, 144)
    times = waves(24, *size, speed=3)
    file = encode_fields(tmp_path / name, times, codec, pix_fmt=pix_fmt, options=options, top_first=top_first)
    plain = read(encode(tmp_path / f"plain{name}", times[::2], codec, pix_fmt=pix_fmt, matrix=BT601, levels=LIMITED))
    with open_film(file) as film:
        frames = list(film.frames())
    seen = frames[AT].picture_bgr
    first, second = (cv2.resize(times[2 * AT + n], seen.shape[1::-1], interpolation=cv2.INTER_AREA) for n in (0, 1))

    assert [frame.time_s for frame in frames] == pytest.approx([n / 25 for n in range(12)], abs=0.002)
    assert error(seen, first) < error(plain, first) + 0.8
    assert combs(seen) < 1.1 * combs(plain)
    assert error(seen, first) < error(seen, second) / 1.5
    assert seen.std() == pytest.approx(first.std(), rel=0.03)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_h264_with_a_packet_a_field_has_the_rate_of_its_frames(tmp_path, suffix):
    """Frames are whole and of the first field's time; neither their number nor their rate is that of the fields."""
    times = [frame[:96, :, 1].clip(16) for frame in waves(24, speed=3)]
    with open_film(h264_by_fields(tmp_path / f"x{suffix}", times)) as film:
        frames = list(film.frames())
    seen = frames[AT].picture_bgr
    first, second = (error(seen, np.stack([times[2 * AT + n]] * 3, 2) * (255 / 219) - 18.6) for n in (0, 1))

    assert (film.fps, film.total, len(frames)) == (25, 12, 12)
    assert [frame.time_s for frame in frames] == pytest.approx([n / 25 for n in range(12)], abs=0.002)
    assert film.lacking_s == pytest.approx(0, abs=0.002)
    assert first < 2 < second


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_every_field_of_hevc_is_a_picture_of_full_height(tmp_path, suffix):
    """At its own time; FFmpeg returns frames of half the height. OpenCV does so too, and is not used."""
    times = waves(24, speed=3)
    fields = [frame[number % 2 :: 2] for number, frame in enumerate(times)]
    options = {"x265-params": "log-level=none:crf=12:interlace=tff"}
    file = encode(tmp_path / f"x{suffix}", fields, "libx265", options=options, matrix=BT709, levels=LIMITED)
    with open_film(file) as film:
        frames = list(film.frames())

    assert [frame.time_s for frame in frames] == pytest.approx([n / 25 for n in range(24)], abs=0.002)
    assert error(frames[AT].picture_bgr, times[AT]) < min(6, error(frames[AT].picture_bgr, times[AT + 1]))
    assert is_interlaced(file)
    assert not is_interlaced(
        encode(tmp_path / f"y{suffix}", times, "libx265", options={"x265-params": "log-level=none"})
    )


def test_progressive_frames_stay(tmp_path):
    """Only frames marked as interlaced are changed."""
    file = encode(tmp_path / "x.mkv", waves(12), options=FINE)
    with av.open(str(file)) as container:
        direct = list(container.decode(video=0))[AT].to_ndarray(format="bgr24")

    assert np.array_equal(read(file), direct)


def _hdr(scene_rgb, white_nits, transfer):
    """An SDR scene with its white at so many cd/m2 as a 10-bit signal; float H,W,3 RGB."""
    light = (scene_rgb / 255.0) ** 2.4 @ np.linalg.inv(TO_BT709).T * white_nits
    nits = np.clip(light, 0, 1000)
    if transfer == PQ:
        return np.round(pq_signal(nits) * 1023) / 1023
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = (nits / 1000) ** (1 / 1.2)
    signal = np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)
    return np.round(signal * 1023) / 1023


@pytest.mark.parametrize("transfer", [HLG, PQ])
@pytest.mark.parametrize("white_nits", [100, 203])
def test_hdr_films_have_the_contrast_of_sdr(tmp_path, transfer, white_nits):
    """For a scene with its white at 100 and 203 cd/m2: within 15 %, and equal to the formulas in float64."""
    scene = waves(12)
    signal = [np.round(65535 * _hdr(frame, white_nits, transfer)).astype(np.uint16) for frame in scene]
    name = {HLG: "arib-std-b67", PQ: "smpte2084"}[transfer]
    params = f"log-level=none:crf=8:colorprim=bt2020:transfer={name}:colormatrix=bt2020nc:range=limited"
    options = {"x265-params": params}
    file = encode(tmp_path / "x.mov", signal, "libx265", pix_fmt="yuv420p10le", options=options, matrix=9, levels=1)
    seen = read(file)

    assert seen.std() == pytest.approx(scene[AT].std(), rel=0.15)
    expected = _by_formulas(scene[AT], white_nits)
    assert error(seen, expected) < 3
    assert error(second_decoder(file), expected) > 15


def _by_formulas(scene_rgb, white_nits):
    """An SDR scene in HDR after BT.2390, pixel by pixel in float64; RGB."""
    light = (scene_rgb / 255.0) ** 2.4 @ np.linalg.inv(TO_BT709).T * white_nits
    luminance = np.maximum(light @ LUMINANCE[0], 1e-6)[..., None]
    mapped = np.clip(light * eetf(luminance) / luminance @ TO_BT709.T / WHITE_NITS, 0, 1)
    return np.round(255 * mapped ** (1 / 2.4))


def test_the_tone_curve_is_that_of_bt2390():
    """Dark tones are kept, graphics white (203 cd/m2) is bright, the peak is white, and the curve never falls."""
    nits = np.linspace(0.01, 1000, 5000)
    mapped = eetf(nits)

    assert mapped[nits < 27] == pytest.approx(nits[nits < 27], rel=1e-6)
    assert eetf(np.array([100.0, 203.0, 1000.0])) == pytest.approx([69.5, 88.2, 100.0], abs=0.1)
    assert (np.diff(mapped) > 0).all()


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_grey_stays_grey(transfer):
    """From black to the peak, in small steps: neutral and monotonic, with black and white preserved."""
    ramp = np.repeat(np.linspace(0, 65535, 1024).astype(np.uint16)[None, :, None], 3, 2)
    mapped = tone_mapped(ramp, transfer, wide_gamut=True)[0].astype(int)

    assert np.ptp(mapped, axis=1).max() <= 1
    assert (np.diff(mapped[:, 1]) >= 0).all()
    assert (mapped[0].max(), mapped[-1].min()) == (0, 255)


def test_pixels_may_be_wide_and_turned(tmp_path):
    """Anamorphic and rotated: widened first, as the file stores it, then turned."""
    file = turned_by(encode(tmp_path / "x.mp4", waves(12), options=FINE, aspect=Fraction(2, 1)), 1)

    assert read(file).shape == (2 * 160, 120, 3)
