"""The scene family: generates images of a place from a scene heading, and storyboards for scripts.

The generator uses 3x3 convolutions at low resolutions, because static int8 makes them fast on a laptop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.scene.definition import family as family

__all__ = ["family"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as in PEP 562
    """Imports the family on first use: the params load in milliseconds, whereas PyTorch takes seconds."""
    if name == "family":
        from models.scene.definition import family  # noqa: PLC0415  # see above

        return family
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
