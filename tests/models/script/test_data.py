"""Batches: each place in the text goes on where it was, and processes share the places."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.script.data import Contiguous, InTurn
from rushes.errors import MisuseError

DOCUMENTS = (np.arange(1, 101, dtype=np.uint8), np.arange(101, 251, dtype=np.uint8))


def contiguous(**changes):
    """A small epoch."""
    return Contiguous(**({"documents": DOCUMENTS, "batch_size": 4, "steps": 5, "seed": 0} | changes))


def test_a_place_goes_on_where_it_was():
    """The last target is the first input of the next batch."""
    for first, second in pairwise(contiguous()):
        assert (second.ids_nt[:, 0] == first.targets_nt[:, -1]).all()


def test_what_is_foretold_is_what_comes_next():
    """Planted: in a text that counts up, a target is one more than what is read."""
    batch = next(iter(contiguous(documents=(np.arange(1, 250, dtype=np.uint8),))))

    assert (batch.targets_nt == batch.ids_nt + 1).all()
    assert batch.step == 0


def test_an_epoch_has_another_order_and_the_same_seed_the_same():
    """Documents come in an order that seed and epoch decide, and no global state."""
    first = [batch.ids_nt.tolist() for batch in contiguous(epoch=lambda: 0)]
    np.random.default_rng(5).random()
    again = [batch.ids_nt.tolist() for batch in contiguous(epoch=lambda: 0)]
    other = [batch.ids_nt.tolist() for batch in contiguous(epoch=lambda: 3)]

    assert first == again
    assert first != other


def test_processes_share_the_places():
    """Two processes read what one reads, each its own half."""
    whole = list(contiguous())
    parts = [list(contiguous(rank=rank, world_size=2)) for rank in range(2)]

    for one, *halves in zip(whole, *parts, strict=True):
        assert one.ids_nt.tolist() == [row for half in halves for row in half.ids_nt.tolist()]
    with pytest.raises(MisuseError, match="3 places in the text do not divide among 2 processes") as refused:
        contiguous(batch_size=3, world_size=2)
    assert refused.value.remedy == "set train.batch_size in params.yaml to a multiple of 2"


def test_validation_foretells_each_character_once():
    """All but the first of the text, and nothing of the padding."""
    text = np.arange(1, 200, dtype=np.int64)
    targets = np.concatenate([batch.targets_nt.numpy().ravel() for batch in InTurn(text)])

    assert sorted(targets[targets >= 0].tolist()) == text[1:].tolist()
