import cv2
import numpy as np
import pytest

from report.images.contact_sheet import BRIGHT, GROUND, sheet, title_of

GREY = np.full((48, 48), 200, np.uint8)


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def test_pictures_stand_in_a_grid(tmp_path):
    """Five pictures in three columns are two rows, and the sheet is as wide as three."""
    one = read(sheet([GREY], [""], tmp_path / "one.png", cell_px=60))
    five = read(sheet([GREY] * 5, [""] * 5, tmp_path / "five.png", columns=3, cell_px=60))

    assert one.shape == (100, 100, 3)
    assert five.shape == (100 + 60 + 10, 100 + 2 * 70, 3)


def test_picture_keeps_its_shape_and_colours(tmp_path):
    """A wide red picture stays wide and red."""
    red = np.zeros((20, 40, 3), np.uint8)
    red[..., 0] = 250
    drawn = read(sheet([red], [""], tmp_path / "red.png", cell_px=80))
    is_red = (drawn[..., 0] > 240) & (drawn[..., 1] < 10)

    assert is_red.any(0).sum() == 80
    assert is_red.any(1).sum() == 40


def test_a_row_of_wide_pictures_is_as_high_as_they_are(tmp_path):
    """Nothing is left empty below a band; the highest picture of a row counts."""
    band, square = np.full((20, 400), 200, np.uint8), np.full((400, 400), 200, np.uint8)
    bands = read(sheet([band, band], ["", ""], tmp_path / "bands.png", columns=1, cell_px=400))
    mixed = read(sheet([band, square], ["", ""], tmp_path / "mixed.png", columns=2, cell_px=400))

    assert bands.shape == (40 + 2 * 20 + 10, 440, 3)
    assert mixed.shape == (40 + 400, 40 + 2 * 400 + 10, 3)


def test_captions_and_title_are_drawn(tmp_path):
    """Bright text stands on the dark ground; without text there is none."""
    plain = read(sheet([GREY], [""], tmp_path / "plain.png"))
    captioned = read(sheet([GREY], ["happy\nblurred"], tmp_path / "captioned.png", title="Dropped"))

    assert (plain[0, 0] == GROUND).all()
    assert not (plain.max(2) >= BRIGHT[0] - 8).any()
    assert (captioned.max(2) >= BRIGHT[0] - 8).any()
    assert captioned.shape[0] > plain.shape[0]


@pytest.mark.parametrize("caption", ["Überraschung", "радость", "喜び"])
def test_labels_in_any_script_are_drawn(tmp_path, caption):
    """Each letter has its own shape; a font without the letter would repeat one box."""
    drawn = read(sheet([GREY], [caption], tmp_path / "a.png"))[116:]
    boxes = read(sheet([GREY], ["\uffff" * len(caption)], tmp_path / "b.png"))[116:]

    assert (drawn.max(2) > 128).sum() > 20
    assert drawn.shape != boxes.shape or not np.array_equal(drawn, boxes)


def test_long_captions_are_cut(tmp_path):
    """A caption stays within its cell and takes at most four lines."""
    drawn = read(sheet([GREY], ["word " * 200 + "x" * 500], tmp_path / "long.png"))

    assert drawn.shape == (40 + 96 + 6 + 4 * 15, 40 + 96, 3)
    assert (drawn[:, -20:] == GROUND).all()


def test_no_pictures_is_a_sheet_too(tmp_path):
    """Nothing dropped is good news, not an error."""
    assert read(sheet([], [], tmp_path / "deep" / "none.jpg", title="Nothing was dropped")).size


def test_a_picture_that_cannot_be_drawn_is_named(tmp_path):
    """A caption too few, a float picture and five channels are each refused by name."""
    with pytest.raises(ValueError, match="1 pictures but 0 captions"):
        sheet([GREY], [], tmp_path / "a.png")
    with pytest.raises(ValueError, match="float64"):
        sheet([GREY / 255], [""], tmp_path / "a.png")
    with pytest.raises(ValueError, match="1 channel"):
        sheet([np.zeros((4, 4, 5), np.uint8)], [""], tmp_path / "a.png")
    with pytest.raises(ValueError, match="higher than a JPEG"):
        sheet([GREY] * 700, [""] * 700, tmp_path / "a.jpg", columns=1)


def test_same_pictures_same_bytes(tmp_path):
    """Sheets lie in DVC's outs, which are compared by content."""
    first, again = (sheet([GREY], ["happy"], tmp_path / name, title="x").read_bytes() for name in ("a.jpg", "b.jpg"))

    assert first == again


def test_a_foot_stands_under_the_pictures(tmp_path):
    """Credits make the sheet higher by their lines, and are not black on black."""
    pictures = [np.full((9, 9, 3), 90, np.uint8)] * 2
    bare = cv2.imread(str(sheet(pictures, ["a", "b"], tmp_path / "bare.png")))
    owed = cv2.imread(str(sheet(pictures, ["a", "b"], tmp_path / "owed.png", foot="Made from: films of others")))
    lower = owed[bare.shape[0] - 20 :]

    assert owed.shape[1] == bare.shape[1]
    assert len(lower) > 20
    assert lower.max() > 120


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("title", ["", "радость: drawn"])
def test_a_file_contains_the_title_that_is_drawn_in_it(tmp_path, suffix, title):
    """In every format and script; a sheet without a title, and a file that is not a picture, have none."""
    data = sheet([GREY], [""], tmp_path / f"a.{suffix}", title=title).read_bytes()

    assert title_of(data) == title
    assert [title_of(other) for other in (b"", b"text", data[:40])] == ["", "", ""]
