"""Frames with known faces: rendered heads over photographs, with the box, the roll and the expression of each."""

from __future__ import annotations

import dataclasses
import functools
import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from curation.synthetic_faces.head import load_head
from curation.synthetic_faces.paint import creases
from curation.synthetic_faces.puppet import Model, build_model, cast, pose
from curation.synthetic_faces.rasterise import rasterise
from curation.synthetic_faces.shade import BEHIND_CM, Appearance, shoot
from curation.synthetic_faces.shot import draw_shot, frame
from curation.synthetic_faces.takes import express

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 640, 480
HEAD_PX = 320  # side of the picture of a head; the face is half as high
TURN_DEG = np.array([10.0, 5.0])  # deviations of yaw and pitch
PHOTO_BLUR_PX = 1.5  # small photographs are enlarged: a camera does not give the edges of sharp pixels
NOISE_LEVELS = 3.0
STREETS = "street/"  # number of photographs taken from an archive


@dataclass(frozen=True)
class RenderedHead:
    """A rendered head with transparency.

    Attributes:
        picture_hwc: uint8, blue first.
        alpha_hw: 0 to 1, the opacity of the head.
        face_22: The face's upper left and lower right, from forehead to chin, in pixels of the picture.
    """

    picture_hwc: np.ndarray
    alpha_hw: np.ndarray
    face_22: np.ndarray


class Heads:
    """Synthetic people: `draw` gives the same head for the same person and expression."""

    def __init__(self, wheel: Path) -> None:
        self._wheel = wheel

    @functools.lru_cache(maxsize=512)  # noqa: B019  # lives as long as the benchmark
    def draw(self, person: int, expression: str) -> RenderedHead:
        """A head that looks about into the camera, upright."""
        random = np.random.default_rng([0, person, len(expression)])
        units = express(expression, random)
        yaw_deg, pitch_deg = random.normal(0, TURN_DEG)
        return self.pose(person, units, (float(yaw_deg), float(pitch_deg)), random)

    def pose(
        self,
        person: int,
        units: dict[str, float],
        turn_deg: tuple[float, float],
        random: np.random.Generator | None = None,
    ) -> RenderedHead:
        """A head with these units and this yaw and pitch; without `random` a person's light is always the same."""
        model, random = _model(self._wheel), random or np.random.default_rng([1, person])
        performer = cast(model, 0, person)
        mesh = pose(model, performer, units, np.zeros(2), np.radians([*turn_deg, 0.0]))
        shot = draw_shot(HEAD_PX, random)
        shot = dataclasses.replace(shot, fill=0.5, offset=(0.0, -0.05), blur_px=0.0, noise=0.0)
        folds_hw = creases(model.canvas, performer.person.age, units)
        look = Appearance(performer.person, performer.skin.paint_hw4, performer.skin.folded(folds_hw))
        picture_hwc = shoot(mesh, look, shot, random)
        screen_n3, _ = frame(mesh.points_n3, mesh.face_n, shot)
        side_px = shot.background_hw3.shape[0]
        covered_hw = rasterise(screen_n3, mesh.triangles_m3, side_px, behind_m=BEHIND_CM[mesh.part_m]).covered_hw
        alpha_hw = cv2.resize(covered_hw.astype(np.float32), (HEAD_PX, HEAD_PX), interpolation=cv2.INTER_AREA)
        face_n2 = screen_n3[mesh.face_n, :2] * HEAD_PX / side_px
        return RenderedHead(picture_hwc, alpha_hw, np.stack([face_n2.min(axis=0), face_n2.max(axis=0)]))


@functools.lru_cache(maxsize=1)
def _model(wheel: Path) -> Model:
    return build_model(load_head(wheel))


