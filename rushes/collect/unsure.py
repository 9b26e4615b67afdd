"""Selection of pictures to collect: those on which the network is unsure, not too often, and no two alike."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN = 0.2
LEAST_PROBABILITY = 0.4
RATE_PER_MINUTE = 6.0
SMALL_PX = 32
# Correlation at 32 px from which two pictures are alike. Of one person in one light, 2 s apart, half of the pairs are
# above 0.957; clean drops a picture as a copy from 0.9, but only where the perceptual hashes agree too.
ALIKE = 0.95
REMEMBERED = 64  # pictures that a new one is compared with


def is_unsure(probabilities: Sequence[float], margin: float = MARGIN) -> bool:
    """True if the two most likely labels are less than a margin apart, or the most likely one has less than 0.4."""
    second, first = np.sort(probabilities)[-2:] if len(probabilities) > 1 else (0.0, probabilities[0])
    return bool(first - second < margin or first < LEAST_PROBABILITY)


@dataclass
class Selection:
    """Limits how often pictures are collected, and how alike they are.

    Attributes:
        rate_per_minute: Maximum number of pictures a minute of the source, evenly spaced.
    """

    rate_per_minute: float = RATE_PER_MINUTE
    _last_s: float | None = None
    _kept: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def is_due(self, time_s: float) -> bool:
        """True if enough time has passed since the latest picture, or the time has been set back."""
        return self._last_s is None or not 0 <= time_s - self._last_s < 60 / self.rate_per_minute

    def is_new(self, square_bgr: np.ndarray) -> bool:
        """True if a picture differs from those that were kept."""
        small = _normal(square_bgr)
        return all(float(small @ other) < ALIKE for other in self._kept)

    def keep(self, square_bgr: np.ndarray, time_s: float) -> None:
        """Notes a picture that is kept."""
        self._last_s = time_s
        self._kept.append(_normal(square_bgr))


def _normal(square_bgr: np.ndarray) -> np.ndarray:
    """Grey levels at 32 px with zero mean and unit norm: the product of two is their correlation."""
    small_bgr = cv2.resize(square_bgr, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small_bgr, cv2.COLOR_BGR2GRAY).astype(np.float32).ravel()
    grey -= grey.mean()
    return np.asarray(grey / (np.linalg.norm(grey) + 1e-6))
