"""Cache language model (Kuhn and De Mori 1990) over the text so far: names, places and turns of speech come back.

A network knows the text that it has learned; what is new in this one (who the people are, what they call each other)
it forgets after some lines. A cache language model (Kuhn and De Mori 1990) foretells the next character by how the
text itself went on after the same run of characters, as far back as it goes; both forecasts are mixed by how long that
run is. The cache's own forecast is an interpolation of all run lengths with absolute discounting (Ney et al. 1994).
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
        weights: Its share of the mixture, by how many of the last characters have stood in the text before, in the
            same order and with something after them: none first. As many as the longest run that is looked for, and
            one.
        discount: What is taken from each count for what has not been seen.
    """

    weights: tuple[float, ...]
    discount: float

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> CacheRules:
        """Out of a manifest.

        Raises:
            BundleError: Not shares between 0 and 1.
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
        vocabulary: V, how many tokens there are; 256 at most.
        rules: How much it has to say.
    """

    def __init__(self, vocabulary: int, rules: CacheRules) -> None:
        self._vocabulary, self._rules = vocabulary, rules
        self._longest = len(rules.weights) - 1
        self._after: dict[bytes, dict[int, int]] = {}
        self._last = b""

    def push(self, token: int, *, learned: bool = True) -> None:
        """Takes the next character of the text; with `learned` false it is read, but not kept."""
        for start in range(len(self._last) + 1) if learned else ():
            counts = self._after.setdefault(self._last[start:], {})
            counts[token] = counts.get(token, 0) + 1
        self._last = (self._last + bytes([token]))[-self._longest :] if self._longest else b""

    def extend(self, tokens: Iterable[int]) -> None:
        """Takes some."""
        for token in tokens:
            self.push(token)

    def mixed(self, logits_v: np.ndarray) -> np.ndarray:
        """The logits of a network, float32 V, with what the cache has to say: logarithms of shares, float32 V."""
        shares_v = np.exp(logits_v.astype(np.float64) - logits_v.max())
        shares_v /= shares_v.sum()
        weight, own_v = self._forecast()
        with np.errstate(divide="ignore"):  # a share that rounds to nothing is never drawn
            return np.log((1.0 - weight) * shares_v + weight * own_v).astype(np.float32)  # type: ignore[no-any-return]  # of NumPy

    def share_of(self, token: int) -> tuple[float, float]:
        """The weight of the cache's forecast, and the share that it gives to one character."""
        share, known = 1.0 / self._vocabulary, self._known()
        for counts in known:
            total = sum(counts.values())
            seen = max(0.0, counts.get(token, 0) - self._rules.discount)
            share = (self._rules.discount * len(counts) * share + seen) / total
        return self._weight(known), share

    def _forecast(self) -> tuple[float, np.ndarray]:
        shares_v, known = np.full(self._vocabulary, 1.0 / self._vocabulary), self._known()
        for counts in known:
            seen = np.fromiter(counts.values(), np.float64, len(counts))
            shares_v *= self._rules.discount * len(counts)
            shares_v[list(counts)] += seen - self._rules.discount
            shares_v /= seen.sum()
        return self._weight(known), shares_v

    def _known(self) -> list[dict[int, int]]:
        """Counts of what followed the last characters, the empty run first, as long as there are any."""
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
    """A network and the cache of what it is given: what a draft has said it finds again, from scene to scene.

    Args:
        network: Whose logits are mixed with the cache's.
        cache: That of the draft.
    """

    def __init__(self, network: Network, cache: RunCache) -> None:
        self._network, self._cache = network, cache

    def reset(self) -> None:
        """The network forgets all; the cache does not."""
        self._network.reset()

    def feed(self, token: int, *, is_own: bool = False) -> np.ndarray:
        """The logits after one more token, float32 V.

        What the network has written itself it does not remember: a slip would come back as if somebody had meant it.
        """
        logits_v = self._network.feed(token)
        self._cache.push(token, learned=not is_own)
        return self._cache.mixed(logits_v)
