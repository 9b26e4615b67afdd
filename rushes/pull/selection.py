"""Requested model by name and version, and the interface of registries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rushes.errors import MisuseError, NothingFitsError
from rushes.store.store import pull_hint
from rushes.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rushes.store.records import Rejection

MAX_VERSION_DIGITS = 9


@dataclass(frozen=True)
class Wanted:
    """Requested model: a family, and an alias or a version; with neither, the version in use."""

    name: str
    alias: str = ""
    version: int | None = None

    def __str__(self) -> str:
        """Request in the form that users type."""
        if self.version is not None:
            return f"{self.name}@{self.version}"
        return f"{self.name}@{self.alias}" if self.alias else self.name


@dataclass(frozen=True)
class Offer:
    """Bundle of a registry: its version (None for a single bundle) and the location of its files."""

    version: int | None
    place: str
    alias: str = ""  # alias by which the bundle was found
    digest: str = ""  # complete or only its start, if the registry has it
    rejected: Rejection | None = None


class Registry(Protocol):
    """Interface of sources of bundles."""

    @property
    def where(self) -> str:
        """Address or folder of the registry, for messages."""
        ...

    def find(self, wanted: Wanted) -> Offer:
        """Finds the wanted bundle."""
        ...

    def rejections(self, name: str) -> dict[str, Rejection]:
        """Versions of a family that were rolled back, by the start of the digest."""
        ...

    def files(self, offer: Offer) -> set[str] | None:
        """File names of a bundle; None if the registry cannot list them."""
        ...

    def chunks(self, offer: Offer, name: str, max_bytes: int) -> Iterator[bytes]:
        """Yields one file in chunks; raises an error if it is larger than `max_bytes`."""
        ...


def parse_wanted(text: str) -> Wanted:
    """Parses NAME, NAME@alias, NAME@7 or NAME@v7.

    Raises:
        MisuseError: The text has another form, or a part of it has over 100 characters, which name files and folders.
    """
    match = re.fullmatch(
        r"(?P<name>[A-Za-z0-9_-]{1,100})(?:@(?:v?(?P<version>[0-9]+)|(?P<alias>[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})))?",
        text,
    )
    if match is None or (match["version"] and not _is_version(match["version"])):
        message = f"{text!r} is not the name of a model: write expression, expression@champion or expression@7"
        raise MisuseError(message)
    version = match["version"]
    return Wanted(match["name"], match["alias"] or "", None if version is None else int(version))


def _is_version(digits: str) -> bool:
    return int(digits[: MAX_VERSION_DIGITS + 1]) > 0 and len(digits) <= MAX_VERSION_DIGITS


def nothing_fits(
    wanted: Wanted,
    where: str,
    versions: Sequence[int | None],
    families: Sequence[str] = (),
    rejected: Sequence[int] = (),
    fetch: str = "",
) -> NothingFitsError:
    """Error for a model that does not exist; the message lists those that do.

    Args:
        wanted: The requested model.
        where: Name of the registry.
        versions: Versions of that family in the registry.
        families: Families in the registry, for suggestions for a mistyped name.
        rejected: Versions that were rolled back, which are not suggested.
        fetch: Command that fetches the model from elsewhere; empty to suggest one that is there.
    """
    if not versions:
        there = f" It has {', '.join(sorted(families))}." if families else ""
        there = f"{did_you_mean(wanted.name, families)}{there}"
        if fetch:
            return NothingFitsError(f"{where} has no model {wanted.name!r}.{there} Fetch it: {fetch}")
        return NothingFitsError(
            f"{where} has no model {wanted.name!r}.{there} A first `make nightly` or `rushes pull --to` puts one there"
        )
    numbers = [version for version in versions if version is not None]
    kept = [version for version in numbers if version not in rejected]
    names = ", ".join(f"{one} (rolled back)" if one in rejected else str(one) for one in numbers)
    there = f"Versions of {wanted.name} there: {names or 'one without a version'}."
    if fetch:
        return NothingFitsError(f"{where} has no {wanted}. {there} Fetch it: {fetch}")
    if numbers and not kept:
        return NothingFitsError(f"{where} has no {wanted}. {there} Add --rejected to take one all the same")
    take = pull_hint(f"{wanted.name}@{kept[-1]}" if kept else wanted.name, where)
    return NothingFitsError(f"{where} has no {wanted}. {there} Take one: {take}")
