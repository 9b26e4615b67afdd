"""The expression family: a face in, a share for each expression out; drives a character live.

A network of wide 3x3 convolutions, because static int8 makes those three times faster on a laptop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.expression.definition import family as family

__all__ = ["family"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as PEP 562 has it
    """The family, once somebody asks for it: its params alone are read in milliseconds, PyTorch takes seconds."""
    if name == "family":
        from models.expression.definition import family  # noqa: PLC0415  # see above

        return family
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
