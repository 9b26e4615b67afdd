"""The strategy `fsdp`: each process keeps a share of the weights, of their average and of the optimiser's moments.

Whole weights exist during a forward and a backward pass only. Checkpoints hold whole ones, so a training that has
stopped with `fsdp` resumes with `ddp` or in one process, and the reverse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from pytorch_lightning.strategies import DDPStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from training.gpu.averaging import DeviceAveraging
from training.gpu.profile import networks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytorch_lightning import LightningModule, Trainer
    from torch.optim import Optimizer


class ShardedStrategy(DDPStrategy):
    """The processes of DDP, with sharded networks instead of a wrapper.

    Not Lightning's ModelParallelStrategy, which writes and reads checkpoints without the Trainer's CheckpointIO.
    """

    def configure_ddp(self) -> None:
        """Shards the networks; Lightning creates the optimisers next."""
        shard(self._module)

    @property
    def _module(self) -> LightningModule:
        assert self.lightning_module is not None  # noqa: S101  # connected by the Trainer
        return self.lightning_module

    def validation_step(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401  # Lightning's own
        """A step with the batch statistics of the first process in all of them, as with DDP."""
        for buffer in self._module.buffers():
            torch.distributed.broadcast(buffer, 0)
        return super().validation_step(*given, **named)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Whole weights, in every process."""
        return gathered(super().lightning_module_state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Whole moments, in every process."""
        state: dict[str, Any] = super().optimizer_state(optimizer)
        return state | {"state": {place: gathered(moments) for place, moments in state["state"].items()}}

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Gives each process its share of the moments."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            shares = {place: _shares(moments, weights[place]) for place, moments in state["state"].items()}
            optimizer.load_state_dict(state | {"state": shares})


class ShardedAveraging(DeviceAveraging):
    """The average of the weights, sharded like them."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shards the average; a checkpoint has been restored by now."""
        del trainer, pl_module
        assert self._average_model is not None  # noqa: S101  # made in setup
        shard(cast("LightningModule", self._average_model.module))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Saves whole weights."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        checkpoint["state_dict"] = gathered(checkpoint["state_dict"])


def shard(module: LightningModule) -> None:
    """Replaces the weights of the module's networks by this process's share of them."""
    for network in networks_of(module):
        # FSDP takes contiguous weights only, and a family may have made channels-last ones.
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # PyTorch's stubs lack it for modules
        # Resharded after a validation too, which has no backward pass: the average is swapped in and out around it.
        fully_shard(network, reshard_after_forward=True)


def gathered(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Whole tensors; every process has to call it."""
    return {name: one.full_tensor() if isinstance(one, DTensor) else one for name, one in tensors.items()}


def _shares(moments: Mapping[str, Any], weight: torch.Tensor) -> dict[str, Any]:
    """This process's shares of the moments of a weight; others, such as the number of steps, stay whole."""
    if not isinstance(weight, DTensor):
        return dict(moments)
    return {
        name: distribute_tensor(one.contiguous(), weight.device_mesh, weight.placements)
        if isinstance(one, torch.Tensor) and one.shape == weight.shape
        else one
        for name, one in moments.items()
    }
