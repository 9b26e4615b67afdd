"""The score of an exported bundle: bits a character on works that were held out, and what it writes for them.

Legend: N pieces of text, K characters of a window, V vocabulary, S numbers of the state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.family import Scores, Sheet
from models.script.network import NOTHING
from models.script.texts import Told, mood, told
from rushes.inference.session import open_graph
from rushes.screenplay.fountain import parse, write
from rushes.script.length import Length
from rushes.script.markup import control, encoded, learned
from rushes.script.ngram_cache import CacheRules, RunCache
from rushes.script.request import Request
from rushes.script.vocabulary import Spelling
from rushes.script.writer import ScriptWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curation.store.sample_set import SampleSet
    from models.family import Read
    from rushes.bundle.manifest import Bundle
    from rushes.screenplay.elements import Element

PIECE, WARM_UP, WINDOW = 1024, 256, 64
MOST_PIECES, MOST_WINDOWS = 128, 2048  # that are read: as many characters, evenly spread, of whatever there is
UNSPELLED_BITS = 8.0  # that a character costs which the vocabulary does not have
WRITTEN = 8  # scenes
WORDS = 150  # of each
SEED = 7


@dataclass(frozen=True)
class Work:
    """The text of a work as it is to be foretold, and which of its characters count."""

    name: str
    source: str
    label: str
    text: str


def score(bundle: Bundle, samples: SampleSet, split: str, _read: Read) -> Scores:
    """Scores a bundle on a split, with the bundle's own vocabulary.

    Returns:
        rows: A piece of a work each: id, group (the work), source, label, bits, characters.
        metrics: neg_bits_per_character (state carried through a work), bits_per_character_64 (windows of 64
            characters, each from nothing), unspelled (share of characters that the vocabulary lacks), and of scenes
            written for held-out headings and casts: valid, distinct_2, repeated_lines, verbatim_share,
            verbatim_longest.
        texts: Some of these scenes.
    """
    scenes = told(samples.kept(split), samples.texts(split))
    works = _works(scenes, samples.kept(split))
    reader = Reader(bundle.path("graph"), bundle.manifest.input)
    rows = reader.carried(works)
    bits, count = reader.windows(works)
    written = write_scenes(bundle, scenes)
    metrics = {
        BitsSaved.name: BitsSaved()(rows),
        "bits_per_character_64": bits / max(1, count),
        "unspelled": float(rows["unspelled"].sum() / rows["characters"].sum()),
        **judged(list(written.values()), ScriptWriter.from_bundle(bundle)),
    }
    return Scores(rows, metrics, texts=dict(list(written.items())[:4]))


def _works(scenes: Sequence[Told], rows: pd.DataFrame) -> list[Work]:
    sources = dict(zip(rows["group"], rows["source"], strict=True))
    works = []
    for name in dict.fromkeys(scene.work for scene in scenes):
        own = [scene for scene in scenes if scene.work == name]
        text = "".join(control(mood=mood(one), characters=one.speakers) + encoded(one.elements) for one in own)
        works.append(Work(name, str(sources[name]), own[0].label, text))
    return works


class Reader:
    """Reads texts with a bundle's graph, many pieces at a time.

    Args:
        graph: One step of the network.
        given: The input of its manifest: window, state, vocabulary, and how much a cache has to say.
    """

    def __init__(self, graph: Path, given: Mapping[str, Any]) -> None:
        self.window, self.state = int(given["window"]), int(given["state"])
        self.cache = CacheRules.read(given["cache"]) if "cache" in given else None
        self.spelling = Spelling(given["vocabulary"])
        self.session = open_graph(graph, 0)

    def carried(self, works: Sequence[Work]) -> pd.DataFrame:
        """A row for each piece of 1,024 characters: up to 128 of all works.

        The network reads from 256 characters before a piece on, the cache from the beginning of its work.
        """
        parts = []
        for work, ids, costs in self._all(works):
            parts += [(work, ids, costs, start) for start in range(0, max(1, len(ids)), PIECE)]
        parts = [parts[place] for place in _spread(len(parts), MOST_PIECES)]
        places = [(ids, start) for _, ids, _, start in parts]
        bits_nt, counted_nt = self._read(places, PIECE, WARM_UP)
        self._remember(places, bits_nt, from_start=True)
        counts_n = counted_nt.sum(1)
        lost = np.array([costs[start : start + PIECE].sum() for _, _, costs, start in parts])
        return pd.DataFrame(
            {
                "id": [f"{work.name}:{start}" for work, _, _, start in parts],
                "group": [work.name for work, *_ in parts],
                "source": [work.source for work, *_ in parts],
                "label": [work.label for work, *_ in parts],
                "bits": bits_nt.sum(1) + UNSPELLED_BITS * lost,
                "characters": counts_n + lost,
                "unspelled": lost,
            }
        )

    def windows(self, works: Sequence[Work]) -> tuple[float, int]:
        """Bits, and of how many characters: windows of 64, each read from nothing; up to 2,048 of all works."""
        parts = [
            (ids, costs, start) for _, ids, costs in self._all(works) for start in range(0, len(ids) - WINDOW, WINDOW)
        ]
        parts = [parts[place] for place in _spread(len(parts), MOST_WINDOWS)]
        places = [(ids, start) for ids, _, start in parts]
        bits_nt, counted_nt = self._read(places, WINDOW, 0)
        self._remember(places, bits_nt, from_start=False)
        lost = sum(int(costs[start : start + WINDOW].sum()) for _, costs, start in parts)
        return float(bits_nt.sum()) + UNSPELLED_BITS * lost, int(counted_nt.sum()) + lost

    def _all(self, works: Sequence[Work]) -> list[tuple[Work, np.ndarray, np.ndarray]]:
        return [(work, *self._spelled(work.text)) for work in works]

    def _spelled(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """The tokens, and for each how many characters before it could not be spelled."""
        ids, costs, lost = [], [], 0
        for sign in text:
            tokens = self.spelling.tokens(sign)
            lost += not tokens
            for token in tokens:
                ids.append(token)
                costs.append(lost)
                lost = 0
        return np.array(ids, np.int64), np.array(costs, np.int64)

    def _read(self, parts: Sequence[tuple[np.ndarray, int]], size: int, warm_up: int) -> tuple[np.ndarray, np.ndarray]:
        """Bits N,size of the characters that follow those from each start on, and which of them there are.

        What stands up to `warm_up` characters before is read first; without, nothing before is seen.
        """
        ids_nx = np.stack([_cut(ids, start - warm_up, warm_up + size + 1) for ids, start in parts])
        before_nk = np.zeros((len(parts), self.window - 1), np.int64)
        ids_nx = np.concatenate([before_nk, ids_nx], 1)
        state_ns = np.zeros((len(parts), self.state), np.float32)
        bits_nt, counted_nt = np.zeros((len(parts), size)), np.zeros((len(parts), size), bool)
        for step in range(warm_up + size):
            window_nk = np.ascontiguousarray(ids_nx[:, step : step + self.window])
            logits_nv, state_ns = self.session.run(None, {"window": window_nk, "state": state_ns})
            state_ns[window_nk[:, -1] == NOTHING] = 0.0  # where the text has not begun nothing was read
            after_n = ids_nx[:, step + self.window]
            if step >= warm_up:
                counted_nt[:, step - warm_up] = after_n != NOTHING
                bits_nt[:, step - warm_up] = np.where(after_n != NOTHING, _surprise(logits_nv, after_n), 0.0)
        return bits_nt, counted_nt

    def _remember(self, parts: Sequence[tuple[np.ndarray, int]], bits_nt: np.ndarray, *, from_start: bool) -> None:
        """Mixes what the cache foretells into the bits of parts of texts, in the order of the texts.

        With `from_start` it has read a text from its beginning, otherwise only the part.
        """
        if self.cache is None:
            return
        cache, text, at = RunCache(0, self.cache), None, 0
        for (ids, start), bits_t in zip(parts, bits_nt, strict=True):
            if ids is not text or not from_start:
                cache, text, at = RunCache(len(self.spelling.vocabulary), self.cache), ids, 0 if from_start else start
            cache.extend(ids[at : start + 1].tolist())
            at = min(start + 1 + len(bits_t), len(ids))
            bits_t[: at - start - 1] = remembered(cache, ids[start + 1 : at], bits_t)


def remembered(cache: RunCache, ids: np.ndarray, bits_t: np.ndarray) -> list[float]:
    """The bits of some characters when a cache has a say in them; it takes each of them after it was foretold."""
    mixed = []
    for token, bits in zip(ids.tolist(), bits_t.tolist(), strict=False):
        weight, share = cache.share_of(token)
        mixed.append(-math.log2((1.0 - weight) * 2.0**-bits + weight * share))
        cache.push(token)
    return mixed


def _cut(ids: np.ndarray, start: int, count: int) -> np.ndarray:
    """So many ids from a start on; nothing where the text is not."""
    cut = np.full(count, NOTHING, np.int64)
    first, last = max(0, start), min(len(ids), start + count)
    cut[first - start : last - start] = ids[first:last]
    return cut


def _spread(count: int, most: int) -> np.ndarray:
    """Places among so many, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)) if count else np.zeros(0, int)


