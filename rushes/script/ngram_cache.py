"""Cache language model (Kuhn and De Mori 1990) over the text so far: names, places and phrases recur.

A network knows the text that it was trained on, but forgets what is new in this text, such as the names of the
characters, after some lines. A cache language model predicts the next character from the continuations of the same run
of characters earlier in the text, at any distance; both predictions are mixed with weights that depend on the length of
that run. The prediction of the cache interpolates all run lengths with absolute discounting (Ney et al. 1994).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rushes.bundle.manifest import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rushes.script.request import Network


@dataclass(frozen=True)
class CacheRules:
    """Weights of a cache in the mixture.

    Attributes:
        weights: Weight of the cache by the number of last characters that occurred in the text before, in the same
            order and with a continuation, from 0 on. One more than the length of the longest run that is searched for.
        discount: Amount subtracted from each count in favour of unseen characters.
    """

    weights: tuple[float, ...]
    discount: float

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> CacheRules:
        """Parses the rules of a manifest.

        Raises:
            BundleError: The values are not shares between 0 and 1.
        """
        try:
            weights, discount = tuple(float(weight) for weight in given["weights"]), float(given["discount"])
        except (KeyError, TypeError, ValueError) as error:
            message = f"a cache needs weights and a discount ({error})"
            raise BundleError(message) from error
        rules = cls(weights, discount)
        if not rules.weights or not all(0.0 <= share < 1.0 for share in (*rules.weights, rules.discount)):
            message = f"a cache has the weights {rules.weights} and the discount {rules.discount}: shares below 1"
            raise BundleError(message)
        return rules


class RunCache:
    """The cache of one text, character by character.

    Args:
        vocabulary: V, the number of tokens; at most 256.
        rules: Weights in the mixture.
    """

    def __init__(self, vocabulary: int, rules: CacheRules) -> None:
        self._vocabulary, self._rules = vocabulary, rules
        self._longest = len(rules.weights) - 1
        self._after: dict[bytes, dict[int, int]] = {}
        self._last = b""

    def push(self, token: int, *, learned: bool = True) -> None:
        """Adds the next character of the text; with `learned` False it becomes context, but is not counted."""
        # Counts the character after each run length, from the longest run to the empty one.
        for start in range(len(self._last) + 1) if learned else ():
            counts = self._after.setdefault(self._last[start:], {})
            counts[token] = counts.get(token, 0) + 1
        self._last = (self._last + bytes([token]))[-self._longest :] if self._longest else b""

    def extend(self, tokens: Iterable[int]) -> None:
        """Adds several characters."""
        for token in tokens:
            self.push(token)

    def mixed(self, logits_v: np.ndarray) -> np.ndarray:
        """Logits of a network, float32 V, mixed with the cache's prediction: log-probabilities, float32 V."""
        # Softmax of the logits, then p = (1 - w) p_network + w p_cache.
        shares_v = np.exp(logits_v.astype(np.float64) - logits_v.max())
        shares_v /= shares_v.sum()
        weight, own_v = self._forecast()
        with np.errstate(divide="ignore"):  # a probability that rounds to 0 is never drawn
            return np.log((1.0 - weight) * shares_v + weight * own_v).astype(np.float32)  # type: ignore[no-any-return]  # of NumPy

    def share_of(self, token: int) -> tuple[float, float]:
        """Weight of the cache, and the probability that it gives to one character."""
        # Interpolates from the uniform distribution over the empty run up to the longest known run.
        share, known = 1.0 / self._vocabulary, self._known()
        for counts in known:
            total = sum(counts.values())
            seen = max(0.0, counts.get(token, 0) - self._rules.discount)
            share = (self._rules.discount * len(counts) * share + seen) / total
        return self._weight(known), share

    def _forecast(self) -> tuple[float, np.ndarray]:
        # The same interpolation as in share_of, for all characters at once.
        shares_v, known = np.full(self._vocabulary, 1.0 / self._vocabulary), self._known()
        for counts in known:
            seen = np.fromiter(counts.values(), np.float64, len(counts))
            shares_v *= self._rules.discount * len(counts)
            shares_v[list(counts)] += seen - self._rules.discount
            shares_v /= seen.sum()
        return self._weight(known), shares_v

    def _known(self) -> list[dict[int, int]]:
        """Counts of the continuations of the last characters, from the empty run to the longest that has any."""
        known = []
        for start in range(len(self._last), -1, -1):
            counts = self._after.get(self._last[start:])
            if counts is None:
                break
            known.append(counts)
        return known

    def _weight(self, known: list[dict[int, int]]) -> float:
        return self._rules.weights[max(0, len(known) - 1)]


class Remembering:
    """A network combined with a cache of its input, so that a draft can reuse its own words from scene to scene.

    Args:
        network: Network whose logits are mixed with the cache's prediction.
        cache: Cache of the draft.
    """

    def __init__(self, network: Network, cache: RunCache) -> None:
        self._network, self._cache = network, cache

    def reset(self) -> None:
        """Resets the state of the network; the cache is kept."""
        self._network.reset()

    def feed(self, token: int, *, is_own: bool = False) -> np.ndarray:
        """Logits after one more token, float32 V.

        Characters that the network has written itself are not counted: its errors would be reinforced.
        """
        logits_v = self._network.feed(token)
        self._cache.push(token, learned=not is_own)
        return self._cache.mixed(logits_v)
