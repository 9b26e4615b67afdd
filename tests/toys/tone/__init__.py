"""A toy family: how light a picture is decides its label. tests/test_extending.py copies it to models/tone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.tone.definition import family as family

__all__ = ["family"]


def __getattr__(name: str) -> Any:  # as PEP 562 has it
    """The family, once somebody asks for it."""
    if name == "family":
        from models.tone.definition import family  # noqa: PLC0415  # PyTorch takes seconds

        return family
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
