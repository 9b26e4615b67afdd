"""The script family: a recurrent network over characters that writes scenes, outlines and characters.

What a scene looks like to it stands in rushes/script/markup.py, so that training and set agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.script.definition import family as family

__all__ = ["family"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as PEP 562 has it
    """The family, once somebody asks for it: its params alone are read in milliseconds, PyTorch takes seconds."""
    if name == "family":
        from models.script.definition import family  # noqa: PLC0415  # see above

        return family
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
