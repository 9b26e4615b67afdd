"""Source metadata in source.json: whether it is a starter, its licence, and its credit line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from common.commands import restore_committed
from curation.errors import DataError
from curation.store.index import SOURCE, collection_folder, sources

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def read_metadata(folder: Path) -> dict[str, Any]:
    """Content of source.json; empty if there is none.

    Raises:
        DataError: The file is damaged.
    """
    path = folder / SOURCE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (ValueError, TypeError) as error:
        message = f"{path} cannot be read: {error}"
        raise DataError(message, restore_committed(path, folder.parents[2])) from error


def real_sources(root: Path, collection: str) -> list[str]:
    """Sources of a collection that are not starter sets."""
    folder = collection_folder(root, collection)
    return [name for name in sources(root, collection) if not read_metadata(folder / name).get("starter")]


def beside_real(rows: pd.DataFrame, root: Path, collection: str) -> pd.Series:
    """True for each row of a starter beside real rows with a label; alone, a starter is a set like any other."""
    starter = ~rows["source"].isin(real_sources(root, collection))
    return starter & bool((rows["label"][~starter] != "").any())


def credits_by_source(root: Path, collection: str) -> dict[str, str]:
    """Credit lines required wherever an image made from a source is shown.

    Returns:
        Credit by source, or the licence if it has no credit; sources with neither are absent.

    Raises:
        DataError: A source.json is damaged.
    """
    metadata = {name: read_metadata(collection_folder(root, collection) / name) for name in sources(root, collection)}
    texts = {name: str(one.get("credit") or one.get("licence") or "") for name, one in metadata.items()}
    return {name: text for name, text in texts.items() if text}
