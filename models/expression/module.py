"""Lightning module: one `model_step` for every phase; the network is passed in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import LightningModule
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from models.components.randomness import generator_for, seed_default
from models.expression.cameras import other_cameras
from models.expression.transforms import augment_batch, mixup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.components.batches import Batch
    from models.components.distillation import Teacher
    from models.expression.params import TrainParams

LOG_EVERY = 50


class ExpressionModule(LightningModule):
    """Trains a network to classify images.

    Args:
        network: Normalised images N,C,H,W -> logits N,L.
        params: Training params.
        mean: Mean of the training images, in 0..1.
        std: Standard deviation of the training images, in 0..1.
        labels: Number of labels.
        shares: Share of each label in the training images; None: not known, and taken as equal.
    """

    offsets_l: torch.Tensor

    def __init__(
        self,
        network: torch.nn.Module,
        params: TrainParams,
        mean: float,
        std: float,
        labels: int,
        shares: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it for modules
        self.params = params
        self.mean, self.std = mean, std
        self.teachers: list[Teacher] = []  # in a list, so that Lightning does not register it
        offsets_l = log_shares(shares or [1.0] * labels) * params.label_balance
        self.register_buffer("offsets_l", offsets_l, persistent=False)
        # Every rank validates its own share; the states are summed over ranks at the end of the epoch.
        self.accuracy = MulticlassAccuracy(labels, average="micro")
        self.macro_f1 = MulticlassF1Score(labels, average="macro")

    def forward(self, pictures_nhwc: torch.Tensor) -> torch.Tensor:
        """Images uint8 N,H,W,C -> logits N,L, without augmentation, as at run time."""
        logits_nl: torch.Tensor = self.network(self.normalised(pictures_nhwc))
        return logits_nl

    def normalised(self, pictures_nhwc: torch.Tensor) -> torch.Tensor:
        """Images of 0 to 255, N,H,W,C -> float N,C,H,W of mean 0 and deviation 1, in channels-last memory format."""
        pictures_nchw = pictures_nhwc.permute(0, 3, 1, 2).float()
        scaled_nchw = pictures_nchw * (1.0 / (255.0 * self.std)) - self.mean / self.std
        return scaled_nchw.contiguous(memory_format=torch.channels_last)

    def augmented(self, pictures_nhwc: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images uint8 N,H,W,C -> normalised images N,C,H,W, as other cameras and other crops would give them."""
        taken_nhwc = other_cameras(pictures_nhwc, self.params.camera, generator)
        return augment_batch(self.normalised(taken_nhwc), self.params, generator)

    def model_step(
        self,
        pictures_nchw: torch.Tensor,
        targets_nl: torch.Tensor,
        smoothing: float = 0.0,
        offsets_l: torch.Tensor | float = 0.0,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Step shared by all phases: mean loss over labelled images, and logits N,L; the loss adds offsets to them."""
        logits_nl = self.network(pictures_nchw).float()
        # Unlabelled images have no target and add no loss, but count in the mean: divide by the labelled share.
        loss = functional.cross_entropy(logits_nl + offsets_l, smoothed(targets_nl, smoothing))
        return loss / labelled_share(targets_nl), logits_nl

    def training_step(self, batch: Batch, _batch_idx: int = 0) -> torch.Tensor:
        """Loss of this process's share of a global batch.

        The loss is computed per chunk: batch statistics, augmentation and dropout use `norm_samples` samples and a seed
        of their own, so that any number of processes with the same global batch computes the same gradients.
        """
        size = self.params.norm_samples
        chunks = zip(torch.split(batch.pictures_nhwc, size), torch.split(batch.targets_nl, size), strict=True)
        losses = [self._chunk_loss(*chunk, batch.step, batch.first_chunk + i) for i, chunk in enumerate(chunks)]
        loss = torch.stack(losses).mean()
        if batch.step % LOG_EVERY == 0:  # self.log costs a step about a millisecond of Python
            self.log("train/loss", loss.detach())
        return loss

    def _chunk_loss(self, pictures_nhwc: torch.Tensor, targets_nl: torch.Tensor, step: int, chunk: int) -> torch.Tensor:
        place = (self.params.seed, self.current_epoch, step, chunk)
        # Augment the images with the chunk's own generator, then run the shared step.
        generator = generator_for(pictures_nhwc.device, *place)
        pictures_nchw = self.augmented(pictures_nhwc, generator)
        pictures_nchw, targets_nl = mixup(pictures_nchw, targets_nl, self.params.mixup, generator)
        seed_default(self.device, *place, "dropout")  # dropout does not accept a generator
        pictures_nchw = pictures_nchw.contiguous(memory_format=torch.channels_last)
        loss, logits_nl = self.model_step(pictures_nchw, targets_nl, self.params.label_smoothing, self.offsets_l)
        # Distillation: run the teachers on the same augmented images.
        for teacher in self.teachers:
            with torch.no_grad():
                taught_nl = teacher.to(self)(pictures_nchw)
            loss = teacher.mixed(loss, logits_nl, taught_nl)
        return loss

    def validation_step(self, batch: Batch, _batch_idx: int = 0) -> None:
        """Adds a batch to val/loss, val/accuracy and val/macro_f1."""
        loss, logits_nl = self.model_step(self.normalised(batch.pictures_nhwc), batch.targets_nl)
        labels_n = batch.targets_nl.argmax(1)
        self.accuracy.update(logits_nl, labels_n)
        self.macro_f1.update(logits_nl, labels_n)
        figures: dict[str, Any] = {"val/loss": loss, "val/accuracy": self.accuracy, "val/macro_f1": self.macro_f1}
        self.log_dict(figures, on_epoch=True, batch_size=len(labels_n), sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Averages the statistics of batch normalisation over processes, so that all continue with the same ones."""
        if self.trainer.world_size > 1:
            for buffer in self.network.buffers():
                if buffer.is_floating_point():
                    torch.distributed.all_reduce(buffer)
                    buffer.div_(self.trainer.world_size)

    def configure_optimizers(self) -> Any:  # noqa: ANN401  # one of the many types that Lightning accepts
        """SGD with Nesterov momentum; a linear warm-up, then a cosine to zero (Loshchilov and Hutter 2017)."""
        # Apply weight decay only to weight matrices, not to norms and biases.
        matrices = [parameter for parameter in self.network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.network.parameters() if parameter.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": self.params.weight_decay},
            {"params": vectors},
        ]
        optimiser = torch.optim.SGD(groups, lr=self.params.learning_rate, momentum=0.9, nesterov=True)
        total = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(self.params.warmup_epochs * total / self.params.epochs))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: warmed_cosine(step, warmup, total))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def log_shares(shares: Sequence[float]) -> torch.Tensor:
    """Logarithm of each label's share, relative to the commonest one; 0 for a label that never occurs.

    Added to the logits in the loss, it explains how common a label is, so that the network does not have to learn it
    (logit adjustment, Menon et al. 2021).
    """
    relative_l = torch.tensor(shares, dtype=torch.float32) / max(shares)
    return torch.where(relative_l > 0, relative_l, torch.ones_like(relative_l)).log()


def labelled_share(targets_nl: torch.Tensor) -> torch.Tensor:
    """Labelled share of the targets, 0..1; 1 if none is labelled, because then there is no loss to scale.

    Without this factor, unlabelled images would reduce the weight of the loss on labels.
    """
    # Round, so that votes and blends, whose sum is almost 1, leave the loss bit-identical.
    share = targets_nl.sum(1).mean().round(decimals=3)
    return torch.where(share > 0, share, torch.ones_like(share))


def smoothed(targets_nl: torch.Tensor, share: float) -> torch.Tensor:
    """Targets with a share spread over all labels (Szegedy et al. 2016); unlabelled targets stay zero.

    PyTorch's `label_smoothing` is different: it would give an unlabelled image a uniform target.
    """
    return (1.0 - share) * targets_nl + share * targets_nl.mean(1, keepdim=True)


def warmed_cosine(step: int, warmup: int, total: int) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then a cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))
