"""The list of families: a new one is one name here, that of its package.

The names alone are here in an instant. A family is imported when it is asked for, and no other with it: PyTorch and
what each scores with take seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from models.family import Family

    FAMILIES: tuple[Family, ...]

NAMES = ("expression", "scene", "script")


def by_name(name: str) -> Family:
    """The family of that name.

    Raises:
        KeyError: There is none; the message names those there are.
    """
    if name not in NAMES:
        message = f"no family {name!r}; there are: {', '.join(NAMES)}.{did_you_mean(name, NAMES)}"
        raise KeyError(message)
    return cast("Family", importlib.import_module(f"models.{name}").family)


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as PEP 562 has it
    """`FAMILIES`: all of them, in that order, for what looks at each."""
    if name == "FAMILIES":
        return tuple(map(by_name, NAMES))
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
