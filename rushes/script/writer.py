"""Writer of scripts: a request in, Fountain out, from the bundle alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rushes.bundle.manifest import BundleError
from rushes.inference.session import open_graph, run_graph
from rushes.script.constraints.cues import EXTENSIONS
from rushes.script.decoding import Writing
from rushes.script.draft import last_scene
from rushes.script.markup import encoded, learned
from rushes.script.memorization import MemorizationFilter
from rushes.script.ngram_cache import CacheRules, Remembering, RunCache
from rushes.script.vocabulary import Spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rushes.bundle.manifest import Bundle
    from rushes.script.request import Request

FAMILY = "script"
INPUTS, OUTPUTS = ("window", "state"), ("logits", "next_state")
REMEMBERED = 65_536  # maximum number of characters of a draft that the cache is fed: some forty pages


class GraphNetwork:
    """The graph of a bundle, fed one token after the other. One thread: a step is too short to be parallelised."""

    def __init__(self, graph: Path, *, window: int, state: int, vocabulary: int) -> None:
        self._graph, self._session = graph, open_graph(graph, threads=1)
        self._window_1k, self._state_1s = np.zeros((1, window), np.int64), np.zeros((1, state), np.float32)
        self._check(graph, vocabulary)

    def reset(self) -> None:
        """Resets the window and the state."""
        self._window_1k[:] = 0
        self._state_1s = np.zeros_like(self._state_1s)

    def feed(self, token: int, *, is_own: bool = False) -> np.ndarray:
        """Logits after one more token, float32 V; `is_own` has no effect without a cache."""
        del is_own
        self._window_1k[0, :-1] = self._window_1k[0, 1:]
        self._window_1k[0, -1] = token
        return np.asarray(self._run()[0])

    def _run(self) -> np.ndarray:
        feed: dict[str, np.ndarray] = {"window": self._window_1k, "state": self._state_1s}
        logits_1v, self._state_1s = run_graph(self._session, OUTPUTS, feed, self._graph)
        return np.asarray(logits_1v)

    def _check(self, graph: Path, vocabulary: int) -> None:
        inputs = {one.name for one in self._session.get_inputs()}
        outputs = {one.name for one in self._session.get_outputs()}
        if inputs != set(INPUTS) or not outputs.issuperset(OUTPUTS):
            message = f"{graph} takes {', '.join(sorted(inputs))} and gives {', '.join(sorted(outputs))}, "
            raise BundleError(message + f"not {' and '.join(INPUTS)}, and {' and '.join(OUTPUTS)}")
        shape = self._state_1s.shape
        logits_1v = self._run()
        if logits_1v.shape != (1, vocabulary) or self._state_1s.shape != shape or not np.isfinite(logits_1v).all():
            message = f"{graph} gives logits of {logits_1v.shape[1:]} and a state of {self._state_1s.shape[1:]}, "
            raise BundleError(message + f"not numbers for {vocabulary} tokens and a state of {shape[1]}")


class ScriptWriter:
    """The network of a bundle with its vocabulary, ready to write.

    Args:
        network: Network of the bundle.
        vocabulary: Characters of its tokens; the first stands for none.
        memorization: Memorisation filter of its training text.
        cache: Weights of a cache of the draft so far; None: no cache.
        extensions: Extensions of names in cues that the network has learned.
    """

    def __init__(
        self,
        network: GraphNetwork,
        vocabulary: Sequence[str],
        memorization: MemorizationFilter,
        cache: CacheRules | None = None,
        extensions: Sequence[str] = EXTENSIONS,
    ) -> None:
        self.spelling, self.memorization = Spelling(vocabulary), memorization
        self._network, self._cache = network, cache
        self.extensions = tuple(extensions)

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> ScriptWriter:
        """The writer that a bundle's manifest describes.

        Raises:
            BundleError: The manifest has no input, a file is missing, or one does not match the manifest.
        """
        given = bundle.manifest.input
        try:
            window, state = int(given["window"]), int(given["state"])
        except (KeyError, TypeError, ValueError) as error:
            message = f"{bundle.folder}: the manifest has no usable input ({error})"
            raise BundleError(message) from error
        try:
            vocabulary = _signs(given.get("vocabulary"))
            cache = CacheRules.read(given["cache"]) if "cache" in given else None
            extensions = _extensions(given.get("extensions", EXTENSIONS))
        except (BundleError, TypeError) as error:
            message = f"{bundle.folder}: the manifest has no usable input ({error})"
            raise BundleError(message) from error
        if window < 1 or state < 1:
            message = f"{bundle.folder}: the manifest has a window of {window} and a state of {state}"
            raise BundleError(message)
        path = bundle.path("verbatim")
        try:
            memorization = MemorizationFilter(path.read_bytes())
        except BundleError as error:
            message = f"{path} cannot be read: {error}"
            raise BundleError(message) from error
        network = GraphNetwork(bundle.path("graph"), window=window, state=state, vocabulary=len(vocabulary))
        return cls(network, vocabulary, memorization, cache, extensions)

    def write(self, request: Request, report: Callable[[str], None] = lambda _: None) -> Writing:
        """The draft in progress; iterate over it for its text.

        Raises:
            MisuseError: A requested name cannot be written.
            BundleError: The vocabulary cannot spell such a text.
        """
        return Writing(self.network_for(request), self.spelling, request, report, self.extensions)

    def network_for(self, request: Request) -> GraphNetwork | Remembering:
        """The network for a draft, with a cache of the draft so far."""
        if self._cache is None:
            return self._network
        cache = RunCache(len(self.spelling.vocabulary), self._cache)
        known = learned(request.before)
        read = 0 if request.heading.strip() else len(last_scene(request.before))  # elements in the prompt
        if before := known[: len(known) - read]:
            cache.extend(self.spelling.tokens(encoded(before))[-REMEMBERED:])
        return Remembering(self._network, cache)


def _extensions(given: Sequence[str]) -> tuple[str, ...]:
    unknown = [one for one in given if one not in EXTENSIONS]
    if unknown:
        message = f"extensions {unknown[0]!r}: known are {', '.join(map(repr, EXTENSIONS))}"
        raise BundleError(message)
    return tuple(given)


def _signs(given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(sign, str) for sign in given):
        message = "the vocabulary is not a list of signs"
        raise BundleError(message)
    if any(len(sign) != 1 for sign in given[1:]) or len(set(given)) != len(given):
        message = "the vocabulary is not a list of different signs"
        raise BundleError(message)
    return given
