"""Clips of rendered heads that turn, speak, blink, leave and enter, with the box of each face in each frame."""

from __future__ import annotations

import functools
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.support.heads import HEAD_PX, NOISE_LEVELS, draw_streets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.support.heads import Heads, RenderedHead

FPS = 30.0
YAW_DEG, PITCH_DEG = 25.0, 8.0  # limits of a head that turns
BLINKS = (0.2, 0.7)  # parts of the way from one side to the other at which a head blinks
INSIDE = 0.9  # of a face's box, from which the face counts as in the frame
Box = tuple[float, float, float, float]  # left, top, width and height, in pixels
SIDES = ("Left", "Right")
FILMS = {".mp4", ".mov", ".avi", ".mkv", ".webm"}


@dataclass(frozen=True)
class Part:
    """Movements of an actor in a clip.

    Attributes:
        heads: Rendered heads, played forwards and backwards, one each frame.
        height_px: Height of the face, from forehead to chin.
        middle_px: Where it stays, x and y.
        sway: Its movement about that place, in heights; 0 also keeps its size and roll.
        away: First and last frame (exclusive) of each absence.
        slide: Frames that it takes to the left edge of the frame, and back; 0 if it is gone at once.
    """

    heads: Sequence[RenderedHead]
    height_px: float
    middle_px: tuple[float, float]
    sway: float = 0.4
    away: tuple[tuple[int, int], ...] = ()
    slide: int = 0

    def at(self, number: int) -> tuple[RenderedHead, float, tuple[float, float], float] | None:
        """Head, height, middle and roll in degrees in a frame; None if the actor is away."""
        if any(first <= number < last for first, last in self.away):
            return None
        last = len(self.heads) - 1
        head = self.heads[last - abs(last - number % (2 * last))] if last else self.heads[0]
        angle = 2 * np.pi * number
        height_px = self.height_px * (1 + 0.2 * self.sway * np.sin(angle / 101))
        x = self.middle_px[0] + self.sway * self.height_px * np.sin(angle / 83)
        y = self.middle_px[1] + self.sway / 3 * self.height_px * np.sin(angle / 57)
        x -= self._gone(number) * (x + height_px)
        return head, float(height_px), (float(x), float(y)), float(20 * self.sway * np.sin(angle / 71))

    def _gone(self, number: int) -> float:
        """Share of the way out of the frame, while the actor leaves or enters."""
        nearest = [first - number if number < first else number - last + 1 for first, last in self.away]
        return max([0.0, *(1 - frames / self.slide for frames in nearest if frames < self.slide)])


class Cast:
    """Rendered people.

    Args:
        heads: What renders them.
        turns: Number of pictures of a head that turns from one side to the other.
    """

    def __init__(self, heads: Heads, turns: int) -> None:
        self._heads, self._turns = heads, turns

    @functools.cache  # noqa: B019  # lives as long as the benchmark
    def turning(self, person: int) -> list[RenderedHead]:
        """A head that turns to the other side, speaks and blinks."""
        shares = np.linspace(0, 1, self._turns) if self._turns > 1 else [0.5]
        return [self._heads.pose(person, _speech(share), _turn(share)) for share in shares]

    @functools.cache  # noqa: B019  # lives as long as the benchmark
    def posed(self, person: int, unit: str, value: float) -> RenderedHead:
        """A head towards the camera with a single unit."""
        return self._heads.pose(person, {unit: value}, (0.0, 0.0))


def _turn(share: float) -> tuple[float, float]:
    return YAW_DEG * (2 * share - 1), PITCH_DEG * float(np.sin(2 * np.pi * share))


def _speech(share: float) -> dict[str, float]:
    blink = max(0.0, 1 - min(abs(share - at) for at in BLINKS) / 0.08)
    jaw, smile = 0.4 * abs(np.sin(4 * np.pi * share)), 0.5 * share
    sides = {"eyeBlink": blink, "mouthSmile": smile, "browOuterUp": 0.5 * (1 - share)}
    return {"jawOpen": float(jaw)} | {f"{unit}{side}": value for unit, value in sides.items() for side in SIDES}


def film(
    size: tuple[int, int], parts: Sequence[Part], frames: int, seed: int
) -> Iterator[tuple[np.ndarray, list[Box | None]]]:
    """Films actors before a drawn street with a camera's noise.

    Args:
        size: Width and height of the frames.
        parts: Of each actor.
        frames: Number of frames.
        seed: Of the street and the noise.

    Yields:
        The picture, and the box of each actor's face; None if it is away.
    """
    [street] = draw_streets(1, seed)
    street = cv2.resize(street, size, interpolation=cv2.INTER_CUBIC)
    cv2.setRNGSeed(seed + 1)
    noise = np.empty(street.shape, np.int16)
    for number in range(frames):
        scene = street.copy()
        boxes = [_put(scene, part.at(number)) for part in parts]
        cv2.randn(noise, np.zeros(3), np.full(3, NOISE_LEVELS))
        yield cv2.add(scene, noise, dtype=cv2.CV_8U), boxes


