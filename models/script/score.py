"""Scores of an exported bundle: bits a character on held-out documents, and metrics of scenes that it writes.

Legend: N pieces of text, K characters of a window, V vocabulary, S numbers of the state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.components.held_out import held_out
from models.family import Scores, Sheet
from models.script.network import NOTHING
from models.script.texts import ParsedScene, mood, parsed_scenes
from rushes.inference.session import open_graph
from rushes.screenplay.fountain import parse, write
from rushes.script.length import Length
from rushes.script.markup import control, encoded, learned
from rushes.script.ngram_cache import CacheRules, RunCache
from rushes.script.request import Request
from rushes.script.vocabulary import Spelling
from rushes.script.writer import ScriptWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from common.assets import Read
    from curation.store.sample_set import SampleSet
    from rushes.bundle.manifest import Bundle
    from rushes.screenplay.elements import Element

PIECE, WARM_UP, WINDOW = 1024, 256, 64
MOST_PIECES, MOST_WINDOWS = 128, 2048  # read at most, evenly spread over the split
UNSPELLED_BITS = 8.0  # charged for a character that is not in the vocabulary
WRITTEN = 8  # scenes
WORDS = 150  # of each
SEED = 7


@dataclass(frozen=True)
class ScoredDocument:
    """The text of a document to be predicted, with its origin."""

    name: str
    source: str
    label: str
    text: str


def score(bundle: Bundle, samples: SampleSet, split: str, _read: Read) -> Scores:
    """Scores a bundle on a split, with the bundle's own vocabulary.

    Returns:
        rows: One a piece of a document: id, group (the document), source, label, bits, characters.
        metrics: neg_bits_per_character (state carried through a document), bits_per_character_64 (windows of 64
            characters, each without context), unspelled (share of characters that are not in the vocabulary), and for
            scenes written for held-out headings and casts: valid, distinct_2, repeated_lines, verbatim_share,
            verbatim_longest.
        texts: Some of these scenes.

    Raises:
        ScoreError: The split is empty.
    """
    rows = held_out(samples, split)
    scenes = parsed_scenes(rows, samples.texts(split))
    documents = _documents(scenes, rows)
    reader = BatchedGraph(bundle.path("graph"), bundle.manifest.input)
    pieces = reader.carried(documents)
    bits, count = reader.windows(documents)
    written = write_scenes(bundle, scenes)
    metrics = {
        BitsSaved.name: BitsSaved()(pieces),
        "bits_per_character_64": bits / max(1, count),
        "unspelled": float(pieces["unspelled"].sum() / pieces["characters"].sum()),
        **judged(list(written.values()), ScriptWriter.from_bundle(bundle)),
    }
    return Scores(pieces, metrics, texts=dict(list(written.items())[:4]))


def _documents(scenes: Sequence[ParsedScene], rows: pd.DataFrame) -> list[ScoredDocument]:
    sources = dict(zip(rows["group"], rows["source"], strict=True))
    documents = []
    for name in dict.fromkeys(scene.document for scene in scenes):
        own = [scene for scene in scenes if scene.document == name]
        text = "".join(control(mood=mood(one), characters=one.speakers) + encoded(one.elements) for one in own)
        documents.append(ScoredDocument(name, str(sources[name]), own[0].label, text))
    return documents


class BatchedGraph:
    """Reads texts with a bundle's graph, many pieces at a time.

    Args:
        graph: One step of the network.
        given: The input of its manifest: window, state, vocabulary, and the weights of a cache.
    """

    def __init__(self, graph: Path, given: Mapping[str, Any]) -> None:
        self.window, self.state = int(given["window"]), int(given["state"])
        self.cache = CacheRules.read(given["cache"]) if "cache" in given else None
        self.spelling = Spelling(given["vocabulary"])
        self.session = open_graph(graph, 0)

    def carried(self, documents: Sequence[ScoredDocument]) -> pd.DataFrame:
        """One row for each piece of 1,024 characters: up to 128 of all documents.

        The network starts 256 characters before a piece, the cache at the beginning of its document.
        """
        parts = []
        for document, ids, costs in self._all(documents):
            parts += [(document, ids, costs, start) for start in range(0, max(1, len(ids)), PIECE)]
        parts = [parts[place] for place in _spread(len(parts), MOST_PIECES)]
        places = [(ids, start) for _, ids, _, start in parts]
        bits_nt, counted_nt = self._read(places, PIECE, WARM_UP)
        self._remember(places, bits_nt, from_start=True)
        counts_n = counted_nt.sum(1)
        lost = np.array([costs[start : start + PIECE].sum() for _, _, costs, start in parts])
        return pd.DataFrame(
            {
                "id": [f"{document.name}:{start}" for document, _, _, start in parts],
                "group": [document.name for document, *_ in parts],
                "source": [document.source for document, *_ in parts],
                "label": [document.label for document, *_ in parts],
                "bits": bits_nt.sum(1) + UNSPELLED_BITS * lost,
                "characters": counts_n + lost,
                "unspelled": lost,
            }
        )

    def windows(self, documents: Sequence[ScoredDocument]) -> tuple[float, int]:
        """Bits and number of characters in windows of 64, each read without context; up to 2,048 of all documents."""
        read = self._all(documents)
        parts = [(ids, costs, start) for _, ids, costs in read for start in range(0, len(ids) - WINDOW, WINDOW)]
        parts = [parts[place] for place in _spread(len(parts), MOST_WINDOWS)]
        places = [(ids, start) for ids, _, start in parts]
        bits_nt, counted_nt = self._read(places, WINDOW, 0)
        self._remember(places, bits_nt, from_start=False)
        lost = sum(int(costs[start : start + WINDOW].sum()) for _, costs, start in parts)
        return float(bits_nt.sum()) + UNSPELLED_BITS * lost, int(counted_nt.sum()) + lost

    def _all(self, documents: Sequence[ScoredDocument]) -> list[tuple[ScoredDocument, np.ndarray, np.ndarray]]:
        return [(document, *self._spelled(document.text)) for document in documents]

    def _spelled(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Tokens, and for each the number of preceding characters that are not in the vocabulary."""
        ids, costs, lost = [], [], 0
        spelled = cache(self.spelling.tokens)  # text has few different characters
        for sign in text:
            tokens = spelled(sign)
            lost += not tokens
            for token in tokens:
                ids.append(token)
                costs.append(lost)
                lost = 0
        return np.array(ids, np.int64), np.array(costs, np.int64)

    def _read(self, parts: Sequence[tuple[np.ndarray, int]], size: int, warm_up: int) -> tuple[np.ndarray, np.ndarray]:
        """Bits N,size of the characters after each start, and which of them exist.

        Up to `warm_up` characters before the start are read first; with 0 there is no context.
        """
        # Pad in front, so that every window has its full length.
        ids_nx = np.stack([_cut(ids, start - warm_up, warm_up + size + 1) for ids, start in parts])
        before_nk = np.zeros((len(parts), self.window - 1), np.int64)
        ids_nx = np.concatenate([before_nk, ids_nx], 1)
        state_ns = np.zeros((len(parts), self.state), np.float32)
        bits_nt, counted_nt = np.zeros((len(parts), size)), np.zeros((len(parts), size), bool)
        for step in range(warm_up + size):
            window_nk = np.ascontiguousarray(ids_nx[:, step : step + self.window])
            logits_nv, state_ns = self.session.run(None, {"window": window_nk, "state": state_ns})
            state_ns[window_nk[:, -1] == NOTHING] = 0.0  # reset the state before the beginning of the text
            after_n = ids_nx[:, step + self.window]
            if step >= warm_up:
                counted_nt[:, step - warm_up] = after_n != NOTHING
                bits_nt[:, step - warm_up] = np.where(after_n != NOTHING, _surprise(logits_nv, after_n), 0.0)
        return bits_nt, counted_nt

    def _remember(self, parts: Sequence[tuple[np.ndarray, int]], bits_nt: np.ndarray, *, from_start: bool) -> None:
        """Mixes the predictions of the cache into the bits of parts of texts, in the order of the texts.

        With `from_start` the cache has read each text from its beginning, otherwise only the part.
        """
        if self.cache is None:
            return
        texts = {id(ids): ids.astype(np.uint8).tobytes() for ids, _ in parts}
        places = tuple((list(texts).index(id(ids)), start) for ids, start in parts)
        size, vocabulary = bits_nt.shape[1], len(self.spelling.vocabulary)
        found = _forecasts(self.cache, vocabulary, tuple(texts.values()), places, size, from_start=from_start)
        for bits_t, forecasts_t2 in zip(bits_nt, found, strict=True):
            bits_t[: len(forecasts_t2)] = _mixed(bits_t[: len(forecasts_t2)], forecasts_t2)


