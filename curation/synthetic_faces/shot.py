"""Camera and lights of an image: position, exposure, lens.

Directions are in camera space: x right, y up, z towards the eye. Suffixes of names: h, w pixels; n vertices.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from curation.synthetic_faces.rasterise import sample


@dataclass(frozen=True)
class CameraAndLight:
    """Position of the camera and lighting of the scene.

    Attributes:
        distance_cm: From the camera to the axis that the head turns about.
        focal: Focal length in heights of the image. The optical axis then goes through the middle of the image; at 0
            each image is framed by its face, as `fill` and `offset` have it.
        fill: Share of the image's height that the face fills, chin to forehead.
        offset: Offset of the face from the centre, to the right and down, as shares of the image.
        key_3: Direction of the brightest light.
        key_rgb: Its strength and colour, linear, as for the other lights.
        fill_3: Direction of the light that fills the shadows.
        fill_rgb: See key_rgb.
        sky_rgb: Ambient light from above.
        ground_rgb: Ambient light from below.
        exposure: Factor on all light.
        contrast: About 1.
        oversample: The image is rendered at this multiple of its size, then scaled down.
        background_hw3: Background, larger than the image by `oversample`.
        cloth_rgb: Albedo of the clothes.
        blur_px: Deviation of the blur; 0 is sharp.
        noise: Deviation of the grain, where 1 is white.
    """

    distance_cm: float
    focal: float
    fill: float
    offset: tuple[float, float]
    key_3: np.ndarray
    key_rgb: np.ndarray
    fill_3: np.ndarray
    fill_rgb: np.ndarray
    sky_rgb: np.ndarray
    ground_rgb: np.ndarray
    exposure: float
    contrast: float
    oversample: int
    background_hw3: np.ndarray
    cloth_rgb: np.ndarray
    blur_px: float
    noise: float


def draw_shot(size_px: int, rng: np.random.Generator, oversample: int = 2) -> CameraAndLight:
    """Draws camera and lights: most scenes are lit from the front and above, some have low-key light."""
    azimuth, elevation = np.radians(np.clip(rng.normal(0, 40), -80, 80)), np.radians(rng.uniform(-5, 55))
    moody = rng.random() < 0.2  # noqa: PLR2004  # one in five
    key, fill, sky = rng.uniform(1.6, 2.6), rng.uniform(0.1, 0.7), rng.uniform(0.25, 0.6)
    if moody:
        key, fill, sky = key * 1.25, fill * 0.3, sky * 0.5
    return CameraAndLight(
        distance_cm=rng.uniform(55, 160),
        focal=0.0,
        fill=rng.uniform(0.97, 1.18),
        offset=(rng.normal(0, 0.025), rng.normal(0.01, 0.02)),
        key_3=_direction(azimuth, elevation),
        key_rgb=np.float32(key) * _warmth(rng.normal(0, 1)),
        fill_3=_direction(-np.sign(azimuth) * rng.uniform(0.6, 1.4), rng.uniform(-0.3, 0.5)),
        fill_rgb=np.float32(fill) * _warmth(rng.normal(0, 1)),
        sky_rgb=np.float32(sky) * _warmth(rng.normal(-0.5, 1)),
        ground_rgb=np.float32(sky * rng.uniform(0.3, 0.7)) * _warmth(rng.normal(0.5, 1)),
        exposure=float(np.exp(rng.normal(-0.3, 0.25))),
        contrast=rng.uniform(0.95, 1.35),
        oversample=oversample,
        background_hw3=_background(size_px * oversample, rng),
        cloth_rgb=(rng.uniform(0.02, 0.7) * rng.uniform(0.6, 1.0, 3)).astype(np.float32),
        blur_px=rng.uniform(0.3, 1.1) if rng.random() < 0.2 else 0.0,  # noqa: PLR2004  # one in five
        noise=rng.uniform(0.0, 0.012) + (rng.uniform(0.01, 0.03) if rng.random() < 0.2 else 0.0),  # noqa: PLR2004  # one in five
    )


def _direction(azimuth: float, elevation: float) -> np.ndarray:
    flat = np.cos(elevation)
    return np.array([np.sin(azimuth) * flat, np.sin(elevation), np.cos(azimuth) * flat], np.float32)


def _warmth(warmth: float) -> np.ndarray:
    return np.array([1 + 0.06 * warmth, 1.0, 1 - 0.09 * warmth], np.float32)


def _background(size_px: int, rng: np.random.Generator) -> np.ndarray:
    """An out-of-focus background."""
    coarse_443 = rng.uniform(0.05, 0.7) * np.exp(rng.uniform(0, 0.7) * rng.standard_normal((4, 4, 1)))
    coarse_443 = coarse_443 * np.exp(0.12 * rng.standard_normal((4, 4, 3)))
    at_px = ((np.arange(size_px) + 0.5) * (4 / size_px)).astype(np.float32)
    # Not cv2.resize: its coefficients are float32 or, with Intel's library, float64.
    enlarged_3p = sample(coarse_443.astype(np.float32), np.tile(at_px, size_px), np.repeat(at_px, size_px))
    return enlarged_3p.T.reshape(size_px, size_px, 3)


def fix_lens(points_n3: np.ndarray, face_n: np.ndarray, shot: CameraAndLight) -> CameraAndLight:
    """The same shot with a fixed lens that looks straight ahead: the face, where it is now, fills the shot's share."""
    _, px_per_cm = frame(points_n3, face_n, shot)
    return dataclasses.replace(shot, focal=px_per_cm * shot.distance_cm / shot.background_hw3.shape[0])


def frame(points_n3: np.ndarray, face_n: np.ndarray, shot: CameraAndLight) -> tuple[np.ndarray, float]:
    """Projects points so that the face, chin to forehead, fills the shot's share of the height; or by its focal length.

    Args:
        points_n3: In cm, camera space.
        face_n: Points of the face.
        shot: Position of the camera.

    Returns:
        Points in pixels with depth in cm, for `rasterise`; and pixels a centimetre at the face.
    """
    size_px = shot.background_hw3.shape[0]
    depth_n = shot.distance_cm - points_n3[:, 2]
    # Perspective division, then scale and centre by the bounding box of the face, unless the lens is fixed.
    flat_n2 = points_n3[:, :2] * np.array([1, -1], np.float32) / depth_n[:, None]
    if shot.focal:
        scale = shot.focal * size_px
        screen_n2 = flat_n2 * np.float32(scale) + np.float32(size_px / 2)
        return np.column_stack([screen_n2, depth_n]).astype(np.float32), scale / shot.distance_cm
    low_2, high_2 = flat_n2[face_n].min(axis=0), flat_n2[face_n].max(axis=0)
    scale = shot.fill * size_px / (high_2[1] - low_2[1])
    screen_n2 = (flat_n2 - (low_2 + high_2) / 2) * scale + (0.5 + np.array(shot.offset, np.float32)) * size_px
    return np.column_stack([screen_n2, depth_n]).astype(np.float32), float(scale / shot.distance_cm)
