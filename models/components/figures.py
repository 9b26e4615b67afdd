"""Figures as people read them: the name of each in tables and reports, and whether less of it is better.

Every family declares its own in models/FAMILY/figures.py, which imports nothing heavy: `FIGURES`, and `PARTS` for what
its objective watches beside labels.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import models

if TYPE_CHECKING:
    from types import ModuleType


@dataclass(frozen=True)
class MetricLabel:
    """One figure.

    Attributes:
        name: In tables and reports, with its unit.
        less_is_better: True of a loss or a distance.
    """

    name: str
    less_is_better: bool = False


# Figures that steps and several families log.
COMMON = {
    "loss": MetricLabel("loss", less_is_better=True),
    "lr": MetricLabel("learning rate"),
    "fp32_max": MetricLabel("fp32, largest difference", less_is_better=True),
    "compressed_mean": MetricLabel("compressed, mean difference", less_is_better=True),
    "compressed_agreement": MetricLabel("compressed, share of the same outputs"),
}


@cache
def figures() -> dict[str, MetricLabel]:
    """Those of all families, by their key in JSON and MLflow."""
    return COMMON | {key: one for module in _modules() for key, one in module.FIGURES.items()}


@cache
def parts() -> dict[str, str]:
    """Names of parts that objectives watch; labels are parts too, and stand as they are."""
    return {key: name for module in _modules() for key, name in module.PARTS.items()}


def figure_name(key: str) -> str:
    """`macro_f1` as a person writes it."""
    return figures()[key].name if key in figures() else key.replace("_", " ")


def less_is_better(key: str) -> bool:
    """True of a figure that is declared so."""
    return key in figures() and figures()[key].less_is_better


def _modules() -> list[ModuleType]:
    packages = [found.name for found in pkgutil.iter_modules(models.__path__) if found.ispkg]
    return [importlib.import_module(f"models.{name}.figures") for name in packages if name != "components"]
