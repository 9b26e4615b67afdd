"""A small clean set of scripts by lot, and what is learned from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from curation.store.sample_set import write_text_set
from models.script.encode import encode
from models.script.params import AugmentParams
from rushes.screenplay.fountain import write
from tests.support.scripts import scene

DOCUMENTS = {"train": ("ferry", "well"), "validation": ("mill",), "test": ("tower", "quay")}
SCENES = 4


def packed(folder):
    """Each document has four scenes."""
    tables, arrays = [], {}
    for seed, (split, documents) in enumerate(DOCUMENTS.items()):
        names = [(document, number) for document in documents for number in range(SCENES)]
        content = [write(scene(100 * seed + place)).encode() for place in range(len(names))]
        lengths = np.array([len(one) for one in content])
        tables.append(
            pd.DataFrame(
                {
                    "id": [f"{document}-{number:04d}" for document, number in names],
                    "group": [document for document, _ in names],
                    "row": np.arange(len(names)),
                    "offset": lengths.cumsum() - lengths,
                    "length": lengths,
                }
            ).assign(split=split)
        )
        arrays[split] = np.frombuffer(b"".join(content), np.uint8)
    table = pd.concat(tables, ignore_index=True)
    table = table.assign(sha256=table["id"], source="own", label="comedies", kept=True, reason="")
    table = table.assign(performer=None, votes=None)
    return write_text_set(folder, table, arrays, {"labels": ["comedies"], "medium": "script"})


@pytest.fixture
def clean(tmp_path):
    """The clean set."""
    return packed(tmp_path / "clean")


@pytest.fixture
def samples(clean, tmp_path):
    """The training set."""
    return encode(clean, AugmentParams(), tmp_path / "set", lambda _asset: b"")
