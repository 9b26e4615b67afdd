"""A family that trains two networks alternately, by manual optimisation, keeps the same guarantees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.scene.definition import family
from models.scene.module import SceneModule
from models.scene.network import latents_for
from models.scene.params import AugmentParams, TrainParams
from tests.support.drawn import COLOURS, LABELS
from tests.support.places import TRAIN, WordEncoder, place_set
from tests.training.test_fit import CPU, same, weights, whole_and_resumed
from training.fit import fit
from training.monitoring.divergence import DivergedError
from training.monitoring.progress import assemble, tiled

ROOT = Path(__file__).parents[2]


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """Three small places."""
    return place_set(tmp_path, params=AugmentParams(), monkeypatch=monkeypatch)


def test_the_baseline_trains_through_the_same_code(samples, tmp_path):
    """Another network and loss, with the same names of figures."""
    rows = {
        name: fit(family, TrainParams(**TRAIN, network=name), samples, tmp_path / name, devices=CPU).history
        for name in ("r3", "dcgan")
    }

    assert set(rows["r3"][0]) == set(rows["dcgan"][0]) >= {"val/distance", "train/loss"}
    assert rows["r3"] != rows["dcgan"]


def test_it_gets_nearer_to_what_is_real(samples, tmp_path):
    """After some steps the drawings are nearer to held-out pictures than at the start."""
    params = TrainParams(**TRAIN | {"epochs": 6, "epoch_samples": 1024, "learning_rate": 2e-3, "flip": False})
    untrained = TrainParams(**TRAIN | {"epochs": 1, "epoch_samples": 16, "learning_rate": 1e-9})

    before, after = (
        fit(family, recipe, samples, tmp_path / name, devices=CPU).history[-1]["val/distance"]
        for name, recipe in (("no", untrained), ("yes", params))
    )

    assert after < 0.8 * before


def test_a_text_that_nobody_trained_on_is_drawn_as_its_category(samples, tmp_path):
    """From unseen texts alone, a forest is green and a sea blue, significantly above chance."""
    recipe = {"epochs": 6, "epoch_samples": 1024, "learning_rate": 2e-3, "flip": False, "colour": 0.0}
    fitted = fit(family, TrainParams(**TRAIN | recipe), samples, tmp_path / "run", devices=CPU)
    network = family.network(fitted.module).eval()
    texts = ["some deep forest after rain", "some rough sea after rain"]

    assert _nearest_labels(network, texts) == ["forest", "sea"]
    for asked in (network.condition.texts, network.condition.categories):
        asked.weight.data.zero_()
    assert len(set(_nearest_labels(network, texts))) == 1


def _nearest_labels(network, texts):
    """For each text the label whose colour is nearest to its drawings on average."""
    texts_nt = torch.from_numpy(WordEncoder().embed(texts)).repeat_interleave(64, 0)
    latents_nz = torch.randn(len(texts_nt), latents_for(16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        drawn = network(latents_nz, texts_nt, torch.zeros(len(texts_nt), len(LABELS))).unflatten(0, (len(texts), -1))
    colours = ((drawn.mean((1, 3, 4)) + 1.0) * 127.5).numpy()
    return [LABELS[np.linalg.norm(COLOURS - colour, axis=1).argmin()] for colour in colours]


def test_a_run_that_died_in_mid_epoch_ends_with_the_same_weights(samples, tmp_path):
    """Both networks, both optimisers and the average resume as if undisturbed."""
    undisturbed, resumed = whole_and_resumed(family, TrainParams(**TRAIN | {"epochs": 3}), samples, tmp_path)

    assert resumed.resumed_at == 2
    assert same(weights(undisturbed), weights(resumed))


def test_a_training_that_diverges_says_so(samples, tmp_path, monkeypatch):
    """NaN ends it with a message: the figure, the epoch, and the change to make."""
    params = TrainParams(**TRAIN | {"epochs": 3})
    drawn = SceneModule.draw
    monkeypatch.setattr(SceneModule, "draw", lambda *words: drawn(*words) * float("nan"))

    with pytest.raises(DivergedError, match="in epoch 1") as caught:
        fit(family, params, samples, tmp_path / "ck", devices=CPU)

    assert "learning_rate" in caught.value.remedy


def test_the_last_epoch_is_kept(samples, tmp_path):
    """Whatever its validation figure."""
    fitted = fit(family, TrainParams(**TRAIN | {"epochs": 3}), samples, tmp_path / "ck", devices=CPU)

    assert fitted.best_epoch == 2
    assert not fitted.stopped_early


def test_every_epoch_is_drawn_and_animated(samples, tmp_path):
    """An animation with a frame per epoch, and a strip for print."""
    fit(family, TrainParams(**TRAIN), samples, tmp_path / "ck", devices=CPU)

    assemble(tmp_path / "ck", tmp_path)
    with Image.open(tmp_path / "progress.webp") as animation:
        assert animation.n_frames == TRAIN["epochs"]
    with Image.open(tmp_path / "progress.jpg") as strip:
        assert strip.width > 2 * strip.height * 0.9


def test_a_family_that_draws_nothing_has_no_animation(tmp_path):
    """Without drawn epochs nothing is written."""
    assemble(tmp_path, tmp_path)

    assert not list(tmp_path.iterdir())


def test_tiles_fill_a_square():
    """Five pictures make three by two, with the rest black."""
    grid = tiled([np.full((2, 2, 3), value, np.uint8) for value in (1, 2, 3, 4, 5)])

    assert grid.shape == (4, 6, 3)
    assert grid[3, 5, 0] == 0
    assert grid[2, 0, 0] == 4


@pytest.mark.slow
@pytest.mark.parametrize("network", ["r3", "dcgan"])
def test_two_processes_compute_the_gradients_of_one(samples, tmp_path, network):
    """For both networks, with penalties: these need first derivatives only, so DDP averages every gradient."""
    script = ROOT / "tests" / "support" / "fit_script.py"
    params = json.dumps(TRAIN | {"epochs": 1, "ema_decay": 0.0, "network": network})
    for name, count in (("one", 1), ("two", 2)):
        words = [sys.executable, str(script), str(samples.folder), params, str(tmp_path / name), "-1", str(count)]
        subprocess.run([*words, "scene"], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)

    one, two = (torch.load(tmp_path / name / "gradients.pt") for name in ("one", "two"))

    assert len(one) == len(two) == 8  # four steps of each network
    assert any(name.startswith("critic") for name in one[0])
    for first, second in zip(one, two, strict=True):
        for name in first:
            torch.testing.assert_close(first[name], second[name], rtol=1e-3, atol=1e-5)
