"""Undo of an ingest: restores the data version before it.

    before = undo.secure(root, settings, state, "faces/day-12")   # commits the current data before they change
    ...                                                           # ingest, versions.commit
    undo.remember(root, state, before)                            # if it changed anything
    undo.undo(root, settings, state)                              # and again, to redo

Only the last change is recorded. The undone data are a version too, so a second undo restores them. The quarantine of
the source is restored with the data; pseudonyms stay in keys/, so that a second undo finds them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from common.atomic import replacing
from common.commands import python
from flows.cli import quarantine_copy
from registry.dvc import versions
from registry.dvc.dataset import has_files, read_text, read_version
from rushes.errors import NOTHING_FITS, UserError

if TYPE_CHECKING:
    from pathlib import Path

    from common.settings import Settings

FILE = "last-ingest.json"
COMMAND = "ingest --undo"


class NothingToUndoError(UserError):
    """Raised if no ingest is recorded here."""

    default_exit_status = NOTHING_FITS

    def __init__(self) -> None:
        earlier = f"git log -- {versions.VERSION}   # then, for one of these: git checkout COMMIT -- {versions.VERSION}"
        super().__init__(
            "no ingest of this checkout is recorded, so there is nothing to undo",
            f"{earlier} && {python()} -m dvc checkout {versions.VERSION}",
        )


@dataclass(frozen=True)
class UndoRecord:
    """The last change of the data.

    Attributes:
        what: Description, such as `ingest of faces/day-12`.
        before: Content of datasets.dvc before it; empty if there was none.
        after: The md5 of the version after it; empty if nothing is left.
        place: The source whose quarantine it may have changed; empty in records of older versions.
        quarantine: Digest of that quarantine after it.
    """

    what: str
    before: str
    after: str
    place: str = ""
    quarantine: str = ""


@dataclass(frozen=True)
class Secured:
    """State before a change: the content of datasets.dvc, its md5, and the digest of a source's quarantine."""

    place: str
    text: str
    md5: str
    quarantine: str


def secure(root: Path, settings: Settings, state: Path, place: str) -> Secured:
    """Commits datasets/ as a version if necessary, and copies the quarantine of a source.

    Raises:
        VersionError: No version can be made.
    """
    _version(root, settings)
    return Secured(place, read_text(root), read_version(root).md5, quarantine_copy.take(root, state, place))


def remember(root: Path, state: Path, before: Secured) -> bool:
    """Records the ingest that has just ended; returns False if it changed nothing, and keeps the previous record."""
    after, quarantine = read_version(root).md5, quarantine_copy.digest(root, before.place)
    if (after, quarantine) == (before.md5, before.quarantine):
        return False
    quarantine_copy.complete(state)
    _write(state, UndoRecord(f"ingest of {before.place}", before.text, after, before.place, quarantine))
    return True


def undo(root: Path, settings: Settings, state: Path) -> list[str]:
    """Restores the data, and the quarantine of their source, as they were before the last change.

    Returns:
        Lines that report the result.

    Raises:
        NothingToUndoError: No change is recorded.
        VersionError: The previous version is neither in the cache nor in the remote.
    """
    try:
        change = UndoRecord(**json.loads((state / FILE).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, TypeError) as error:
        raise NothingToUndoError from error
    _version(root, settings)
    now, md5 = read_text(root), read_version(root).md5
    versions.restore(root, settings, change.before)
    restored = read_version(root).md5
    swapped = not change.place or quarantine_copy.swap(root, state, change.place, change.quarantine)
    place = change.place if swapped else ""
    quarantine = quarantine_copy.digest(root, place) if place else ""
    _write(state, UndoRecord(f"undo of the {change.what}", now, restored, place, quarantine))
    since = f"  {versions.DATA}/ was changed again since then; that is undone with it"
    folder = f"{quarantine_copy.FOLDER}/{change.place}"
    left = f"  {folder} was changed since then, and is left as it is"
    to = f"version {restored[:12]}" if restored else "its state before there were data"
    also = f", and {folder} is restored" if place and change.quarantine != quarantine else ""
    return [
        f"the {change.what} is undone: {versions.DATA}/ is {to} again{also}",
        *([since] if md5 != change.after else []),
        *([] if swapped else [left]),
        f"  {versions.VERSION} is updated; commit it if you committed the previous one",
        f"  redo     {python()} -m flows {COMMAND}",
    ]


def _version(root: Path, settings: Settings) -> None:
    """Commits datasets/ as a version, so that it can be restored."""
    if has_files(root):
        versions.commit(root, settings, starter=versions.only_starter(root))


def _write(state: Path, change: UndoRecord) -> None:
    with replacing(state / FILE, 0o600) as partial:  # a remote's address may contain a password
        partial.write_text(json.dumps(asdict(change), indent=2) + "\n", encoding="utf-8")
