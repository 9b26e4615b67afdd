"""Typed params sections of all families, without importing the families: checking a param needs no PyTorch."""

from __future__ import annotations

import importlib
import pkgutil

import models
from models.family import FamilyParams


def sections() -> dict[str, type[FamilyParams]]:
    """Types of the params sections by family name, from models/FAMILY/params.py."""
    packages = [found.name for found in pkgutil.iter_modules(models.__path__) if found.ispkg]
    names = [name for name in packages if name != "components"]
    return {name: _section(name) for name in names}


def _section(name: str) -> type[FamilyParams]:
    module = importlib.import_module(f"models.{name}.params")
    [section] = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, FamilyParams) and kind.__module__ == module.__name__
    ]
    return section
