"""Images for the report, and their names."""

from __future__ import annotations

import numpy as np
import pytest

from models.scene.draw import PAIRS, PER_CATEGORY, SHEET_COLUMNS, STEPS, Drawer, draw, shown, slerp
from models.scene.score import score
from tests.support.drawn import LABELS, SIZE_PX, scene_bundle, scene_set, watch


@pytest.fixture
def drawer(tmp_path, monkeypatch):
    """Opens a planted generator."""
    watch(monkeypatch)
    return lambda kind="good": Drawer.open(scene_bundle(tmp_path / kind, kind))


@pytest.fixture
def samples(tmp_path):
    """A small colour set."""
    return scene_set(tmp_path / "set", {"train": 20, "test": 12})


def test_every_category_is_drawn_from_the_same_latents(drawer):
    """So that a category alone is the difference between two sheets."""
    arrays = shown(drawer())
    forest, sea = (arrays[f"category:{label}"].astype(int) for label in ("forest", "sea"))

    assert forest.shape == (PER_CATEGORY, SIZE_PX, SIZE_PX, 3)
    assert (np.diff(forest, axis=0).std() > 0).all()
    alike = np.corrcoef(forest[..., 1].reshape(-1), sea[..., 1].reshape(-1))[0, 1]
    other = np.corrcoef(forest[..., 1].reshape(-1), sea[::-1][..., 1].reshape(-1))[0, 1]
    assert alike > 0.9 > other + 0.3


def test_a_way_leads_from_one_end_to_the_other(drawer):
    """Neighbours on it are nearer to each other than its ends."""
    way = shown(drawer())["latents:forest"].astype(float)
    steps = np.abs(np.diff(way, axis=0)).mean((1, 2, 3))

    assert len(way) == STEPS
    assert steps.max() < np.abs(way[0] - way[-1]).mean()


def test_slerp_keeps_the_length():
    """The mean of two normal vectors would be too short to be one."""
    first, last = np.random.default_rng(0).standard_normal((2, 400))

    assert np.allclose(slerp(first, last, 0.0), first, atol=1e-5)
    assert np.allclose(slerp(first, last, 1.0), last, atol=1e-5)
    assert np.linalg.norm(slerp(first, last, 0.5)) == pytest.approx(20.0, rel=0.1)


def test_a_broken_graph_draws_black_and_the_log_has_the_reason(drawer, caplog):
    """So that the floors of promotion judge it, instead of a failed run."""
    pictures = drawer("raises").draw(
        np.zeros((3, 12), np.float32), np.zeros((3, 384), np.float32), np.eye(3, dtype="f")
    )

    assert pictures.shape == (3, SIZE_PX, SIZE_PX, 3)
    assert not pictures.any()
    assert "cannot be run" in caplog.text


def test_sheets_show_all_of_it(samples, tmp_path, monkeypatch):
    """One a category with held-out ones below, both kinds of ways, and pairs of a drawing and its nearest picture."""
    watch(monkeypatch)
    scores = score(scene_bundle(tmp_path / "bundle"), samples, "test", lambda _: b"")
    sheets = {sheet.name: sheet for sheet in draw(scores, samples, "test")}

    assert list(sheets) == ["category_00", "category_01", "category_02", "between_latents", "between_texts", "nearest"]
    assert sheets["category_01"].title.startswith("sea:")
    assert sheets["category_01"].captions.count("held-out") == SHEET_COLUMNS
    assert len(sheets["nearest"].pictures) == 2 * min(PAIRS, 3 * 12)
    assert all(len(sheet.pictures) == len(sheet.captions) for sheet in sheets.values())


def test_the_picture_beside_a_copy_is_the_one_that_was_copied(samples, tmp_path, monkeypatch):
    """And it is called a copy."""
    watch(monkeypatch)
    bundle = scene_bundle(tmp_path / "bundle", "copies", pictures_nhwc=samples.array("train"))
    sheet = draw(score(bundle, samples, "test", lambda _: b""), samples, "test")[-1]
    gaps = [
        np.abs(drawn.astype(int) - near).mean()
        for drawn, near in zip(sheet.pictures[::2], sheet.pictures[1::2], strict=True)
    ]

    assert np.median(gaps) < 4
    assert sheet.captions[1::2].count("near copy") > 0.8 * len(gaps)
    assert set(sheet.captions[::2]) == {f"drawn: {label}" for label in LABELS}