@lru_cache(maxsize=2)
def _forecasts(
    rules: CacheRules,
    vocabulary: int,
    texts: tuple[bytes, ...],
    places: tuple[tuple[int, int], ...],
    size: int,
    *,
    from_start: bool,
) -> list[np.ndarray]:
    """Weight and share of the cache for the characters after each place (text, start), T,2 each.

    Kept for the next bundle that is scored on the same texts: no network has a part in them, and they take as long as
    the network.
    """
    found, cache, text, at = [], RunCache(0, rules), -1, 0
    for number, start in places:
        # Start a new cache for a new text, and feed it everything up to the part.
        ids = texts[number]
        if number != text or not from_start:
            cache, text, at = RunCache(vocabulary, rules), number, 0 if from_start else start
        cache.extend(ids[at : start + 1])
        at = min(start + 1 + size, len(ids))
        found.append(_forecast(cache, ids[start + 1 : at]))
    return found


def _forecast(cache: RunCache, ids: Iterable[int]) -> np.ndarray:
    """Weight and share of the cache for each character, T,2; the cache reads each one after predicting it."""
    found = []
    for token in ids:
        found.append(cache.share_of(token))
        cache.push(token)
    return np.array(found).reshape(-1, 2)


def _mixed(bits_t: np.ndarray, forecasts_t2: np.ndarray) -> np.ndarray:
    """Bits of p = (1 - w) p_network + w p_cache."""
    weights_t, shares_t = forecasts_t2.T
    mixed_t: np.ndarray = -np.log2((1.0 - weights_t) * 2.0**-bits_t + weights_t * shares_t)
    return mixed_t


