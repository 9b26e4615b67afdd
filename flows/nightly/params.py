"""The complete params.yaml, typed: overrides of a run, and errors to be found before anything starts.

    patch = parse(values := read_params(root), ["expression.train.epochs=3"])
    overridden = lay(values, patch)

An override addresses a value by its path, and its text is parsed as YAML, so `3` and `1e-3` are numbers and `[a, b]` is
a list. Nothing heavy is imported: a typing error is refused within two seconds, an unknown path with the nearest
existing ones, and a value of a wrong type with the right type.
"""

from __future__ import annotations

import copy
import difflib
import json
import shlex
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from common.renamed_keys import current_path, describe, find_renamed
from common.yaml_files import YamlFileError
from common.yaml_numbers import read_params_file, read_yaml
from curation.params import CollectionParams, Section
from models.components.sections import sections
from models.family import FamilyParams
from models.renamed_params import RENAMED_PARAMS
from registry.dvc.faults import restore
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

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


def read_params(root: Path) -> dict[str, Any]:
    """Reads and checks params.yaml.

    Raises:
        ParamsError: It does not exist, is not YAML, has an unknown key, or has a value of another type.
    """
    path = root / NAME
    try:
        values = read_params_file(path)
    except FileNotFoundError as error:
        message = f"there is no {NAME} in {root}"
        raise ParamsError(message, "run this in the root of the checkout") from error
    except YamlFileError as error:
        message = f"{NAME} cannot be read: {error}"
        raise ParamsError(message, f"{restore(root, NAME)}   # or correct yours: git diff {NAME}") from error
    except yaml.YAMLError as error:
        message = f"{NAME} is not YAML: {' '.join(str(error).split())}"
        raise ParamsError(message, f"git diff {NAME}") from error
    check(values)
    return dict(values)


def check(values: Mapping[str, Any]) -> None:
    """Checks the complete params.

    Raises:
        ParamsError: A key is unknown or was renamed, a value has another type or is out of range, a family has no
            collection, or a key is omitted that has a default but is used by dvc.yaml.
    """
    try:
        text = json.dumps(values, default=str)
    except ValueError as error:  # an alias refers to a value that contains it
        message = f"{NAME}: a value contains itself"
        raise ParamsError(message, "replace the alias by its value, and run again") from error
    _refuse_renamed(values)
    try:
        # As JSON, strictly: a list is accepted for a tuple, but neither "3" nor true for a number.
        model().model_validate_json(text, strict=True)
    except ValidationError as error:
        message = f"{NAME}: {'; '.join(_spell(fault, values) for fault in error.errors())}"
        raise ParamsError(message, "nothing was started: correct the params and run again") from error
    for family, collection in values["families"].items():
        _check_family(family, collection, values)
    _check_named_by_dvc(values)


def parse(values: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Parses `PATH=VALUE` texts into a patch: nested like params.yaml, with only the named values.

    Raises:
        ParamsError: A text has no `=`, or its path does not exist or was renamed.
    """
    patch: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            message = f"--set {text!r} is not PATH=VALUE"
            raise ParamsError(message, "for example: --set expression.train.epochs=3")
        _check_path(path.strip(), value, values)
        _put(patch, path.strip().split("."), _parse_value(path.strip(), value))
    return patch


def lay(values: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The params with a patch applied, checked as a whole.

    Raises:
        ParamsError: A key does not exist or was renamed, or a value has another type.
    """
    if renamed := find_renamed(patch, RENAMED_PARAMS):
        message = "; ".join(describe(old, new) for old, new in renamed.items())
        raise ParamsError(message, f"override {', '.join(renamed.values())} instead")
    changed = copy.deepcopy(dict(values))
    for path, value in flatten(patch).items():
        _put(changed, path.split("."), value)
    check(changed)
    return changed


def choose(values: Mapping[str, Any], asked: Sequence[str]) -> list[str]:
    """The families to work on: those requested, or all that have a collection in params.yaml.

    Raises:
        ParamsError: There is no such family.
    """
    there = list(values["families"])
    for name in asked:
        if name not in there:
            message = f"unknown family {name!r}; {_nearest(name, there)}"
            raise ParamsError(message, f"for example: --families {there[0]}" if there else f"name one in {NAME}")
    return [name for name in there if name in asked] if asked else there


def paths() -> list[str]:
    """Every path for --set, with `*` for the names of families and collections."""
    return sorted(path for path, _ in _walk(model(), ""))


def spelt_paths(values: Mapping[str, Any]) -> list[str]:
    """Every path for --set, with the names in these params."""
    return [spelt for known in paths() for spelt in _spell_names(known, values)]


def fields(values: Mapping[str, Any]) -> dict[str, FieldInfo]:
    """Every param by its path, with the names in these params, in the order of params.yaml's sections."""
    return {spelt: field for known, field in _walk(model(), "") for spelt in _spell_names(known, values)}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested params to {path: value}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        flat.update(flatten(value, f"{path}.") if isinstance(value, dict) else {path: value})
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nests {path: value}, the inverse of `flatten`."""
    values: dict[str, Any] = {}
    for path, value in flat.items():
        _put(values, path.split("."), value)
    return values


def dump(values: Mapping[str, Any]) -> str:
    """Text of a params.yaml."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)


def _refuse_renamed(values: Any) -> None:  # noqa: ANN401 - any YAML
    if renamed := find_renamed(values, RENAMED_PARAMS) if isinstance(values, dict) else {}:
        message = "; ".join(f"{describe(old, new)}; rename it in {NAME}" for old, new in renamed.items())
        raise ParamsError(message, "nothing was started: rename and run again")


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


def _parse_value(path: str, text: str) -> Any:  # noqa: ANN401 - a YAML value
    message = f"--set {path}: {text!r} is not a YAML value"
    example = '["text"]' if text.lstrip().startswith("[") else '"text"'
    remedy = f"put texts in quotes, for example: --set '{path}={example}'"
    try:
        value = read_yaml(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ParamsError(message, remedy) from error
    try:
        json.dumps(value, default=str)
    except (ValueError, RecursionError) as error:  # an alias refers to a value that contains it
        raise ParamsError(message, remedy) from error
    return value


def _check_path(path: str, text: str, values: Mapping[str, Any]) -> None:
    new = current_path(path, RENAMED_PARAMS)
    if new is not None:
        message = f"--set {describe(path, new)}"
        raise ParamsError(message, f"--set {shlex.quote(f'{new}={text}')}")
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


def _section_of(annotation: Any) -> type[Section] | None:  # noqa: ANN401 - a type
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _spell(fault: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{path}: there is no such param; {_nearest(path, spelt_paths(values))}"
    if fault["type"] == "missing":
        return f"{path} is missing"
    if fault["type"] == "value_error":
        return f"{path}: {fault['ctx']['error']}"
    quoted = "; in quotes it is a text" if fault["type"] == "string_type" and fault["input"] is not None else ""
    return f"{path}: {fault['msg'][:1].lower()}{fault['msg'][1:]}, not {fault['input']!r}{quoted}"


def _nearest(path: str, everything: Sequence[str]) -> str:
    folded = {known.casefold(): known for known in everything}
    near = [folded[one] for one in difflib.get_close_matches(path.casefold(), folded, n=3, cutoff=0.6)]
    inside = [known for known in everything if known.startswith(path.rsplit(".", 1)[0] + ".")]
    names = near or inside or list(everything)
    return f"{'did you mean' if near else 'there are'}: {', '.join(names[:12])}"
