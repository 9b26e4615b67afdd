import io
import re

import numpy as np
import pytest
from PIL import Image

from rushes.errors import MisuseError, RushesError
from rushes.scene import png_export
from rushes.scene.png_export import PictureRequest, check_folder, is_folder, save_singles, with_words

ASKED = PictureRequest("EXT. PIER - NIGHT", 7)
CREDIT = "The model learned from Some Film, \u00a9 2008 Somebody, CC BY 3.0"


@pytest.fixture
def pictures_nhwc():
    """Two red pictures and a blue one, RGB."""
    colours_nc = np.array([[250, 0, 0], [200, 0, 0], [0, 0, 250]], np.uint8)
    return np.broadcast_to(colours_nc[:, None, None], (3, 8, 8, 3))


def _save(pictures_nhwc, folder, asked=ASKED, **changes):
    return save_singles(pictures_nhwc, folder, asked, **{"model": "scene v3", "credit": CREDIT, "scale": 2} | changes)


def test_each_picture_is_a_file_with_its_origin(pictures_nhwc, tmp_path):
    """Enlarged, in its own colours; any PNG reader finds the text, the settings and the credits."""
    paths = _save(pictures_nhwc, tmp_path / "new/folder")
    opened = [Image.open(path) for path in paths]

    assert [path.name for path in paths] == [f"ext-pier-night-7-000{number}.png" for number in (1, 2, 3)]
    assert [picture.getpixel((0, 0)) for picture in opened] == [(250, 0, 0), (200, 0, 0), (0, 0, 250)]
    assert (opened[0].size, opened[2].text) == (
        (16, 16),
        {
            "Title": "EXT. PIER - NIGHT",
            "Description": "picture 3, drawn by rushes scene v3, seed 7",
            "Copyright": CREDIT,
        },
    )


def test_the_credits_of_a_folder_stay(pictures_nhwc, tmp_path):
    """Another model's credits are appended, whoever wrote the file; the same ones are not repeated."""
    (tmp_path / "CREDITS.txt").write_bytes(b"Sound: Z\xfcrich")
    for model in ("scene v3", "scene v4", "scene v3"):
        _save(pictures_nhwc, tmp_path, model=model)

    assert (tmp_path / "CREDITS.txt").read_bytes().splitlines() == [
        b"Sound: Z\xfcrich",
        f"Pictures drawn by rushes scene v3: {CREDIT}".encode(),
        f"Pictures drawn by rushes scene v4: {CREDIT}".encode(),
    ]


def test_no_picture_lies_without_its_credits(pictures_nhwc, tmp_path, monkeypatch):
    """They are written before the first picture; without credits there is no file."""
    written = []
    monkeypatch.setattr(png_export, "save", lambda path, _: written.append(path.name))
    _save(pictures_nhwc[:1], tmp_path)
    _save(pictures_nhwc[:1], tmp_path, credit="")

    assert written == ["CREDITS.txt", "ext-pier-night-7-0001.png", "ext-pier-night-7-0001.png"]


def test_a_name_has_text_seed_and_number():
    """Category, seed and number, in portable characters; the number has four digits."""
    assert ASKED.name(12) == "ext-pier-night-7-0012.png"
    assert PictureRequest("\u6d77", 7, "Old town/1").name(1000) == "scene-7-old-town-1-1000.png"
    assert PictureRequest("x", 7, "sea").about == "seed 7, category sea"


def test_what_is_a_folder(tmp_path, monkeypatch):
    """A trailing separator or an existing folder; an empty path is not a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").mkdir()

    assert [is_folder(out) for out in ("new/", "there.png", ".", "new", "new.png", "")] == [True] * 3 + [False] * 3


def test_where_pictures_cannot_go(tmp_path):
    """A file in place of the folder or a parent, and a folder in place of a picture or the credits."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "a" / ASKED.name(3)).mkdir(parents=True)
    (tmp_path / "b/CREDITS.txt").mkdir(parents=True)
    for name, fault in (("file", "file is not a folder; name"), ("file/x/y", "file is not a folder; name")):
        with pytest.raises(MisuseError, match=fault):
            check_folder(tmp_path / name, ASKED, 1)
    with pytest.raises(MisuseError, match=r"7-0003\.png in it is a folder; move that"):
        check_folder(tmp_path / "a", ASKED, 3)
    with pytest.raises(MisuseError, match=r"CREDITS\.txt in it is a folder; move that"):
        check_folder(tmp_path / "b", ASKED, 1)
    check_folder(tmp_path / "a", ASKED, 2)
    check_folder(tmp_path / "c/d", ASKED, 2)

    assert not (tmp_path / "c").exists()


def test_a_folder_that_cannot_be_made(pictures_nhwc, tmp_path, monkeypatch):
    """The system's reason, and a remedy."""

    def refuse(*_args, **_options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(RushesError, match=re.escape("cannot be created: Read-only file system; name another")):
        _save(pictures_nhwc, tmp_path / "x")


def test_a_picture_that_nothing_can_open_is_refused(tmp_path):
    """Before memory runs out, and before the folder is made."""
    with pytest.raises(MisuseError, match="take a smaller --scale"):
        _save(np.zeros((1, 512, 512, 3), np.uint8), tmp_path / "x", scale=64)

    assert not (tmp_path / "x").exists()


def test_words_change_no_pixel(pictures_nhwc, tmp_path):
    """Any text is accepted; an empty one is omitted."""
    plain = _save(pictures_nhwc, tmp_path)[0].read_bytes()
    odd = with_words(plain, {"Comment": "\ud800 \u6d77\nx", "Source": ""})

    assert Image.open(io.BytesIO(odd)).text["Comment"] == "? \u6d77\nx"
    assert "Source" not in Image.open(io.BytesIO(odd)).text
    assert np.array_equal(Image.open(io.BytesIO(odd)), Image.open(io.BytesIO(plain)))
