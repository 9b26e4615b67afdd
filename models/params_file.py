"""The complete params.yaml, typed, and its errors as messages for a person.

A run checks the file before anything starts; a stage that cannot read its section by the same rules shows the same
message. Nothing heavy is imported. No stage imports this module when it starts: it knows every family, and a stage
depends on its own alone.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from common.renamed_keys import describe, find_renamed
from curation.params import CollectionParams, Section
from models.components.sections import sections
from models.family import FamilyParams
from models.renamed_params import RENAMED_PARAMS
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAME = "params.yaml"
_Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]  # of a collection; it is the name of its folder too


class ParamsError(MisuseError):
    """Raised for params.yaml or an override that cannot be used; `remedy` states the correction."""


@cache
def model() -> type[Section]:
    """Type of the complete params.yaml: families, collections and one section a family.

    Built from the families' params modules, so that a new family needs no change here.
    """
    families: dict[str, Any] = {name: (section, ...) for name, section in sections().items()}
    return create_model(
        "Params",
        __base__=Section,
        families=(dict[str, str], ...),
        collections=(dict[_Name, CollectionParams], ...),
        **families,
    )


def check(values: Mapping[str, Any]) -> None:
    """Checks the complete params.

    Raises:
        ParamsError: A key is unknown or was renamed, a value has another type or is out of range, a family has no
            collection, or a key is omitted that has a default but is used by dvc.yaml.
    """
    _refuse_renamed(values)
    try:
        # As JSON, strictly: a list is accepted for a tuple, but neither "3" nor true for a number.
        model().model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        message = f"{NAME}: {'; '.join(_spell(fault, values) for fault in error.errors())}"
        raise ParamsError(message, "nothing was started: correct the params and run again") from error
    for family, collection in values["families"].items():
        _check_family(family, collection, values)
    _check_named_by_dvc(values)


def fields(values: Mapping[str, Any]) -> dict[str, FieldInfo]:
    """Every param by its path, with the names in these params, in the order of params.yaml's sections."""
    return {spelt: field for known, field in _walk(model(), "") for spelt in _spell_names(known, values)}


def paths() -> list[str]:
    """Every path for --set, with `*` for the names of families and collections."""
    return sorted(path for path, _ in _walk(model(), ""))


def spelt_paths(values: Mapping[str, Any]) -> list[str]:
    """Every path for --set, with the names in these params."""
    return [spelt for known in paths() for spelt in _spell_names(known, values)]


def nearest_paths(path: str, everything: Sequence[str]) -> str:
    """The known paths that are most like a path, as `did you mean: ...` or `there are: ...`."""
    folded = {known.casefold(): known for known in everything}
    near = [folded[one] for one in difflib.get_close_matches(path.casefold(), folded, n=3, cutoff=0.6)]
    inside = [known for known in everything if known.startswith(path.rsplit(".", 1)[0] + ".")]
    names = near or inside or list(everything)
    return f"{'did you mean' if near else 'there are'}: {', '.join(names[:12])}"


def _refuse_renamed(values: object) -> None:
    if renamed := find_renamed(values, RENAMED_PARAMS) if isinstance(values, dict) else {}:
        message = "; ".join(f"{describe(old, new)}; rename it in {NAME}" for old, new in renamed.items())
        raise ParamsError(message, "nothing was started: rename and run again")


def _check_family(family: str, collection: str, values: Mapping[str, Any]) -> None:
    known = [name for name in model().model_fields if name not in ("families", "collections")]
    if family not in known:
        message = f"{NAME}: families.{family}: models/families.py has no such family; it has {', '.join(known)}"
        raise ParamsError(message, nearest_paths(family, known))
    if collection not in values["collections"]:
        message = (
            f"{NAME}: families.{family} learns from {collection!r}; collections has {', '.join(values['collections'])}"
        )
        raise ParamsError(message, nearest_paths(collection, list(values["collections"])))


def _check_named_by_dvc(values: Mapping[str, Any]) -> None:
    """Checks keys that dvc.yaml uses: DVC knows no defaults, so they must be in params.yaml, even if empty.

    Otherwise DVC would refuse the stage when the run reaches it, with the reason only in the log.
    """
    wanted = [(name, values[name], key, "{}") for name in values["families"] for key in FamilyParams.model_fields]
    for name, section in values["collections"].items():
        wanted.append((f"collections.{name}", section, "medium", "image"))
        wanted.append((f"collections.{name}", section, "needs", f"datasets/{name}"))
    lacking = [(path, f"{key}: {text}") for path, section, key, text in wanted if section.get(key) is None]
    if lacking:
        lines = "; ".join(f"under {path}: write `{line}`" for path, line in lacking)
        named = ", ".join(f"{path}.{line.partition(':')[0]}" for path, line in lacking)
        message = f"{NAME}: {named}: missing; it has a default, but dvc.yaml uses it, and DVC knows no defaults"
        raise ParamsError(message, f"in {NAME}, {lines}")


def _spell(fault: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{path}: there is no such param; {nearest_paths(path, spelt_paths(values))}"
    if fault["type"] == "missing":
        return f"{path} is missing"
    if fault["type"] == "value_error":
        return f"{path}: {fault['ctx']['error']}"
    quoted = "; in quotes it is a text" if fault["type"] == "string_type" and fault["input"] is not None else ""
    where = f"{path}: " if path else ""  # else the document itself
    return f"{where}{fault['msg'][:1].lower()}{fault['msg'][1:]}, not {fault['input']!r}{quoted}"


def _spell_names(known: str, values: Mapping[str, Any]) -> list[str]:
    if "*" not in known:
        return [known]
    section = known.split(".", 1)[0]
    return [known.replace("*", name) for name in values.get(section) or ()]


def _walk(section: type[Any], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        inner = _section_of(field.annotation)
        if name == "collections" and not prefix:
            yield from _walk(CollectionParams, "collections.*.")
        elif name == "families" and not prefix:
            yield "families.*", FieldInfo(description="The collection that the family learns from.")
        elif inner is not None:
            yield from _walk(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _section_of(annotation: object) -> type[Section] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None