def remembered(cache: RunCache, ids: np.ndarray, bits_t: np.ndarray) -> list[float]:
    """Bits of characters with a cache mixed in."""
    read = ids[: len(bits_t)].tolist()
    return list(_mixed(bits_t[: len(read)], _forecast(cache, read)).tolist())


def _cut(ids: np.ndarray, start: int, count: int) -> np.ndarray:
    """`count` ids from a start on, padded with NOTHING outside of the text."""
    cut = np.full(count, NOTHING, np.int64)
    first, last = max(0, start), min(len(ids), start + count)
    cut[first - start : last - start] = ids[first:last]
    return cut


def _spread(count: int, most: int) -> np.ndarray:
    """Evenly spread positions, at most so many."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)) if count else np.zeros(0, int)


def _surprise(logits_nv: np.ndarray, ids_n: np.ndarray) -> np.ndarray:
    # -log2 softmax, shifted by the maximum so that exp does not overflow.
    highest_n1 = logits_nv.max(1, keepdims=True)
    sums_n = np.log(np.exp(logits_nv - highest_n1).sum(1)) + highest_n1[:, 0]
    found: np.ndarray = (sums_n - logits_nv[np.arange(len(ids_n)), ids_n]) / math.log(2.0)
    return found


def write_scenes(bundle: Bundle, scenes: Sequence[ParsedScene]) -> dict[str, str]:
    """Scenes written for held-out headings and casts, by request."""
    writer = ScriptWriter.from_bundle(bundle)
    able = [scene for scene in scenes if scene.heading and 2 <= len(scene.speakers) <= 12]  # noqa: PLR2004  # a dialogue scene
    places = np.linspace(0, len(able) - 1, min(WRITTEN, len(able))).astype(int)
    written = {}
    for number, place in enumerate(places):
        scene = able[place]
        request = Request(
            mood=mood(scene),
            characters=tuple(scene.speakers[:4]),
            heading=scene.heading,
            length=Length(WORDS, "words"),
            seed=SEED + number,
        )
        asked = f"{scene.heading}; {', '.join(request.characters)}"
        again = f" ({number + 1})" if asked in written else ""  # same people, same place
        written[asked + again] = "".join(writer.write(request))
    return written


def judged(texts: Sequence[str], writer: ScriptWriter) -> dict[str, float]:
    """Automatic metrics of written scenes.

    Returns:
        valid: Share of texts that are valid scenes: they survive parsing and writing unchanged, begin with a heading,
            and every cue has dialogue.
        distinct_2: Share of distinct word bigrams (Li et al. 2016).
        repeated_lines: Share of spoken lines that occurred before.
        verbatim_share: Share of words in runs of eight or more that occur in the training text.
        verbatim_longest: Number of words in the longest such run.
    """
    spoken = [line for text in texts for one in parse(text) if one.kind == "dialogue" for line in one.text.split("\n")]
    words = [word for text in texts for word in text.lower().split()]
    pairs = list(pairwise(words))
    found = [writer.memorization.runs(text) for text in texts]
    return {
        "valid": float(np.mean([is_scene(text) for text in texts])) if texts else 0.0,
        "distinct_2": len(set(pairs)) / max(1, len(pairs)),
        "repeated_lines": 1.0 - len(set(spoken)) / max(1, len(spoken)),
        "verbatim_share": float(np.mean([one.share for one in found])) if found else 0.0,
        "verbatim_longest": float(max((one.longest for one in found), default=0)),
    }


def is_scene(text: str) -> bool:
    """True if a text is one scene, in canonical Fountain."""
    elements = parse(text)
    if not elements or elements[0].kind != "heading" or write(elements) != text:
        return False
    if len(learned(elements)) < len(elements):  # notes and similar, which were not requested
        return False
    kinds = [one.kind for one in elements]
    return kinds.count("heading") == 1 and _speaks(elements)


def _speaks(elements: Sequence[Element]) -> bool:
    after = dict(zip(range(len(elements)), elements[1:], strict=False))
    return all(
        place in after and after[place].kind in {"dialogue", "parenthetical"}
        for place, one in enumerate(elements)
        if one.kind in {"character", "parenthetical"}
    )


class BitsSaved:
    """Bits a character, negated: higher is better."""

    name = "neg_bits_per_character"

    def __call__(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> float:
        """The metric over rows, each counted `weights` times."""
        weight_n = np.ones(len(rows)) if weights is None else weights
        characters = float((rows["characters"].to_numpy() * weight_n).sum())
        return -float((rows["bits"].to_numpy() * weight_n).sum()) / max(1.0, characters)

    def worst(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> dict[str, float]:
        """The metric of each label."""
        weight_n = np.ones(len(rows)) if weights is None else weights
        labels = rows["label"].to_numpy()
        return {str(label): self(rows[labels == label], weight_n[labels == label]) for label in sorted(set(labels))}

    def shared(self, first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both tables unchanged: the texts do not depend on the models' labels."""
        return first, second


def agreement_of_next(truth: np.ndarray, compressed: np.ndarray) -> dict[str, float]:
    """Difference between a compressed step and the trained one.

    Args:
        truth: Logits N,V of the trained network.
        compressed: Logits N,V of the compressed graph.

    Returns:
        compressed_bits: Kullback-Leibler divergence of the next character's probabilities, in bits.
        compressed_agreement: Share of places with the same most probable character.
    """
    # KL(truth || compressed) with log-softmax of both.
    shares_nv = np.exp(truth - truth.max(1, keepdims=True)).astype(np.float64)
    shares_nv /= shares_nv.sum(1, keepdims=True)
    logs = [one - one.max(1, keepdims=True) for one in (truth, compressed)]
    first, second = (one - np.log(np.exp(one).sum(1, keepdims=True)) for one in logs)
    return {
        "compressed_bits": float((shares_nv * (first - second)).sum(1).mean() / math.log(2.0)),
        "compressed_agreement": float((compressed.argmax(1) == truth.argmax(1)).mean()),
    }


def draw(_scores: Scores, _samples: SampleSet, _split: str) -> list[Sheet]:
    """No sheets: the written texts are in the scores."""
    return []
