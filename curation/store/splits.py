"""Train, validation and test splits: made once, then extended.

    datasets/C/splits.csv   id,split

`extend` reads every sample, so it also lists those whose consent has ended (curation.store.consent).

Given splits are kept. If a source gives train and one other, the other becomes test, and a tenth of train becomes
validation. The rest is split one source at a time, whole groups together (the group, else the performer, else the
sample's hash), stratified by label. scikit-learn's StratifiedGroupKFold makes equal folds from scratch; here shares
differ and most samples may already have a split, so a group goes where its labels are missing most.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from common.atomic import replacing
from common.commands import more_groups
from curation.errors import DataError
from curation.medium import by_name
from curation.store.consent import write_expired
from curation.store.index import collection_folder, groups, learned_from, read_sources, read_splits
from curation.store.sample_set import SPLITS
from curation.store.source_info import beside_real

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from curation.params import CollectionParams, SplitParams

TRAIN, VALIDATION, TEST = SPLITS


def extend(root: Path, collection: str, params: CollectionParams, today: date | None = None) -> dict[str, int]:
    """Assigns a split to every sample without one, drops the rows of removed samples, and writes splits.csv.

    Args:
        root: The checkout.
        collection: The collection.
        params: Its section of params.yaml.
        today: The date for the end of consent; None: today in this machine's time zone.

    Returns:
        Number of samples in each split, for the sources in params.yaml; a starter beside real pictures does not count.

    Raises:
        DataError: A split stays empty (assignments are written all the same).
    """
    table = read_sources(root, collection)
    write_expired(root, collection, table, today or datetime.now().astimezone().date())
    rows = table[["id", "source", "label"]].assign(given=table["split"], group=groups(table))
    before = read_splits(root, collection)
    rows["split"] = rows["id"].map(before).astype(object).where(rows["id"].isin(before), None)
    for part in (part for _, part in rows.groupby("source", sort=True)):
        rows.loc[part.index, "split"] = _pinned(part)
    for source in sorted(rows["source"].unique()):
        _deal_source(rows, str(source), params.split)
    after = dict(zip(rows["id"], rows["split"], strict=True))
    # A collection with a parent may have no samples of its own; the files that DVC tracks must exist all the same.
    lonely = params.parent is not None and not (collection_folder(root, collection) / "splits.csv").is_file()
    if lonely or list(after.items()) != list(before.items()):
        _write(root, collection, _in_order(before, after))
    added = beside_real(rows, root, collection) & by_name(params.medium).labelled
    learned = rows[learned_from(rows["source"], params) & ~added]
    counts = {split: int((learned["split"] == split).sum()) for split in SPLITS}
    _check(collection, counts, learned)
    return counts


def _two_given(given: pd.Series) -> bool:
    names = set(given) - {""}
    return len(names) == len(SPLITS) - 1 and TRAIN in names


def _meanings(given: pd.Series) -> dict[str, str]:
    # Meaning of a source's split names; whatever single split accompanies train is used for test.
    alone = _two_given(given)
    return {name: TEST if alone and name != TRAIN else name for name in set(given) - {""}}


def _pinned(part: pd.DataFrame) -> pd.Series:
    meanings = _meanings(part["given"])
    if _two_given(part["given"]):
        del meanings[TRAIN]  # divided between train and validation
    return part["split"].where(part["split"].notna(), part["given"].map(meanings).astype(object))


def _deal_source(rows: pd.DataFrame, source: str, params: SplitParams) -> None:
    part = rows[rows["source"] == source]
    given = set(_meanings(part["given"]).values())
    shares = {
        TRAIN: 1.0 - params.validation_share - params.test_share,
        VALIDATION: 0.0 if VALIDATION in given else params.validation_share,
        TEST: 0.0 if TEST in given else params.test_share,
    }
    early_stop = {TRAIN: 1.0 - params.validation_share, VALIDATION: params.validation_share}
    _deal_pool(rows, part.index[part["split"].isna() & (part["given"] == TRAIN)], early_stop, params.seed)
    _deal_pool(rows, part.index[part["split"].isna() & (part["given"] == "")], shares, params.seed)


def _deal_pool(rows: pd.DataFrame, pool: pd.Index, shares: Mapping[str, float], seed: int) -> None:
    shares = {split: share for split, share in shares.items() if share > 0}
    places = rows.loc[pool, "group"].map(_known_groups(rows))
    known = places.map(dict(enumerate(SPLITS))).astype(object)
    # A given split stays: a train sample does not follow its copy into test.
    known = known.where(known.notna() & ((rows.loc[pool, "given"] == "") | known.isin(shares)), None)
    rows.loc[pool, "split"] = known
    fresh = pool[known.isna()]
    if len(fresh):
        source = rows["source"] == rows.loc[fresh[0], "source"]
        rows.loc[fresh, "split"] = deal(rows.loc[fresh], rows[source & rows["split"].notna()], shares, seed)


def _known_groups(rows: pd.DataFrame) -> dict[str, int]:
    # A group in several given splits continues where most of it is; a tie goes to train.
    there = rows[rows["split"].notna()]
    counts = pd.crosstab(there["group"], there["split"]).reindex(columns=list(SPLITS), fill_value=0)
    return dict(zip(counts.index, counts.to_numpy().argmax(1), strict=True))


def deal(fresh: pd.DataFrame, dealt: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.Series:
    """Assigns samples to splits by label, whole groups together.

    Args:
        fresh: Samples with `label` and `group`.
        dealt: Samples of the same source with `label` and `split`, which count towards the shares.
        shares: Target share of each split; the first gives up a group if another would stay empty.
        seed: Orders groups of the same size.

    Returns:
        A split for each sample of `fresh`.
    """
    splits = list(shares)
    # Count labels per split (S,L) so far, and per group (G,L) to be placed.
    labels = pd.Index(sorted({*fresh["label"], *dealt["label"]}))
    have_sl = pd.crosstab(dealt["split"], dealt["label"]).reindex(index=splits, columns=labels, fill_value=0)
    codes, names = pd.factorize(fresh["group"], sort=True)
    counts_gl = np.zeros((len(names), len(labels)))
    np.add.at(counts_gl, (codes, labels.get_indexer(pd.Index(fresh["label"]))), 1)
    share_s = np.array(list(shares.values())) / sum(shares.values())
    places_g = _place(counts_gl, have_sl.to_numpy(dtype=float), share_s, np.random.default_rng(seed))
    return pd.Series(np.array(splits, dtype=object)[places_g[codes]], index=fresh.index)


def _place(counts_gl: np.ndarray, have_sl: np.ndarray, share_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # Target counts per split and label, over placed and new samples together.
    want_sl = share_s[:, None] * (have_sl.sum(0) + counts_gl.sum(0))
    have_sl = have_sl.copy()
    places_g = np.zeros(len(counts_gl), int)
    sizes_g = counts_gl.sum(1)
    weight_sl = 1.0 / (want_sl + 1e-9)
    # Largest groups first, while there is most freedom; groups of the same size in random order.
    for group in np.lexsort((rng.permutation(len(counts_gl)), -sizes_g)):
        counts_l = counts_gl[group]
        # Growth of the squared distance from the target, weighted so that rare labels count as much as frequent ones.
        grows_s = ((2.0 * (have_sl - want_sl) + counts_l) * counts_l * weight_sl).sum(1)
        places_g[group] = grows_s.argmin()
        have_sl[places_g[group]] += counts_l
    _fill(places_g, have_sl.sum(1), sizes_g)
    return places_g


def _fill(places_g: np.ndarray, have_s: np.ndarray, sizes_g: np.ndarray) -> None:
    # With few groups a small share rounds to zero: it gets the smallest group that the first split can spare.
    for split in np.flatnonzero(have_s == 0)[::-1]:
        first_g = np.flatnonzero(places_g == 0)
        spare = first_g[np.argsort(sizes_g[first_g], kind="stable")]
        if split > 0 and len(spare) and have_s[0] > sizes_g[spare[0]]:
            places_g[spare[0]] = split
            have_s[0] -= sizes_g[spare[0]]


def _in_order(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    kept = {key: split for key, split in before.items() if key in after}
    return {**kept, **{key: split for key, split in after.items() if key not in kept}}


def _write(root: Path, collection: str, splits: Mapping[str, str]) -> None:
    with replacing(collection_folder(root, collection) / "splits.csv") as partial:
        table = pd.DataFrame({"id": list(splits), "split": list(splits.values())})
        table.to_csv(partial, index=False, lineterminator="\n")


def _check(collection: str, counts: Mapping[str, int], rows: pd.DataFrame) -> None:
    empty = [split for split, count in counts.items() if count == 0]
    if rows.empty or not empty:
        return
    message = f"{collection} has no sample in the split {' and '.join(empty)}"
    given = sorted(set(rows["given"]) - {""})
    most = int(rows.groupby("source")["group"].nunique().max())
    if most < len(SPLITS) and not given:
        message += f": its largest source has {most} group{'s' * (most != 1)} (performer, film, document), which cannot"
        message += f" be divided into {len(SPLITS)}"
        raise DataError(message, more_groups(collection))
    if given:
        message += f": the splits that its sources give are {', '.join(given)}"
        raise DataError(message, f"ingest samples for {' and '.join(empty)}, or samples without a split")
    shares = " and ".join(f"{split}_share" for split in empty if split != TRAIN) or "the shares"
    raise DataError(
        message,
        f"raise {shares} under collections.{collection}.split in params.yaml, then ingest more: what is there keeps "
        "its split",
    )
