"""What a generator draws from the same numbers after each epoch: a picture an epoch, then an animation of them all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pytorch_lightning.callbacks import Callback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytorch_lightning import LightningModule, Trainer

FOLDER = "progress"
ANIMATION, STRIP = "progress.webp", "progress.jpg"
FRAME_MS, LAST_MS = 600, 2400
STRIP_FRAMES = 4
QUALITY = 90
LEAST_PX = 512  # a grid of small pictures is shown larger
GAP_PX = 8


class Progress(Callback):
    """Writes the pictures of each epoch beside the checkpoints, so that a resumed run has those from before."""

    def __init__(self, draw: Callable[[LightningModule], list[np.ndarray]], checkpoints: Path) -> None:
        self.draw, self.folder = draw, checkpoints / FOLDER

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """While the averaged weights are in."""
        if trainer.is_global_zero and not trainer.sanity_checking:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{trainer.current_epoch:05d}.png"
            Image.fromarray(tiled(self.draw(pl_module))).save(path)


def tiled(pictures_hwc: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one size as a square of rows, uint8 H,W,3."""
    across = math.isqrt(len(pictures_hwc) - 1) + 1
    blank = np.zeros_like(pictures_hwc[0])
    filled = [*pictures_hwc, *[blank] * (-len(pictures_hwc) % across)]
    return np.concatenate([np.concatenate(filled[i : i + across], 1) for i in range(0, len(filled), across)])


def assemble(checkpoints: Path, out: Path) -> None:
    """Makes the animation, and the strip that stands for it in print; nothing where no epoch was drawn.

    Args:
        checkpoints: Where the callback wrote.
        out: Where progress.webp and progress.jpg go.
    """
    frames = [_enlarged(Image.open(path)) for path in sorted((checkpoints / FOLDER).glob("*.png"))]
    if not frames:
        return
    times = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(
        out / ANIMATION, save_all=True, append_images=frames[1:], duration=times, loop=0, quality=QUALITY, method=4
    )
    places = np.unique(np.linspace(0, len(frames) - 1, min(STRIP_FRAMES, len(frames))).round().astype(int))
    _strip([frames[place] for place in places]).save(out / STRIP, quality=QUALITY)


def _enlarged(frame: Image.Image) -> Image.Image:
    times = max(1, math.ceil(LEAST_PX / frame.width))
    size = (frame.width * times, frame.height * times)
    return frame.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def _strip(frames: Sequence[Image.Image]) -> Image.Image:
    width, height = frames[0].size
    strip = Image.new("RGB", ((width + GAP_PX) * len(frames) - GAP_PX, height), "white")
    for place, frame in enumerate(frames):
        strip.paste(frame, (place * (width + GAP_PX), 0))
    return strip
