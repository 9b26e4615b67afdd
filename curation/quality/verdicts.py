"""Clean: examines every sample of a collection, keeps or drops each with a reason, and packs the kept ones.

    build/clean/C/samples.parquet   every sample; `reason` is one of the medium's reasons, `why` adds figures
    build/clean/C/SPLIT.npy         the kept pictures, uint8 N,H,W,C, RGB where C is 3; or texts
    (curation.store.sample_set)
    build/clean/C/apart.npy         valid samples without a label
    build/clean/C/test-dropped.npy  the dropped test samples, for a score over everything that was given
    build/clean/C/set.json          labels, size, counts by reason, source and split

Raw data is not modified: a sample is marked, never moved. The test split goes through the same checks, since a broken
image measures nothing about a network. Samples withheld for want of consent are marked first and never read. Samples
without a label are checked too; the valid ones are packed apart, to train students of a trained network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from common.commands import more_groups
from curation.errors import DataError, TooManyDropped
from curation.quality.reasons import mark
from curation.store.consent import ENDED, NOT_FOR_TRAINING, WITHHELD, may_train
from curation.store.sample_set import COLUMNS, NO_LABEL, REASONS_APART, SPLITS, SampleSet, array_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from curation.medium import Medium
    from curation.params import CollectionParams
    from curation.quality.readers import Reader

PASSED_ON = ("use", "until", "caption", "grouped")


@dataclass(frozen=True)
class Examined:
    """Result of the checks: one row a sample with kept, reason, why, row, the figures, and where to read the sample.

    `not_judged` lists checks for which a source was too small, `reader` reads the images or texts, `extras` are the
    columns of the medium that are packed, and `info` is merged into set.json.
    """

    medium: Medium
    table: pd.DataFrame
    not_judged: list[str]
    left_out: dict[str, int]
    reader: Reader
    extras: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> pd.DataFrame:
        """Samples that may be shown, index 0..N-1: all but those withheld by consent."""
        return self.table[~self.table["reason"].isin(WITHHELD)].reset_index(drop=True)

    def params_of(self, reason: str, source: str = "") -> list[str]:
        """Params, as paths below the collection, that would keep most of the samples dropped for a reason.

        Args:
            reason: One of the medium's reasons.
            source: Restricts to this source; empty: all.
        """
        rows = self.table[(self.table["reason"] == reason) & ((self.table["source"] == source) | (source == ""))]
        named: Sequence[object] = list(rows["param"].replace("", np.nan).mode()) if "param" in rows else []
        params = str(named[0]) if len(named) else self.medium.reasons[reason]
        return [param if "." in param else f"clean.{param}" for param in params.split()]

    @property
    def dropped(self) -> pd.DataFrame:
        """Shown samples that are neither kept nor kept apart, in the order of the checks."""
        rows = self.shown[~self.shown["kept"] & ~self.shown["reason"].isin(REASONS_APART)]
        return rows.iloc[np.argsort(rows["reason"].map(list(self.medium.reasons).index).to_numpy(), kind="stable")]


def withhold(table: pd.DataFrame, ids: pd.Series, expired: Mapping[str, str]) -> None:
    """Marks samples withheld by consent, before anything is read.

    Args:
        table: With the column `use`.
        ids: For each row the id under which its consent is recorded.
        expired: Ids whose consent has ended, with its last day.
    """
    mark(table, ids.isin(expired), ENDED, "until " + ids.map(expired).astype(str))
    mark(table, ~table["use"].map(may_train), NOT_FOR_TRAINING, "may be used for " + table["use"].astype(str))


def places(table: pd.DataFrame) -> pd.Series:
    """Row of each sample in its array: its split's if kept, that of samples apart, or that of dropped test samples."""
    unread = ~table["kept"] & table["reason"].isin(["unreadable", *WITHHELD])
    names = array_names(table.assign(row=0)).mask(unread, "")
    return table.groupby(names).cumcount().where(names != "", -1)


def hold_losses(examined: Examined, collection: str, params: CollectionParams) -> None:
    """Raises if a source loses too many samples.

    Raises:
        TooManyDropped: Names the source that loses the largest share, its most frequent reason and the param. Samples
            withheld by consent are not a loss, nor are samples kept apart, nor copies of another source: a rewritten
            draft that comes alone is dropped, and the run goes on. Where samples without a label are kept apart, those
            that are dropped are not a loss either: frames that a capture has collected are often alike or dark.
    """
    shown = examined.shown[~examined.shown["reason"].isin(REASONS_APART)]
    if examined.medium.sets_apart(params):
        shown = shown[shown["label"] != ""]
    first = shown["copy_of"].map(shown.set_index("id")["source"])
    lost = (~shown["kept"] & (first.isna() | (first == shown["source"]))).groupby(shown["source"]).mean()
    source = str(lost.idxmax()) if len(lost) else ""
    if source and lost[source] > params.clean.max_dropped_share:
        reasons = shown.loc[(shown["source"] == source) & ~shown["kept"], "reason"]
        reason = str(reasons.mode()[0])
        now = {f"collections.{collection}.{path}": params.value_of(path) for path in examined.params_of(reason, source)}
        raise TooManyDropped(source, float(lost[source]), reason, now)


