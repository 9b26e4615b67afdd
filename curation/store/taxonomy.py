"""Labels by name: the taxonomy of a collection, synonyms of its labels, and votes on them."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Synonyms of labels. The word of a line that is in params.yaml is the canonical one.
SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("angry", "anger"),
    ("contempt", "contemptuous"),
    ("disgust", "disgusted"),
    ("fear", "fearful", "afraid", "scared"),
    ("happy", "happiness", "joy"),
    ("neutral", "neutrality"),
    ("sad", "sadness"),
    ("surprise", "surprised"),
)
# Folder names and table labels that mark images without a label.
UNLABELLED = ("unlabelled", "unlabeled")


def resolve(name: str, labels: Sequence[str]) -> str | None:
    """The label of the taxonomy that a name matches, in any case or as a synonym; None if it matches none."""
    return _meanings(tuple(labels)).get(_key(name))


def means_none(name: str, labels: Sequence[str]) -> bool:
    """True if a name marks images without a label; false if the taxonomy has a label of that name."""
    return _key(name) in UNLABELLED and resolve(name, labels) is None


def names_class(name: str, labels: Sequence[str]) -> bool:
    """True if a folder of that name contains images of one label, or of none."""
    return resolve(name, labels) is not None or means_none(name, labels)


def shares(counts: Mapping[str, float], labels: Sequence[str]) -> list[float] | None:
    """Votes by name as shares over the taxonomy, in its order; None if no vote is for one of its labels."""
    total = dict.fromkeys(labels, 0.0)
    for name, count in counts.items():
        label = resolve(name, labels)
        if label is not None:
            total[label] += count
    votes = sum(total.values())
    return [total[label] / votes for label in labels] if votes > 0 else None


def line_to_add(collection: str, labels: Sequence[str], new: Iterable[str]) -> str:
    """Line for params.yaml that adds new labels."""
    known = list(dict.fromkeys([*labels, *new]))
    names = yaml.safe_dump(known, default_flow_style=True, allow_unicode=True, width=10_000).strip()
    return f"in params.yaml, under collections.{collection}, write  labels: {names}"


@lru_cache(maxsize=32)
def _meanings(labels: tuple[str, ...]) -> dict[str, str]:
    meanings: dict[str, str] = {}
    for words in SYNONYMS:
        kept = next((label for label in labels if _key(label) in words), None)
        if kept is not None:
            meanings |= dict.fromkeys(words, kept)
    return meanings | {_key(label): label for label in labels}


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", name).strip().casefold())