def put_head(
    background_hwc: np.ndarray,
    head: RenderedHead,
    height_px: float,
    middle_px: tuple[float, float],
    roll_deg: float = 0.0,
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Lays a head over a picture.

    Args:
        background_hwc: Any numbers from 0 to 255; it is not changed.
        head: The head.
        height_px: Of the face, from forehead to chin.
        middle_px: Of the face, x and y.
        roll_deg: Its roll to the picture's right.

    Returns:
        float64 H,W,C; and the box of the upright face: left, top, width, height.
    """
    (left, top), (right, bottom) = head.face_22
    scale = height_px / (bottom - top)
    picture_hwc, alpha_hw, shrunk = head.picture_hwc, head.alpha_hw, 1.0
    if scale < 1:  # by area first: a warp alone skips pixels
        side = max(2, round(HEAD_PX * scale))
        shrunk = side / HEAD_PX
        picture_hwc, alpha_hw = (
            cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA) for part in (picture_hwc, alpha_hw)
        )
    middle = np.array([left + right, top + bottom]) / 2 * shrunk - 0.5
    turned_23 = np.asarray(
        cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), -roll_deg, scale / shrunk), np.float64
    )
    turned_23[:, 2] += np.array(middle_px) - 0.5 - middle
    size = (background_hwc.shape[1], background_hwc.shape[0])
    alpha_hw1 = cv2.warpAffine(alpha_hw, turned_23, size)[..., None]
    laid_hwc = background_hwc * (1 - alpha_hw1) + cv2.warpAffine(picture_hwc, turned_23, size) * alpha_hw1
    width_px = (right - left) * scale
    return laid_hwc, (middle_px[0] - width_px / 2, middle_px[1] - height_px / 2, width_px, height_px)


def filmed(picture_hwc: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The picture with a camera's noise, uint8."""
    return np.clip(picture_hwc + random.normal(0, NOISE_LEVELS, picture_hwc.shape), 0, 255).astype(np.uint8)


def read_streets(archive: Path, count: int) -> list[np.ndarray]:
    """So many photographs of streets from an archive, spread over it; uint8 HEIGHT,WIDTH,3.

    Raises:
        OSError: The archive cannot be read.
        ValueError: It has none.
    """
    return [fill_frame(photo_hwc) for photo_hwc in read_photographs(archive, count, STREETS)]


def read_photographs(archive: Path, count: int, folder: str = "") -> list[np.ndarray]:
    """So many photographs from an archive, spread over it, at their own size; uint8 H,W,3.

    Args:
        archive: A tar file, compressed or not.
        count: The number, or less if there are fewer.
        folder: A part of their names; all if it is empty.

    Raises:
        OSError: The archive cannot be read.
        ValueError: It has none.
    """
    with tarfile.open(archive) as opened:
        members = {member.name: member for member in opened if member.isfile() and folder in member.name}
        names = sorted(members)[:: max(1, len(members) // count)][:count]
        files = [opened.extractfile(members[name]) for name in names]
        contents = [io.BytesIO(file.read()).getvalue() for file in files if file is not None]
    if not contents:
        message = f"{archive} holds no picture in a folder {folder}" if folder else f"{archive} holds no picture"
        raise ValueError(message)
    photos = [cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) for content in contents]
    return [photo_hwc for photo_hwc in photos if photo_hwc is not None]


def draw_streets(count: int, seed: int) -> list[np.ndarray]:
    """Empty scenes in place of photographs: fronts with windows, and a road; uint8 HEIGHT,WIDTH,3."""
    return [_draw_street(np.random.default_rng([seed, number])) for number in range(count)]


def _draw_street(random: np.random.Generator) -> np.ndarray:
    scene = np.full((HEIGHT, WIDTH, 3), random.integers(90, 230, 3), np.uint8)
    for _ in range(12):
        x, y = int(random.integers(-50, WIDTH)), int(random.integers(0, 250))
        w, h = (int(value) for value in random.integers(60, 220, 2))
        cv2.rectangle(scene, (x, y), (x + w, HEIGHT), tuple(int(value) for value in random.integers(30, 210, 3)), -1)
        glass = tuple(int(value) for value in random.integers(10, 250, 3))
        for at_x in range(x + 8, x + w - 12, 22):
            for at_y in range(y + 8, y + h, 30):
                cv2.rectangle(scene, (at_x, at_y), (at_x + 11, at_y + 17), glass, -1)
    cv2.rectangle(scene, (0, 400), (WIDTH, HEIGHT), (70, 70, 74), -1)
    return cv2.GaussianBlur(scene, (0, 0), PHOTO_BLUR_PX)


def fill_frame(photo_hwc: np.ndarray) -> np.ndarray:
    """A photograph of any size, enlarged and cropped to a frame; uint8 HEIGHT,WIDTH,3."""
    scale = max(WIDTH / photo_hwc.shape[1], HEIGHT / photo_hwc.shape[0])
    large = cv2.resize(photo_hwc, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    top, left = (large.shape[0] - HEIGHT) // 2, (large.shape[1] - WIDTH) // 2
    return cv2.GaussianBlur(large[top : top + HEIGHT, left : left + WIDTH], (0, 0), PHOTO_BLUR_PX)
