"""What a student learns from: the teacher's shares of all answers, softened (Hinton et al. 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    import torch
    from pytorch_lightning import LightningModule


class Teacher:
    """The trained network beside a student: it runs, and nothing of it is trained, averaged or stored.

    Args:
        network: In float; it is moved to where the student is.
        temperature: Divides the logits of both, so that what the teacher holds for unlikely is heard too.
        weight: Of the loss against the teacher; the rest is that against the truth.
    """

    def __init__(self, network: torch.nn.Module, temperature: float, weight: float) -> None:
        self.network = network.eval().requires_grad_(requires_grad=False)
        self.temperature, self.weight = temperature, weight

    def to(self, module: LightningModule) -> torch.nn.Module:
        """The network, where a module is."""
        return self.network.to(module.device)

    def mixed(self, loss: torch.Tensor, logits_nl: torch.Tensor, taught_nl: torch.Tensor) -> torch.Tensor:
        """The loss against the truth with that against the teacher: means over N, both in nats.

        Args:
            loss: Against the truth.
            logits_nl: Of the student.
            taught_nl: Of the teacher, for the same samples.
        """
        own_nl, shown_nl = (
            functional.log_softmax(logits / self.temperature, 1) for logits in (logits_nl.float(), taught_nl.float())
        )
        apart = functional.kl_div(own_nl, shown_nl, reduction="batchmean", log_target=True)
        # Softened gradients are smaller by the square of the temperature.
        return (1.0 - self.weight) * loss + self.weight * self.temperature**2 * apart
