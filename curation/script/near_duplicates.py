"""Near-duplicate texts, by MinHash (Broder, 1997) over word n-grams.

A text is the set of its runs of five words; the similarity of two texts is the Jaccard similarity of their sets.
MinHash finds candidate pairs without comparing all with all; the sets then decide exactly.
"""

from __future__ import annotations

import re
import zlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from datasketch import MinHash, MinHashLSH

from curation.quality.reasons import SHELTER, mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

RUN = 5  # words
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplier: spreads every bit into the upper half
PERMUTATIONS = 128
LOOSER = 0.5  # MinHash only estimates: a looser threshold keeps it from missing borderline pairs
_WORDS = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def runs_of(text: str) -> np.ndarray:
    """Hashes of a text's runs of words, sorted and unique, uint32 R; a shorter text is a single run.

    Case, punctuation and line breaks are ignored.
    """
    words = [_hash(word) for word in _WORDS.findall(text.casefold())]
    if not words:
        return np.zeros(0, np.uint32)
    hashes_w = np.array(words, np.uint64)
    count = max(1, len(hashes_w) - RUN + 1)
    # A rolling polynomial hash: one multiplication a word, for all runs at once; the upper half is well mixed.
    mixed_r = np.zeros(count, np.uint64)
    for place in range(min(RUN, len(hashes_w))):
        mixed_r = (mixed_r + hashes_w[place : place + count]) * GOLDEN
    return np.unique((mixed_r >> np.uint64(32)).astype(np.uint32))


def leaders_of(texts: Sequence[np.ndarray], similarity: float) -> np.ndarray:
    """For each text the first one that it copies and that is not a copy itself; else itself. int64 N.

    Args:
        texts: Their runs, in order of precedence.
        similarity: Minimum similarity of near copies.
    """
    index = MinHashLSH(threshold=LOOSER * similarity, num_perm=PERMUTATIONS)
    leaders = np.arange(len(texts))
    for number, sketch in enumerate(
        MinHash.generator(map(np.ndarray.tolist, texts), num_perm=PERMUTATIONS, hashfunc=int)
    ):
        # Only texts that stay are in the index, so a copy never leads another copy.
        alike = (other for other in sorted(index.query(sketch)) if shared(texts[other], texts[number]) >= similarity)
        leaders[number] = next(alike, number)
        if leaders[number] == number and len(texts[number]):
            index.insert(number, sketch)
    return leaders


def shared(first: np.ndarray, second: np.ndarray) -> float:
    """Jaccard similarity: runs in both texts as a share of runs in either."""
    both = len(np.intersect1d(first, second, assume_unique=True))
    either = len(first) + len(second) - both
    return both / either if either else 0.0


def mark_copies(table: pd.DataFrame, texts: pd.Series, runs: pd.Series, similarity: float, near: str) -> None:
    """Marks copies of other texts; fills `copy_of` with the id of the one that stays.

    The copy in test stays, else the one in validation, else the one in train, as for images.

    Args:
        table: With id, split, reason and why; rows with a reason are not changed.
        texts: By index label.
        runs: Runs of the texts, by index label.
        similarity: Minimum similarity of near copies.
        near: The reason that near copies get.
    """
    alive = table.loc[table["reason"] == "", ["id", "split"]]
    order = alive.assign(split=alive["split"].map(SHELTER.index)).sort_values(["split", "id"]).index
    first: dict[str, int] = {}
    exact = {row: first.setdefault(texts[row], row) for row in order}
    originals = list(first.values())
    leaders = leaders_of([runs[row] for row in originals], similarity)
    stays = {row: originals[leader] for row, leader in zip(originals, leaders, strict=True)}
    same = table.index.to_series().map(exact)
    _mark(table, same, "exact duplicate", "same text as ")
    _mark(table, same.map(stays), near, "shares most of its words with ")
    copies = table["reason"].isin(["exact duplicate", near]) & table["copy_of"].isna() & same.notna()
    table.loc[copies, "copy_of"] = same[copies].map(stays).map(table["id"])


def _mark(table: pd.DataFrame, other: pd.Series, reason: str, words: str) -> None:
    hit = other.notna() & (other != table.index)
    mark(
        table, hit, reason, words + other.map(table["id"]).astype(str) + " in " + other.map(table["split"]).astype(str)
    )


@cache
def _hash(word: str) -> int:
    return zlib.crc32(word.encode())
