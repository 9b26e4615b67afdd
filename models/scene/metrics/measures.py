"""Metrics of drawn images, in NumPy only: arrays of features in, numbers out.

N real images, each with R drawings of its own; D features. Each function's docstring names its paper. Metrics that
promotion compares are returned as one value a real image, whose plain mean is the metric, so that a bootstrap can
weight them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 5  # k of density and coverage, as their authors recommend
BLOCK = 1024  # rows of a distance matrix computed at a time
BEST_PSNR_DB = 99.0  # for equal images, whose PSNR is infinite
PEAK = 255.0
COPY_PERCENTILE = 2.0  # of real images that count as near copies of each other


def kid_parts(real_nd: np.ndarray, drawn_nrd: np.ndarray) -> np.ndarray:
    """Contribution of each real image and its drawings to the kernel distance; the plain mean is the unbiased KID.

    The kernel is (x.y / D + 1)^3 (Binkowski et al. 2018, arXiv 1801.01401). The statistic is paired: with
    h((x, y), (x', y')) = k(x, x') + k(y, y') - k(x, y') - k(x', y) its mean over all pairs of rows is unbiased. The
    contribution of row i is 2 h_i - mean h, where h_i is the mean of its row: Hoeffding's projection, which a bootstrap
    of a U-statistic may weight. The kernel is averaged over the R drawings.

    Args:
        real_nd: Features of the real images, N at least 2.
        drawn_nrd: Features of the drawings of each.

    Returns:
        N values.
    """
    count = len(real_nd)
    drawn_nr = [drawn_nrd[:, place].astype(np.float64) for place in range(drawn_nrd.shape[1])]
    real = real_nd.astype(np.float64)
    # h as a matrix: real with real, minus real with drawn both ways, plus drawn with drawn.
    pairs_nn = _kernel(real, real)
    for one in drawn_nr:
        across_nn = _kernel(real, one) / len(drawn_nr)
        pairs_nn -= across_nn + across_nn.T
        for other in drawn_nr:
            pairs_nn += _kernel(one, other) / len(drawn_nr) ** 2
    # The unbiased estimate leaves out pairs of a row with itself.
    np.fill_diagonal(pairs_nn, 0.0)
    means_n = pairs_nn.sum(1) / (count - 1)
    parts_n: np.ndarray = 2.0 * means_n - means_n.mean()
    return parts_n


def _kernel(first_nd: np.ndarray, second_md: np.ndarray) -> np.ndarray:
    kernel_nm: np.ndarray = (first_nd @ second_md.T / first_nd.shape[1] + 1.0) ** 3
    return kernel_nm


def frechet(real_nd: np.ndarray, drawn_md: np.ndarray) -> float:
    """Fréchet distance of two normal distributions with the means and covariances of the features (Heusel et al. 2017).

    The trace of the root of the product of both covariances is computed as the nuclear norm of the product of both
    centred matrices. That also holds for fewer images than features, and needs no regularisation to make a matrix
    invertible. The distance is biased upwards, the more the fewer images there are: compare it only among equal numbers
    of images.
    """
    real, drawn = real_nd.astype(np.float64), drawn_md.astype(np.float64)
    gap_d = real.mean(0) - drawn.mean(0)
    root_r, root_d = _root(real), _root(drawn)
    # trace((Cr Cd)^(1/2)) = nuclear norm of Rr Rd', with C = R'R.
    shared = np.linalg.svd(root_r @ root_d.T, compute_uv=False).sum()
    return float(gap_d @ gap_d + (root_r**2).sum() + (root_d**2).sum() - 2.0 * shared)


def _root(values_nd: np.ndarray) -> np.ndarray:
    """Factor R with R'R the covariance, in as few rows as possible."""
    centred_nd: np.ndarray = (values_nd - values_nd.mean(0)) / np.sqrt(max(1, len(values_nd) - 1))
    if len(centred_nd) <= centred_nd.shape[1]:
        return centred_nd
    return np.asarray(np.linalg.qr(centred_nd, mode="r"))


