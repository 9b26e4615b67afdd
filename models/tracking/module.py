"""Lightning module: mean squared error of units and corrections, with augmentation of the motion on whole batches.

Legend: N takes, T frames, I inputs, C targets (units, then angles).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import LightningModule

from models.components.randomness import generator_for, seed_default
from models.tracking.geometry import ANGLES, MIRRORED_ANGLES, MIRRORED_SIGNS, mirrored_units
from models.tracking.moments import Moments
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.tracking.data import TakeBatch
    from models.tracking.network import TrackingNetwork
    from models.tracking.params import TrainParams


class TrackingModule(LightningModule):
    """Trains a network to read units, head and gaze from landmarks.

    Args:
        network: Inputs and a state -> units, corrections and the state.
        params: Training params.
        info: `deviation` and `signs` of the set.
    """

    def __init__(self, network: TrackingNetwork, params: TrainParams, info: Mapping[str, Any]) -> None:
        super().__init__()
        self.network, self.params = network, params
        self._moments = Moments()
        self.deviation: torch.Tensor
        self.mirrored_inputs: torch.Tensor
        self.input_signs: torch.Tensor
        self.mirrored_targets: torch.Tensor
        self.target_signs: torch.Tensor
        count = len(info["signs"])
        for name, values in (
            ("deviation", torch.tensor(info["deviation"], dtype=torch.float32)),
            ("mirrored_inputs", torch.tensor([*range(count), *(count + number for number in MIRRORED_ANGLES)])),
            ("input_signs", torch.tensor([*info["signs"], *MIRRORED_SIGNS])),
            ("mirrored_targets", torch.tensor([*mirrored_units(), *(len(UNITS) + n for n in MIRRORED_ANGLES)])),
            ("target_signs", torch.tensor([*([1.0] * len(UNITS)), *MIRRORED_SIGNS])),
        ):
            self.register_buffer(name, values, persistent=False)

    def model_step(self, inputs_nti: torch.Tensor, targets_ntc: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Step shared by all phases: the loss, and outputs N,T,C."""
        state_ns = inputs_nti.new_zeros(len(inputs_nti), self.network.state_width)
        units_ntu, corrections_nta, _ = self.network(inputs_nti, state_ns)
        outputs_ntc = torch.cat([units_ntu, corrections_nta], -1).float()
        # Targets that are not known are NaN, and cost nothing.
        known_ntc = ~targets_ntc.isnan()
        weights_c = self.deviation.new_ones(len(self.deviation))
        weights_c[-ANGLES:] = self.params.angle_weight
        gaps_ntc = torch.where(known_ntc, outputs_ntc - targets_ntc.nan_to_num(), 0.0) / self.deviation
        loss = (weights_c * gaps_ntc.square()).sum() / known_ntc.sum().clamp_min(1)
        return loss, outputs_ntc

    def training_step(self, batch: TakeBatch, _batch_idx: int = 0) -> torch.Tensor:
        """Loss of augmented takes."""
        self._set_rate(batch.step)
        random = generator_for(self.device, self.params.seed, self.current_epoch, batch.step, batch.first, "augment")
        inputs_nti, targets_ntc = self._augmented(batch.inputs_nti, batch.targets_ntc, random)
        seed_default(self.device, self.params.seed, self.current_epoch, batch.step, batch.first, "dropout")
        loss, _ = self.model_step(inputs_nti, targets_ntc)
        self.log("train/loss", loss.detach())
        return loss

    def _augmented(
        self, inputs_nti: torch.Tensor, targets_ntc: torch.Tensor, random: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mirrored, on another face, slowed down, with noise."""
        inputs_nti, targets_ntc = self._mirrored(inputs_nti, targets_ntc, random)
        inputs_nti = self._on_other_faces(inputs_nti, random)
        inputs_nti, targets_ntc = self._slowed(inputs_nti, targets_ntc, random)
        noise_nti = torch.randn(inputs_nti.shape, generator=random, device=self.device)
        noise_nti[..., -ANGLES:] = 0
        return inputs_nti + self.params.noise * noise_nti, targets_ntc

    def _mirrored(
        self, inputs_nti: torch.Tensor, targets_ntc: torch.Tensor, random: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        chosen_n11 = torch.rand(len(inputs_nti), 1, 1, generator=random, device=self.device) < self.params.mirror
        inputs = torch.where(chosen_n11, inputs_nti[..., self.mirrored_inputs] * self.input_signs, inputs_nti)
        targets = torch.where(chosen_n11, targets_ntc[..., self.mirrored_targets] * self.target_signs, targets_ntc)
        return inputs, targets

    def _on_other_faces(self, inputs_nti: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Replaces a share of what is constant in a take by that of another one; fitted angles stay."""
        count = len(inputs_nti)
        shares_n11, chosen_n11 = (torch.rand(count, 1, 1, generator=random, device=self.device) for _ in range(2))
        shares_n11 = shares_n11 * (chosen_n11 < self.params.identity_mix)
        others_n = torch.randint(count, (count,), generator=random, device=self.device)
        rest_n1i = inputs_nti.mean(1, keepdim=True)
        moved_n1i = shares_n11 * (rest_n1i[others_n] - rest_n1i)
        moved_n1i[..., -ANGLES:] = 0
        return inputs_nti + moved_n1i

    def _slowed(
        self, inputs_nti: torch.Tensor, targets_ntc: torch.Tensor, random: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stretches a part of each take over all of its frames: the same rate for a batch, the part at random."""
        frames = inputs_nti.shape[1]
        stretch = 1 + (self.params.max_stretch - 1) * float(torch.rand(1, generator=random, device=self.device))
        if stretch <= 1:
            return inputs_nti, targets_ntc
        span = (frames - 1) / stretch
        begin = (frames - 1 - span) * float(torch.rand(1, generator=random, device=self.device))
        at_t = begin + span * torch.linspace(0, 1, frames, device=self.device)
        low_t = at_t.floor().long().clamp_max(frames - 2)
        share_t1 = (at_t - low_t)[:, None]
        return (
            torch.lerp(inputs_nti[:, low_t], inputs_nti[:, low_t + 1], share_t1),
            torch.lerp(targets_ntc[:, low_t], targets_ntc[:, low_t + 1], share_t1),
        )

    def _set_rate(self, step: int) -> None:
        """Linear warm-up, then cosine decay to nothing (Loshchilov and Hutter 2017)."""
        done = (self.current_epoch + step / max(1, self.trainer.num_training_batches)) / self.params.epochs
        falling = 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
        rising = min(1.0, (self.global_step + 1) / self.params.warmup_steps)
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]  # there is one
            group["lr"] = self.params.learning_rate * falling * rising

    def validation_step(self, batch: TakeBatch, _batch_idx: int = 0) -> None:
        """Adds takes to val/mean_r, the mean correlation of the units."""
        loss, outputs_ntc = self.model_step(batch.inputs_nti, batch.targets_ntc)
        self.log("val/loss", loss, on_epoch=True, batch_size=len(batch.inputs_nti), sync_dist=True)
        units = slice(0, len(UNITS))
        self._moments.add(
            outputs_ntc[..., units].clamp(0, 1).flatten(0, 1), batch.targets_ntc[..., units].flatten(0, 1)
        )

    def on_validation_epoch_end(self) -> None:
        """Logs val/mean_r of all processes."""
        sums_ku = self._moments.sums_ku.to(self.device)
        if self.trainer.world_size > 1:
            sums_ku = self.trainer.strategy.reduce(sums_ku, reduce_op="sum")
        self.log("val/mean_r", Moments(sums_ku).mean_r())
        self._moments = Moments()

    def configure_optimizers(self) -> Any:  # noqa: ANN401  # one of the many types that Lightning accepts
        """AdamW, fused; weight decay does not apply to biases and norms."""
        matrices = [parameter for parameter in self.network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.network.parameters() if parameter.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.params.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.params.learning_rate, fused=True)

    def on_before_optimizer_step(self, _optimiser: object) -> None:
        """Clips the gradient manually: Lightning refuses to clip for fused optimisers, though only fp16 needs that."""
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.params.clip)
