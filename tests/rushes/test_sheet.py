import cv2
import numpy as np
import pytest

from rushes import sheet
from rushes.errors import MisuseError, RushesError


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (5, 5), (8, 4), (12, 4), (13, 7), (100, 10)])
def test_a_grid_lies_and_has_few_gaps(count, columns):
    """Never higher than wide."""
    found = sheet.columns_of(count)

    assert found >= -(-count // found)
    assert found == columns


def test_each_picture_stands_on_the_sheet():
    """Enlarged, in its place, in its own colours: the sheet is BGR, the pictures RGB."""
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0]], np.uint8)
    pictures_nhwc = np.broadcast_to(colours[:, None, None], (4, 8, 8, 3))
    found = sheet.compose(pictures_nhwc, "EXT. WOODS", ["seed 7"], ["credits"], 4)

    for colour in colours:
        assert (found == colour[::-1]).all(axis=2).sum() == 32 * 32


def test_what_is_said_takes_room_and_ink():
    """A title too long for a line is wrapped, in whatever script; the credits are drawn below the pictures."""
    pictures_nhwc = np.zeros((1, 8, 8, 3), np.uint8)
    short, long = (sheet.compose(pictures_nhwc, text, [], ["who"], 0) for text in ("MEER 海", "MEER 海 " * 20))
    bare = sheet.compose(pictures_nhwc, "MEER 海", [], [], 0)

    assert long.shape[0] > short.shape[0] > bare.shape[0]
    assert long.shape[1] == short.shape[1]
    assert short[bare.shape[0] - sheet.MARGIN_PX :].min() < 160
    assert max(map(len, sheet.wrap("a" * 200, sheet.TITLE, 300))) < 30


def test_a_sheet_that_nothing_can_open_is_refused():
    """Before memory runs out."""
    with pytest.raises(MisuseError, match="take a smaller --scale or --count"):
        sheet.compose(np.zeros((400, 16, 16, 3), np.uint8), "x", [], [], 64)


def test_where_a_sheet_can_go(tmp_path):
    """A folder, a folder that is not there and a name that ends in nothing known are told apart."""
    (tmp_path / "a.png").mkdir()
    for path, fault in (("a.png", "is a folder"), ("no/b.png", "does not exist"), ("c.gif", r"must end in \.png")):
        with pytest.raises(MisuseError, match=fault):
            sheet.check_out(tmp_path / path, sheet.SUFFIXES)
    sheet.check_out(tmp_path / "d.PNG", sheet.SUFFIXES)


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    """What was there before stays when the disk is full."""
    (tmp_path / "a.png").write_bytes(b"before")

    def full(_path, _other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(RushesError, match="No space left"):
        sheet.save(tmp_path / "a.png", b"after")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"before")]


def test_names_and_bytes():
    """A name says what was drawn; the bytes are a picture."""
    picture_bgr = np.full((8, 8, 3), 77, np.uint8)
    decoded = cv2.imdecode(np.frombuffer(sheet.encoded(picture_bgr, ".png"), np.uint8), cv2.IMREAD_COLOR)

    assert sheet.file_name("EXT. FOREST - DAY", 7) == "ext-forest-day-7.png"
    assert sheet.file_name("海", 7) == "scene-7.png"
    assert np.array_equal(decoded, picture_bgr)
