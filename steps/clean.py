"""Raw samples to a set that is fit to learn from, with sheets of what was dropped and of what was kept."""

from __future__ import annotations

from pathlib import Path

from curation.clean import Examined, hold_losses, pack_kept
from curation.errors import TooManyDropped
from curation.examine import examine
from curation.params import load_collection
from report.cleaned import dropped_sheet, kept_sheet


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
        _show(error, item, examined)
        raise
    made = pack_kept(item, examined, params, root / "build" / "clean" / item)
    if not examined.dropped.empty:
        dropped_sheet(examined.reader, item, examined.shown, made.folder / "dropped.jpg")
    kept_sheet(examined.reader, item, examined.table, made.folder / "kept.jpg")


def _show(error: TooManyDropped, item: str, examined: Examined) -> None:
    path = Path("build") / "failures" / f"dropped-{error.source}.jpg"
    dropped_sheet(examined.reader, item, examined.shown, path, error.source)
    error.remedy = error.remedy.replace("the sheet of the dropped ones", path.as_posix())
