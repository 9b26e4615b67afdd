"""Pictures of faces as other cameras, lights and crops give them, in five severities.

None is computed as the augmentation of the training computes it (models/expression), so that no network has learned
the corruption itself: defocus is a disk, a shadow has a hard edge, JPEG is OpenCV's at twice the network's resolution,
margins are mirrored, an occlusion is an ellipse in a colour, and noise grows with the light.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Corruption = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

WORK_PX = 144  # side at which pictures are corrupted: three times the network's, for amounts of a fraction of a pixel
SEVERITIES = (1, 2, 3, 4, 5)


def _resolution(picture_hw3: np.ndarray, share: float, _random: np.random.Generator) -> np.ndarray:
    side_px = max(2, round(share * WORK_PX))
    small_hw3 = cv2.resize(picture_hw3, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return cv2.resize(small_hw3, (WORK_PX, WORK_PX), interpolation=cv2.INTER_CUBIC)


def _defocus(picture_hw3: np.ndarray, radius: float, _random: np.random.Generator) -> np.ndarray:
    radius_px = radius * WORK_PX
    reach = int(np.ceil(radius_px))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1)  # with an antialiased edge
    return cv2.filter2D(picture_hw3, -1, disk / disk.sum(), borderType=cv2.BORDER_REPLICATE)


def _motion(picture_hw3: np.ndarray, length: float, random: np.random.Generator) -> np.ndarray:
    reach = int(np.ceil(length * WORK_PX / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    angle_rad = random.uniform(0, np.pi)
    for at_px in np.linspace(-length * WORK_PX / 2, length * WORK_PX / 2, 4 * reach + 1):
        kernel[round(reach + at_px * np.sin(angle_rad)), round(reach + at_px * np.cos(angle_rad))] += 1
    return cv2.filter2D(picture_hw3, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _jpeg(picture_hw3: np.ndarray, quality: float, _random: np.random.Generator) -> np.ndarray:
    small_hw3 = cv2.resize(picture_hw3, (96, 96), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small_hw3, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    decoded_hw3 = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.asarray(cv2.resize(decoded_hw3, (WORK_PX, WORK_PX), interpolation=cv2.INTER_CUBIC))


def _cast(picture_hw3: np.ndarray, stops: float, random: np.random.Generator) -> np.ndarray:
    # In linear light, so many stops between the strongest and the weakest channel; half of the colours are lost.
    gains_3 = 2.0 ** (stops * random.permutation([-0.5, 0.0, 0.5]))
    faded_hw3 = (picture_hw3 + cv2.cvtColor(picture_hw3, cv2.COLOR_BGR2GRAY)[..., None].astype(np.float64)) / 2
    return 255.0 * np.clip(gains_3 * (faded_hw3 / 255.0) ** 2.2, 0, 1) ** (1 / 2.2)


def _exposure(picture_hw3: np.ndarray, stops: float, random: np.random.Generator) -> np.ndarray:
    # In linear light, brighter or darker; what is brighter than white is lost.
    light_hw3 = (picture_hw3 / 255.0) ** 2.2 * 2.0 ** (stops * random.choice([-1.0, 0.6]))
    return np.asarray(255.0 * np.clip(light_hw3, 0, 1) ** (1 / 2.2))


def _gamma(picture_hw3: np.ndarray, factor: float, random: np.random.Generator) -> np.ndarray:
    return np.asarray(255.0 * (picture_hw3 / 255.0) ** (factor ** random.choice([-1.0, 1.0])))


def _shadow(picture_hw3: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    # A hard-edged shadow over a side of the face, through a point near its middle.
    angle_rad, (x, y) = random.uniform(0, 2 * np.pi), random.uniform(0.35, 0.65, 2) * WORK_PX
    down, across = np.mgrid[0:WORK_PX, 0:WORK_PX]
    dark_hw = (across - x) * np.cos(angle_rad) + (down - y) * np.sin(angle_rad) > 0
    light_hw = 1.0 - share * cv2.blur(dark_hw.astype(np.float32), (3, 3))
    return np.asarray(255.0 * ((picture_hw3 / 255.0) ** 2.2 * light_hw[..., None]) ** (1 / 2.2))


def _margin(picture_hw3: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    return _warped(picture_hw3, scale=1.0 + share if random.random() < 0.5 else 1.0 - 0.6 * share)  # noqa: PLR2004  # half


def _offset(picture_hw3: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    angle_rad = random.uniform(0, 2 * np.pi)
    return _warped(picture_hw3, shift=share * WORK_PX * np.array([np.cos(angle_rad), np.sin(angle_rad)]))


def _rotation(picture_hw3: np.ndarray, degrees: float, random: np.random.Generator) -> np.ndarray:
    return _warped(picture_hw3, turn_deg=degrees * random.choice([-1, 1]))


def _warped(
    picture_hw3: np.ndarray, turn_deg: float = 0.0, scale: float = 1.0, shift: np.ndarray | None = None
) -> np.ndarray:
    """The square rotated, `scale` times as wide, and shifted; mirrored at its edges."""
    middle_px = (WORK_PX - 1) / 2
    matrix_23 = cv2.getRotationMatrix2D((middle_px, middle_px), turn_deg, 1.0 / scale)
    if shift is not None:
        matrix_23[:, 2] += shift
    return cv2.warpAffine(
        picture_hw3, matrix_23, (WORK_PX, WORK_PX), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )


def _noise(picture_hw3: np.ndarray, electrons: float, random: np.random.Generator) -> np.ndarray:
    # Shot noise of so many electrons at white, at the network's resolution, as pixels of a small face have it.
    size = (WORK_PX // 3, WORK_PX // 3)
    small_hw3 = np.asarray(cv2.resize(picture_hw3, size, interpolation=cv2.INTER_AREA), np.float64) / 255.0
    seen_hw3 = random.poisson(electrons * small_hw3**2.2 + 2.0) - 2.0
    noisy_hw3 = 255.0 * np.clip(seen_hw3 / electrons, 0, 1) ** (1 / 2.2)
    return np.asarray(cv2.resize(noisy_hw3, (WORK_PX, WORK_PX), interpolation=cv2.INTER_LINEAR))


def _occlusion(picture_hw3: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    # An ellipse of one colour that lies across the face: a hand, a microphone, a strand of hair.
    covered_hw3, axes = picture_hw3.copy(), size * WORK_PX * np.array([0.7, 0.35])
    middle, colour = random.uniform(0.15, 0.85, 2) * WORK_PX, random.uniform(20, 235, 3)
    shape = (tuple(map(float, middle)), tuple(map(float, 2 * axes)), float(random.uniform(0, 180)))
    cv2.ellipse(covered_hw3, shape, tuple(map(float, colour)), -1)
    return covered_hw3


# Name -> function and its amount at each severity: shares are of the picture's side.
CORRUPTIONS: dict[str, tuple[Corruption, tuple[float, ...]]] = {
    "resolution": (_resolution, (0.25, 0.2, 0.165, 0.14, 0.115)),  # 36, 29, 24, 20 and 17 px
    "defocus": (_defocus, (0.015, 0.022, 0.03, 0.038, 0.046)),
    "motion": (_motion, (0.05, 0.075, 0.1, 0.13, 0.16)),
    "jpeg": (_jpeg, (30, 20, 13, 9, 6)),
    "cast": (_cast, (1.0, 1.75, 2.5, 3.25, 4.0)),
    "exposure": (_exposure, (1.0, 1.75, 2.5, 3.25, 4.0)),
    "gamma": (_gamma, (1.3, 1.6, 2.0, 2.5, 3.0)),
    "shadow": (_shadow, (0.5, 0.65, 0.8, 0.9, 0.95)),
    "margin": (_margin, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "offset": (_offset, (0.04, 0.07, 0.1, 0.13, 0.16)),
    "rotation": (_rotation, (5, 10, 15, 20, 25)),
    "noise": (_noise, (300, 120, 60, 30, 15)),
    "occlusion": (_occlusion, (0.15, 0.22, 0.3, 0.37, 0.45)),
}


def corrupted(pictures_nhw3: Sequence[np.ndarray], name: str, severity: int) -> Iterator[np.ndarray]:
    """The pictures with a corruption, uint8 WORK_PX,WORK_PX,3; each picture's is the same in every call.

    Args:
        pictures_nhw3: Squares in BGR, of any size.
        name: One of CORRUPTIONS.
        severity: 1 to 5.
    """
    corrupt, amounts = CORRUPTIONS[name]
    for number, picture_hw3 in enumerate(pictures_nhw3):
        random = np.random.default_rng([zlib.crc32(name.encode()), severity, number])
        spoilt_hw3 = corrupt(enlarged(picture_hw3), amounts[severity - 1], random)
        yield np.clip(np.rint(spoilt_hw3), 0, 255).astype(np.uint8)


def enlarged(picture_hw3: np.ndarray) -> np.ndarray:
    """A square picture at the size at which it is corrupted."""
    if picture_hw3.shape[0] == WORK_PX:
        return picture_hw3
    how = cv2.INTER_AREA if picture_hw3.shape[0] > WORK_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture_hw3, (WORK_PX, WORK_PX), interpolation=how))
