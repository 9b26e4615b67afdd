"""A folder that bundles come from: a model store written by `rushes pull --to`, such as a stick, or one bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.bundle.manifest import MANIFEST, read_head
from rushes.bundle.regular_files import regular_chunks
from rushes.errors import NothingFitsError, UserError
from rushes.pull.selection import Offer, nothing_fits
from rushes.store.records import read_records
from rushes.store.store import CHAMPION, NEWEST, pointed, pull_hint, stored_bundles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rushes.pull.selection import Wanted
    from rushes.store.records import Rejection


@dataclass(frozen=True)
class FolderRegistry:
    """A model store that `rushes pull --to` has written, or one bundle's folder."""

    folder: Path

    @property
    def where(self) -> str:
        """The folder, for messages."""
        return str(self.folder)

    def find(self, wanted: Wanted) -> Offer:
        """The wanted bundle, by version or pointer file; a single bundle matches any alias.

        Raises:
            NothingFitsError: It is not here; the message names those that are.
        """
        if (self.folder / MANIFEST).is_file():
            return self._bare(wanted)
        family_folder = self.folder / wanted.name
        if not family_folder.is_dir():
            family_folder = self.folder  # the family's own folder in a model store
        there = stored_bundles(family_folder)
        if wanted.version is not None:
            found = [("", one) for one in there if one.version == wanted.version]
        else:
            aliases = [wanted.alias] if wanted.alias else [NEWEST, CHAMPION]
            found = [(alias, one) for alias in aliases if (one := pointed(family_folder, alias))]
        if not found:
            families = [one.name for one in self.folder.iterdir() if one.is_dir() and stored_bundles(one)]
            records = read_records(family_folder)
            rejected = [one.version for one in there if one.version and records.rejection(one.digest)]
            raise nothing_fits(wanted, str(self.folder), [one.version for one in there], families, rejected)
        alias, last = found[-1]
        rejection = read_records(family_folder).rejection(last.digest)
        return Offer(last.version, str(last.folder), alias, last.digest, rejection)

    def rejections(self, name: str) -> dict[str, Rejection]:
        """Versions of a family that were rolled back, as far as this store has records."""
        folder = self.folder / name
        return read_records(folder if folder.is_dir() else self.folder).rejected

    def _bare(self, wanted: Wanted) -> Offer:
        family = read_head(self.folder).manifest.family
        if wanted.version is None and family == wanted.name:
            return Offer(None, str(self.folder))
        message = (
            f"{self.folder} is a single {family} bundle, without a version. Take it: {pull_hint(family, self.folder)}"
        )
        raise NothingFitsError(message)

    def files(self, offer: Offer) -> set[str]:
        """The names in the bundle's folder."""
        return {path.name for path in Path(offer.place).iterdir()}

    def chunks(self, offer: Offer, name: str, max_bytes: int) -> Iterator[bytes]:
        """Bytes of one file, in pieces.

        Raises:
            UserError: It cannot be read, as when the stick was pulled out; it is not a regular file, or too large.
        """
        path = Path(offer.place) / name
        try:
            yield from regular_chunks(path, max_bytes)
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror or error}"
            raise UserError(message) from error
