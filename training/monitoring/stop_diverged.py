"""Callback that ends a diverged training; divergence.py defines divergence without importing Lightning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytorch_lightning.callbacks import Callback

from training.monitoring.divergence import DivergedError, not_finite, not_finite_weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytorch_lightning import LightningModule, Trainer


class StopWhenDiverged(Callback):
    """Ends a training at the end of the epoch in which it diverges, before a checkpoint of that epoch is written.

    Args:
        rows: One row of figures per epoch, added by a callback that runs before this one.
        param: The likely cause, as spelled in params.yaml.
        rate: The learning rate.
        precision: Precision of the training.
    """

    def __init__(self, rows: Sequence[Mapping[str, float]], param: str, rate: float, precision: str) -> None:
        self.rows, self.param, self.rate, self.precision = rows, param, rate, precision

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the figures of the epoch, then the weights."""
        figure = not_finite(self.rows[-1]) or not_finite_weight(pl_module.state_dict())
        if figure:
            raise DivergedError(figure, trainer.current_epoch, self.param, self.rate, self.precision)
