import numpy as np
import pytest

from rushes.bundle.manifest import BundleError
from rushes.script.memorization import Found, MemorizationFilter, build

RANDOM = np.random.default_rng(0)
WORDS = ["".join(RANDOM.choice(list("abcdefghij"), 6)) for _ in range(20_000)]
NOVEL = ["".join(RANDOM.choice(list("klmnopqrst"), 6)) for _ in range(20_000)]
CONTENT = build(" ".join(WORDS))


@pytest.fixture(scope="module")
def known():
    """The filter over twenty thousand words."""
    return MemorizationFilter(CONTENT)


def test_a_copied_passage_shows(known):
    """Its length, and its share of the words; case, punctuation and line ends do not hide it."""
    passage = ",\n".join(WORDS[500:520]).upper() + "."
    found = known.runs(f"{' '.join(NOVEL[:30])} {passage} {' '.join(NOVEL[30:60])}")

    assert found == Found(20, 20 / 80)


@pytest.mark.parametrize(("count", "longest"), [(7, 0), (8, 8), (9, 9)])
def test_eight_words_are_a_run(known, count, longest):
    """Seven words are not."""
    assert known.runs(" ".join([*NOVEL[:9], *WORDS[50 : 50 + count], *NOVEL[9:18]])).longest == longest


def test_runs_that_touch_count_once(known):
    """The whole text is copied, in two pieces."""
    found = known.runs(" ".join([*WORDS[100:110], *WORDS[300:312]]))

    assert found == Found(12, 1.0)


def test_novel_text_is_novel(known):
    """About one in ten thousand runs of eight words is a false positive; single words do not match."""
    shuffled = list(np.random.default_rng(1).permutation(WORDS))

    assert known.runs(" ".join(NOVEL)).share < 0.005
    assert known.runs(" ".join(shuffled)).share < 0.005
    assert known.runs("") == known.runs("Only a few words.") == Found(0, 0.0)


def test_the_filter_is_small_and_always_the_same():
    """About 1.2 bytes per word."""
    assert len(CONTENT) < 1.25 * len(WORDS)
    assert build(" ".join(WORDS)) == CONTENT
    assert build("") == build("word")


def test_accents_are_letters():
    """Non-English letters are hashed like any others."""
    text = "Où étiez-vous donc, là-bas, quand l\u2019été est venu à la mer?"

    assert MemorizationFilter(build(text)).runs(text.upper()) == Found(13, 1.0)


@pytest.mark.parametrize("content", [b"", b"RVB1", b"RVB2" + CONTENT[4:], CONTENT[:-1], CONTENT + b"x"])
def test_what_is_no_filter_is_refused(content):
    """Truncated, or in another format."""
    with pytest.raises(BundleError, match="filter"):
        MemorizationFilter(content)
