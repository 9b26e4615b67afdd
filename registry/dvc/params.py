"""Reads params.yaml whole, for a run and for a stage that is run by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from common.yaml_files import YamlFileError
from common.yaml_numbers import read_params_file
from models.params_file import NAME, ParamsError, check
from registry.dvc.faults import restore

if TYPE_CHECKING:
    from pathlib import Path


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
        raise ParamsError(message, f"git checkout HEAD -- {NAME}") from error
    except (YamlFileError, yaml.YAMLError) as error:
        message = f"{NAME} cannot be read: {' '.join(str(error).split())}"
        raise ParamsError(message, f"{restore(root, NAME)}   # or correct yours: git diff {NAME}") from error
    check(values)
    return dict(values)
