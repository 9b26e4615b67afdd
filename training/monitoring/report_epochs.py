"""Figures of each epoch as a file, for the process that started the training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytorch_lightning.callbacks import Callback

from training import storage
from training.fit import History

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule, Trainer

    from training.storage import Place


class ReportEpochs(Callback):
    """Writes the history after every epoch; a resumed training has the earlier epochs too.

    Args:
        path: JSON file, one object an epoch; replaced as a whole.
    """

    def __init__(self, path: Place) -> None:
        self._path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the rows of `History`, which runs before this callback."""
        del pl_module
        if trainer.is_global_zero:
            [history] = [one for one in trainer.callbacks if isinstance(one, History)]  # type: ignore[attr-defined]
            storage.replace(self._path, json.dumps(history.rows).encode(), durable=False)
