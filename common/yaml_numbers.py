"""Parses params: YAML, with numbers as in programming languages.

YAML 1.1, which PyYAML implements, reads `1e-3` as text because it has no point, `010` as 8 and `1:30` as 90. Here a
number is decimal, with or without a point, an exponent and underscores; everything else is as in YAML.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from common.yaml_files import parse_yaml, read_yaml_file

if TYPE_CHECKING:
    from pathlib import Path

_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*", re.ASCII)
_NUMBER = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    re.ASCII,
)
_TAG = "tag:yaml.org,2002:number"


class _Loader(yaml.SafeLoader):
    """Safe loader with one kind of number."""


def _construct(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    text = loader.construct_scalar(node).replace("_", "")
    if _INTEGER.fullmatch(text):
        return int(text)
    value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    # People write a million samples as `1e6`, which must be an integer.
    return int(value) if "e" in text.lower() and value.is_integer() and abs(value) < 2**53 else value


_OTHERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OTHERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_TAG, re.compile(f"^(?:{_NUMBER.pattern})$", re.ASCII), list("-+.0123456789"))
_Loader.add_constructor(_TAG, _construct)


def read_yaml(text: str) -> Any:  # noqa: ANN401  # whatever YAML can hold
    """Parses a document, or a single value, of params.

    Raises:
        yaml.YAMLError: The text is not valid YAML; see `common.yaml_files.parse_yaml`.
    """
    return parse_yaml(text, _Loader)


def read_params_file(path: Path) -> Any:  # noqa: ANN401  # whatever YAML can hold
    """Parses params.yaml.

    Raises:
        FileNotFoundError: There is no such file.
        yaml.YAMLError: It cannot be read; see `common.yaml_files.read_yaml_file`.
    """
    return read_yaml_file(path, _Loader)
