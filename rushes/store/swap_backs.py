"""Versions that a capture has swapped back: a later capture skips them until their alias names another version.

They stand in STORE/expression/.swap_backs.json by alias: {"champion": {"version": 8, "digest": "0123456789ab", ...}}.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from rushes.bundle.manifest import DIGEST_CHARS
from rushes.bundle.regular_files import read_regular
from rushes.errors import RushesError, plain
from rushes.output_files import locked, write_whole
from rushes.store.records import MAX_BYTES, MAX_REASON_CHARS
from rushes.store.store import version_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rushes.bundle.manifest import Bundle

NAME = ".swap_backs.json"  # no alias starts with a full stop


class SwapBack(BaseModel):
    """Version that was swapped back; `digest` is its start, and `when` a date and time in UTC."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int | None
    digest: str
    when: str
    why: str

    def is_of(self, version: int | None, digest: str) -> bool:
        """True for this version; some registries have no digest."""
        return self.version == version and self.digest.startswith(digest[:DIGEST_CHARS])

    @property
    def shown(self) -> str:
        """Version for display, or the digest if there is none."""
        return f"v{self.version}" if self.version else self.digest

    def __str__(self) -> str:
        """Text for display after the name of a version."""
        return f"was swapped back on {plain(self.when[:10])}: {plain(self.why[:MAX_REASON_CHARS])}"


def new_swap_back(bundle: Bundle, why: str) -> SwapBack:
    """Swap-back of a version of the store, now."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return SwapBack(version=version_of(bundle.folder), digest=bundle.digest[:DIGEST_CHARS], when=when, why=why)


_ADAPTER = TypeAdapter(dict[str, SwapBack])  # by alias


def read_swap_backs(family_folder: Path) -> dict[str, SwapBack]:
    """Reads the swap-backs of a family by alias; empty if there are none or they cannot be read."""
    with contextlib.suppress(OSError, RushesError, ValidationError):
        return _ADAPTER.validate_json(read_regular(family_folder / NAME, MAX_BYTES))
    return {}


def add_swap_back(family_folder: Path, alias: str, swap_back: SwapBack) -> None:
    """Adds the swap-back of the version that an alias names.

    Raises:
        OSError: The store cannot be written.
    """
    with locked(family_folder):  # two captures and a pull may run at once
        _write(family_folder, read_swap_backs(family_folder) | {alias: swap_back})


def _forget(family_folder: Path, which: Callable[[str, SwapBack], bool]) -> None:
    with locked(family_folder):
        before = read_swap_backs(family_folder)
        after = {alias: one for alias, one in before.items() if not which(alias, one)}
        if after != before:
            _write(family_folder, after)


def _write(family_folder: Path, swap_backs: dict[str, SwapBack]) -> None:
    write_whole(family_folder / NAME, _ADAPTER.dump_json(swap_backs, indent=1))


def swap_back_of(family_folder: Path, alias: str, version: int | None, digest: str) -> SwapBack | None:
    """Swap-back of the version that an alias names now; one of another version is forgotten."""
    found = read_swap_backs(family_folder).get(alias)
    if found is None or found.is_of(version, digest):
        return found
    with contextlib.suppress(OSError):  # a store that cannot be written: the next one forgets it
        _forget(family_folder, lambda name, one: (name, one) == (alias, found))
    return None


def forget_swap_backs(family_folder: Path, digest: str) -> None:
    """Forgets the swap-backs of a version, which a person has pulled again.

    Raises:
        OSError: The store cannot be written.
    """
    _forget(family_folder, lambda _, one: one.digest == digest[:DIGEST_CHARS])