@dataclass(frozen=True)
class Manifold:
    """Position of drawings relative to real images: each real image has a ball with the radius of its k-th neighbour.

    Attributes:
        inside_nr: True if a drawing is in any ball: precision (Kynkaanniemi et al. 2019, arXiv 1904.06991).
        density: Mean number of balls that contain a drawing, over k: 1 for equal distributions (Naeem et al. 2020,
            arXiv 2002.09797).
        covered_n: Share of the R sets of N drawings with a drawing in the ball of real image n: coverage of the same
            paper, and not inflated by a larger R.
    """

    inside_nr: np.ndarray
    density: float
    covered_n: np.ndarray


def manifold(real_nd: np.ndarray, drawn_nrd: np.ndarray) -> Manifold:
    """Density and coverage of drawings among the real images."""
    count, each = drawn_nrd.shape[:2]
    neighbours = min(NEIGHBOURS, count - 1)
    radius_n = np.sort(distances(real_nd, real_nd), axis=1)[:, neighbours]  # index 0 is the image itself
    # (real, drawn, r): drawing r of row n is in the ball of a real image.
    holds_nnr = np.stack([distances(real_nd, drawn_nrd[:, r]) <= radius_n[:, None] for r in range(each)], axis=2)
    density = float(holds_nnr.sum(0).mean() / neighbours)
    return Manifold(np.asarray(holds_nnr.any(0)), density, np.asarray(holds_nnr.any(1)).mean(1))


@dataclass(frozen=True)
class Nearest:
    """Nearest training image of each of M other images.

    Attributes:
        row_m: Its row.
        distance_m: Its distance.
        ratio_m: This distance over that to the nearest image of any other group: far below 1 only if one training image
            is reproduced, whatever noise or blur is added; NaN if there is no other group.
    """

    row_m: np.ndarray
    distance_m: np.ndarray
    ratio_m: np.ndarray


def nearest(
    others_md: np.ndarray, train_nd: np.ndarray, groups_n: np.ndarray, own_m: np.ndarray | None = None
) -> Nearest:
    """Finds the nearest training images, in blocks of rows.

    Args:
        others_md: Features of the others.
        train_nd: Features of the training images.
        groups_n: Group number of each training image.
        own_m: Group of each of the others if they are training images themselves: their own group is excluded.
    """
    parts = []
    for start in range(0, len(others_md), BLOCK):
        block = distances(others_md[start : start + BLOCK], train_nd)
        if own_m is not None:
            block[own_m[start : start + BLOCK, None] == groups_n[None]] = np.inf
        rows = block.argmin(1)
        first = block.min(1)
        # Exclude the group of the nearest image to find the nearest of another group.
        block[groups_n[rows][:, None] == groups_n[None]] = np.inf
        parts.append(np.stack([rows, first, block.min(1)]))
    row_m, first_m, second_m = np.concatenate([np.zeros((3, 0)), *parts], axis=1)
    known_m = np.isfinite(second_m) & (second_m > 0)
    ratio_m = np.divide(first_m, second_m, out=np.full_like(first_m, np.nan), where=known_m)
    return Nearest(row_m.astype(int), first_m, ratio_m)


@dataclass(frozen=True)
class CopyLimits:
    """Limits below which an image is a near copy of a training image, derived from distances among training images.

    One limit is the distance to the nearest training image (as in Meehan et al. 2020, arXiv 2004.05675, relative to
    real images), the other the ratio of Lowe's test (2004), which detects copies shifted by noise, blur or compression.
    Each limit is set so that COPY_PERCENTILE of the real images fall below it.

    Attributes:
        distance: Limit of the distance.
        ratio: Limit of the ratio.
        usual: Median distance of a training image to the nearest one of another group.
    """

    distance: float
    ratio: float
    usual: float

    def copies(self, found: Nearest) -> np.ndarray:
        """True for each near copy."""
        copied_m: np.ndarray = (found.distance_m < self.distance) | (found.ratio_m < self.ratio)
        return copied_m


