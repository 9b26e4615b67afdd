"""What drawn pictures are measured by, in NumPy alone: arrays of features in, figures out.

N real pictures, each with R drawings of its own; D features. Each measure's docstring names its paper. Those that
promotion compares come as one value a real picture, whose plain mean is the figure: so that a bootstrap may weigh them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 5  # k of density and coverage, as their authors recommend
BLOCK = 1024  # rows that distances are taken of at a time
BEST_PSNR_DB = 99.0  # of pictures that are equal, where the figure itself is infinite
PEAK = 255.0
COPY_PERCENTILE = 2.0  # of real pictures that may pass for near copies of one another


def kid_parts(real_nd: np.ndarray, drawn_nrd: np.ndarray) -> np.ndarray:
    """What each real picture and its drawings add to the kernel distance; the plain mean is the KID, unbiased.

    The kernel is (x.y / D + 1) to the third (Binkowski et al. 2018, arXiv 1801.01401). The statistic is paired: with
    h((x, y), (x', y')) = k(x, x') + k(y, y') - k(x, y') - k(x', y) its mean over all pairs of rows is unbiased, and
    row i's part is 2 h_i - mean h, h_i its own mean: Hoeffding's projection, the value that a bootstrap of a
    U-statistic may weigh. Of R drawings the kernel's mean is taken.

    Args:
        real_nd: Features of the real pictures, N at least 2.
        drawn_nrd: Features of the drawings of each.

    Returns:
        N values.
    """
    count = len(real_nd)
    drawn_nr = [drawn_nrd[:, place].astype(np.float64) for place in range(drawn_nrd.shape[1])]
    real = real_nd.astype(np.float64)
    pairs_nn = _kernel(real, real)
    for one in drawn_nr:
        across_nn = _kernel(real, one) / len(drawn_nr)
        pairs_nn -= across_nn + across_nn.T
        for other in drawn_nr:
            pairs_nn += _kernel(one, other) / len(drawn_nr) ** 2
    np.fill_diagonal(pairs_nn, 0.0)
    means_n = pairs_nn.sum(1) / (count - 1)
    parts_n: np.ndarray = 2.0 * means_n - means_n.mean()
    return parts_n


def _kernel(first_nd: np.ndarray, second_md: np.ndarray) -> np.ndarray:
    kernel_nm: np.ndarray = (first_nd @ second_md.T / first_nd.shape[1] + 1.0) ** 3
    return kernel_nm


def frechet(real_nd: np.ndarray, drawn_md: np.ndarray) -> float:
    """The distance of two normal distributions with the means and covariances of the features (Heusel et al. 2017).

    The trace of the root of the product of both covariances is the nuclear norm of the product of both centred
    matrices, which holds for fewer pictures than features as well, and nothing is added to make a matrix invertible.
    It is biased upwards all the same, the more the fewer there are: compare it among as many pictures alone.
    """
    real, drawn = real_nd.astype(np.float64), drawn_md.astype(np.float64)
    gap_d = real.mean(0) - drawn.mean(0)
    root_r, root_d = _root(real), _root(drawn)
    shared = np.linalg.svd(root_r @ root_d.T, compute_uv=False).sum()
    return float(gap_d @ gap_d + (root_r**2).sum() + (root_d**2).sum() - 2.0 * shared)


def _root(values_nd: np.ndarray) -> np.ndarray:
    """R with R'R the covariance, of as few rows as it takes."""
    centred_nd: np.ndarray = (values_nd - values_nd.mean(0)) / np.sqrt(max(1, len(values_nd) - 1))
    if len(centred_nd) <= centred_nd.shape[1]:
        return centred_nd
    return np.asarray(np.linalg.qr(centred_nd, mode="r"))


@dataclass(frozen=True)
class Manifold:
    """How drawings lie among real pictures: a ball about each real one, as wide as to its k-th neighbour.

    Attributes:
        inside_nr: Whether a drawing lies in any ball: precision (Kynkaanniemi et al. 2019, arXiv 1904.06991).
        density: In how many balls a drawing lies, over k: 1 where they are alike (Naeem et al. 2020, arXiv 2002.09797).
        covered_n: Share of the R sets of N drawings of which one lies in the ball of real picture n: coverage of the
            same paper, and no easier to have for larger R.
    """

    inside_nr: np.ndarray
    density: float
    covered_n: np.ndarray


def manifold(real_nd: np.ndarray, drawn_nrd: np.ndarray) -> Manifold:
    """Density and coverage of drawings among the real pictures."""
    count, each = drawn_nrd.shape[:2]
    neighbours = min(NEIGHBOURS, count - 1)
    radius_n = np.sort(distances(real_nd, real_nd), axis=1)[:, neighbours]  # the first is the picture itself
    holds_nnr = np.stack([distances(real_nd, drawn_nrd[:, r]) <= radius_n[:, None] for r in range(each)], axis=2)
    density = float(holds_nnr.sum(0).mean() / neighbours)
    return Manifold(np.asarray(holds_nnr.any(0)), density, np.asarray(holds_nnr.any(1)).mean(1))


@dataclass(frozen=True)
class Nearest:
    """The training picture nearest to each of M others.

    Attributes:
        row_m: Which.
        distance_m: How far.
        ratio_m: That distance over the one to the nearest picture of any other group than that one's: far below 1 only
            where one training picture is meant, however much noise or blur lies over it; NaN where there is no other.
    """

    row_m: np.ndarray
    distance_m: np.ndarray
    ratio_m: np.ndarray


