"""Software rasteriser: determines the visible triangle of each pixel, and interpolates attributes over it.

It works in two passes, like deferred renderers. `rasterise` determines visibility (a z-buffer of triangle numbers and
barycentric weights); `interpolate` then gives each covered pixel any attribute: normals, colours, texture coordinates.
Shading is array arithmetic by the caller, with channels first, since NumPy is fast along long rows. Suffixes of names:
h, w pixels; p covered pixels in reading order; n vertices; m triangles; k channels.
"""

# NumPy's arithmetic is Any to mypy where dtypes are unknown.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING = -1  # triangle number of a background pixel


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles with numba; caches the machine code on disk if a folder is writable."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no writable cache folder: compile in each process
        return numba.njit(nogil=True)(function)


@dataclass(frozen=True)
class Surface:
    """Visible surface of each pixel.

    Attributes:
        triangle_hw: int32, the number of the triangle, or NOTHING.
        weights_hw3: float32, perspective-correct barycentric weights of its corners.
        depth_hw: float32, distance along the view axis; infinity for the background.
    """

    triangle_hw: np.ndarray
    weights_hw3: np.ndarray
    depth_hw: np.ndarray

    @property
    def covered_hw(self) -> np.ndarray:
        """True where a triangle is visible."""
        return self.triangle_hw != NOTHING


def rasterise(
    points_n3: np.ndarray,
    triangles_m3: np.ndarray,
    size_px: int,
    *,
    perspective: bool = True,
    behind_m: np.ndarray | None = None,
) -> Surface:
    """Draws triangles into a z-buffer; both sides of a triangle are drawn, the nearest one wins.

    Args:
        points_n3: x to the right and y down in pixels (pixel centres are at halves), and depth, which grows away from
            the eye. With `perspective`, depths must be positive: a triangle behind the eye is skipped.
        triangles_m3: Corners of each triangle, as rows of points_n3.
        size_px: Side of the square image.
        perspective: True if the depth is from a perspective projection. False for light and texture space.
        behind_m: Added to the depth of each triangle, so that one surface wins over another where the two meet.
    """
    triangle_hw = np.full((size_px, size_px), NOTHING, np.int32)
    weights_hw3 = np.zeros((size_px, size_px, 3), np.float32)
    depth_hw = np.full((size_px, size_px), np.inf, np.float32)
    points_n3 = np.ascontiguousarray(points_n3, np.float32)
    behind_m = np.zeros(len(triangles_m3), np.float32) if behind_m is None else behind_m
    _fill(points_n3, triangles_m3, behind_m, perspective, triangle_hw, weights_hw3, depth_hw)
    return Surface(triangle_hw, weights_hw3, depth_hw)


def interpolate(attributes_nk: np.ndarray, triangles_m3: np.ndarray, surface: Surface) -> np.ndarray:
    """Interpolates vertex attributes over the visible triangles.

    Returns:
        float32 (k, p): the covered pixels in reading order, as in `picture[surface.covered_hw]`.
    """
    covered_hw = surface.covered_hw
    corners_p3, weights_p3 = triangles_m3[surface.triangle_hw[covered_hw]], surface.weights_hw3[covered_hw]
    attributes_nk = np.ascontiguousarray(attributes_nk, np.float32)
    out_kp = np.empty((attributes_nk.shape[1], len(corners_p3)), np.float32)
    _spread(attributes_nk, corners_p3, weights_p3, out_kp)
    return out_kp


def turn(points_n3: np.ndarray, matrix_33: np.ndarray) -> np.ndarray:
    """Applies a matrix to points, as `points_n3 @ matrix_33.T`, with a fixed order of summation on every machine.

    A BLAS may split the work by its threads and round differently; the bytes of an image must not depend on that.
    """
    x_n, y_n, z_n = points_n3.T
    return np.stack([a * x_n + b * y_n + c * z_n for a, b, c in matrix_33], axis=1)


def vertex_normals(points_n3: np.ndarray, triangles_m3: np.ndarray) -> np.ndarray:
    """Unit normals of vertices: the area-weighted mean of the surrounding triangles."""
    normals_n3 = np.zeros_like(points_n3)
    _gather_normals(points_n3, triangles_m3, normals_n3)
    return normals_n3


def sample(picture_hwk: np.ndarray, across_p: np.ndarray, down_p: np.ndarray) -> np.ndarray:
    """Samples an image between its pixels, bilinearly; beyond its edges the edge is repeated.

    `cv2.remap` does the same, but for at most 32,767 positions in a row.

    Args:
        picture_hwk: Any number of channels.
        across_p: Positions in pixels; pixel centres are at halves.
        down_p: Positions in pixels, as above.

    Returns:
        float32 (k, p).
    """
    out_kp = np.empty((picture_hwk.shape[2], len(across_p)), np.float32)
    _look_up(picture_hwk, across_p, down_p, out_kp)
    return out_kp


