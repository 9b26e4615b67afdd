"""Lists a model store: each bundle with its signature, time of pull, and use by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from rushes.bundle.manifest import read_head
from rushes.bundle.signature import verify
from rushes.errors import RushesError, UserError
from rushes.store.records import read_records
from rushes.store.store import in_use, pin_of, stored_bundles
from rushes.store.swap_backs import read_swap_backs

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.bundle.signature import Trust
    from rushes.store.records import Records
    from rushes.store.store import StoredBundle


class Listed(BaseModel):
    """Bundle in a model store. Times are in UTC, and empty if unknown."""

    family: str
    version: int | None
    digest: str
    in_use: bool
    pinned: bool = False
    signature: str
    pulled: str = ""
    registry: str = ""
    rejected: str = ""
    folder: str


def list_store(store: Path, trust: Trust) -> list[Listed]:
    """Lists the bundles in a model store by family; the bundle that commands use by default comes first.

    Raises:
        UserError: The store cannot be read.
    """
    try:
        folders = sorted(one for one in store.iterdir() if one.is_dir()) if store.is_dir() else []
    except OSError as error:
        message = f"{store} cannot be read: {error.strerror or error}"
        raise UserError(message) from error
    found = [one for folder in folders for one in _family(folder, trust)]
    return sorted(found, key=lambda one: (one.family, not one.in_use, -(one.version or 0)))


def _family(folder: Path, trust: Trust) -> list[Listed]:
    there, records = stored_bundles(folder), read_records(folder)
    try:
        used, pin = in_use(folder), pin_of(folder)
    except RushesError:  # a pointer is not text, or the pinned one is missing, so commands use no bundle by default
        used, pin = None, ""
    return [_listed(folder.name, one, records, trust, used, pin) for one in there]


def _listed(
    family: str, one: StoredBundle, records: Records, trust: Trust, used: StoredBundle | None, pin: str
) -> Listed:
    try:
        head = read_head(one.folder)
        digest, signature = head.digest, verify(head, trust)
    except RushesError as error:
        digest, signature = one.digest, f"refused: {error}"
    record, swap_backs = records.pulled.get(one.folder.name), read_swap_backs(one.folder.parent).values()
    rejection = records.rejection(digest) or next((found for found in swap_backs if found.digest == one.digest), "")
    return Listed(
        family=family,
        version=one.version,
        digest=digest,
        in_use=one == used,
        pinned=one.folder.name == pin,
        signature=signature,
        pulled=record.pulled if record else "",
        registry=record.registry if record else "",
        rejected=str(rejection),
        folder=str(one.folder),
    )
