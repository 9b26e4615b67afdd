"""Loads a family's typed section of params.yaml, and the collection that it learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.yaml_numbers import read_params_file
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from pathlib import Path

    from models.family import Family, FamilyParams


def load_params(path: Path, family: Family) -> tuple[str, FamilyParams]:
    """Reads the collection and the params of a family.

    Raises:
        MisuseError: params.yaml does not name the family.
        pydantic.ValidationError: A key is unknown, or a value is out of range.
    """
    document = read_params_file(path)
    if family.name not in document.get("families", {}):
        message = f"params.yaml: families names no collection for {family.name!r}"
        raise MisuseError(message, f"in params.yaml, add under families: `{family.name}: COLLECTION`")
    return document["families"][family.name], family.params.model_validate(document.get(family.name) or {})
