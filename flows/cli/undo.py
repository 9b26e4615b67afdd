"""The way back from an ingest: the version of the data before it, laid out again.

    before = undo.secure(root, settings, state, "faces/day-12")   # what lies there is a version before it is changed
    ...                                                           # ingest, versions.commit
    undo.remember(root, state, before)                            # if it changed anything
    undo.undo(root, settings, state)                              # and once more, to undo that

Only the last change is remembered. What an undo takes away is a version too, so a second undo brings it back. The
quarantine of the source goes back with the data; ids of people stay in keys/, so that a second undo finds them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from common.atomic import replacing
from flows.cli import quarantine_copy
from flows.servers.environment import python
from registry.dvc import versions
from registry.dvc.dataset import has_files, read_text, read_version
from rushes.errors import NOTHING_FITS, UserError

if TYPE_CHECKING:
    from pathlib import Path

    from common.settings import Settings

FILE = "last-ingest.json"
COMMAND = "ingest --undo"


class NothingToUndoError(UserError):
    """No ingest is remembered here."""

    default_exit_status = NOTHING_FITS

    def __init__(self) -> None:
        earlier = f"git log -- {versions.VERSION}   # then, of one of these: git checkout COMMIT -- {versions.VERSION}"
        super().__init__(
            "no ingest of this checkout is remembered, so there is nothing to undo",
            f"{earlier} && {python()} -m dvc checkout --force {versions.VERSION}",
        )


@dataclass(frozen=True)
class Change:
    """The last change of the data.

    Attributes:
        what: In words, such as `ingest of faces/day-12`.
        before: The text of datasets.dvc before it; empty where there was none.
        after: The md5 of the version that it made; empty where nothing is left.
        place: The source, whose quarantine it may have changed; empty in a change that an older version wrote.
        quarantine: The digest of that quarantine after it.
    """

    what: str
    before: str
    after: str
    place: str = ""
    quarantine: str = ""


@dataclass(frozen=True)
class Secured:
    """State before a change: the text of datasets.dvc, its md5, and the digest of a source's quarantine."""

    place: str
    text: str
    md5: str
    quarantine: str


def secure(root: Path, settings: Settings, state: Path, place: str) -> Secured:
    """Makes a version of what lies in datasets/, if it is none yet, and copies the quarantine of a source.

    Raises:
        VersionError: No version can be made.
    """
    _version(root, settings)
    return Secured(place, read_text(root), read_version(root).md5, quarantine_copy.take(root, state, place))


def remember(root: Path, state: Path, before: Secured) -> bool:
    """Writes down the ingest that has just been done; False where it changed nothing, and the one before stays."""
    after, quarantine = read_version(root).md5, quarantine_copy.digest(root, before.place)
    if (after, quarantine) == (before.md5, before.quarantine):
        return False
    quarantine_copy.complete(state)
    _write(state, Change(f"ingest of {before.place}", before.text, after, before.place, quarantine))
    return True


def undo(root: Path, settings: Settings, state: Path) -> list[str]:
    """Lays out the data, and the quarantine of their source, as they were before the last change.

    Returns:
        What was done, in lines.

    Raises:
        NothingToUndoError: No change is remembered.
        VersionError: The version before can neither be found here nor fetched.
    """
    try:
        change = Change(**json.loads((state / FILE).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, TypeError) as error:
        raise NothingToUndoError from error
    _version(root, settings)
    now, md5 = read_text(root), read_version(root).md5
    versions.restore(root, settings, change.before)
    restored = read_version(root).md5
    swapped = not change.place or quarantine_copy.swap(root, state, change.place, change.quarantine)
    place = change.place if swapped else ""
    quarantine = quarantine_copy.digest(root, place) if place else ""
    _write(state, Change(f"undo of the {change.what}", now, restored, place, quarantine))
    since = f"  since then {versions.DATA}/ was changed once more; that is undone with it"
    folder = f"{quarantine_copy.FOLDER}/{change.place}"
    left = f"  {folder} was changed since then, and stays as it is"
    to = f"version {restored[:12]}" if restored else "what it was before there were data"
    also = f", and {folder} what it was" if place and change.quarantine != quarantine else ""
    return [
        f"the {change.what} is undone: {versions.DATA}/ is {to} again{also}",
        *([since] if md5 != change.after else []),
        *([] if swapped else [left]),
        f"  {versions.VERSION} says so; commit it if you committed the one before",
        f"  redo     {python()} -m flows {COMMAND}",
    ]


def _version(root: Path, settings: Settings) -> None:
    """Makes a version of what lies in datasets/, so that it can be laid out again."""
    if has_files(root):
        versions.commit(root, settings, starter=versions.only_starter(root))


def _write(state: Path, change: Change) -> None:
    with replacing(state / FILE, 0o600) as partial:  # a remote's address may hold a password
        partial.write_text(json.dumps(asdict(change), indent=2) + "\n", encoding="utf-8")