def _surprise(logits_nv: np.ndarray, ids_n: np.ndarray) -> np.ndarray:
    highest_n1 = logits_nv.max(1, keepdims=True)
    sums_n = np.log(np.exp(logits_nv - highest_n1).sum(1)) + highest_n1[:, 0]
    found: np.ndarray = (sums_n - logits_nv[np.arange(len(ids_n)), ids_n]) / math.log(2.0)
    return found


def write_scenes(bundle: Bundle, scenes: Sequence[Told]) -> dict[str, str]:
    """Scenes written for headings and casts that were held out, by what was asked."""
    writer = ScriptWriter.from_bundle(bundle)
    able = [scene for scene in scenes if scene.heading and 2 <= len(scene.speakers) <= 12]  # noqa: PLR2004  # a scene to speak in
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
        again = f" ({number + 1})" if asked in written else ""  # a scene of the same people at the same place
        written[asked + again] = "".join(writer.write(request))
    return written


def judged(texts: Sequence[str], writer: ScriptWriter) -> dict[str, float]:
    """What can be told of written scenes without a reader.

    Returns:
        valid: Share that are scenes: read and written again they are the same, they begin with a heading, and every
            cue has its words.
        distinct_2: Of all pairs of words in a row, the share that are different (Li et al. 2016).
        repeated_lines: Share of spoken lines that stood there before.
        verbatim_share: Of words that stand in a run of eight or more out of the training text.
        verbatim_longest: The longest such run, in words.
    """
    spoken = [line for text in texts for one in parse(text) if one.kind == "dialogue" for line in one.text.split("\n")]
    words = [word for text in texts for word in text.lower().split()]
    pairs = list(pairwise(words))
    found = [writer.verbatim.runs(text) for text in texts]
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
    if len(learned(elements)) < len(elements):  # notes and the like, which nobody asked for
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
        """The figure over rows, each counted `weights` times."""
        weight_n = np.ones(len(rows)) if weights is None else weights
        characters = float((rows["characters"].to_numpy() * weight_n).sum())
        return -float((rows["bits"].to_numpy() * weight_n).sum()) / max(1.0, characters)

    def worst(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> dict[str, float]:
        """The figure of each label."""
        weight_n = np.ones(len(rows)) if weights is None else weights
        labels = rows["label"].to_numpy()
        return {str(label): self(rows[labels == label], weight_n[labels == label]) for label in sorted(set(labels))}

    def shared(self, first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both tables as they are: a text is the same whatever a model calls it."""
        return first, second


def agreement_of_next(truth: np.ndarray, compressed: np.ndarray) -> dict[str, float]:
    """How far a compressed step is from the trained one.

    Args:
        truth: Logits N,V of the trained network.
        compressed: Those of the compressed graph.

    Returns:
        compressed_bits: Divergence (Kullback and Leibler) of the next character's shares, in bits.
        compressed_agreement: Share of places whose likeliest character is the same.
    """
    shares_nv = np.exp(truth - truth.max(1, keepdims=True)).astype(np.float64)
    shares_nv /= shares_nv.sum(1, keepdims=True)
    logs = [one - one.max(1, keepdims=True) for one in (truth, compressed)]
    first, second = (one - np.log(np.exp(one).sum(1, keepdims=True)) for one in logs)
    return {
        "compressed_bits": float((shares_nv * (first - second)).sum(1).mean() / math.log(2.0)),
        "compressed_agreement": float((compressed.argmax(1) == truth.argmax(1)).mean()),
    }


def draw(_scores: Scores, _samples: SampleSet, _split: str) -> list[Sheet]:
    """No pictures: what was written stands in the scores' texts."""
    return []
