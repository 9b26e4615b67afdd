"""User-supplied CSV files, read line by line; errors name the line."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING

from curation.annotations.csv_cells import unescape
from curation.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Row = dict[str, str]


def header_of(file: Path) -> list[str]:
    """Column names in lower case; empty if the file is not a readable CSV."""
    if not file.is_file():  # opening a named pipe would block
        return []
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as opened:
            first = opened.readline(10_000)
    except OSError:
        return []
    return _names(next(csv.reader([first], delimiter=_delimiter(first)), [])) if first.strip() else []


def header_of_table(file: Path) -> list[str]:
    """Column names of a file that must be a table.

    Raises:
        DataError: This user may not read it.
    """
    with _errors_by_line(file), file.open("rb"):
        return header_of(file)


def rows_of(file: Path) -> Iterator[tuple[int, Row]]:
    """Streams the rows as dictionaries by column name, each with its line number.

    Raises:
        DataError: A row has more or fewer values than the header, or the text is not CSV in UTF-8.
    """
    with _errors_by_line(file) as at, file.open(encoding="utf-8-sig", newline="") as opened:
        first = opened.readline()
        opened.seek(0)
        reader = csv.reader(opened, delimiter=_delimiter(first), strict=True)
        names = _names(next(reader, []))
        for values in reader:
            at[0] = reader.line_num
            if not values:
                continue
            if len(values) != len(names):
                raise fault(file, at[0], f"{len(values)} values, where the first line names {len(names)}")
            yield at[0], {name: unescape(value.strip()) for name, value in zip(names, values, strict=True)}


def fault(file: Path, line: int, what: str) -> DataError:
    """Error about one line of a file."""
    return DataError(f"{file.name}, line {line}: {what}", f"fix line {line} of {file.name}; nothing was ingested")


@contextmanager
def _errors_by_line(file: Path) -> Iterator[list[int]]:
    at = [1]
    try:
        yield at
    except UnicodeDecodeError as error:
        message = f"{file.name}, after line {at[0]}: this is not UTF-8"
        raise DataError(message, f"save {file.name} as CSV in UTF-8") from error
    except csv.Error as error:
        raise fault(file, at[0] + 1, f"this is not CSV: {error}") from error
    except OSError as error:
        message = f"{file.name} cannot be read: {error.strerror}"
        raise DataError(message, "allow this user to read it") from error


def _names(values: list[str]) -> list[str]:
    return [value.strip().lower() for value in values]


def _delimiter(first: str) -> str:
    # Spreadsheets write semicolons where the comma is the decimal point.
    return ";" if first.count(";") > first.count(",") else ","
