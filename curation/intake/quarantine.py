"""Quarantine of refused files, each with the reason and the remedy.

quarantine/C/SOURCE/...           the files, at the paths they had in their source
quarantine/C/SOURCE/reasons.csv   file,reason,remedy
quarantine/C/SOURCE/samples.csv   rows of files that were moved out of an inbox together with a table

Files are copied, or moved if they came from an inbox; an existing file is never overwritten.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from common.atomic import replacing
from curation.annotations.csv_cells import unescape, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

REASONS = "reasons.csv"
SAMPLES = "samples.csv"
COLUMNS = ("file", "reason", "remedy")
NAME_BYTES = 230  # of the 255 that file systems allow; the remainder is for suffixes that make names unique


@dataclass(frozen=True)
class Refusal:
    """A sample that was not taken in.

    `file` is to be copied or moved, and the files `beside` it with it; `data` is written if there is no file; without
    either there is nothing to keep.
    """

    path: str
    reason: str
    remedy: str
    file: Path | None = None
    data: bytes | None = None
    person: str = ""  # whose name the path may contain
    beside: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Quarantine:
    """The quarantine of one source."""

    folder: Path

    def note(self, refusals: Sequence[Refusal]) -> dict[str, str]:
        """Records reasons before anything is moved, since the reason for a file that is gone cannot be found again.

        Args:
            refusals: Refusals with names of people masked.

        Returns:
            The place of each file below the folder, by the path of its refusal; files that a killed run has moved
            already are absent.
        """
        before = self._read(REASONS)
        fresh = [refusal for refusal in refusals if refusal.path not in before or not _gone(refusal)]
        places = {one.path: self._place(one).relative_to(self.folder).as_posix() for one in fresh}
        rows = [{"file": places[one.path], "reason": one.reason, "remedy": one.remedy} for one in fresh]
        self.merge(REASONS, COLUMNS, rows)
        return places

    def keep(self, refusals: Sequence[Refusal], places: Mapping[str, str], *, move: bool) -> None:
        """Copies or moves the files of refusals to their places; safe to repeat."""
        for refusal in refusals:
            if refusal.path in places:
                place = self.folder / places[refusal.path]
                self._keep(refusal, place, move=move)
                for file in refusal.beside:
                    # A name that is masked, or made unique, is so beside the file too.
                    same = refusal.file is not None and file.stem == refusal.file.stem
                    name = f"{place.stem if same else file.stem}{file.suffix}"
                    self._keep(replace(refusal, file=file), place.with_name(name), move=move)

    def merge(self, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
        """Adds rows to a table; each replaces the row with the same first column."""
        table = self._read(name) | {row[columns[0]]: dict(row) for row in rows}
        if table:
            self._write(name, columns, table.values())

    def may_hold(self, path: str, sha256: str) -> bool:
        """True if a file of that path or that content may be here; much quicker than masking names in every path."""
        return path in self._held or sha256 in self._held

    @cached_property
    def _held(self) -> frozenset[str]:
        files = list(self._read(REASONS))
        return frozenset([*files, *(_hash(self.folder / file) for file in files if _copyable(self.folder / file))])

    def release(self, taken: Mapping[str, str]) -> None:
        """Removes files that have been taken in since, path to sha256; another file of that name stays."""
        gone = {path for path in self._read(REASONS) if path in taken and self._drop(path, taken[path])}
        for name, columns in ((SAMPLES, None), (REASONS, COLUMNS)) if gone else ():
            table = self._read(name)
            left = [row for path, row in table.items() if path not in gone]
            if left:
                self._write(name, columns or [name for name in left[0] if name], left)
            else:
                (self.folder / name).unlink(missing_ok=True)
        remove_empty(self.folder)

    def _read(self, name: str) -> dict[str, dict[str, str]]:
        path = self.folder / name
        if not path.is_file():
            return {}
        # People open these tables and save them again, in whatever encoding their program uses.
        with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
            header, *lines = [[unescape(cell) for cell in line] for line in csv.reader(file) if line] or [[]]
        return {line[0]: dict(zip(header, line, strict=False)) for line in lines}

    def _write(self, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
        with replacing(self.folder / name) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            write_rows(file, [columns, *([row.get(name, "") for name in columns] for row in rows)])

    def _place(self, refusal: Refusal) -> Path:
        parts = [_fitting(part) for part in PurePosixPath(refusal.path).parts if part not in {"/", ".."}]
        own = parts in ([REASONS], [SAMPLES])  # these names are used by the quarantine itself
        place = self.folder.joinpath(*parts[:-1], f"_{parts[-1]}" if own else parts[-1]) if parts else self.folder
        if not place.exists():
            return place
        if refusal.data is not None:
            return _free(place, hashlib.sha256(refusal.data).hexdigest())
        there = refusal.file is not None and (refusal.file.is_symlink() or refusal.file.is_file())
        return _free(place, _hash(refusal.file)) if there and refusal.file is not None else place

    def _keep(self, refusal: Refusal, place: Path, *, move: bool) -> None:
        file = refusal.file
        if refusal.data is not None:
            with replacing(place, durable=False) as partial:
                partial.write_bytes(refusal.data)
        elif file is None or not (file.is_symlink() or file.exists()) or _same(file, place):
            return
        elif move:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, place)
        elif _copyable(file) and not place.exists():
            with (
                suppress(PermissionError),
                replacing(place, durable=False) as partial,
            ):  # it may have been refused because it cannot be read
                shutil.copyfile(file, partial)

    def _drop(self, path: str, sha256: str) -> bool:
        place = self.folder / path
        if place.is_file() and _hash(place) != sha256:
            return False
        for beside in [place, *place.parent.glob(f"{glob.escape(place.stem)}.*")]:
            # Files beside it have no line of their own.
            if beside == place or beside.relative_to(self.folder).as_posix() not in self._read(REASONS):
                beside.unlink(missing_ok=True)
        return True


def remove_empty(folder: Path) -> None:
    """Removes a folder and its subfolders, as far as they contain no file."""
    for below in [*sorted(folder.rglob("*"), reverse=True), folder]:
        if below.is_dir() and not below.is_symlink():
            with suppress(OSError):  # it contains a file, perhaps a new one
                below.rmdir()


def _copyable(file: Path) -> bool:
    # A link may point anywhere, so its target is not copied.
    return file.is_file() and not file.is_symlink()


def _gone(refusal: Refusal) -> bool:
    # A table still names a file that a killed run has moved.
    return refusal.file is not None and not refusal.file.is_symlink() and not refusal.file.exists()


def _same(file: Path, place: Path) -> bool:
    return file.exists() and place.exists() and file.samefile(place)


def _hash(file: Path) -> str:
    with suppress(PermissionError):
        if _copyable(file):
            with file.open("rb") as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest()
    text = str(file.readlink()) if file.is_symlink() else file.name
    return hashlib.sha256(text.encode()).hexdigest()


def _fitting(name: str) -> str:
    """A name that leaves room for an addition: a long one is reduced to its beginning, a hash, and the suffix."""
    if len(os.fsencode(name)) <= NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix if len(PurePosixPath(name).suffix) <= len(".jpeg.") else ""
    start = name.encode("utf-8", "surrogateescape")[: NAME_BYTES // 2].decode("utf-8", "ignore")
    return f"{start}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}{suffix}"


def _free(place: Path, sha256: str) -> Path:
    # Another file of the same name may be the only copy, so it is never overwritten.
    if not place.exists() or (place.is_file() and _hash(place) == sha256):
        return place
    return place.with_name(f"{place.stem}-{sha256[:8]}{place.suffix}")
