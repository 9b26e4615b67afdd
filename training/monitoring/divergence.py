"""Checks for NaN and infinity: the outputs of a stage are checked before it counts as done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


class DivergedError(UserError):
    """Training whose losses, metrics or weights became NaN or infinite, so that no later result could be used.

    Args:
        figure: Name of the value that is not finite.
        epoch: Number of the epoch, counted from 0.
        param: The likely cause, as spelled in params.yaml.
        rate: The resulting learning rate; omitted from the message if 0.
        precision: Precision of the training.
    """

    def __init__(
        self, figure: str, epoch: int, param: str = "train.learning_rate", rate: float = 0.0, precision: str = ""
    ) -> None:
        came_to = f" (the learning rate was {rate:g})" if rate else ""
        exactly = ", or set train.precision of the family to 32-true" if precision == "bf16-mixed" else ""
        super().__init__(
            f"training diverged in epoch {epoch + 1}: {figure} became NaN or infinite",
            f"lower {param} in params.yaml{came_to}{exactly}",
        )


class NotFiniteError(UserError):
    """NaN or infinity in weights or scores outside of training."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} became NaN or infinite", remedy)


def not_finite(figures: Mapping[str, float]) -> str:
    """Name of the first figure that is NaN or infinite; empty if all are finite."""
    return next((name for name, value in figures.items() if not math.isfinite(value)), "")


def not_finite_probability(rows: pd.DataFrame) -> str:
    """First column of probabilities with NaN or infinity; empty if there is none.

    Figures that count labels do not reveal it: such a sample gets the first label of the taxonomy, so they are finite.
    """
    columns = [str(name) for name in rows if str(name).startswith("p:")]
    return next((name for name in columns if not all(map(math.isfinite, rows[name]))), "")


def not_finite_weight(state: Mapping[str, Any]) -> str:
    """Name of the first tensor of a state dict with NaN or infinity; empty if all are finite."""
    tensors = ((name, value) for name, value in state.items() if torch.is_floating_point(value))
    return next((f"weight {name}" for name, value in tensors if not bool(torch.isfinite(value).all())), "")
