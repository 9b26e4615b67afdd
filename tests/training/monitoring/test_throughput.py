"""Speed of each process, as logged per epoch."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

from models.expression.definition import family
from models.expression.params import TrainParams
from tests.support.sets import small_set
from tests.training.test_fit import CPU, SMALL
from training.fit import fit
from training.monitoring.throughput import FIGURES, Throughput


def trainer_of(logged, others):
    """Pretends to be the trainer of several processes, whose other ones have sent their figures."""
    strategy = SimpleNamespace(all_gather=lambda figures: torch.stack([figures, *map(torch.tensor, others)]))
    logger = SimpleNamespace(log_metrics=lambda figures, step: logged.append((step, figures)))
    return SimpleNamespace(world_size=1 + len(others), strategy=strategy, loggers=[logger], global_step=7)


def test_figures_of_an_epoch():
    """Two steps of 4 s, each after a wait of 1 s, by a process that used the processor half of the time."""
    clock, used = iter([0.0, 1.0, 5.0, 6.0, 10.0]), iter([0.0, 5.0 * torch.get_num_threads()])
    watch, logged = Throughput(64, clock=lambda: next(clock), used=lambda: next(used)), []
    trainer, module = trainer_of(logged, others=[[1.0, 2.0, 3.0]]), SimpleNamespace(device=torch.device("cpu"))
    watch.on_train_epoch_start(trainer, module)
    for _step in range(2):
        watch.on_train_batch_start()
        watch.on_train_batch_end()
    watch.on_train_epoch_end(trainer, module)

    ((step, figures),) = logged
    assert step == 7
    assert [figures[f"process/0/{name}"] for name in FIGURES] == pytest.approx([64 / 10.0, 0.2, 0.5])
    assert [figures[f"process/1/{name}"] for name in FIGURES] == [1.0, 2.0, 3.0]


def test_they_are_logged_for_each_epoch_of_a_training(tmp_path):
    """With the figures of the training, and not in its history, which is part of the result."""
    samples = small_set(tmp_path / "set", {"train": 48, "validation": 16})
    logger = CSVLogger(tmp_path, "figures", "")
    parts = {"loggers": [logger], "callbacks": [Throughput(32)]}
    history = fit(family, TrainParams(**SMALL), samples, tmp_path / "ck", devices=CPU, **parts).history
    logged = pd.read_csv(tmp_path / "figures" / "metrics.csv").dropna(subset="process/0/data_wait")

    assert len(logged) == len(history) == SMALL["epochs"]
    assert logged["process/0/data_wait"].between(0.0, 1.0).all()
    assert not any("process" in name for row in history for name in row)


def test_a_gpu_whose_utilisation_cannot_be_read(monkeypatch):
    """The training goes on without the figure."""

    def utilization(_device: torch.device) -> int:
        raise ModuleNotFoundError(name="pynvml")

    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    watch, logged = Throughput(64), []
    unknown = watch._utilisation(torch.device("cuda"), 1.0)
    trainer = trainer_of(logged, others=[[1.0, 2.0, unknown]])
    watch.on_train_epoch_start(trainer, None)
    watch.on_train_epoch_end(trainer, SimpleNamespace(device=torch.device("cpu")))

    assert {name for name in logged[0][1] if name.startswith("process/1")} == {
        "process/1/samples_per_s",
        "process/1/data_wait",
    }
