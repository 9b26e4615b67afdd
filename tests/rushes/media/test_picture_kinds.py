"""Pixels of still pictures of every kind, compared with a second decoder (Pillow)."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from curation.errors import RefusedError
from curation.image.validate import check
from rushes.media.image import decode_picture
from rushes.media.image_headers import size_of

Y, X = np.mgrid[:24, :32]
RGB = np.stack([8 * X, 10 * Y, 4 * (X + Y)], 2).astype(np.uint8)
ALPHA = np.select([X < 10, X < 20], [0, 128], 255).astype(np.uint8)[..., None]
RGBA = np.concatenate([RGB, ALPHA], 2)


def file_of(picture, kind, **options):
    """The bytes of a picture that Pillow writes; an array or an image."""
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, kind, **options)
    return file.getvalue()


def deep(suffix, pixels):
    """Sixteen bits per component."""
    return cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA).astype(np.uint16) * 257)[1].tobytes()


def turned(kind, orientation, pixels=RGB, **options):
    """A picture with its orientation in EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return file_of(pixels, kind, exif=exif, **options)


GREY, COLOURS, LAYERED = Image.fromarray(RGB).convert("L"), Image.fromarray(RGB), Image.fromarray(RGBA)
PALETTE, INVERSE = COLOURS.quantize(16), Image.fromarray(255 - RGB)
EXACT = {"lossless": True, "exact": True}
ANIMATED = {"save_all": True, "append_images": [INVERSE], "duration": 50}
KINDS = {
    "png grey": file_of(GREY, "PNG"),
    "png grey, one level transparent": file_of(GREY, "PNG", transparency=GREY.getpixel((20, 5))),
    "png of 1 bit": file_of(GREY.convert("1"), "PNG"),
    "png of 1 bit, black transparent": file_of(GREY.convert("1"), "PNG", transparency=0),
    "png of 16 bits grey": file_of(np.asarray(GREY).astype(np.uint16) * 257, "PNG"),
    "png of 16 bits": deep(".png", RGBA),
    "png palette": file_of(PALETTE, "PNG"),
    "png palette, one transparent": file_of(PALETTE, "PNG", transparency=3),
    "png palette, half transparent": file_of(PALETTE, "PNG", transparency=bytes(range(0, 256, 16))),
    "png colours, one transparent": file_of(COLOURS, "PNG", transparency=COLOURS.getpixel((20, 5))),
    "png grey and alpha": file_of(LAYERED.convert("LA"), "PNG"),
    "png alpha": file_of(LAYERED, "PNG"),
    "png animated": file_of(COLOURS, "PNG", **ANIMATED),
    "tiff grey": file_of(GREY, "TIFF"),
    "tiff of 1 bit": file_of(GREY.convert("1"), "TIFF"),
    "tiff of 16 bits": deep(".tif", RGBA),
    "tiff of 16 bits grey": file_of(np.asarray(GREY).astype(np.uint16) * 257, "TIFF"),
    "tiff palette": file_of(PALETTE, "TIFF"),
    "tiff CMYK": file_of(COLOURS.convert("CMYK"), "TIFF"),
    "tiff alpha, LZW": file_of(LAYERED, "TIFF", compression="tiff_lzw"),
    "jpeg grey": file_of(GREY, "JPEG", quality=95),
    "jpeg CMYK": file_of(COLOURS.convert("CMYK"), "JPEG", quality=95),
    "jpeg progressive": file_of(COLOURS, "JPEG", quality=95, progressive=True),
    "webp alpha": file_of(LAYERED, "WEBP", **EXACT),
    "webp animated": file_of(COLOURS, "WEBP", lossless=True, **ANIMATED),
    "gif animated": file_of(PALETTE, "GIF", save_all=True, append_images=[INVERSE]),
    "bmp alpha": file_of(LAYERED, "BMP"),
    "bmp palette": file_of(PALETTE, "BMP"),
    "pgm": file_of(GREY, "PPM"),
    "avif alpha": file_of(LAYERED, "AVIF", quality=95),
    "jpeg 2000 alpha": file_of(LAYERED, "JPEG2000"),
}
for orientation in range(1, 9):
    KINDS |= {f"{kind} held {orientation}": turned(kind, orientation) for kind in ("PNG", "JPEG", "TIFF", "AVIF")}
    KINDS[f"webp held {orientation}"] = turned("WEBP", orientation, RGBA, **EXACT)


