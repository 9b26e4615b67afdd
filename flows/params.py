"""The whole of params.yaml, typed: what a night may be told to change, and what is refused before anything starts.

    patch = parse(values := read_params(root), ["expression.train.epochs=3"])
    overridden = lay(values, patch)

An override names a value by its path, and its text is read as YAML, so `3` is a number and `[a, b]` a list. A path
that does not exist is refused with the nearest ones that do; a value of another type with the type that is wanted.
"""

from __future__ import annotations

import copy
import difflib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from curation.params import CollectionParams, Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

NAME = "params.yaml"


class ParamsError(ValueError):
    """params.yaml or an override of it that cannot be used; `remedy` says what to write instead."""

    status = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


@cache
def model() -> type[Section]:
    """The type of the whole of params.yaml: families, collections and one section a family.

    Made from models/families.py, so that a new family needs no line here. Imports the families (and PyTorch with
    them), hence a function.
    """
    from models.families import FAMILIES  # noqa: PLC0415 - see above

    sections: dict[str, Any] = {family.name: (family.params, ...) for family in FAMILIES}
    return create_model(
        "Params",
        __base__=Section,
        families=(dict[str, str], ...),
        collections=(dict[str, CollectionParams], ...),
        **sections,
    )


def read_params(root: Path) -> dict[str, Any]:
    """params.yaml as it stands, checked.

    Raises:
        ParamsError: It is not there or no YAML, names what does not exist, or holds a value of another type.
    """
    path = root / NAME
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"there is no {NAME} in {root}"
        raise ParamsError(message, "run this in the root of the checkout") from error
    except yaml.YAMLError as error:
        message = f"{NAME} is no YAML: {error}"
        raise ParamsError(message, f"git diff {NAME}") from error
    check(values)
    return dict(values)


def check(values: Mapping[str, Any]) -> None:
    """Checks the whole of the params.

    Raises:
        ParamsError: A key is unknown, a value has another type or is out of range, a family learns from no collection,
            or something is left out that has a default but that dvc.yaml names.
    """
    try:
        # As JSON, strictly: a list may stand for a tuple, but neither "3" nor true for a number.
        model().model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        message = f"{NAME}: {'; '.join(_spell(fault, values) for fault in error.errors())}"
        raise ParamsError(message, "nothing was started; mend the params and run again") from error
    for family, collection in values["families"].items():
        _check_family(family, collection, values)
    _check_named_by_dvc(values)


