"""The script family: a recurrent network over characters that writes scenes, outlines and characters.

rushes/script/markup.py defines the encoding of a scene, so that training and runtime agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.script.definition import family as family

__all__ = ["family"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as in PEP 562
    """Imports the family on first use: its params alone load in milliseconds, PyTorch takes seconds."""
    if name == "family":
        from models.script.definition import family  # noqa: PLC0415  # see above

        return family
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
