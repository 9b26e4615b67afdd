import base64

import cv2
import numpy as np
from PIL import Image

from report.page.data_uri import MOST_BYTES, WIDEST_PX, picture


def test_a_picture_is_carried_whole(tmp_path):
    """Small ones stand in the page byte for byte, with their size."""
    cv2.imwrite(str(tmp_path / "kept.png"), np.zeros((20, 30, 3), np.uint8))

    shown = picture(tmp_path / "kept.png")

    assert (shown.width_px, shown.height_px) == (30, 20)
    assert shown.caption == "Kept, a few of each label"
    assert base64.b64decode(shown.uri.partition(",")[2]) == (tmp_path / "kept.png").read_bytes()


def test_a_heavy_picture_is_shrunk(tmp_path):
    """The size of the page stays bounded."""
    noise = np.random.default_rng(0).integers(0, 255, (900, 2400, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "sheet.png"), noise)

    shown = picture(tmp_path / "sheet.png")

    assert shown.width_px == WIDEST_PX
    assert shown.uri.startswith("data:image/jpeg;base64,")
    assert len(shown.uri) < MOST_BYTES * 4 / 3


def test_a_file_that_is_not_a_picture_is_left_out(tmp_path):
    """Missing, empty and mislabelled files are skipped without an error."""
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a picture")

    assert [picture(tmp_path / name) for name in ("none.png", "empty.png", "text.jpg")] == [None, None, None]


def test_an_animation_is_not_made_to_stand_still(tmp_path):
    """It is shown unchanged and marked as moving, so that a printed page can omit it."""
    frames = [Image.fromarray(np.full((8, 8, 3), shade, np.uint8)) for shade in (0, 200)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], duration=100)
    frames[0].save(tmp_path / "still.webp")
    moving, still = (picture(tmp_path / f"{name}.webp") for name in ("moving", "still"))

    assert (moving.moves, still.moves) == (True, False)
    assert base64.b64decode(moving.uri.partition(",")[2]) == (tmp_path / "moving.webp").read_bytes()
    assert (moving.width_px, moving.height_px) == (8, 8)
