"""Knowledge distillation: a student learns from the teacher's softened probabilities (Hinton et al. 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    import torch
    from pytorch_lightning import LightningModule


class Teacher:
    """A trained network for a student to learn from; it is not trained, averaged or stored with the student.

    Args:
        network: The network in float; it is moved to the student's device.
        temperature: Divides the logits of both, so that improbable classes contribute too.
        weight: Weight of the loss against the teacher; the rest is the loss against the labels.
    """

    def __init__(self, network: torch.nn.Module, temperature: float, weight: float) -> None:
        self.network = network.eval().requires_grad_(requires_grad=False)
        self.temperature, self.weight = temperature, weight

    def to(self, module: LightningModule) -> torch.nn.Module:
        """The network, on the module's device."""
        return self.network.to(module.device)

    def mixed(self, loss: torch.Tensor, logits_nl: torch.Tensor, taught_nl: torch.Tensor) -> torch.Tensor:
        """Weighted sum of the loss against the labels and that against the teacher: means over N, in nats.

        Args:
            loss: Loss against the labels.
            logits_nl: Logits of the student.
            taught_nl: Logits of the teacher, for the same samples.
        """
        # KL divergence between the softened distributions, averaged over the batch.
        own_nl, shown_nl = (
            functional.log_softmax(logits / self.temperature, 1) for logits in (logits_nl.float(), taught_nl.float())
        )
        apart = functional.kl_div(own_nl, shown_nl, reduction="batchmean", log_target=True)
        # Softened gradients are smaller by the square of the temperature; scale them back.
        return (1.0 - self.weight) * loss + self.weight * self.temperature**2 * apart