@compiled
def _fill(  # compiled: arrays, not objects
    points_n3: np.ndarray,
    triangles_m3: np.ndarray,
    behind_m: np.ndarray,
    perspective: bool,
    triangle_hw: np.ndarray,
    weights_hw3: np.ndarray,
    depth_hw: np.ndarray,
) -> None:
    size_px, half, one = triangle_hw.shape[0], np.float32(0.5), np.float32(1.0)
    for m in range(triangles_m3.shape[0]):
        a, b, c = triangles_m3[m, 0], triangles_m3[m, 1], triangles_m3[m, 2]
        ax, ay, az = points_n3[a, 0], points_n3[a, 1], points_n3[a, 2]
        bx, by, bz = points_n3[b, 0], points_n3[b, 1], points_n3[b, 2]
        cx, cy, cz = points_n3[c, 0], points_n3[c, 1], points_n3[c, 2]
        if perspective and min(az, bz, cz) <= 0.0:
            continue
        # Bounding box, clipped to the image; most triangles are smaller than a pixel and cover no pixel's centre.
        left, right = max(int(min(ax, bx, cx) + half), 0), min(int(max(ax, bx, cx) - half), size_px - 1)
        top, bottom = max(int(min(ay, by, cy) + half), 0), min(int(max(ay, by, cy) - half), size_px - 1)
        if left > right or top > bottom:
            continue
        # Twice the signed area; zero is a degenerate triangle.
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        scale = one / area
        ux, uy = (by - cy) * scale, (cx - bx) * scale  # gradients of the weights of a and b
        vx, vy = (cy - ay) * scale, (ax - cx) * scale
        for row in range(top, bottom + 1):
            dx, dy = np.float32(left) + half - cx, np.float32(row) + half - cy
            u, v = dx * ux + dy * uy, dx * vx + dy * vy
            for column in range(left, right + 1):
                # Barycentric weights are all positive inside; depth is interpolated as 1/z under perspective.
                w = one - u - v
                if u >= 0.0 and v >= 0.0 and w >= 0.0:
                    depth = one / (u / az + v / bz + w / cz) if perspective else u * az + v * bz + w * cz
                    if depth + behind_m[m] < depth_hw[row, column]:
                        depth_hw[row, column], triangle_hw[row, column] = depth + behind_m[m], m
                        weights_hw3[row, column, 0] = u * depth / az if perspective else u
                        weights_hw3[row, column, 1] = v * depth / bz if perspective else v
                        weights_hw3[row, column, 2] = w * depth / cz if perspective else w
                u += ux
                v += vx


@compiled
def _spread(
    attributes_nk: np.ndarray,
    corners_p3: np.ndarray,
    weights_p3: np.ndarray,
    out_kp: np.ndarray,
) -> None:
    for p in range(corners_p3.shape[0]):
        a, b, c = corners_p3[p, 0], corners_p3[p, 1], corners_p3[p, 2]
        u, v, w = weights_p3[p, 0], weights_p3[p, 1], weights_p3[p, 2]
        for k in range(attributes_nk.shape[1]):
            out_kp[k, p] = u * attributes_nk[a, k] + v * attributes_nk[b, k] + w * attributes_nk[c, k]


@compiled
def _look_up(
    picture_hwk: np.ndarray,
    across_p: np.ndarray,
    down_p: np.ndarray,
    out_kp: np.ndarray,
) -> None:
    height_px, width_px, channels = picture_hwk.shape
    for p in range(across_p.shape[0]):
        x = min(max(across_p[p] - np.float32(0.5), np.float32(0)), np.float32(width_px - 1))
        y = min(max(down_p[p] - np.float32(0.5), np.float32(0)), np.float32(height_px - 1))
        column, row = min(int(x), width_px - 2), min(int(y), height_px - 2)
        right, down = x - np.float32(column), y - np.float32(row)
        for k in range(channels):
            upper = picture_hwk[row, column, k] * (1 - right) + picture_hwk[row, column + 1, k] * right
            lower = picture_hwk[row + 1, column, k] * (1 - right) + picture_hwk[row + 1, column + 1, k] * right
            out_kp[k, p] = upper * (1 - down) + lower * down


@compiled
def _gather_normals(points_n3: np.ndarray, triangles_m3: np.ndarray, normals_n3: np.ndarray) -> None:
    for m in range(triangles_m3.shape[0]):
        a, b, c = triangles_m3[m, 0], triangles_m3[m, 1], triangles_m3[m, 2]
        ux, uy, uz = (
            points_n3[b, 0] - points_n3[a, 0],
            points_n3[b, 1] - points_n3[a, 1],
            points_n3[b, 2] - points_n3[a, 2],
        )
        vx, vy, vz = (
            points_n3[c, 0] - points_n3[a, 0],
            points_n3[c, 1] - points_n3[a, 1],
            points_n3[c, 2] - points_n3[a, 2],
        )
        # Add the face normal to each corner, weighted by area.
        for n in (a, b, c):  # the cross product is as long as twice the area
            normals_n3[n, 0] += uy * vz - uz * vy
            normals_n3[n, 1] += uz * vx - ux * vz
            normals_n3[n, 2] += ux * vy - uy * vx
    # Normalise to unit length.
    for n in range(normals_n3.shape[0]):
        length = np.sqrt(normals_n3[n, 0] ** 2 + normals_n3[n, 1] ** 2 + normals_n3[n, 2] ** 2)
        for k in range(3):
            normals_n3[n, k] /= max(length, np.float32(1e-12))
