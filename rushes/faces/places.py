"""Parts of a frame to search for faces: the whole frame, squares as high as it, tiles of a large one, and surroundings.

The networks have inputs of 128 and 192 pixels, so a small face is seen only in a part of the frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Square = tuple[int, int, int]  # x, y, side in pixels of the frame
Place = Square | None  # None is the whole frame

OBLONG = 1.2  # frames with a lower aspect ratio are one square
# Tiles have three times the side of the full-range network's input. It proposes 9 of 10 heads of 7 % of the height of a
# square, half of those of 4.6 % and one in six of those of 3.7 % (40 pixels of 1,080). What does not fit into the
# overlap of the tiles is large enough for the squares.
TILE_PX, TILE_OVERLAP_PX = 576, 72
TILED_FROM = 1.25  # shorter side of a frame that has tiles, in sides of a tile
TILES_PER_SQUARE = 2  # in the order of the search
AROUND_SIDES = 5.0  # side of the square around a lost face, in sides of its box


def with_tiles(large: Sequence[Place], width: int, height: int) -> list[Place]:
    """The large squares of a frame, each followed by two of its tiles; without tiles if the frame is small."""
    small = tiles(width, height)
    turns: list[Place] = []
    for number, first in enumerate(range(0, len(small), TILES_PER_SQUARE)):
        turns += [large[number % len(large)], *small[first : first + TILES_PER_SQUARE]]
    return turns or list(large)


def tiles(width: int, height: int) -> list[Square]:
    """Overlapping tiles of a frame, row by row; none if its squares are hardly larger than a tile."""
    if min(width, height) <= TILED_FROM * TILE_PX:
        return []
    rows, columns = (_steps(length, TILE_PX, TILE_OVERLAP_PX) for length in (height, width))
    return [(x, y, TILE_PX) for y in rows for x in columns]


def square_around(width: int, height: int, middle_px: tuple[float, float], face_px: float) -> Place:
    """Square around the place of a face, within the frame; the whole frame if that is hardly larger.

    Args:
        width: Width of the frame, in pixels.
        height: Height of the frame, in pixels.
        middle_px: Middle of the face.
        face_px: Side of its box.
    """
    side = max(1, round(AROUND_SIDES * face_px))
    if side > min(width, height):
        return None
    x, y = (
        round(float(np.clip(at - side / 2, 0, length - side)))
        for at, length in zip(middle_px, (width, height), strict=True)
    )
    return x, y, side


def squares(width: int, height: int, share: float = 1.0) -> list[Square]:
    """Overlapping squares (x, y, side) that cover a frame: a single square, a row, or a grid of smaller ones.

    Args:
        width: Width of the frame, in pixels.
        height: Height of the frame, in pixels.
        share: Side of a square, as a share of the frame's shorter side.
    """
    short, long = sorted((width, height))
    side = long if share == 1 and long < OBLONG * short else max(1, round(share * short))
    return [(x, y, side) for y in _steps(height, side, 0.2 * side) for x in _steps(width, side, 0.2 * side)]


def _steps(length: int, side: int, overlap_px: float) -> list[int]:
    """Start positions of pieces that overlap by so much or more, so that a face cut by one is whole in another."""
    count = 1 if length <= side else 1 + int(np.ceil((length - side) / (side - overlap_px)))
    return [round(start) for start in np.linspace(0, max(0, length - side), count)]
