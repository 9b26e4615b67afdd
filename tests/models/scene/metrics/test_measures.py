"""Each measure against a figure worked out in another way, and against what it must and must not be moved by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from models.scene.metrics import measures


def normal(count, seed, shift=0.0, width=24):
    """Rows of standard normal numbers, moved."""
    return (np.random.default_rng(seed).standard_normal((count, width)) + shift).astype(np.float32)


def kernel(first, second):
    """The cubic kernel of two vectors, as the paper writes it."""
    return (float(first @ second) / len(first) + 1.0) ** 3


def test_kid_is_the_papers_statistic_over_pairs():
    """The mean of the parts is the paired U-statistic, summed pair by pair here."""
    real, drawn = normal(7, 0), normal(7, 1, 0.3)
    pairs = [
        kernel(real[i], real[j]) + kernel(drawn[i], drawn[j]) - kernel(real[i], drawn[j]) - kernel(real[j], drawn[i])
        for i in range(7)
        for j in range(7)
        if i != j
    ]

    assert measures.kid_parts(real, drawn[:, None]).mean() == pytest.approx(np.mean(pairs), rel=1e-5)


def test_kid_of_several_drawings_is_about_that_of_one():
    """More drawings a picture make it surer, not larger."""
    real = normal(200, 0)
    of_one = measures.kid_parts(real, normal(200, 1, 0.4)[:, None]).mean()
    of_four = measures.kid_parts(real, normal(800, 2, 0.4).reshape(200, 4, -1)).mean()

    assert of_four == pytest.approx(of_one, rel=0.3)


def test_kid_is_unbiased():
    """Over many pairs of samples of one distribution it is 0 on average, where a biased one would not be."""
    found = [measures.kid_parts(normal(30, 2 * i), normal(30, 2 * i + 1)[:, None]).mean() for i in range(60)]

    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))


@pytest.mark.parametrize("count", [12, 300])
def test_frechet_is_that_of_the_covariances(count):
    """With fewer pictures than features too."""
    real, drawn = normal(count, 0), 1.4 * normal(count, 1, 0.5)
    first, second = np.cov(real, rowvar=False), np.cov(drawn, rowvar=False)
    gap = real.mean(0) - drawn.mean(0)
    wanted = gap @ gap + np.trace(first + second) - 2 * np.trace(sqrtm(first.astype(float) @ second)).real

    assert measures.frechet(real, drawn) == pytest.approx(wanted, rel=1e-3)


def test_density_and_coverage_of_the_same_and_of_a_part():
    """Of one distribution density is about 1 and nearly all is covered; drawn from a corner, little is."""
    real = normal(300, 0, width=4)
    same = measures.manifold(real, normal(300, 1, width=4)[:, None])
    corner = measures.manifold(real, (0.2 * normal(300, 2, width=4) + 1.5)[:, None])

    assert same.density == pytest.approx(1.0, abs=0.15)
    assert same.covered_n.mean() > 0.9
    assert corner.covered_n.mean() < 0.3


def test_more_drawings_do_not_cover_more():
    """Coverage is the mean over sets of as many drawings as pictures."""
    real = normal(200, 0, width=4)
    one = measures.manifold(real, normal(200, 1, 0.8, width=4)[:, None]).covered_n.mean()
    eight = measures.manifold(real, normal(1600, 1, 0.8, width=4).reshape(200, 8, 4)).covered_n.mean()

    assert eight == pytest.approx(one, abs=0.08)


@pytest.mark.parametrize("grain", [0.0, 0.1, 0.4])
def test_near_copies_are_found_under_noise(grain):
    """Training pictures with a grain over them are copies, new pictures are not."""
    train, groups = normal(400, 0), np.arange(400)
    limits = measures.copy_limits(train, groups)
    copies = measures.nearest(train[:100] + grain * normal(100, 5), train, groups)
    new = measures.nearest(normal(100, 6), train, groups)

    assert limits.copies(copies).mean() > 0.9
    assert list(copies.row_m) == list(range(100))
    assert limits.copies(new).mean() < 0.15


def test_frames_of_one_shot_do_not_hide_copies():
    """Each shot has five nearly equal frames: a copy of one is nearer than any other shot, so it is detected."""
    shots = normal(80, 0)
    train, groups = np.repeat(shots, 5, axis=0) + 0.02 * normal(400, 1), np.repeat(np.arange(80), 5)
    limits = measures.copy_limits(train, groups)

    assert limits.copies(measures.nearest(train[::5] + 0.05 * normal(80, 2), train, groups)).mean() > 0.9
    assert limits.copies(measures.nearest(normal(80, 3), train, groups)).mean() < 0.2


def test_of_a_single_group_no_copy_can_be_detected():
    """And nothing is called one."""
    train, groups = normal(20, 0), np.zeros(20, int)
    limits = measures.copy_limits(train, groups)

    assert not limits.copies(measures.nearest(train, train, groups)).any()


def test_diversity_and_twins():
    """A single picture has no diversity; ten pictures have plenty, but each of them has twins."""
    real = normal(200, 0)
    single, ten = np.repeat(real[:1], 200, axis=0), np.repeat(normal(10, 1), 20, axis=0)

    assert measures.diversity(real, single[:, None]) < 0.01
    assert measures.diversity(real, ten[:, None]) > 0.8
    assert measures.distinct(real, ten[:, None]) < 0.01
    assert measures.distinct(real, normal(200, 2)[:, None]) > 0.9


def test_pictures_agree_in_bytes_without_wrapping_around():
    """250 and 5 are 245 apart, not 11."""
    truth, other = np.full((1, 2, 2, 3), 250, np.uint8), np.full((1, 2, 2, 3), 5, np.uint8)

    assert measures.agreement_of_pictures(truth, other)["compressed_mean"] == 245
    assert measures.agreement_of_pictures(truth, other)["psnr_db"] == pytest.approx(20 * np.log10(255 / 245))
    assert measures.agreement_of_pictures(truth, truth)["psnr_db"] == 99.0
