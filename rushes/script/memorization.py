"""Memorisation check: the share of a text that occurs word for word in the training text, without access to that text.

The bundle contains a Bloom filter (Bloom 1970, doi:10.1145/362686.362692) over the seven-word runs of the training
text. A run of eight words or more counts as copied if all seven-word runs in it are known. The filter errs on one side
only: copied text is always found; about 1 % of new seven-word runs are taken for known, so about 1 in 10,000
eight-word runs. Case, punctuation and line ends are ignored.

    b"RVB1", uint32 probes, uint64 bits, uint64 runs, then the bits, eight a byte, the highest first; little-endian
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass

import numpy as np

from rushes.bundle.manifest import BundleError

WORDS = 8  # minimum length of a run that counts
FALSE_POSITIVES = 0.01  # for runs of one word less
_GRAM = WORDS - 1
_MAGIC, _HEADER = b"RVB1", struct.Struct("<4sIQQ")
_MAX_PROBES = 32
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_BASE = 0x9E3779B97F4A7C15 | 1  # odd, so that it has an inverse modulo 2**64
_INVERSE = pow(_BASE, -1, 1 << 64)


@dataclass(frozen=True)
class Found:
    """Result of the memorisation check: number of words in the longest run, and share of words in runs."""

    longest: int
    share: float


def build(text: str) -> bytes:
    """The filter of a training text: about 1.2 bytes a word. The same text gives the same bytes on any machine."""
    hashes = np.unique(_hashes(_words(text)))
    # Optimal number of bits and probes for the rate of false positives (Bloom 1970).
    bits = max(64, math.ceil(-len(hashes) * math.log(FALSE_POSITIVES) / math.log(2) ** 2))
    probes = round(-math.log2(FALSE_POSITIVES))
    table = np.zeros(bits, bool)
    for number in range(probes):
        table[_places(hashes, number, bits)] = True
    return _HEADER.pack(_MAGIC, probes, bits, len(hashes)) + np.packbits(table).tobytes()


class MemorizationFilter:
    """A parsed filter.

    Raises:
        BundleError: The bytes are not a filter.
    """

    def __init__(self, content: bytes) -> None:
        if len(content) < _HEADER.size:
            message = "it is too short for a memorisation filter"
            raise BundleError(message)
        magic, self._probes, self._bits, self._runs = _HEADER.unpack_from(content)
        whole = _HEADER.size + (self._bits + 7) // 8
        if magic != _MAGIC or not 0 < self._probes <= _MAX_PROBES or not self._bits or len(content) != whole:
            message = "it is not a memorisation filter that this version of rushes can read"
            raise BundleError(message)
        self._table = np.unpackbits(np.frombuffer(content, np.uint8, offset=_HEADER.size))[: self._bits].astype(bool)

    def runs(self, text: str) -> Found:
        """Runs of eight words or more that a text shares with the training text."""
        words = _words(text)
        hashes = _hashes(words)
        # A seven-word run is known if the bits of all probes are set.
        known = np.ones(len(hashes), bool)
        for number in range(self._probes):
            known &= self._table[_places(hashes, number, self._bits)]
        # Consecutive known runs form a longer one; the edges of these sequences are its start and end.
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
        starts, ends = edges[::2], edges[1::2] + _GRAM - 1  # indices of words
        long = ends - starts >= WORDS
        # Runs may overlap or touch, so words are counted by coverage.
        covered = np.zeros(len(words) + 1, np.int64)
        np.add.at(covered, starts[long], 1)
        np.add.at(covered, ends[long], -1)
        share = float((np.cumsum(covered) > 0).mean() * (len(words) + 1) / len(words)) if words else 0.0
        return Found(int((ends - starts)[long].max(initial=0)), share)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("\u2019", "'"))


def _hashes(words: list[str]) -> np.ndarray:
    """A hash of each run of seven words, uint64 N: a polynomial over its bytes, from differences of running sums."""
    if len(words) < _GRAM:
        return np.zeros(0, np.uint64)
    coded = np.frombuffer(" ".join([*words, ""]).encode(), np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(coded == ord(" ")) + 1])
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(coded * _powers(_BASE, len(coded)), dtype=np.uint64)])
    first, after = starts[: len(words) - _GRAM + 1], starts[_GRAM:]
    # Later bytes have higher powers, so each run is divided by the power of its first byte; its position cancels out.
    return _mixed((sums[after] - sums[first]) * _powers(_INVERSE, len(coded))[first])


def _powers(base: int, count: int) -> np.ndarray:
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Finaliser of SplitMix64 (Steele, Lea and Flood 2014): each bit of a value affects all bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def _places(hashes: np.ndarray, number: int, bits: int) -> np.ndarray:
    """Position of the bit of one probe, by double hashing (Kirsch and Mitzenmacher 2006)."""
    step = _mixed(hashes + np.uint64(_BASE)) | np.uint64(1)
    return np.asarray((hashes + np.uint64(number) * step) % np.uint64(bits))
