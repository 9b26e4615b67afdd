"""The n-gram cache of a draft, compared with the mixture written out by hand."""

import numpy as np
import pytest

from rushes.bundle.manifest import BundleError
from rushes.script.ngram_cache import CacheRules, Remembering, RunCache

RULES = CacheRules(weights=(0.1, 0.2, 0.3, 0.4), discount=0.5)
SIGNS = "abcdr"
ABRA = [SIGNS.index(sign) for sign in "abracadabra"]


class Flat:
    """A network with uniform predictions."""

    resets = 0

    def reset(self):
        """Counts the calls."""
        self.resets += 1

    def feed(self, _token, *, is_own=False):
        """Logits of a constant height."""
        return np.full(len(SIGNS), 7.0, np.float32)


def cache_of(tokens):
    """The cache of a text."""
    cache = RunCache(len(SIGNS), RULES)
    cache.extend(tokens)
    return cache


def by_hand(text, weights, discount):
    """Weight and shares of the next character of a lower-case text, recounted from the whole text."""
    shares, known = dict.fromkeys(SIGNS, 1 / len(SIGNS)), -1
    for length in range(len(weights)):
        run = text[len(text) - length :]
        after = [text[i + length] for i in range(len(text) - length) if text[i : i + length] == run]
        if not after:
            break
        known = length
        shares = {
            sign: (max(0, after.count(sign) - discount) + discount * len(set(after)) * shares[sign]) / len(after)
            for sign in SIGNS
        }
    return weights[max(0, known)], shares


@pytest.mark.parametrize("text", ["", "a", "ab", "abra", "abracadabr", "abracadabra", "aaaa", "cdcdcdrb"])
def test_it_foretells_as_counted_by_hand(text):
    """The share of every character, singly and together, and the weight by the longest run seen before."""
    cache = cache_of([SIGNS.index(sign) for sign in text])
    weight, shares = by_hand(text, RULES.weights, RULES.discount)
    mixed_v = np.exp(cache.mixed(np.log(np.array([0.5, 0.2, 0.1, 0.1, 0.1], np.float32))))

    for token, sign in enumerate(SIGNS):
        assert cache.share_of(token) == pytest.approx((weight, shares[sign]))
    assert mixed_v == pytest.approx(
        [(1 - weight) * own + weight * shares[sign] for own, sign in zip((0.5, 0.2, 0.1, 0.1, 0.1), SIGNS, strict=True)]
    )
    assert mixed_v.sum() == pytest.approx(1.0)


def test_what_a_text_has_said_comes_back():
    """After `abracad` a `b` follows the a as before, whatever the network predicts; a new text has an empty cache."""
    network = Remembering(Flat(), RunCache(len(SIGNS), RULES))
    logits_v = [network.feed(token) for token in ABRA[:9]][-1]

    assert int(logits_v.argmax()) == SIGNS.index("r")
    assert np.ptp(Remembering(Flat(), RunCache(len(SIGNS), RULES)).feed(0)) < np.ptp(logits_v) / 3


def test_a_new_scene_keeps_the_cache():
    """The network is reset at the beginning of a scene, the cache is not."""
    flat = Flat()
    network = Remembering(flat, cache_of(ABRA[:-1]))
    network.reset()

    assert flat.resets == 1
    assert int(network.feed(SIGNS.index("a")).argmax()) == SIGNS.index("c")  # as after the first `bra`


def test_what_it_has_written_itself_is_not_learned():
    """Planted: an error, `abrac` with its `c` twice. It is read, so that runs are those of the text, but not stored."""
    given, own = (Remembering(Flat(), cache_of(ABRA)) for _ in range(2))
    slip = [SIGNS.index(sign) for sign in "abracc"]
    for token in slip:
        given.feed(token)
        own.feed(token, is_own=True)
    after_c = [[network.feed(token, is_own=True) for token in slip[:5]][-1] for network in (given, own)]

    assert after_c[0][SIGNS.index("c")] > after_c[1][SIGNS.index("c")] + 0.3
    assert int(after_c[1].argmax()) == SIGNS.index("a")


def test_a_token_that_cannot_be_is_not_drawn():
    """With a certain network and a zero weight, the logarithm of zero raises no warning."""
    none = CacheRules(weights=(0.0,), discount=0.5)

    assert RunCache(2, none).mixed(np.array([0.0, -2000.0], np.float32))[1] == -np.inf


@pytest.mark.parametrize(
    "given",
    [{"weights": [], "discount": 0.5}, {"weights": [1.0], "discount": 0.5}, {"weights": [0.1], "discount": -0.1}],
)
def test_rules_that_are_no_shares_are_refused(given):
    """Such a manifest is refused."""
    with pytest.raises(BundleError, match="shares below 1"):
        CacheRules.read(given)
