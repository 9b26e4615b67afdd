"""Encoded pictures, decoded as they are displayed."""

import io

import numpy as np
import pytest
from PIL import Image

from rushes.media.image import BACKGROUND, decode_picture


def encoded(mode, form, **how):
    """A picture whose left half is a mid tone and whose right half is transparent over black, and its bytes."""
    pixels = np.full((8, 8, 4), (90, 120, 150, 255), np.uint8)
    pixels[:, 4:] = (0, 0, 0, 0)
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").convert(mode).save(file, form, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "form"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF"), ("RGBA", "AVIF")]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_transparent_pixels_hide_is_not_seen(mode, form, channels):
    """Transparent pixels are white, as on paper; the others keep their tone."""
    how = {"lossless": True} if form == "WEBP" else {}
    picture = decode_picture(encoded(mode, form, **how), channels)

    assert picture.shape == (8, 8, channels)
    assert picture[:, 5:].min() >= BACKGROUND - 4
    assert 80 < picture[:, :3].mean() < 160


def test_opaque_pictures_are_as_they_were():
    """In colour and grey, in every format."""
    for form in ("PNG", "BMP", "TIFF"):
        picture = decode_picture(encoded("RGB", form))
        assert picture[0, 0].tolist() == [150, 120, 90]
        assert decode_picture(encoded("RGB", form), 1).shape == (8, 8, 1)


def test_a_file_of_another_kind_gives_none():
    """An empty file, a text, and a truncated picture."""
    assert [decode_picture(data) for data in (b"", b"no picture", encoded("RGB", "PNG")[:40])] == [None] * 3
