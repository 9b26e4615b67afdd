"""Still pictures are decoded as they are displayed."""

import io
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from curation.intake.picture_names import SUFFIXES as INGESTED
from curation.intake.picture_names import is_picture
from rushes.media.image import SUFFIXES, decode_picture

HIDDEN = np.random.default_rng(0).integers(0, 256, (30, 40, 4), np.uint8)
HIDDEN[:, :10, 3], HIDDEN[:, 10:20, 3] = 0, 255


def as_file(picture, kind, **options):
    """The bytes of a picture."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def over_white(picture):
    """The image as Pillow composes it; BGR."""
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB"))[..., ::-1]


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("TIFF", "RGBA", {}),
        ("WEBP", "RGBA", {"lossless": True, "exact": True}),
    ],
)
def test_hidden_colours_are_not_seen(kind, mode, options):
    """Transparent pixels are white, half transparent ones lighter, as in a second decoder."""
    picture = Image.fromarray(HIDDEN).convert(mode)
    data = as_file(picture, kind, **options)
    seen = decode_picture(data, 3)

    assert np.abs(seen.astype(int) - over_white(picture)).max() <= 1
    assert decode_picture(data, 1)[:, :10].min() == 255


def test_a_transparent_colour_of_a_palette_is_white():
    """A chunk of its own names it."""
    picture = Image.fromarray(np.repeat([[0, 1]], 4, 0).astype(np.uint8), "P")
    picture.putpalette([10, 20, 30, 200, 100, 50])

    assert decode_picture(as_file(picture, "PNG", transparency=0), 3)[0].tolist() == [[255] * 3, [50, 100, 200]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_transparent_picture_is_turned_by_its_exif(orientation):
    """Transparency is kept."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = as_file(Image.fromarray(HIDDEN), "PNG", exif=exif)
    opaque = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    seen = decode_picture(data, 3)

    assert seen.shape == opaque.shape
    assert np.array_equal((seen == opaque).all(2).sum(), (HIDDEN[..., 3] == 255).sum())


def test_ingest_and_capture_take_the_same_pictures():
    """Except GIF, which ingest reads only to name it."""
    assert {".gif"} == INGESTED - SUFFIXES


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "JPEG", "BMP", "PPM"])
def test_every_format_decodes(kind):
    """The size is correct."""
    assert decode_picture(as_file(Image.new("RGB", (40, 30), "red"), kind), 3).shape == (30, 40, 3)


def test_a_named_pipe_is_not_a_picture(tmp_path):
    """Decoding does not wait for a writer."""
    os.mkfifo(tmp_path / "pipe")

    assert not is_picture(tmp_path / "pipe")
