"""Progress of a generator: its images for the same latents, one picture per epoch, then an animation of all epochs."""

from __future__ import annotations

import io
import math
import sys
import textwrap
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image
from pytorch_lightning.callbacks import Callback

from training import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytorch_lightning import LightningModule, Trainer

    from training.storage import Place

FOLDER = "progress"
ANIMATION, STRIP = "progress.webp", "progress.jpg"
FRAME_MS, LAST_MS = 600, 2400
STRIP_FRAMES = 4
QUALITY = 90
LEAST_PX = 512  # minimum width; smaller grids are enlarged
GAP_PX = 8
# Band with the credits, below the pictures; colours are RGB.
GROUND, INK = (18, 20, 24), (190, 195, 203)
LETTER_PX, EDGE_PX = 13, 10
LETTERS = 70  # as wide as high, across the width of a wide picture, which is shown smaller, such as a strip on a page
WEIGHT = 450  # of 100 (thin) to 900 (black)


class Progress(Callback):
    """Writes the pictures of each epoch beside the checkpoints, so that a resumed run has those of earlier epochs."""

    def __init__(self, draw: Callable[[LightningModule], list[np.ndarray]], checkpoints: Place) -> None:
        self.draw, self.folder = draw, checkpoints / FOLDER

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the pictures; at this point the module has the averaged weights."""
        if trainer.is_global_zero and not trainer.sanity_checking:
            picture = io.BytesIO()
            Image.fromarray(tiled(self.draw(pl_module))).save(picture, format="PNG")
            path = self.folder / f"{trainer.current_epoch:05d}.png"
            storage.replace(path, picture.getvalue(), durable=False)


def tiled(pictures_hwc: Sequence[np.ndarray]) -> np.ndarray:
    """Tiles pictures of equal size into an approximately square grid, uint8 H,W,3."""
    across = math.isqrt(len(pictures_hwc) - 1) + 1
    blank = np.zeros_like(pictures_hwc[0])
    filled = [*pictures_hwc, *[blank] * (-len(pictures_hwc) % across)]
    return np.concatenate([np.concatenate(filled[i : i + across], 1) for i in range(0, len(filled), across)])


def assemble(checkpoints: Place, out: Path, owed: Sequence[str] = ()) -> None:
    """Writes the animation, and a strip that replaces it in print; does nothing if there are no pictures.

    Args:
        checkpoints: Folder of the checkpoints, in which the callback wrote the pictures.
        out: Folder for progress.webp and progress.jpg.
        owed: Credits that must be shown with every picture. They are drawn below the pictures, because most programs
            drop metadata such as Exif.
    """
    opened = [_opened(path) for path in storage.files(checkpoints / FOLDER, "*.png")]
    frames = [_enlarged(frame) for frame in opened if frame is not None]
    if not frames:
        return
    times = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    # Draw the credits below each frame, and save the animation.
    line = f"Learned from: {'; '.join(owed)}" if owed else ""
    first, *others = (_credited(frame, line) for frame in frames)
    first.save(out / ANIMATION, save_all=True, append_images=others, duration=times, loop=0, quality=QUALITY, method=4)
    # Choose evenly spaced frames for the strip.
    places = np.unique(np.linspace(0, len(frames) - 1, min(STRIP_FRAMES, len(frames))).round().astype(int))
    _credited(_strip([frames[place] for place in places]), line).save(out / STRIP, quality=QUALITY)


def _opened(path: Place) -> Image.Image | None:
    """Opens a picture; None, with a line in the stage's log, if it is damaged: an animation may lack a frame."""
    damage: Exception
    try:
        content = io.BytesIO(storage.read(path))
    except OSError as error:
        damage = error
    else:
        try:
            with Image.open(content) as frame:
                return frame.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            damage = error
    sys.stdout.write(f"progress: {path} is damaged ({damage}) and left out\n")
    return None


def _enlarged(frame: Image.Image) -> Image.Image:
    times = max(1, math.ceil(LEAST_PX / frame.width))
    size = (frame.width * times, frame.height * times)
    return frame.resize(size, Image.Resampling.BICUBIC)


def _strip(frames: Sequence[Image.Image]) -> Image.Image:
    width, height = frames[0].size
    strip = Image.new("RGB", ((width + GAP_PX) * len(frames) - GAP_PX, height), "white")
    for place, frame in enumerate(frames):
        strip.paste(frame, (place * (width + GAP_PX), 0))
    return strip


def _credited(picture: Image.Image, line: str) -> Image.Image:
    """Adds a band with a line of text below a picture, RGB; returns the picture unchanged if the line is empty."""
    if not line:
        return picture
    letter_px = max(LETTER_PX, picture.width // LETTERS)
    lines, line_px = _wrapped(line, picture.width - 2 * EDGE_PX, letter_px), round(1.4 * letter_px)
    band_hwc = np.full((2 * EDGE_PX + line_px * len(lines), picture.width, 3), GROUND, np.uint8)
    for number, part in enumerate(lines):
        cv2.putText(band_hwc, part, (EDGE_PX, EDGE_PX + letter_px + number * line_px), INK, _font(), letter_px, WEIGHT)
    return Image.fromarray(np.concatenate([np.asarray(picture), band_hwc]))


def _wrapped(line: str, width_px: int, letter_px: int) -> list[str]:
    """Wraps a line of any script with the largest number of letters per line at which all lines fit the width."""
    for letters in range(len(line), 1, -1):
        lines = textwrap.wrap(line, letters)
        if max(_width_px(part, letter_px) for part in lines) <= width_px:
            return lines
    return list(line)


def _width_px(text: str, letter_px: int) -> int:
    _x, _y, width_px, _height = cv2.getTextSize((4096, 64), text, (0, 0), _font(), letter_px, WEIGHT)
    return int(width_px)


@cache
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")  # OpenCV's built-in font
