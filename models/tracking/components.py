"""Principal components of landmarks, each either symmetric or antisymmetric about the middle of the face.

The landmarks of a face are 1,434 numbers that hardly move by themselves: on 240 rendered performers a network over 320
components reads the units with a mean correlation of 0.653, over the landmarks themselves with 0.636, in three
quarters of the time. As each component keeps or changes its sign in a mirror, so does a mirrored take.

Legend: T frames, P landmark coordinates, K components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_STD = 1e-3  # of a coordinate, in distances of the eyes
LEAST_SHARE = 1e-7  # of the variance; a component with less is rounding


@dataclass(frozen=True)
class Components:
    """A basis for landmarks in the axes of the head.

    Attributes:
        mean_p: Mean face; symmetric.
        std_p: Deviation of each coordinate within takes; symmetric.
        vectors_kp: Orthonormal components of standardised landmarks, largest variance first.
        signs_k: 1 for a symmetric component, -1 for an antisymmetric one.
    """

    mean_p: np.ndarray
    std_p: np.ndarray
    vectors_kp: np.ndarray
    signs_k: np.ndarray

    def of(self, landmarks_tp: np.ndarray) -> np.ndarray:
        """Components T,K of landmarks T,P."""
        return np.asarray((landmarks_tp - self.mean_p) / self.std_p @ self.vectors_kp.T)


def fit_components(
    landmarks_tp: np.ndarray, takes: Sequence[tuple[int, int]], mirror: Sequence[int], count: int
) -> Components:
    """Components of landmarks and of their mirror images.

    Args:
        landmarks_tp: x, y, z of each landmark, frame by frame; NaN in frames without a face.
        takes: First frame and number of frames of each take.
        mirror: For each landmark the one on the other side.
        count: Number of components; fewer if the frames do not span as many.
    """
    places, flips = mirror_of(mirror)
    faces_tp = np.asarray(landmarks_tp, np.float64)
    seen_t = np.asarray(np.isfinite(faces_tp).all(1))
    mean_p = _symmetric(faces_tp[seen_t].mean(0), places, flips)
    # Variance within takes, so that a coordinate counts by how it moves, not by how faces differ.
    parts = [faces_tp[start : start + length][seen_t[start : start + length]] for start, length in takes]
    within_p = np.mean([part.var(0) for part in parts if len(part)], axis=0)
    std_p = np.sqrt((within_p + within_p[places]) / 2) + LEAST_STD
    standard_tp = (faces_tp[seen_t] - mean_p) / std_p
    mirrored_tp = standard_tp[:, places] * flips
    values, vectors, signs = [], [], []
    for sign in (1.0, -1.0):
        half_tp = (standard_tp + sign * mirrored_tp) / 2
        values_p, vectors_pp = np.linalg.eigh(half_tp.T @ half_tp / len(half_tp))
        values.append(values_p)
        vectors.append(vectors_pp.T)
        signs.append(np.full(len(values_p), sign))
    value_k, vectors_kp, signs_k = (np.concatenate(part) for part in (values, vectors, signs))
    order = np.argsort(-value_k, kind="stable")[:count]
    order = order[value_k[order] > LEAST_SHARE * value_k.sum()]
    vectors_kp = vectors_kp[order]
    # The sign of an eigenvector is arbitrary: its largest part is positive.
    largest_k = np.take_along_axis(vectors_kp, np.abs(vectors_kp).argmax(1)[:, None], 1)
    oriented_kp = vectors_kp * np.sign(largest_k)
    return Components(*(part.astype(np.float32) for part in (mean_p, std_p, oriented_kp, signs_k[order])))


def mirror_of(mirror: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """For each coordinate the place of its mirror image, and its sign: x changes it."""
    places = np.array([3 * other + axis for other in mirror for axis in range(3)])
    return places, np.tile([-1.0, 1.0, 1.0], len(mirror))


def _symmetric(face_p: np.ndarray, places: np.ndarray, flips: np.ndarray) -> np.ndarray:
    return np.asarray((face_p + face_p[places] * flips) / 2)
