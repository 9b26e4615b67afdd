"""Encodes clean scenes as tokens: the training set."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from common.progress import progress
from curation.store.sample_set import SampleSet, write_text_set
from models.script.texts import ParsedScene, Themes, outlines, parsed_scenes, profiles, scene_text
from rushes.script.constraints.cues import EXTENSIONS
from rushes.script.markup import ALL, DIALOGUE, PARENTHETICAL
from rushes.script.vocabulary import Spelling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from common.assets import Read
    from models.script.params import AugmentParams

SPLITS = ("train", "validation")
LEARNED = 8  # minimum number of occurrences of an extension
ALWAYS = "\n .,ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'-!?:;()"


def encode(clean: SampleSet, params: AugmentParams, folder: Path, _read: Read) -> SampleSet:
    """Writes the training set: texts with their control text, and tokens beside them.

    Args:
        clean: The clean set; its test split is not opened.
        params: Content of the control text, and other kinds of text.
        folder: The output folder.

    Returns:
        A text set; tokens-SPLIT.npy has the tokens of a split, uint8, and the column `tokens` the number of each text.
    """
    scenes = {split: parsed_scenes(clean.kept(split), clean.texts(split)) for split in SPLITS}
    themes = Themes(scenes["train"])
    made = {split: list(_texts(scenes[split], themes, params, split)) for split in SPLITS}
    vocabulary = vocabulary_of((text for _, _, text in made["train"]), params.max_vocabulary)
    spelling = Spelling(vocabulary)
    tables, arrays = [], {}
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        ids = [np.array(spelling.tokens(text), np.uint8) for _, _, text in made[split]]
        np.save(folder / f"tokens-{split}.npy", np.concatenate(ids))
        content = [text.encode() for _, _, text in made[split]]
        tables.append(_table(clean.kept(split), made[split], content, ids))
        arrays[split] = np.frombuffer(b"".join(content), np.uint8)
    info = clean.info | {"vocabulary": vocabulary, "kinds": dict(Counter(kind for _, kind, _ in made["train"]))}
    info |= {"extensions": extensions_in(text for _, _, text in made["train"])}
    return write_text_set(folder, pd.concat(tables, ignore_index=True), arrays, info)


def _texts(
    scenes: Sequence[ParsedScene], themes: Themes, params: AugmentParams, split: str
) -> Iterator[tuple[ParsedScene, str, str]]:
    """Yields each text with the scene that its row derives from, and its kind."""
    documents = [list(some) for _, some in groupby(scenes, key=lambda scene: scene.document)]
    for document in progress(documents, title=f"encode: {split}", unit="document"):
        for scene in document:
            yield scene, "scene", scene_text(scene, themes, params)
        if params.outlines:
            yield from ((document[0], "outline", text) for text in outlines(document, themes, params))
            yield from ((document[0], "profile", text) for text in profiles(document, themes, params))


def vocabulary_of(texts: Iterable[str], most: int) -> list[str]:
    """The vocabulary: the empty token, control tokens and plain characters, then the most frequent characters."""
    counts = Counter[str]()
    for text in texts:
        counts.update(text)
    fixed = dict.fromkeys([*ALL, *ALWAYS])
    frequent = [sign for sign, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0])) if sign not in fixed]
    return ["", *[*fixed, *frequent][: most - 1]]


def extensions_in(texts: Iterable[str]) -> list[str]:
    """Extensions of cues that are frequent enough to be learned: in plays nobody speaks off screen."""
    counts = Counter[str]()
    for text in texts:
        counts.update({one: sum(text.count(one + mark) for mark in (DIALOGUE, PARENTHETICAL)) for one in EXTENSIONS})
    return [one for one in EXTENSIONS if counts[one] >= LEARNED]


def _table(
    rows: pd.DataFrame,
    made: Sequence[tuple[ParsedScene, str, str]],
    content: Sequence[bytes],
    ids: Sequence[np.ndarray],
) -> pd.DataFrame:
    lengths = np.array([len(one) for one in content])
    table = rows.set_index("id").loc[[scene.id for scene, _, _ in made]].reset_index()
    kinds = [kind for _, kind, _ in made]
    names = [f"{scene.id}+{kind}{i}" if kind != "scene" else scene.id for i, (scene, kind, _) in enumerate(made)]
    return table.assign(
        id=names,
        kind=kinds,
        row=np.arange(len(made)),
        offset=lengths.cumsum() - lengths,
        length=lengths,
        tokens=[len(one) for one in ids],
    )
