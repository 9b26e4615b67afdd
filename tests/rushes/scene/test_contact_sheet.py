import cv2
import numpy as np
import pytest

from rushes.errors import MisuseError
from rushes.scene import contact_sheet


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (5, 5), (8, 4), (12, 4), (13, 7), (100, 10)])
def test_a_grid_lies_and_has_few_gaps(count, columns):
    """The height never exceeds the width."""
    found = contact_sheet.columns_of(count)

    assert found >= -(-count // found)
    assert found == columns


def test_each_picture_stands_on_the_sheet():
    """Enlarged, in its place, in its own colours: the sheet is BGR, the pictures RGB."""
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0]], np.uint8)
    pictures_nhwc = np.broadcast_to(colours[:, None, None], (4, 8, 8, 3))
    found = contact_sheet.compose(pictures_nhwc, "EXT. WOODS", ["seed 7"], ["credits"], 4)

    for colour in colours:
        assert (found == colour[::-1]).all(axis=2).sum() == 32 * 32


def test_texts_take_room_and_ink():
    """A title too long for a line is wrapped, in any script; the credits are drawn below the pictures."""
    pictures_nhwc = np.zeros((1, 8, 8, 3), np.uint8)
    short, long = (contact_sheet.compose(pictures_nhwc, text, [], ["who"], 0) for text in ("MEER 海", "MEER 海 " * 20))
    bare = contact_sheet.compose(pictures_nhwc, "MEER 海", [], [], 0)

    assert long.shape[0] > short.shape[0] > bare.shape[0]
    assert long.shape[1] == short.shape[1]
    assert short[bare.shape[0] - contact_sheet.MARGIN_PX :].min() < 160
    assert max(map(len, contact_sheet.wrap("a" * 200, contact_sheet.TITLE, 300))) < 30


def test_a_sheet_that_nothing_can_open_is_refused():
    """Before memory runs out."""
    with pytest.raises(MisuseError, match="take a smaller --scale or --count"):
        contact_sheet.compose(np.zeros((400, 16, 16, 3), np.uint8), "x", [], [], 64)


def test_names_and_bytes():
    """A name has text and seed; the bytes are a picture."""
    picture_bgr = np.full((8, 8, 3), 77, np.uint8)
    decoded = cv2.imdecode(np.frombuffer(contact_sheet.encode_picture(picture_bgr, ".png"), np.uint8), cv2.IMREAD_COLOR)

    assert contact_sheet.file_name("EXT. FOREST - DAY", 7) == "ext-forest-day-7.png"
    assert contact_sheet.file_name("海", 7) == "scene-7.png"
    assert np.array_equal(decoded, picture_bgr)
