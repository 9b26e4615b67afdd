"""Moving average of the weights on the training's own device."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch.distributed.tensor import DTensor

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule, Trainer


class DeviceAveraging(WeightAveraging):
    """The average of `training.fit.averaging` without a wait for the GPU: all weights in one call, the count in Python.

    Lightning's keeps the average where the module is when training is set up, which is the CPU, and copies each weight
    there in each step.

    Args:
        decay: Of the average, lower at first: see `share_kept`.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay
        self._count: int | None = None

    @property
    def state_key(self) -> str:
        """Key of the state in a checkpoint: that of Lightning's, so that either goes on where the other has stopped."""
        return WeightAveraging.__qualname__

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Creates the average on the device."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401  # Lightning's own
        batch: object,
        batch_idx: int,
    ) -> None:
        """Adds the weights of a step."""
        del outputs, batch, batch_idx
        if trainer.global_step > self._latest_update_step:
            self._add(pl_module)
            self._latest_update_step = trainer.global_step

    def _add(self, module: LightningModule) -> None:
        average = self._average_model
        assert average is not None  # noqa: S101  # made in setup
        if self._count is None:  # after a checkpoint was restored
            self._count = int(average.n_averaged)
        kept, new = _tensors_of(average.module), _tensors_of(module)
        # Counters are copied, and so is everything at the start.
        lerped = [tensor.is_floating_point() and self._count > 0 for tensor in kept]
        with torch.no_grad():
            if any(lerped):
                share = 1.0 - share_kept(self._decay, self._count)
                torch._foreach_lerp_([*compress(kept, lerped)], [*compress(new, lerped)], share)
            if not all(lerped):
                copied = [not one for one in lerped]
                torch._foreach_copy_([*compress(kept, copied)], [*compress(new, copied)])
            average.n_averaged.add_(1)
        self._count += 1


def _tensors_of(module: torch.nn.Module) -> list[torch.Tensor]:
    """Weights and buffers; of sharded ones the share of this process."""
    tensors = [*module.parameters(), *module.buffers()]
    return [one.to_local() if isinstance(one, DTensor) else one for one in tensors]


def share_kept(decay: float, count: int) -> float:
    """Share of the average that is kept in a step: lower at first, so that a short run does not end near its start."""
    return min(decay, (1 + count) / (10 + count))
