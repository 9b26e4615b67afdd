"""Prefect's form for a run: a few fields for common params, one for any other param, and a table of all of them.

Prefect shows an input for each field of a nested model: with one section a family, that was a page of a hundred inputs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from flows.nightly import params
from models.components.sections import sections
from models.params_file import ParamsError, fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic.fields import FieldInfo

# Numbers that mean "as in params.yaml". With None, Prefect shows a choice between a number and `None`; if the schema
# hides that, its server refuses the form when the field is left empty.
NO_EPOCHS, NO_SEED = 0, -1
Epochs = Annotated[int, Field(ge=NO_EPOCHS)]
Seed = Annotated[int, Field(ge=NO_SEED)]
SUMMARY = "Every family, retrained on the data as they are. With overrides it is a trial, in a tree of its own."
SIGNS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def patch_of(families: Sequence[str], epochs: int, seed: int, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The filled-in fields of the form, as a patch of the params.

    Args:
        families: Families that epochs and seed apply to; none means all.
        epochs: For `FAMILY.train.epochs`; 0 means as in params.yaml.
        seed: For `FAMILY.train.seed`; -1 means as in params.yaml.
        overrides: Any param, by path or nested as in params.yaml; overrides the other two.
    """
    given = {"epochs": epochs} if epochs != NO_EPOCHS else {}
    given |= {"seed": seed} if seed != NO_SEED else {}
    flat = {f"{family}.train.{name}": value for family in families or sections() for name, value in given.items()}
    return params.nested(flat | params.flatten(overrides))


def describe_deployment(root: Path) -> str:
    """Description beside the form, in Markdown: all params that can be overridden, with their values.

    If params.yaml cannot be read, the list is omitted: the schedule is served all the same, and a run reports the
    error.
    """
    try:
        values = params.read_params(root)
    except ParamsError as error:
        return f"{SUMMARY}\n\n{error}"
    lines = [SUMMARY, "", "Params for `overrides`, with their values in params.yaml at `make up`:", ""]
    return "\n".join([*lines, *_items(values)]) + "\n"


def _items(values: Mapping[str, Any]) -> list[str]:
    """One item a param, those of the families first; values as JSON, as the field expects them."""
    given = params.flatten(values)
    found = {
        path: (given.get(path, field.get_default(call_default_factory=True)), _help(field))
        for path, field in fields(values).items()
    }
    return [
        f"- `{path}`: `{json.dumps(value, ensure_ascii=False, default=str)}` {help_text}".rstrip()
        for path, (value, help_text) in sorted(found.items(), key=lambda row: _rank(row[0]))
    ]


def _rank(path: str) -> tuple[bool, str]:
    """Sort key: families before collections, each contiguous; the order of their sections is kept."""
    first, second, *_ = path.split(".")
    shared = first in ("families", "collections")
    return shared, f"{first}.{second}" if first == "collections" else first


def _help(field: FieldInfo) -> str:
    """Description of a param, with its bounds."""
    bounds = [
        f"{words} {getattr(bound, sign):g}"
        for bound in field.metadata
        for sign, words in SIGNS.items()
        if getattr(bound, sign, None) is not None
    ]
    return " ".join(filter(None, (field.description, f"({', '.join(bounds)})" if bounds else "")))
