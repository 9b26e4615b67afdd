"""Loads a family's typed section of params.yaml, and the collection that it learns from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from common.yaml_numbers import read_params_file
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from pathlib import Path

    from curation.params import Section
    from curation.store.sample_set import SampleSet
    from models.family import Family, FamilyParams

STARTER = "starter_"  # prefix of the params that apply while a set holds starter data alone


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


def params_for(samples: SampleSet, params: FamilyParams) -> FamilyParams:
    """The params that apply to a set: while it holds starter data alone, `starter_X` replaces X.

    Writes a line to the stage's log for each.
    """
    if not samples.starter_only:
        return params
    return params.model_copy(update={name: _for_starter(name, section) for name, section in params})


def _for_starter(part: str, section: Section) -> Section:
    given = {name.removeprefix(STARTER): value for name, value in section if name.startswith(STARTER)}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name, value in changes.items():
        sys.stdout.write(f"the set holds starter data alone: {part}.{name} is {value}, not {getattr(section, name)}\n")
    return section.model_copy(update=changes)