def stop_of(examined: Examined, collection: str, params: CollectionParams) -> DataError | None:
    """The error that would stop the stage clean, or None."""
    try:
        hold_losses(examined, collection, params)
        hold_splits(examined, collection)
    except DataError as error:
        return error
    return None


def loss_of(examined: Examined, collection: str, params: CollectionParams) -> DataError | None:
    """The loss that would stop the stage clean, or None; the splits are not checked."""
    try:
        hold_losses(examined, collection, params)
    except DataError as error:
        return error
    return None


def hold_splits(examined: Examined, collection: str) -> None:
    """Raises if a split has no sample left.

    Raises:
        DataError: Names the splits, and the number of groups in them.
    """
    kept = examined.table.loc[examined.table["kept"], "split"]
    empty = [split for split in SPLITS if split not in set(kept)]
    if empty:
        message = f"no sample of {collection} is left in {' and '.join(empty)} after the checks"
        lost = examined.table[examined.table["split"].isin(empty)]
        count = lost["group"].nunique()
        message += f", which drop all {len(lost):,} of {count} group{'s' * (count != 1)} (performer, film, document)"
        raise DataError(message, more_groups(collection))


def pack_kept(collection: str, examined: Examined, params: CollectionParams, out: Path) -> SampleSet:
    """Packs the kept samples.

    Raises:
        DataError: A split has no sample left.
    """
    hold_splits(examined, collection)
    columns = [*COLUMNS, *examined.medium.packing.extras, *examined.extras]
    columns += [name for name in PASSED_ON if name in examined.table.columns]
    table = examined.table
    samples = examined.reader.fitted(table[array_names(table) != ""])
    return examined.medium.packing.pack(
        samples, table, params, out, columns=columns, info=info(collection, examined, params)
    )


def info(collection: str, examined: Examined, params: CollectionParams) -> dict[str, Any]:
    """Content of set.json."""
    table, reasons = examined.table, examined.medium.reasons
    return {
        "collection": collection,
        "labels": params.labels,
        "samples": len(table),
        "kept": int(table["kept"].sum()),
        "counts": _counts(table, reasons),
        "sources": {str(source): _account(rows, reasons) for source, rows in table.groupby("source")},
        "splits": {str(split): _account(rows, reasons) for split, rows in table.groupby("split")},
        "findings": findings(table),
        "not_judged": examined.not_judged,
        "left_out": examined.left_out,
        **examined.medium.packing.about(params),
        **examined.info,
    }


def findings(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Counts of copies by where the other one is, of conflicts decided by votes, and of samples kept apart."""
    found = copies_found(table, ("exact duplicate", "near duplicate", "conflicting labels"))
    kept = dict(zip(table["id"], table["kept"], strict=True))
    copies = table[table["copy_of"].notna()]
    decided = (copies["reason"] == "conflicting labels") & copies["copy_of"].map(kept)
    found["conflicting labels"]["decided by votes"] = int(decided.sum())
    apart = int((table["reason"] == NO_LABEL).sum())
    return found | ({"kept apart": {"without a label": apart}} if apart else {})


def copies_found(table: pd.DataFrame, reasons: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts of the copies of each kind, within and across splits."""
    splits = dict(zip(table["id"], table["split"], strict=True))
    copies = table[table["copy_of"].notna()]
    across = copies["split"] != copies["copy_of"].map(splits)
    return {
        reason: {
            "within splits": int(((copies["reason"] == reason) & ~across).sum()),
            "across splits": int(((copies["reason"] == reason) & across).sum()),
        }
        for reason in reasons
    }


def _account(rows: pd.DataFrame, reasons: Iterable[str]) -> dict[str, Any]:
    return {"samples": len(rows), "kept": int(rows["kept"].sum()), "reasons": _counts(rows, reasons)}


def _counts(rows: pd.DataFrame, reasons: Iterable[str]) -> dict[str, int]:
    counts = rows["reason"].value_counts()
    return {reason: int(counts[reason]) for reason in reasons if reason in counts}
