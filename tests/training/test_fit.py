"""Fitting gives the same result in one process or two, disturbed or not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy

from models.expression.definition import family
from models.expression.params import TrainParams
from tests.support.sets import small_set
from training.fit import Devices, History, fit, precision_for

ROOT = Path(__file__).parents[2]
SMALL = {
    "epochs": 3,
    "batch_size": 32,
    "norm_samples": 16,
    "widths": (8, 16),
    "depths": (1, 1),
    "precision": "32-true",
    "mixup": 0.0,
}
CPU = Devices(accelerator="cpu", threads=1)


class KilledError(Exception):
    """Represents a process that dies in mid-epoch."""


class DieAt(Callback):
    """Ends the run in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Raises after the second batch of the epoch."""
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            raise KilledError


@pytest.fixture
def samples(tmp_path):
    """Three labels that a small network can distinguish."""
    return small_set(tmp_path / "set", {"train": 48, "validation": 16})


def weights(fitted) -> dict[str, torch.Tensor]:
    return dict(fitted.module.network.state_dict())


def same(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns(samples, tmp_path):
    """Its accuracy is far above chance."""
    fitted = fit(family, TrainParams(**SMALL | {"epochs": 10}), samples, tmp_path / "ck", devices=CPU)

    assert fitted.history[-1]["val/accuracy"] > 0.8
    assert fitted.history[-1]["val/macro_f1"] > 0.8


def test_the_curve_of_the_loss_is_its_mean_over_the_epoch(samples, tmp_path):
    """Not that of the last batch: without learning, all epochs are alike up to noise."""
    params = TrainParams(**SMALL | {"learning_rate": 1e-9, "dropout": 0.0})

    rows = fit(family, params, samples, tmp_path / "ck", devices=CPU).history

    losses = [row["train/loss"] for row in rows]
    assert len(losses) == 3
    assert max(losses) - min(losses) < 0.1


def test_one_process_of_an_engine_averages_nothing(samples, tmp_path):
    """It learns what a process without an engine learns, without the cost of gradients that are sent to itself."""

    class Seen(Callback):
        def on_train_start(self, trainer, pl_module) -> None:
            self.strategy = type(trainer.strategy)

    seen, params = Seen(), TrainParams(**SMALL | {"epochs": 1})
    engine = replace(CPU, distributed=DDPStrategy, environment=LightningEnvironment())
    fitted = fit(family, params, samples, tmp_path / "engine", devices=engine, callbacks=[seen])

    assert seen.strategy is SingleDeviceStrategy
    assert same(weights(fitted), weights(fit(family, params, samples, tmp_path / "none", devices=CPU)))


def test_same_seed_same_weights_other_seed_other_weights(samples, tmp_path):
    """All randomness comes from the seed."""
    first, again, other = (
        weights(fit(family, TrainParams(**SMALL, seed=seed), samples, tmp_path / name, devices=CPU))
        for seed, name in ((0, "a"), (0, "b"), (1, "c"))
    )

    assert same(first, again)
    assert not same(first, other)


def whole_and_resumed(family, params, samples, folder):
    """A training without a break, and one that died in epoch 2 and was run again."""
    undisturbed = fit(family, params, samples, folder / "whole", devices=CPU)
    with pytest.raises(KilledError):
        fit(family, params, samples, folder / "broken", devices=CPU, callbacks=[DieAt(2)])

    torch.rand(7)  # global state must not matter
    return undisturbed, fit(family, params, samples, folder / "broken", devices=CPU)


def test_a_run_that_died_in_mid_epoch_ends_with_the_same_weights(samples, tmp_path):
    """Resumed from the last whole epoch, it equals an undisturbed run."""
    undisturbed, resumed = whole_and_resumed(family, TrainParams(**SMALL), samples, tmp_path)

    assert resumed.resumed_at == 2
    assert same(weights(undisturbed), weights(resumed))
    assert [row["val/loss"] for row in undisturbed.history] == [row["val/loss"] for row in resumed.history]


def test_early_stop_keeps_the_best_epoch(samples, tmp_path):
    """Patience ends a run without improvement, and the weights are those of its best epoch."""
    params = TrainParams(**SMALL | {"epochs": 40, "patience": 2})

    fitted = fit(family, params, samples, tmp_path / "ck", devices=CPU)

    assert fitted.stopped_early
    assert len(fitted.history) < 40
    assert fitted.history[fitted.best_epoch]["val/macro_f1"] == max(row["val/macro_f1"] for row in fitted.history)


def test_history_travels_in_the_checkpoint():
    """A resumed run has the earlier rows."""
    before, after = History(), History()
    before.rows.append({"epoch": 0, "val/loss": 1.0})

    after.load_state_dict(before.state_dict())

    assert after.rows == before.rows


def test_precision_asked_for_is_kept():
    """Only `auto` depends on the machine."""
    assert precision_for("32-true", "cpu") == "32-true"


@pytest.mark.parametrize(("amx", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_bf16_where_it_is_faster(monkeypatch, amx, precision):
    """A processor that only has AVX-512's bf16 trains in float32."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)

    assert precision_for("auto", "cpu") == precision


@pytest.mark.slow
def test_sigkill_then_resume_gives_the_same_weights(samples, tmp_path):
    """A process is really killed, and another resumes."""
    script = ROOT / "tests" / "support" / "fit_script.py"
    words = [sys.executable, str(script), str(samples.folder), json.dumps(SMALL | {"epochs": 4})]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([*words, str(whole)], env=environment, check=True, capture_output=True)
    with subprocess.Popen([*words, str(broken), "2"], env=environment, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        for line in victim.stdout:
            if line.startswith("in epoch 2"):
                victim.send_signal(signal.SIGKILL)
                break

    subprocess.run([*words, str(broken)], env=environment, check=True, capture_output=True)

    assert same(torch.load(whole / "weights.pt"), torch.load(broken / "weights.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true"])
def test_two_processes_compute_the_gradients_of_one(samples, tmp_path, precision):
    """Two gloo processes that share a global batch take exactly the steps of one process, and only rank 0 writes."""
    script = ROOT / "tests" / "support" / "fit_script.py"
    params = json.dumps(SMALL | {"epochs": 1, "precision": precision, "ema_decay": 0.0})
    for name, count in (("one", 1), ("two", 2)):
        words = [sys.executable, str(script), str(samples.folder), params, str(tmp_path / name), "-1", str(count)]
        subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)

    one, two = (torch.load(tmp_path / name / "gradients.pt") for name in ("one", "two"))

    assert len(one) == len(two) >= 3  # steps
    for first, second in zip(one, two, strict=True):
        for name in first:
            torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-6)
    assert (tmp_path / "two" / "writers.txt").read_text() == "0\n"