def second_decoder(data):
    """The picture, upright and on white, as decoded by Pillow; int H,W,3 BGR."""
    with Image.open(io.BytesIO(data)) as image:
        picture = ImageOps.exif_transpose(image)
        if picture.mode.startswith("I"):
            picture = Image.fromarray((np.asarray(picture).astype(int) // 257).astype(np.uint8))
        layered = picture.convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return np.asarray(on_white.convert("RGB"))[..., ::-1].astype(int)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_shows_what_a_second_decoder_shows(kind):
    """In colour and grey: within 2 levels for lossless formats, and 1.5 on average for lossy ones."""
    expected, seen = second_decoder(KINDS[kind]), decode_picture(KINDS[kind])
    in_grey = cv2.cvtColor(expected.astype(np.uint8), cv2.COLOR_BGR2GRAY).astype(int)

    assert seen.shape == expected.shape
    assert np.abs(seen - expected).max() <= 2 or kind.split()[0].lower() in {"jpeg", "avif"}
    assert np.abs(seen - expected).mean() < 1.5
    assert np.abs(decode_picture(KINDS[kind], 1)[..., 0] - in_grey).mean() < 1.5


UNREAD = {
    "TIFF grey and alpha": file_of(LAYERED.convert("LA"), "TIFF"),
    "TIFF fractions": file_of(np.asarray(GREY).astype(np.float32) / 255, "TIFF"),
    "JPEG2000 grey and alpha": file_of(LAYERED.convert("LA"), "JPEG2000"),
}


@pytest.mark.parametrize("kind", list(UNREAD))
def test_what_would_be_read_wrong_is_refused(kind):
    """Ingest refuses it by name with a working remedy; capture reports it as undecodable."""
    with pytest.raises(RefusedError, match=f"is a {kind.split()[0]} with an unsupported pixel type") as caught:
        check(UNREAD[kind])

    assert decode_picture(UNREAD[kind]) is None
    assert caught.value.remedy == "save it as png"
    with Image.open(io.BytesIO(UNREAD[kind])) as image:
        assert check(file_of(image.convert("LA"), "PNG"))


def _claiming(side_px):
    png = file_of(GREY, "PNG")
    header = png[12:16] + struct.pack(">II", side_px, side_px) + png[24:29]
    jpeg = file_of(GREY, "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    tiff = file_of(GREY, "TIFF")
    wide = tiff.replace(struct.pack("<HHII", 256, 4, 1, 32), struct.pack("<HHII", 256, 4, 1, side_px))
    return {
        "png": png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:],
        "jpeg": jpeg[:at] + struct.pack(">HH", side_px, side_px) + jpeg[at + 4 :],
        "tiff": wide.replace(struct.pack("<HHII", 257, 4, 1, 24), struct.pack("<HHII", 257, 4, 1, side_px)),
    }


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
def test_a_bomb_is_not_decoded(monkeypatch, kind):
    """A few hundred bytes that claim 900 million pixels: the header is enough, and ingest names the size."""
    data = _claiming(30_000)[kind]
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))

    assert size_of(data) == (30_000, 30_000)
    assert decode_picture(data) is None
    with pytest.raises(RefusedError, match="too large"):
        check(data)


@pytest.mark.parametrize("kind", ["png alpha", "tiff grey", "jpeg progressive", "webp alpha", "AVIF held 1"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6])
def test_what_is_cut_off_is_refused(kind, share):
    """Empty, within the header, within the pixels: ingest refuses it, and capture continues."""
    data = KINDS[kind][: int(share * len(KINDS[kind]))]
    seen = decode_picture(data)

    assert seen is None or seen.ndim == 3
    with pytest.raises(RefusedError):
        check(data)
