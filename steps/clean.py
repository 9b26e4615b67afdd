"""Raw samples to a set that is fit to learn from, with sheets of what was dropped and of what was kept."""

from __future__ import annotations

from pathlib import Path

from curation.clean import examine
from curation.errors import TooManyDropped
from curation.params import load_collection
from curation.quality.verdicts import Examined, hold_losses, pack_kept
from report.images import clean_sheets, script_sheets

_PICTURES = (clean_sheets.dropped_sheet, clean_sheets.kept_sheet)
SHEETS = {"image": _PICTURES, "film": _PICTURES, "script": (script_sheets.dropped_sheet, script_sheets.kept_sheet)}


def run(item: str) -> None:
    """Writes build/clean/C and its sheets.

    Raises:
        TooManyDropped: A source loses too much; its sheet lies in build/failures/, and the remedy names it.
    """
    root = Path()
    params = load_collection(root / "params.yaml", item)
    examined = examine(root, item, params)
    try:
        hold_losses(examined, item, params)
    except TooManyDropped as error:
        _show(error, item, examined, params.medium)
        raise
    made = pack_kept(item, examined, params, root / "build" / "clean" / item)
    dropped_sheet, kept_sheet = SHEETS[params.medium]
    if not examined.dropped.empty:
        dropped_sheet(examined.reader, item, examined.shown, made.folder / "dropped.jpg")
    kept_sheet(examined.reader, item, examined.table, made.folder / "kept.jpg")


def _show(error: TooManyDropped, item: str, examined: Examined, medium: str) -> None:
    path = Path("build") / "failures" / f"dropped-{error.source}.jpg"
    SHEETS[medium][0](examined.reader, item, examined.shown, path, error.source)
    error.remedy = error.remedy.replace("the sheet of the dropped ones", path.as_posix())
