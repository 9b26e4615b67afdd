"""Cells of CSV files that a spreadsheet would run as formulas: marked when written, unmarked when read.

Excel, LibreOffice and Google Sheets take a cell that begins with = + - @ as a formula, after a tab or a line break as
well (OWASP, "CSV Injection"). An apostrophe before it makes it text. A cell that has apostrophes there already gets one
more, so that what is read is what was written.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def escape(cell: str) -> str:
    """The cell as it is written: with an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape(cell: str) -> str:
    """The cell as it was before `escape`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_rows(file: TextIO, rows: Iterable[Iterable[str]]) -> None:
    """Writes rows as CSV, their cells escaped.

    A row with a carriage return is quoted as a whole: Python's csv quotes only what its own line end would break.
    """
    for row in rows:
        cells = [escape(cell) for cell in row]
        if any("\r" in cell for cell in cells):
            csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(cells)
        else:
            csv.writer(file, lineterminator="\n").writerow(cells)