def parse(values: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """`PATH=VALUE` texts as a patch: nested like params.yaml, with only what they name.

    Raises:
        ParamsError: A text has no `=`, or its path does not exist.
    """
    patch: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            message = f"--set {text!r} is not PATH=VALUE"
            raise ParamsError(message, "for example: --set expression.train.epochs=3")
        _check_path(path.strip(), values)
        _put(patch, path.strip().split("."), _parse_value(path.strip(), value))
    return patch


def lay(values: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The params with a patch laid over them, checked as a whole.

    Raises:
        ParamsError: A key does not exist, or a value has another type.
    """
    changed = copy.deepcopy(dict(values))
    for path, value in flatten(patch).items():
        _put(changed, path.split("."), value)
    check(changed)
    return changed


@cache
def overrides() -> type[BaseModel]:
    """The type of a patch, for Prefect's form: every param there is, none of them required."""
    of_families: Any = Field({}, title="Collection of each family", description='Such as {"expression": "faces"}.')
    of_collections: Any = Field({}, description='Such as {"faces": {"clean": {"min_sharpness": 0.3}}}.')
    fields: dict[str, Any] = {"families": (dict[str, str], of_families)}
    fields["collections"] = (dict[str, _optional(CollectionParams)], of_collections)  # type: ignore[misc]  # a type that is made
    for name, field in model().model_fields.items():
        if name not in fields:
            section = _optional(field.annotation, name.capitalize())
            fields[name] = (section, section())
    return create_model("Overrides", __config__=ConfigDict(extra="forbid"), **fields)


def patch_of(form: BaseModel) -> dict[str, Any]:
    """What a person has filled in of the form."""
    patch: dict[str, Any] = {}
    for path, value in flatten(form.model_dump(exclude_none=True, mode="json")).items():
        _put(patch, path.split("."), value)
    return patch


def choose(values: Mapping[str, Any], asked: Sequence[str]) -> list[str]:
    """The families to work on: those asked for, or all that params.yaml gives a collection.

    Raises:
        ParamsError: There is no such family.
    """
    there = list(values["families"])
    for name in asked:
        if name not in there:
            message = f"no family {name!r}; {_nearest(name, there)}"
            raise ParamsError(message, f"for example: --families {there[0]}" if there else f"name one in {NAME}")
    return [name for name in there if name in asked] if asked else there


def paths() -> list[str]:
    """Every path that --set may name, for the families and collections that there are; `*` stands for a name."""
    return sorted(_walk(model(), ""))


def spelt_paths(values: Mapping[str, Any]) -> list[str]:
    """Every path that --set may name, with the names that these params have."""
    return [spelt for known in paths() for spelt in _spell_names(known, values)]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested params as {path: value}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        flat.update(flatten(value, f"{path}.") if isinstance(value, dict) else {path: value})
    return flat


def dump(values: Mapping[str, Any]) -> str:
    """The text of a params.yaml."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)


def _check_family(family: str, collection: str, values: Mapping[str, Any]) -> None:
    known = [name for name in model().model_fields if name not in ("families", "collections")]
    if family not in known:
        message = f"{NAME}: families.{family}: models/families.py has no such family; it has {', '.join(known)}"
        raise ParamsError(message, _nearest(family, known))
    if collection not in values["collections"]:
        message = (
            f"{NAME}: families.{family} learns from {collection!r}; collections has {', '.join(values['collections'])}"
        )
        raise ParamsError(message, _nearest(collection, list(values["collections"])))


def _check_named_by_dvc(values: Mapping[str, Any]) -> None:
    """DVC knows no defaults: what dvc.yaml names has to stand in params.yaml, if only as an empty mapping.

    It would refuse the stage when the night has come to it, and say why in the log alone.
    """
    from models.family import FamilyParams  # noqa: PLC0415  # as in `model`

    wanted = [(name, values[name], key, "{}") for name in values["families"] for key in FamilyParams.model_fields]
    for name, section in values["collections"].items():
        wanted.append((f"collections.{name}", section, "needs", f"datasets/{name}"))
    lacking = [(path, f"{key}: {text}") for path, section, key, text in wanted if section.get(key) is None]
    if lacking:
        lines = "; ".join(f"under {path}: write `{line}`" for path, line in lacking)
        named = ", ".join(f"{path}.{line.partition(':')[0]}" for path, line in lacking)
        message = f"{NAME}: {named}: missing; it has a default, but dvc.yaml names it, and DVC knows no defaults"
        raise ParamsError(message, f"in {NAME}, {lines}")


def _parse_value(path: str, text: str) -> Any:  # noqa: ANN401 - a YAML value
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"--set {path}: {text!r} is no YAML value"
        raise ParamsError(message, f"quote it, for example: --set '{path}=\"text\"'") from error


def _check_path(path: str, values: Mapping[str, Any]) -> None:
    everything = spelt_paths(values)
    if path not in everything:
        message = f"--set {path}: there is no such param"
        raise ParamsError(message, _nearest(path, everything))


def _put(values: dict[str, Any], names: Sequence[str], value: Any) -> None:  # noqa: ANN401 - a YAML value
    for name in names[:-1]:
        inner = values.get(name)
        values[name] = values = inner if isinstance(inner, dict) else {}
    values[names[-1]] = value


def _spell_names(known: str, values: Mapping[str, Any]) -> list[str]:
    if "*" not in known:
        return [known]
    section = known.split(".", 1)[0]
    return [known.replace("*", name) for name in values[section]]


def _walk(section: type[Any], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner = _section_of(field.annotation)
        if name == "collections" and not prefix:
            yield from _walk(CollectionParams, "collections.*.")
        elif name == "families" and not prefix:
            yield "families.*"
        elif inner is not None:
            yield from _walk(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _optional(section: Any, family: str = "") -> type[BaseModel]:  # noqa: ANN401 - a type
    """A section none of whose params is required; named after its family, for every family has a TrainParams."""
    fields: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        inner = _section_of(field.annotation)
        if inner is not None:
            section_below = _optional(inner, family)
            fields[name] = (section_below, section_below())
        else:
            kind = field.annotation | None
            told = {"default": None, "description": _describe(field)}
            fields[name] = (kind, FieldInfo.merge_field_infos(field, annotation=kind, **told))
    return create_model(f"{family}{section.__name__}Override", __config__=ConfigDict(extra="forbid"), **fields)


def _describe(field: FieldInfo) -> str:
    """What a param does, what it is where params.yaml says nothing, and its bounds: a form shows none of that."""
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    bounds = [
        f"{words} {getattr(bound, sign):g}"
        for bound in field.metadata
        for sign, words in signs.items()
        if getattr(bound, sign, None) is not None
    ]
    default = [] if field.is_required() else [f"{field.default} unless params.yaml says otherwise"]
    return f"{field.description or ''} ({', '.join([*default, *bounds])})".removesuffix(" ()").strip()


def _section_of(annotation: Any) -> type[Section] | None:  # noqa: ANN401 - a type
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _spell(fault: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{path}: there is no such param; {_nearest(path, spelt_paths(values))}"
    if fault["type"] == "missing":
        return f"{path} is missing"
    return f"{path}: {fault['msg'][:1].lower()}{fault['msg'][1:]}, not {fault['input']!r}"


def _nearest(path: str, everything: Sequence[str]) -> str:
    near = difflib.get_close_matches(path, everything, n=3, cutoff=0.6)
    inside = [known for known in everything if known.startswith(path.rsplit(".", 1)[0] + ".")]
    names = near or inside or list(everything)
    return f"{'did you mean' if near else 'there are'}: {', '.join(names[:12])}"
