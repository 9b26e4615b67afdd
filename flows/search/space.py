"""Search space: the ranges that a family declares, changed by the command line and checked against the typed params."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args, get_origin

import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from common.yaml_numbers import read_yaml
from flows.nightly import params
from models.components.search_space import Choice, Range
from models.components.sections import sections
from models.family import FamilyParams
from models.params_file import ParamsError, fields, nearest_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optuna.distributions import BaseDistribution

    from models.components.search_space import SearchSpace

PARTS = ("train", "augment")  # sections that change the trained network and what it learns from
SCALES = ("log", "linear")
DIGITS = 4  # significant ones of a searched number: it is written into params.yaml
EXAMPLE = "--range {family}.train.learning_rate=1e-3..1e-1,log"


def whole_paths(family: str, texts: Iterable[str]) -> list[str]:
    """`PATH=VALUE` texts with whole paths: `train.epochs=3` is `FAMILY.train.epochs=3`."""
    names = tuple(f"{name}." for name in FamilyParams.model_fields)
    return [f"{family}.{text}" if text.startswith(names) else text for text in texts]


def read_space(
    family: str,
    declared: SearchSpace,
    values: Mapping[str, Any],
    texts: Sequence[str],
    *,
    fixed: Iterable[str] = (),
    only: bool = False,
) -> dict[str, Range | Choice]:
    """The ranges of a search, by whole path.

    Args:
        family: The family.
        declared: Its own ranges.
        values: All params.
        texts: `PATH=LOW..HIGH`, `PATH=LOW..HIGH,log` or `PATH=A|B`: these replace a range, or add one.
        fixed: Paths that are not searched, since they have been given a value.
        only: True to search nothing but `texts`.

    Raises:
        ParamsError: A path does not exist or is not searchable, a range is not one, or the params refuse an end of it.
    """
    space: dict[str, Range | Choice] = {f"{family}.{path}": one for path, one in declared.items()}
    given = {}
    for text in whole_paths(family, texts):
        path, _, bounds = text.partition("=")
        given[path] = _parse(family, path, bounds, space.get(path), values)
    space = {path: one for path, one in {**({} if only else space), **given}.items() if path not in set(fixed)}
    if not space:
        message = f"{family} has nothing to search: no range is left"
        raise ParamsError(message, f"give one, for example: {EXAMPLE.format(family=family)}")
    for path, one in space.items():
        _check(path, one, values)
    return space


def default_params(family: str, values: Mapping[str, Any], space: Iterable[str]) -> dict[str, Any]:
    """Values of the searched params in params.yaml, or the defaults of those that it omits."""
    typed = sections()[family].model_validate(values[family]).model_dump(mode="json")
    flat = params.flatten({family: typed})
    return {path: flat[path] for path in space}


def distributions(space: SearchSpace, values: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """Optuna's distributions; a choice always has the default among its values, for the first trial."""
    types = fields(values)
    return {path: _distribution(one, types[path].annotation, default[path]) for path, one in space.items()}


def encode(space: SearchSpace, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Values as Optuna stores them: those of a choice as JSON, since it takes no lists."""
    return {path: json.dumps(value) if isinstance(space[path], Choice) else value for path, value in chosen.items()}


def decode(space: SearchSpace, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a trial trains with: numbers with a few digits, as a person would write them."""
    return {path: _decoded(one, stored[path]) for path, one in space.items()}


def _decoded(one: Range | Choice, stored: Any) -> Any:  # noqa: ANN401 - a YAML value
    if isinstance(one, Choice):
        return json.loads(stored)
    if isinstance(stored, int) or not one.low <= stored <= one.high:  # the default may lie outside
        return stored
    return min(max(float(f"{stored:.{DIGITS}g}"), one.low), one.high)


def _distribution(one: Range | Choice, kind: object, default: object) -> BaseDistribution:
    if isinstance(one, Choice):
        return CategoricalDistribution(list(dict.fromkeys(json.dumps(value) for value in (*one.values, default))))
    if kind is int:
        return IntDistribution(int(one.low), int(one.high), log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


def _parse(
    family: str, path: str, bounds: str, declared: Range | Choice | None, values: Mapping[str, Any]
) -> Range | Choice:
    known = [name for name in fields(values) if name.startswith(tuple(f"{family}.{part}." for part in PARTS))]
    if path not in known:
        message = f"--range {path}: {family} has no such param of {' or '.join(PARTS)}"
        raise ParamsError(message, nearest_paths(path, known))
    ends, _, scale = bounds.rpartition(",") if bounds.endswith(tuple(f",{one}" for one in SCALES)) else (bounds, "", "")
    low, dots, high = ends.partition("..")
    if not dots:
        return Choice(tuple(_value(path, text) for text in ends.split("|")))
    numbers = (_value(path, low), _value(path, high))
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in numbers):
        message = f"--range {path}: {bounds!r} is not a range: its ends must be numbers"
        raise ParamsError(message, f"for example: {EXAMPLE.format(family=family)}")
    log = scale == "log" if scale else isinstance(declared, Range) and declared.log
    return Range(numbers[0], numbers[1], log=log)


def _value(path: str, text: str) -> Any:  # noqa: ANN401 - a YAML value
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        message = f"--range {path}: {text!r} is not a YAML value"
        raise ParamsError(message, "LOW..HIGH for numbers, A|B for anything else") from error


def _check(path: str, one: Range | Choice, values: Mapping[str, Any]) -> None:
    """Checks that the params accept the ends of a range; their bounds are intervals, so they accept what lies between.

    Raises:
        ParamsError: They do not, or the range is empty.
    """
    if isinstance(one, Range):
        _check_range(path, one, fields(values)[path].annotation)
    for value in one.values if isinstance(one, Choice) else (one.low, one.high):
        try:
            params.lay(values, params.nested({path: value}))
        except ParamsError as error:
            message = f"--range {path}={one}: {str(error).removeprefix('params.yaml: ')}"
            raise ParamsError(message, "give a range within these bounds") from error


def _check_range(path: str, one: Range, kind: object) -> None:
    if (int not in (kind, *get_args(kind)) and float not in (kind, *get_args(kind))) or get_origin(kind) is tuple:
        message = f"--range {path}={one}: this param is not a number, so it has no range"
        raise ParamsError(message, "give its values instead: A|B")
    if one.low >= one.high:
        message = f"--range {path}={one}: the lower end is not below the upper one"
        raise ParamsError(message, f"give them in order, or fix the value: --set {path}={one.low:g}")
    if one.log and one.low <= 0:
        message = f"--range {path}={one}: a logarithmic range begins above 0"
        raise ParamsError(message, f"begin above 0, or: --range {path}={one.low:g}..{one.high:g},linear")
