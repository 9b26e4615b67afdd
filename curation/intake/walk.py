"""Walks the files below a folder; links are not followed, and files left behind by operating systems are ignored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import DataError
from curation.intake.candidates import UnrecognisedFile, shown
from curation.intake.picture_names import UNREAD, is_picture

if TYPE_CHECKING:
    from collections.abc import Iterable

JUNK = frozenset({"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "lost+found"})


class Walk:
    """The files below a folder in a fixed order; links to folders are not followed.

    Attributes:
        files: Path below the folder, and the file.
        links: Links to folders.
        empty: Folders without a file.

    Raises:
        DataError: A folder cannot be read.
    """

    def __init__(self, folder: Path, only: Iterable[str] | None = None) -> None:
        self.files: list[tuple[str, Path]] = []
        self.links: list[UnrecognisedFile] = []
        self.empty: list[str] = []
        wanted = None if only is None else frozenset(only)  # names directly below the folder
        for place, folders, names in os.walk(folder, onerror=_cannot_list):
            here = Path(place)
            if here == folder and wanted is not None:
                folders[:], names[:] = (list(wanted.intersection(part)) for part in (folders, names))
            folders[:] = sorted(name for name in folders if not _is_junk(name))
            self._enter(folder, here, folders, [name for name in sorted(names) if not _is_junk(name)])

    @property
    def pictures(self) -> list[tuple[str, Path]]:
        """The files that are pictures by name."""
        return [(path, file) for path, file in self.files if is_picture(file)]

    @property
    def others(self) -> list[tuple[str, Path]]:
        """The files that are not pictures by name."""
        return [(path, file) for path, file in self.files if not is_picture(file)]

    def _enter(self, folder: Path, here: Path, folders: list[str], names: list[str]) -> None:
        self.files += [(_below(here / name, folder), here / name) for name in names]
        links = [name for name in folders if (here / name).is_symlink()]
        self.links += [_linked(here / name, folder) for name in links]
        folders[:] = [name for name in folders if name not in links]
        if here != folder and not folders and not names and not links:
            self.empty.append(_below(here, folder))


def visible(folder: Path) -> list[Path]:
    """Entries directly in a folder, in a fixed order, except hidden files and those left behind by operating systems.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not _is_junk(entry.name))
    except PermissionError as error:
        raise _unreadable(error) from error


def no_picture(path: str, file: Path) -> UnrecognisedFile:
    """A file that is not a picture, with the reason."""
    form = UNREAD.get(file.suffix.lower())
    if form is not None:
        # Without names of files, which may be those of people; and `IMG_1.png` may exist beside `IMG_1.heic`.
        convert = f'for file in *{file.suffix}; do magick "$file" "$file.png"; done'
        remedy = f"convert it to JPEG or PNG, in its folder: {convert}"
        return UnrecognisedFile(path, file, f"is in {form}, which is not read", remedy)
    return UnrecognisedFile(
        path, file, "is not a picture by its name", "take it out, or give it the suffix of its format"
    )


def _is_junk(name: str) -> bool:
    return name.startswith((".", "~$")) or name in JUNK


def _cannot_list(error: OSError) -> None:
    raise _unreadable(error) from error


def _unreadable(error: OSError) -> DataError:
    message = f"a folder cannot be read: {error.strerror}: {error.filename}"
    return DataError(message, "allow this user to read it")


def _linked(link: Path, folder: Path) -> UnrecognisedFile:
    inside = Path(os.path.realpath(link)).is_relative_to(folder)
    reason = "is a link to a folder" if inside else "leads out of the folder"
    return UnrecognisedFile(
        _below(link, folder), link, reason, "ingest the folder that it points to, or put the files there"
    )


def _below(path: Path, folder: Path) -> str:
    return shown(path.relative_to(folder).as_posix())
