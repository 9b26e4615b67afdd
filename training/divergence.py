"""Numbers that are none (NaN) or without end: whatever a stage gives is checked for them before it counts as done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


class DivergedError(UserError):
    """A training whose losses, figures or weights became NaN or infinite: nothing that comes after it could be used.

    Args:
        figure: What is not finite.
        epoch: In which epoch, counted from 0.
        param: The likely cause, as params.yaml spells it.
        rate: The learning rate that this came to; left out where 0.
        precision: In which it was trained.
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
    """Weights or scores that hold NaN or infinity, where no training is under way that could be blamed for it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} became NaN or infinite", remedy)


def not_finite(figures: Mapping[str, float]) -> str:
    """The name of the first figure that is NaN or infinite; empty where all are finite."""
    return next((name for name, value in figures.items() if not math.isfinite(value)), "")


def not_finite_probability(rows: pd.DataFrame) -> str:
    """The first column of probabilities that holds NaN or infinity; empty where there is none.

    The label of such a sample is the first of the taxonomy, and every figure that counts labels is finite.
    """
    columns = [str(name) for name in rows if str(name).startswith("p:")]
    return next((name for name in columns if not all(map(math.isfinite, rows[name]))), "")


def not_finite_weight(state: Mapping[str, Any]) -> str:
    """The name of the first tensor of a state dict that holds NaN or infinity; empty where all are finite."""
    tensors = ((name, value) for name, value in state.items() if torch.is_floating_point(value))
    return next((f"weight {name}" for name, value in tensors if not bool(torch.isfinite(value).all())), "")
