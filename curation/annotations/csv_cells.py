"""Escapes CSV cells that a spreadsheet would run as formulas when it writes them, and unescapes them when it reads.

Excel, LibreOffice and Google Sheets treat a cell that begins with = + - @ as a formula, also after a tab or a line
break (OWASP, "CSV Injection"). A leading apostrophe makes it text. A cell that already begins with apostrophes gets one
more, so that reading returns exactly what was written.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def escape(cell: str) -> str:
    """The cell to write: prefixed with an apostrophe if a spreadsheet would take it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape(cell: str) -> str:
    """The cell as it was before `escape`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_rows(file: TextIO, rows: Iterable[Iterable[str]]) -> None:
    """Writes rows as CSV with their cells escaped.

    A row that contains a carriage return is quoted completely: Python's csv quotes only its own line terminator.
    """
    for row in rows:
        cells = [escape(cell) for cell in row]
        if any("\r" in cell for cell in cells):
            csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(cells)
        else:
            csv.writer(file, lineterminator="\n").writerow(cells)
