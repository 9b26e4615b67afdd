"""Each picture is opened safely, or refused with a reason."""

import io
import os
import zlib
from contextlib import suppress

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from curation.errors import DataError, RefusedError
from curation.image.validate import check, png_of, quiet_checks, read_safely


def encoded(kind="JPEG", side_px=20, **options):
    """A noisy picture as bytes."""
    file = io.BytesIO()
    pixels_hwc = np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3), np.uint8)
    Image.fromarray(pixels_hwc).save(file, kind, **options)
    return file.getvalue()


def bomb(side_px):
    """A tiny PNG whose header declares a huge picture."""
    png = encoded("PNG")
    header = png[12:16] + side_px.to_bytes(4, "big") * 2 + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000"])
def test_a_picture_is_read_whatever_its_format(kind):
    """Size and bytes are those of the file."""
    data = encoded(kind)
    picture = check(data)

    assert (picture.width_px, picture.height_px) == (20, 20)
    assert picture.data == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded()[:-200], "truncated"),
        (encoded("PNG")[:-200], "truncated"),
        (b"this is not a picture, whatever its name", "not an image"),
        (bomb(30_000), "too large"),
        (bomb(17_000), "too large"),
        (bomb(9_000), "too large"),
        (encoded("GIF"), "GIF"),
    ],
)
def test_an_invalid_picture_is_refused(data, reason):
    """Each fault has its reason, and a remedy."""
    with quiet_checks(), pytest.raises(RefusedError, match=reason) as caught:
        check(data)

    assert caught.value.remedy


@pytest.mark.parametrize("at", [0.3, 0.5, 0.7])
def test_a_jpeg_damaged_in_its_middle_is_refused(at):
    """Sixty bytes of the image are overwritten: a decoder continues with grey, without an error."""
    smooth = np.hypot(*np.indices((192, 192)) - 96.0) % 255
    file = io.BytesIO()
    Image.fromarray(smooth.astype(np.uint8)).convert("RGB").save(file, "JPEG", quality=90)
    data = bytearray(file.getvalue())
    check(bytes(data))
    place = int(len(data) * at)
    data[place : place + 60] = b"\x5a" * 60

    with pytest.raises(RefusedError, match="damaged"):
        check(bytes(data))


def test_a_small_jpeg_with_invalid_blocks_is_refused():
    """Too many coefficients in a block, which libjpeg takes silently; the rest that it takes is another valid JPEG."""
    data = encoded(side_px=48)
    refused, silent = 0, 0
    for place in range(data.index(b"\xff\xda") + 20, len(data) - 20, 4):
        damaged = data[:place] + bytes(range(8)) + data[place + 8 :]
        with suppress(ValueError):  # libjpeg's warning
            simplejpeg.decode_jpeg(damaged, colorspace="GRAY", strict=True)
            silent += 1
            try:
                check(damaged)
            except RefusedError:
                refused += 1

    assert check(data)
    assert silent // 10 < refused < silent


def test_a_bomb_is_not_decoded(monkeypatch):
    """The size in the header is enough."""
    data = bomb(9_000)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))

    with quiet_checks(), pytest.raises(RefusedError, match="too large"):
        check(data)


def test_only_files_of_the_folder_are_read(tmp_path):
    """A link that leads out is refused, one that stays inside is read."""
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "there").write_bytes(b"data")
    (folder / "inside").symlink_to(folder / "there")
    (folder / "outside").symlink_to(tmp_path / "secret")

    assert read_safely(folder / "inside", folder) == b"data"
    with pytest.raises(RefusedError, match="leads out"):
        read_safely(folder / "outside", folder)


def test_other_entries_than_files_are_refused(tmp_path, monkeypatch):
    """An empty file, a pipe, a folder, a broken link, a huge file: nothing hangs and nothing is loaded."""
    monkeypatch.setattr("curation.image.validate.MAX_BYTES", 10)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    (tmp_path / "huge").write_bytes(bytes(11))
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    reasons = {"pipe": "regular", "empty": "empty", "huge": "too large", "broken": "does not exist", ".": "regular"}

    for name, reason in reasons.items():
        with pytest.raises(RefusedError, match=reason):
            read_safely(tmp_path / name, tmp_path)


def test_pixels_become_the_same_png_every_time():
    """The pixels come back, and the bytes do not depend on the version of zlib."""
    grey_hw = np.arange(48 * 48).reshape(48, 48) % 256
    png = png_of(" ".join(map(str, grey_hw.ravel())))

    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), grey_hw)
    assert len(png) > grey_hw.size


@pytest.mark.parametrize("pixels", ["", "1 2 3", "1 2 3 256", "1 2 3 x"])
def test_invalid_pixels_are_an_error(pixels):
    """Too few, too bright, not a number."""
    with pytest.raises(DataError, match=r".+"):
        png_of(pixels)


def test_a_link_in_a_circle_is_refused(tmp_path):
    """It does not raise a stack trace: it is one file of thousands."""
    link = tmp_path / "a.jpg"
    link.symlink_to(link)

    with pytest.raises(RefusedError, match="circular"):
        read_safely(link, tmp_path)