def nearest(
    others_md: np.ndarray, train_nd: np.ndarray, groups_n: np.ndarray, own_m: np.ndarray | None = None
) -> Nearest:
    """Finds them.

    Args:
        others_md: Features of the others.
        train_nd: Features of the training pictures.
        groups_n: The group of each training picture, as a number.
        own_m: The group of each of the others, where they are training pictures: what is of it is passed over.
    """
    parts = []
    for start in range(0, len(others_md), BLOCK):
        block = distances(others_md[start : start + BLOCK], train_nd)
        if own_m is not None:
            block[own_m[start : start + BLOCK, None] == groups_n[None]] = np.inf
        rows = block.argmin(1)
        first = block.min(1)
        block[groups_n[rows][:, None] == groups_n[None]] = np.inf
        parts.append(np.stack([rows, first, block.min(1)]))
    row_m, first_m, second_m = np.concatenate([np.zeros((3, 0)), *parts], axis=1)
    known_m = np.isfinite(second_m) & (second_m > 0)
    ratio_m = np.divide(first_m, second_m, out=np.full_like(first_m, np.nan), where=known_m)
    return Nearest(row_m.astype(int), first_m, ratio_m)


@dataclass(frozen=True)
class CopyLimits:
    """Below which a picture is a near copy of a training picture, as training pictures are of one another.

    The first is the distance to the nearest one (as in Meehan et al. 2020, arXiv 2004.05675, against what is usual
    among real pictures), the second the ratio of Lowe's test (2004), which finds copies that noise, blur or a
    compression have moved away. Either limit is passed by few real pictures: COPY_PERCENTILE of them.

    Attributes:
        distance: The one.
        ratio: The other.
        usual: The median distance of a training picture to the nearest of another group.
    """

    distance: float
    ratio: float
    usual: float

    def copies(self, found: Nearest) -> np.ndarray:
        """Whether each is a near copy."""
        copied_m: np.ndarray = (found.distance_m < self.distance) | (found.ratio_m < self.ratio)
        return copied_m


def copy_limits(train_nd: np.ndarray, groups_n: np.ndarray) -> CopyLimits:
    """The limits that training pictures set, each against those of other groups.

    Frames of one shot are near each other, so to look like another frame of a shot that was trained on is to be a copy
    all the same; therefore other groups alone count. Of a single group there is nothing to be said: limits of 0.
    """
    found = nearest(train_nd, train_nd, groups_n, groups_n)
    distance_n = found.distance_m[np.isfinite(found.distance_m)]
    ratio_n = found.ratio_m[np.isfinite(found.ratio_m)]
    distance = float(np.percentile(distance_n, COPY_PERCENTILE)) if len(distance_n) else 0.0
    ratio = float(np.percentile(ratio_n, COPY_PERCENTILE)) if len(ratio_n) else 0.0
    return CopyLimits(distance, ratio, float(np.median(distance_n)) if len(distance_n) else 0.0)


def distinct(real_nd: np.ndarray, drawn_nrd: np.ndarray) -> float:
    """Share of drawings without a near twin among the others: a generator that knows ten pictures has none.

    A twin is nearer than all but COPY_PERCENTILE of the real pictures have theirs.
    """
    limit = np.percentile(_twins(real_nd), COPY_PERCENTILE)
    each = range(drawn_nrd.shape[1])
    return float(np.mean([(_twins(drawn_nrd[:, place]) >= limit).mean() for place in each])) if limit else 1.0


def _twins(values_nd: np.ndarray) -> np.ndarray:
    """How far the nearest other one is."""
    apart_nn = distances(values_nd, values_nd)
    np.fill_diagonal(apart_nn, np.inf)
    return np.asarray(apart_nn.min(1))


def distances(first_nd: np.ndarray, second_md: np.ndarray) -> np.ndarray:
    """Euclidean, N,M."""
    first, second = first_nd.astype(np.float64), second_md.astype(np.float64)
    squares_nm = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2.0 * first @ second.T
    root_nm: np.ndarray = np.sqrt(np.maximum(squares_nm, 0.0))
    return root_nm


def mean_distance(values_nd: np.ndarray) -> float:
    """The mean distance of two different ones; 0 of fewer than two."""
    count = len(values_nd)
    return float(distances(values_nd, values_nd).sum() / (count * (count - 1))) if count > 1 else 0.0


def diversity(real_nd: np.ndarray, drawn_nrd: np.ndarray) -> float:
    """How far drawings are from each other, over how far real pictures are: near 0 is a collapsed generator."""
    spread = mean_distance(real_nd)
    drawn = np.mean([mean_distance(drawn_nrd[:, place]) for place in range(drawn_nrd.shape[1])])
    return float(drawn / spread) if spread else 0.0


def is_blank(pictures_nhwc: np.ndarray) -> np.ndarray:
    """Whether a picture is one colour: what is left of numbers that are none, once they are bytes."""
    blank_n: np.ndarray = np.ptp(pictures_nhwc, axis=(1, 2)).max(1) == 0
    return blank_n


def agreement_of_pictures(truth_nhwc: np.ndarray, compressed_nhwc: np.ndarray) -> dict[str, float]:
    """How far the pictures of a compressed generator are from those of the trained one, both uint8 N,H,W,3.

    Returns:
        compressed_mean: Mean difference, in levels of 255.
        psnr_db: Peak signal to noise ratio over all pictures; at most 99.
    """
    gap = compressed_nhwc.astype(np.float64) - truth_nhwc.astype(np.float64)
    square = float((gap**2).mean())
    psnr_db = 10.0 * np.log10(PEAK**2 / square) if square else BEST_PSNR_DB
    return {"compressed_mean": float(np.abs(gap).mean()), "psnr_db": float(min(BEST_PSNR_DB, psnr_db))}