def _put(scene_bgr: np.ndarray, placed: tuple[RenderedHead, float, tuple[float, float], float] | None) -> Box | None:
    """Lays a head over a part of the scene; see `heads.put_head`, which works on the whole of it."""
    if placed is None:
        return None
    head, height_px, middle_px, roll_deg = placed
    (left, top), (right, bottom) = head.face_22
    scale = height_px / (bottom - top)
    picture_bgr, alpha_hw, shrunk = head.picture_hwc, head.alpha_hw, 1.0
    if scale < 1:  # by area first: a warp alone skips pixels
        side = max(2, round(HEAD_PX * scale))
        shrunk = side / HEAD_PX
        picture_bgr, alpha_hw = (
            cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA) for part in (picture_bgr, alpha_hw)
        )
    middle = np.array([left + right, top + bottom]) / 2 * shrunk - 0.5
    turned_23 = np.asarray(cv2.getRotationMatrix2D(middle.tolist(), -roll_deg, scale / shrunk), np.float64)
    turned_23[:, 2] += np.array(middle_px) - 0.5 - middle
    # The part of the scene that the head covers.
    corners_42 = np.array([[x, y] for x in (0, HEAD_PX) for y in (0, HEAD_PX)]) * shrunk @ turned_23[:, :2].T
    corners_42 += turned_23[:, 2]
    limits = (scene_bgr.shape[1], scene_bgr.shape[0])
    x0, y0 = (int(value) for value in np.clip(np.floor(corners_42.min(axis=0)), 0, limits))
    x1, y1 = (int(value) for value in np.clip(np.ceil(corners_42.max(axis=0)), 0, limits))
    width_px = (right - left) * scale
    box = (middle_px[0] - width_px / 2, middle_px[1] - height_px / 2, width_px, height_px)
    if x0 < x1 and y0 < y1:
        turned_23[:, 2] -= x0, y0
        alpha_hw1 = cv2.warpAffine(alpha_hw, turned_23, (x1 - x0, y1 - y0))[..., None]
        laid_hwc = cv2.warpAffine(picture_bgr, turned_23, (x1 - x0, y1 - y0))
        part = scene_bgr[y0:y1, x0:x1]
        part[:] = part * (1 - alpha_hw1) + laid_hwc * alpha_hw1
    return box


def is_inside(box: Box, size: tuple[int, int]) -> bool:
    """True if nearly all of a face is in the frame."""
    return overlap(box, (0.0, 0.0, float(size[0]), float(size[1])))[0] >= INSIDE * box[2] * box[3]


def overlap(first: Box, second: Box) -> tuple[float, float]:
    """Area that two boxes share, and their intersection over union."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = first, second
    shared = max(0.0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return shared, shared / (aw * ah + bw * bh - shared)


def keep(frames: Iterator[np.ndarray], count: int, path: Path) -> np.ndarray:
    """Keeps up to so many frames in a file that another process can map; N,H,W,3."""
    kept: np.ndarray | None = None
    number = 0
    for number, frame_bgr in enumerate(frames, 1):
        if kept is None:
            kept = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *frame_bgr.shape))
        kept[number - 1] = frame_bgr
        if number == count:
            break
    if kept is None:
        message = f"{path.stem} has no frame that can be decoded"
        raise ValueError(message)
    return kept[:number]


def given_films(place: Path, scratch: Path) -> list[Path]:
    """Films of a folder, or of an archive, which is unpacked; or the film itself.

    Raises:
        ValueError: There is none.
    """
    if place.is_file() and place.suffix.lower() not in FILMS:
        scratch.mkdir(parents=True, exist_ok=True)
        with tarfile.open(place) as archive:
            for number, member in enumerate(archive):  # extractall() has no safe filter before Python 3.11.4
                name = Path(member.name).name
                if member.isfile() and Path(name).suffix.lower() in FILMS and (file := archive.extractfile(member)):
                    (scratch / f"{number}-{name}").write_bytes(file.read())
        place = scratch
    films = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.suffix.lower() in FILMS)
    if not films:
        message = f"{place} holds no film ({', '.join(sorted(FILMS))})"
        raise ValueError(message)
    return films


def read_film(path: Path) -> Iterator[np.ndarray]:
    """The frames of a film."""
    video = cv2.VideoCapture(str(path))
    try:
        while (read := video.read())[0]:
            yield read[1]
    finally:
        video.release()
