"""Params of a run: params.yaml with the overrides of the run, checked before anything starts.

    patch = parse(values := read_params(root), ["expression.train.epochs=3"])
    overridden = lay(values, patch)

An override addresses a value by its path, and its text is parsed as YAML, so `3` and `1e-3` are numbers and `[a, b]` is
a list. Nothing heavy is imported: a typing error is refused within two seconds, an unknown path with the nearest
existing ones, and a value of a wrong type with the right type.
"""

from __future__ import annotations

import copy
import shlex
from typing import TYPE_CHECKING, Any

import yaml

from common.renamed_keys import current_path, describe, find_renamed
from common.yaml_numbers import read_yaml
from models.components.load import STARTER
from models.params_file import NAME, ParamsError, check, nearest_paths, spelt_paths
from models.renamed_params import RENAMED_PARAMS
from registry.dvc.params import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ParamsError", "choose", "dump", "flatten", "lay", "merged", "nested", "parse", "read_params"]


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
    """The params with a patch applied, checked as a whole; a value in it applies to starter data too.

    Raises:
        ParamsError: A key does not exist or was renamed, or a value has another type.
    """
    if renamed := find_renamed(patch, RENAMED_PARAMS):
        message = "; ".join(describe(old, new) for old, new in renamed.items())
        raise ParamsError(message, f"override {', '.join(renamed.values())} instead")
    changed = merged(values, patch)
    _lift(changed, patch)
    check(changed)
    return changed


def merged(values: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The params with a patch applied, unchecked."""
    changed = copy.deepcopy(dict(values))
    for path, value in flatten(patch).items():
        _put(changed, path.split("."), value)
    return changed


def choose(values: Mapping[str, Any], asked: Sequence[str]) -> list[str]:
    """The families to work on: those requested, or all that have a collection in params.yaml.

    Raises:
        ParamsError: There is no such family.
    """
    there = list(values["families"])
    for name in asked:
        if name not in there:
            message = f"unknown family {name!r}; {nearest_paths(name, there)}"
            raise ParamsError(message, f"for example: --families {there[0]}" if there else f"name one in {NAME}")
    return [name for name in there if name in asked] if asked else there


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


def _parse_value(path: str, text: str) -> Any:  # noqa: ANN401 - a YAML value
    message = f"--set {path}: {text!r} is not a YAML value"
    example = '["text"]' if text.lstrip().startswith("[") else '"text"'
    remedy = f"put texts in quotes, for example: --set '{path}={example}'"
    try:
        return read_yaml(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ParamsError(message, remedy) from error


def _check_path(path: str, text: str, values: Mapping[str, Any]) -> None:
    new = current_path(path, RENAMED_PARAMS)
    if new is not None:
        message = f"--set {describe(path, new)}"
        raise ParamsError(message, f"--set {shlex.quote(f'{new}={text}')}")
    everything = spelt_paths(values)
    if path not in everything:
        message = f"--set {path}: there is no such param"
        raise ParamsError(message, nearest_paths(path, everything))


def _lift(values: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """Removes `starter_X` where a patch sets X alone."""
    for name, inner in patch.items():
        if isinstance(inner, dict):
            _lift(values[name], inner)
        elif STARTER + name not in patch:
            values.pop(STARTER + name, None)


def _put(values: dict[str, Any], names: Sequence[str], value: object) -> None:
    for name in names[:-1]:
        inner = values.get(name)
        values[name] = values = inner if isinstance(inner, dict) else {}
    values[names[-1]] = value
