"""Registry in a folder: a model store written by `rushes pull --to`, such as one on a stick, or a single bundle."""

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
    """Model store written by `rushes pull --to`, or the folder of a single bundle.

    Attributes:
        folder: The folder.
        fetch: Command that fetches the wanted model into it, where it is the store of a command; else one takes a model
            from it.
    """

    folder: Path
    fetch: str = ""

    @property
    def where(self) -> str:
        """Path of the folder, for messages."""
        return str(self.folder)

    def find(self, wanted: Wanted) -> Offer:
        """Finds the wanted bundle by version or pointer file; a single bundle matches any alias.

        Raises:
            NothingFitsError: The folder does not have it; the message lists the available bundles.
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
            raise nothing_fits(wanted, str(self.folder), [one.version for one in there], families, rejected, self.fetch)
        alias, last = found[-1]
        rejection = read_records(family_folder).rejection(last.digest)
        return Offer(last.version, str(last.folder), alias, last.digest, rejection)

    def rejections(self, name: str) -> dict[str, Rejection]:
        """Versions of a family that were rolled back, according to the records of this store."""
        folder = self.folder / name
        return read_records(folder if folder.is_dir() else self.folder).rejected

    def _bare(self, wanted: Wanted) -> Offer:
        head = read_head(self.folder)
        family = head.manifest.family
        if wanted.version is None and family == wanted.name:
            return Offer(None, str(self.folder), digest=head.digest)
        take = f"Name it as {family}" if self.fetch else f"Take it: {pull_hint(family, self.folder)}"
        message = f"{self.folder} is a single {family} bundle, without a version. {take}"
        raise NothingFitsError(message)

    def files(self, offer: Offer) -> set[str]:
        """File names in the folder of the bundle."""
        return {path.name for path in Path(offer.place).iterdir()}

    def chunks(self, offer: Offer, name: str, max_bytes: int) -> Iterator[bytes]:
        """Yields one file in chunks.

        Raises:
            UserError: The file cannot be read (for example, the stick was removed), is not regular, or is too large.
        """
        path = Path(offer.place) / name
        try:
            yield from regular_chunks(path, max_bytes)
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror or error}"
            raise UserError(message) from error
