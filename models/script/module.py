"""Lightning module: next-character loss, with the state carried from batch to batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import LightningModule
from torch.nn import functional

from models.components.randomness import generator_for, seed_default

if TYPE_CHECKING:
    from models.components.distillation import Teacher
    from models.script.data import TokenBatch
    from models.script.network import ScriptNetwork, State
    from models.script.params import TrainParams

LOG_EVERY = 50
NO_TARGET = -1
TEACHER = "teacher"


class ScriptModule(LightningModule):
    """Trains a network to predict the next character.

    Args:
        network: Ids and a state -> logits and a state.
        params: Training params.
    """

    def __init__(self, network: ScriptNetwork, params: TrainParams) -> None:
        super().__init__()
        self.network, self.params = network, params
        self._states: dict[str, State] = {}
        self.teachers: list[Teacher] = []  # in a list, so that Lightning does not register it

    def share_done(self, step: int) -> float:
        """Share of the training that is done, 0 to 1, at a step of this epoch."""
        return (self.current_epoch + step / max(1, self.trainer.num_training_batches)) / self.params.epochs

    def model_step(self, batch: TokenBatch, phase: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Step shared by all phases: summed loss in nats, number of characters, and logits N,T,V."""
        logits_ntv = self._read(self.network, batch, phase)
        loss = functional.cross_entropy(
            logits_ntv.flatten(0, 1), batch.targets_nt.flatten(), ignore_index=NO_TARGET, reduction="sum"
        )
        return loss, (batch.targets_nt != NO_TARGET).sum(), logits_ntv

    def _read(self, network: torch.nn.Module, batch: TokenBatch, reader: str) -> torch.Tensor:
        """Logits N,T,V of a network, continuing from the state stored under the name of the reader."""
        begins = batch.step == 0 or reader not in self._states
        state = network.start(len(batch.ids_nt), self.device) if begins else self._states[reader]  # type: ignore[operator]  # of a network of this family
        logits_ntv, (hidden, cell) = network(batch.ids_nt, state)
        # Detached: gradients end at the batch (truncated back-propagation).
        self._states[reader] = (hidden.detach(), cell.detach())
        return logits_ntv.float()  # type: ignore[no-any-return]  # a module's answer

    def training_step(self, batch: TokenBatch, _batch_idx: int = 0) -> torch.Tensor:
        """Mean loss of this process's places; the state of some is reset."""
        self._set_rate(self.share_done(batch.step))
        if batch.step and self.params.state_dropped:
            self._forget(batch)
        # Each process draws for all places, so 0: the place of one process alone, which draws the same.
        self.network.share = (batch.first_place, self.params.batch_size)
        seed_default(self.device, self.params.seed, self.current_epoch, batch.step, "dropout", 0)
        loss, count, logits_ntv = self.model_step(batch, "train")
        loss = loss / count
        for teacher in self.teachers:
            with torch.no_grad():
                taught_ntv = self._read(teacher.to(self), batch, TEACHER)
            loss = teacher.mixed(loss, logits_ntv.flatten(0, 1), taught_ntv.flatten(0, 1))
        if batch.step % LOG_EVERY == 0:  # self.log costs a step about a millisecond of Python
            self.log("train/loss", loss.detach())
        return loss

    def _forget(self, batch: TokenBatch) -> None:
        """Resets the state of some places, as if a text began there; the choice depends only on seed and step."""
        # The 0 as in training_step.
        random = generator_for(self.device, self.params.seed, self.current_epoch, batch.step, 0, "state")
        kept_n = torch.rand(self.params.batch_size, generator=random, device=self.device) >= self.params.state_dropped
        kept_n = kept_n[batch.first_place : batch.first_place + len(batch.ids_nt)]
        for reader in {"train", TEACHER} & self._states.keys():
            hidden, cell = self._states[reader]
            mask_1n1 = kept_n.to(hidden.dtype)[None, :, None]
            self._states[reader] = (hidden * mask_1n1, cell * mask_1n1)

    def _set_rate(self, done: float) -> None:
        """Linear warm-up, then cosine decay (Loshchilov and Hutter 2017)."""
        low = self.params.final_learning_rate_share
        falling = low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
        rising = min(1.0, (self.global_step + 1) / self.params.warmup_steps)
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]  # there is one
            group["lr"] = self.params.learning_rate * falling * rising

    def validation_step(self, batch: TokenBatch, _batch_idx: int = 0) -> None:
        """Adds a batch to val/bits: bits a character, with carried state."""
        loss, count, _ = self.model_step(batch, "validation")
        bits = loss / count.clamp_min(1) / math.log(2.0)
        self.log("val/bits", bits, on_epoch=True, batch_size=int(count.clamp_min(1)), sync_dist=True)

    def configure_optimizers(self) -> Any:  # noqa: ANN401  # one of the many types that Lightning accepts
        """AdamW, fused; weight decay does not apply to biases."""
        matrices = [parameter for parameter in self.network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.network.parameters() if parameter.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.params.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        betas = (0.9, self.params.beta2)
        return torch.optim.AdamW(groups, lr=self.params.learning_rate, betas=betas, fused=True)

    def on_before_optimizer_step(self, _optimiser: object) -> None:
        """Clips the gradient manually: Lightning refuses to clip for fused optimisers, though only fp16 needs that."""
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.params.clip)
