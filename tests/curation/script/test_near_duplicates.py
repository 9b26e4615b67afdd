"""Copies are found by the runs of words that texts share."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.script.near_duplicates import leaders_of, runs_of, shared
from tests.support.scripts import ENGLISH


def text(seed, length=200):
    return " ".join(random.Random(seed).choices(ENGLISH.split(), k=length))  # noqa: S311  random words


def changed(words, every):
    return " ".join("other" if place % every == 0 else word for place, word in enumerate(words.split()))


def test_case_signs_and_breaks_do_not_count():
    """The order of words does."""
    assert np.array_equal(runs_of("Who's there? Nay, answer me:"), runs_of("who's THERE\nnay answer -- me"))
    assert shared(runs_of("one two three four five six"), runs_of("six five four three two one")) == 0.0


def test_each_word_of_a_run_counts():
    """The first and the last included."""
    runs = {int(runs_of(line)[0]) for line in ("a b c d e", "x b c d e", "a b x d e", "a b c d x")}

    assert len(runs) == 4


@given(st.lists(st.sampled_from(ENGLISH.split())))
def test_a_text_shares_all_with_itself(words):
    """Even a short one; an empty text shares nothing."""
    runs = runs_of(" ".join(words))

    assert shared(runs, runs) == (1.0 if words else 0.0)
    assert len(runs) <= max(1, len(words))


@pytest.mark.parametrize(("every", "similarity", "near"), [(40, 0.6, True), (6, 0.6, False), (20, 0.3, True)])
def test_a_few_changed_words_make_a_near_copy(every, similarity, near):
    """Many changed words make another text."""
    texts = [runs_of(one) for one in (text(1), text(2), changed(text(1), every))]

    assert leaders_of(texts, similarity)[2] == (0 if near else 2)


def test_the_first_of_a_chain_leads_and_no_copy_does():
    """C is like B and B like A, but C is not like A: C is kept when B is dropped."""
    words = text(3)
    a, b, c = (" ".join(words.split()[start : start + 100]) for start in (0, 25, 50))
    leaders = leaders_of([runs_of(one) for one in (a, b, c, "")], 0.5)

    assert list(leaders) == [0, 0, 2, 3]
