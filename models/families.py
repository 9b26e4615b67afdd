"""List of families: a new family adds the name of its package here.

Listing the names is instant. A family is imported on first use, and no other with it: PyTorch and the libraries for
scoring take seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

from rushes.errors import MisuseError
from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from models.family import Family

    FAMILIES: tuple[Family, ...]

NAMES = ("expression", "scene", "script", "tracking")


def by_name(name: str) -> Family:
    """The family of a name.

    Raises:
        MisuseError: There is none; the remedy lists the existing ones.
    """
    if name not in NAMES:
        message = f"unknown family {name!r}.{did_you_mean(name, NAMES)}"
        raise MisuseError(message, f"there are: {', '.join(NAMES)}")
    return cast("Family", importlib.import_module(f"models.{name}.definition").family)


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as in PEP 562
    """`FAMILIES`: all families, in the order of NAMES."""
    if name == "FAMILIES":
        return tuple(map(by_name, NAMES))
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
