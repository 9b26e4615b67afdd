"""The scene family: a heading in, images of the place out; draws a storyboard for a script.

The generator uses 3x3 convolutions at low resolutions, because static int8 makes those fast on a laptop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.scene.definition import family as family

__all__ = ["family"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as in PEP 562
    """Imports the family on first use: its params alone load in milliseconds, PyTorch takes seconds."""
    if name == "family":
        from models.scene.definition import family  # noqa: PLC0415  # see above

        return family
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
