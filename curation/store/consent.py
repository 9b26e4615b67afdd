"""Consent: `use` lists the permitted uses of an image, `until` is the last day of the permission.

    datasets/C/expired.csv   id,until: samples whose last day has passed; absent if there are none

A stage is a function of its files and must not read the calendar: DVC would skip it on the very day that matters. So
the list is data. Every nightly run and every ingest extends the splits and rewrites the list; on the day after a
consent ends it changes, and with it the version of the data, so that everything downstream is rebuilt without the
sample.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from common.atomic import replacing
from curation.store.index import collection_folder, read_csv

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    import pandas as pd

EXPIRED = "expired.csv"
TRAINING = "training"
ENDED, NOT_FOR_TRAINING = "consent ended", "not for training"
WITHHELD = (ENDED, NOT_FOR_TRAINING)  # never trained on, evaluated, examined or shown


def write_expired(root: Path, collection: str, rows: pd.DataFrame, today: date) -> None:
    """Lists the samples whose last day is before today.

    Args:
        root: The checkout.
        collection: The collection.
        rows: All its samples, with `id` and `until`.
        today: The date in this machine's time zone.
    """
    path = collection_folder(root, collection) / EXPIRED
    until = rows["until"].astype(object).where(rows["until"].notna(), "")
    ended = rows.loc[(until != "") & (until < today.isoformat()), ["id", "until"]].sort_values("id")
    if ended.empty:
        path.unlink(missing_ok=True)
        return
    text = ended.to_csv(index=False, lineterminator="\n")
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")


def read_expired(root: Path, collection: str) -> dict[str, str]:
    """Samples whose consent has ended: id, and the last day.

    Raises:
        DataError: The file is damaged.
    """
    path = collection_folder(root, collection) / EXPIRED
    if not path.is_file():
        return {}
    table = read_csv(path, ("id", "until"))
    return dict(zip(table["id"], table["until"], strict=True))


def may_train(use: str | None) -> bool:
    """True if an image may be trained on: its use is empty or includes training.

    Uses are separated by commas, semicolons or bars, and must match exactly: "no training" does not match.
    """
    return not use or TRAINING in {thing.strip().casefold() for thing in re.split(r"[,;|]", use)}
