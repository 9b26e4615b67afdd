"""Raw samples to a set that is fit to learn from, with sheets of what was dropped and of what was kept."""

from __future__ import annotations

from pathlib import Path

from curation.clean import examine
from curation.errors import TooManyDropped
from curation.params import load_collection
from curation.quality.verdicts import Examined, hold_losses, pack_kept
from registry.assets import read_asset
from report.images import clean_sheets, script_sheets, take_sheets

# Modules with `dropped_sheet` and `kept_sheet`, by what a set is packed from.
SHEETS = {"pictures": clean_sheets, "texts": script_sheets, "takes": take_sheets}


def run(item: str) -> None:
    """Writes build/clean/C and its sheets.

    Raises:
        TooManyDropped: A source loses too much; its sheet lies in build/failures/, and the remedy names it.
    """
    root = Path()
    params = load_collection(root / "params.yaml", item)
    examined = examine(root, item, params, read_asset)
    try:
        hold_losses(examined, item, params)
    except TooManyDropped as error:
        _show(error, item, examined)
        raise
    made = pack_kept(item, examined, params, root / "build" / "clean" / item)
    sheets = SHEETS[examined.medium.packing.name]
    if not examined.dropped.empty:
        sheets.dropped_sheet(examined, item, made.folder / "dropped.jpg")
    sheets.kept_sheet(examined, item, made.folder / "kept.jpg")


def _show(error: TooManyDropped, item: str, examined: Examined) -> None:
    path = Path("build") / "failures" / f"dropped-{error.source}.jpg"
    SHEETS[examined.medium.packing.name].dropped_sheet(examined, item, path, error.source)
    error.remedy = error.remedy.replace("the sheet of the dropped ones", path.as_posix())