def copy_limits(train_nd: np.ndarray, groups_n: np.ndarray) -> CopyLimits:
    """Limits from the training images, each compared with those of other groups.

    Frames of one shot are near each other, and a drawing that resembles another frame of a trained shot is still a
    copy; therefore only other groups count. With a single group there is no reference: the limits are 0.
    """
    found = nearest(train_nd, train_nd, groups_n, groups_n)
    distance_n = found.distance_m[np.isfinite(found.distance_m)]
    ratio_n = found.ratio_m[np.isfinite(found.ratio_m)]
    distance = float(np.percentile(distance_n, COPY_PERCENTILE)) if len(distance_n) else 0.0
    ratio = float(np.percentile(ratio_n, COPY_PERCENTILE)) if len(ratio_n) else 0.0
    return CopyLimits(distance, ratio, float(np.median(distance_n)) if len(distance_n) else 0.0)


def distinct(real_nd: np.ndarray, drawn_nrd: np.ndarray) -> float:
    """Share of drawings without a near twin among the others: near 0 for a generator that has memorised ten images.

    A twin is closer than the nearest neighbours of all but COPY_PERCENTILE of the real images.
    """
    limit = np.percentile(_twins(real_nd), COPY_PERCENTILE)
    each = range(drawn_nrd.shape[1])
    return float(np.mean([(_twins(drawn_nrd[:, place]) >= limit).mean() for place in each])) if limit else 1.0


def _twins(values_nd: np.ndarray) -> np.ndarray:
    """Distance of each row to its nearest other row."""
    apart_nn = distances(values_nd, values_nd)
    np.fill_diagonal(apart_nn, np.inf)
    return np.asarray(apart_nn.min(1))


def distances(first_nd: np.ndarray, second_md: np.ndarray) -> np.ndarray:
    """Euclidean distances, N,M."""
    first, second = first_nd.astype(np.float64), second_md.astype(np.float64)
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b; rounding may make it slightly negative.
    squares_nm = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2.0 * first @ second.T
    root_nm: np.ndarray = np.sqrt(np.maximum(squares_nm, 0.0))
    return root_nm


def mean_distance(values_nd: np.ndarray) -> float:
    """Mean distance of two different rows; 0 for fewer than two."""
    count = len(values_nd)
    return float(distances(values_nd, values_nd).sum() / (count * (count - 1))) if count > 1 else 0.0


def diversity(real_nd: np.ndarray, drawn_nrd: np.ndarray) -> float:
    """Mean distance among drawings relative to that among real images: near 0 for a collapsed generator."""
    spread = mean_distance(real_nd)
    drawn = np.mean([mean_distance(drawn_nrd[:, place]) for place in range(drawn_nrd.shape[1])])
    return float(drawn / spread) if spread else 0.0


def is_blank(pictures_nhwc: np.ndarray) -> np.ndarray:
    """True for images of a single colour: NaN outputs become constant bytes."""
    blank_n: np.ndarray = np.ptp(pictures_nhwc, axis=(1, 2)).max(1) == 0
    return blank_n


def agreement_of_pictures(truth_nhwc: np.ndarray, compressed_nhwc: np.ndarray) -> dict[str, float]:
    """Difference between the images of a compressed generator and the trained one, both uint8 N,H,W,3.

    Returns:
        compressed_mean: Mean difference, in levels of 255.
        psnr_db: Peak signal to noise ratio over all images; at most 99.
    """
    gap = compressed_nhwc.astype(np.float64) - truth_nhwc.astype(np.float64)
    square = float((gap**2).mean())
    psnr_db = 10.0 * np.log10(PEAK**2 / square) if square else BEST_PSNR_DB
    return {"compressed_mean": float(np.abs(gap).mean()), "psnr_db": float(min(BEST_PSNR_DB, psnr_db))}
