"""Duplicates of an image: exact, near, and under different labels.

Exact: the same pixels, whatever the file. Near: perceptual hashes (imagehash's phash) differ in few bits, and the
images correlate. All copies of an image form a cluster around the one that stays:

* One label: the copy in the test split stays, else one in validation, else in train; the others are dropped. So no
  evaluated image is also trained on. Within a split, a copy with votes precedes one without, then the larger.
* Several labels: nobody knows which is right. If annotators voted and agree, the copies with that label are treated as
  above and the others are dropped; if not, all are dropped, from every split: such an image can neither teach nor test.

A copy without a label contradicts none, and is dropped before any that has one, whatever their splits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.fft

from curation.quality.reasons import SHELTER, mark
from curation.store.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from curation.params import CleanParams

HASH_PX = 8  # low frequencies per direction in a hash: 64 bits
BLOCK, TILE = 256, 2048  # hashes compared at a time


def mark_copies(table: pd.DataFrame, smalls_nhw: np.ndarray, params: CleanParams, labels: list[str]) -> None:
    """Marks exact and near duplicates and conflicting labels; fills `copy_of` with the id of the copy that stays.

    Args:
        table: One row a sample, with `pixels` and the columns of the index; rows with a reason are not changed.
        smalls_nhw: The images at 32 px, row for row.
        params: Thresholds.
        labels: The taxonomy, in the order of the votes.
    """
    places = np.flatnonzero(table["reason"] == "")
    places = places[_by_shelter(table.iloc[places])]
    alive = table.iloc[places]
    # From here on samples are numbered in that order, so the first of a cluster is the one that stays.
    first = alive.groupby("pixels", sort=False).ngroup().to_numpy()
    originals = np.flatnonzero(~alive["pixels"].duplicated())
    leaders = originals[_near(smalls_nhw[places[originals]], params)][first]
    kept = _resolved(alive, leaders, labels, params.min_agreement)
    by_majority = _resolved(alive, leaders, labels, 0.0)  # by a bare majority of the votes
    loosened = np.where(by_majority >= 0, "clean.min_agreement", "clean.max_dropped_share")
    _write(table, alive, originals[first], leaders, kept, pd.Series(loosened, index=alive.index))


def phashes(smalls_nhw: np.ndarray) -> np.ndarray:
    """Perceptual hashes of images at 32 px, uint64 N: equal to imagehash.phash, vectorised."""
    parts = [_phashes(smalls_nhw[start : start + 4096]) for start in range(0, len(smalls_nhw), 4096)]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def close_pairs(first_n: np.ndarray, second_m: np.ndarray, distance: int) -> np.ndarray:
    """Pairs (i, j) of hashes that differ in at most `distance` bits; int64 P,2.

    Compares all with all, in tiles that fit the processor's cache: 100,000 hashes with each other take fifteen
    seconds, whatever their values. Pigeonhole bands are not faster, since faces have similar hashes, and far slower on
    the frames of a static shot.
    """
    found = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(first_n), TILE):
        differ_tm = np.bitwise_count(first_n[start : start + TILE, None] ^ second_m[None])
        close_tm = differ_tm <= distance
        if close_tm.any():
            found.append(np.argwhere(close_tm) + np.array([start, 0]))
    return np.concatenate(found)


def _phashes(smalls_nhw: np.ndarray) -> np.ndarray:
    # Two-dimensional DCT; keep the low frequencies, one bit each: above or below their median.
    waves_nhw = scipy.fft.dct(scipy.fft.dct(smalls_nhw.astype(np.float64), axis=1), axis=2)
    low_nf = waves_nhw[:, :HASH_PX, :HASH_PX].reshape(len(smalls_nhw), -1)
    bits_nf = low_nf > np.median(low_nf, axis=1, keepdims=True)
    return np.packbits(bits_nf, axis=1).view(">u8").ravel().astype(np.uint64)


def _by_shelter(alive: pd.DataFrame) -> np.ndarray:
    """Order in which copies take precedence: the first of a cluster stays."""
    keys = pd.DataFrame(
        {
            "unlabelled": alive["label"] == "",
            "split": alive["split"].map({split: place for place, split in enumerate(SHELTER)}),
            "unvoted": alive["votes"].isna(),
            "smaller": -alive["width"] * alive["height"],
            "id": alive["id"],
            "source": alive["source"],
        }
    )
    return keys.reset_index(drop=True).sort_values(list(keys.columns), kind="stable").index.to_numpy()


def _near(smalls_nhw: np.ndarray, params: CleanParams) -> np.ndarray:
    """For each image the first earlier one that it copies and that is not a copy itself; else itself.

    Works block by block, and compares each block only with images that stay: a thousand similar frames cost one row.
    """
    hashes_n = phashes(smalls_nhw)
    leaders = np.arange(len(smalls_nhw))
    staying = leaders[:0]
    for start in range(0, len(leaders), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(leaders)))
        earlier = np.concatenate([staying, block])
        # Candidates by hash, each pair ordered so that the earlier image leads; then verified by correlation.
        pairs = close_pairs(hashes_n[earlier], hashes_n[block], params.near_distance)
        pairs = np.stack([earlier[pairs[:, 0]], block[pairs[:, 1]]], axis=1)
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        _follow(leaders, pairs[_correlations(smalls_nhw, pairs) >= params.near_correlation])
        staying = np.concatenate([staying, block[leaders[block] == block]])
    return leaders


def _follow(leaders: np.ndarray, pairs: np.ndarray) -> None:
    """Assigns followers to leaders; pairs are sorted by their first, so a leader is final before others follow it."""
    for leader, follower in pairs:
        if leaders[leader] == leader and leaders[follower] == follower:
            leaders[follower] = leader


def _correlations(smalls_nhw: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    found = np.empty(len(pairs))
    for start in range(0, len(pairs), 4096):
        part = pairs[start : start + 4096]
        first_pf, second_pf = (_normal(smalls_nhw[part[:, side]]) for side in (0, 1))
        found[start : start + 4096] = (first_pf * second_pf).sum(1)
    return found


def _normal(smalls_nhw: np.ndarray) -> np.ndarray:
    # Zero mean and unit norm: the dot product of two rows is their correlation.
    flat_nf: np.ndarray = smalls_nhw.reshape(len(smalls_nhw), -1).astype(np.float32)
    flat_nf -= flat_nf.mean(1, keepdims=True)
    flat_nf /= np.linalg.norm(flat_nf, axis=1, keepdims=True) + 1e-6
    return flat_nf


def _resolved(alive: pd.DataFrame, leaders: np.ndarray, labels: list[str], min_agreement: float) -> np.ndarray:
    """For each sample the number of the copy that stays in its cluster, or -1 if none does."""
    kept = leaders.copy()
    label = alive["label"].to_numpy()
    named = pd.Series(label).where(label != "")
    # A cluster with several labels is decided by its votes: the winning label's first copy stays, or none.
    torn = named.groupby(leaders).transform("nunique").to_numpy() > 1
    for leader in np.unique(leaders[torn]):
        members = np.flatnonzero(leaders == leader)
        winner = _voted(alive["votes"].iloc[members], labels, min_agreement)
        right = members[label[members] == winner]
        kept[members] = right[0] if len(right) else -1
    return kept


def _voted(votes: pd.Series, labels: list[str], min_agreement: float) -> str | None:
    """Label that the votes on all copies agree on, or None."""
    cast = [np.asarray(shares, float) for shares in votes if shares is not None]
    if not cast:
        return None
    shares = np.mean(cast, axis=0)
    return labels[int(shares.argmax())] if shares.max() > min_agreement else None


def _write(  # every argument is an aligned array
    table: pd.DataFrame,
    alive: pd.DataFrame,
    exact: np.ndarray,
    leaders: np.ndarray,
    kept: np.ndarray,
    conflict_param: pd.Series,
) -> None:
    itself = np.arange(len(alive))
    label = alive["label"].to_numpy()
    other = np.where(kept < 0, _other_label(label, leaders), kept)
    conflict = (kept < 0) | ((label != label[other]) & (label != ""))
    copy = ~conflict & (kept != itself)
    # A copy's exact twin may itself be dropped as the near copy of a third image, which then is the one that stays.
    twin = np.where(copy & (exact != itself), exact, other)
    names = (alive["id"] + ", " + alive["label"].replace("", UNLABELLED[0]) + " in " + alive["split"]).to_numpy()
    for hit, reason, words in (
        (conflict, "conflicting labels", "same picture as "),
        (copy & (exact != itself), "exact duplicate", "same pixels as "),
        (copy, "near duplicate", "looks the same as "),
    ):
        why = words + pd.Series(names[twin], index=alive.index)
        param = conflict_param if reason == "conflicting labels" else ""
        mark(table, pd.Series(hit, index=alive.index).reindex(table.index, fill_value=False), reason, why, param)
    dropped = conflict | copy
    table.loc[alive.index[dropped], "copy_of"] = alive["id"].to_numpy()[other[dropped]]


def _other_label(label: np.ndarray, leaders: np.ndarray) -> np.ndarray:
    """For each sample a copy with another label if there is one; else itself."""
    other = np.arange(len(label))
    differs = label != label[leaders]
    other[differs] = leaders[differs]
    last = dict(zip(leaders[differs], np.flatnonzero(differs), strict=True))
    for follower, leader in enumerate(leaders):
        if other[follower] == follower:
            other[follower] = last.get(leader, follower)
    return other
