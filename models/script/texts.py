"""Training texts: scenes with control text in front, outlines and characters, all derived from the scripts.

Nobody has annotated these scripts with themes or outlines. The supervision comes from the scripts themselves:

    theme       the words that are more frequent in a scene than in others (tf-idf over the training scenes)
    mood        the label of its document, such as a genre
    characters  the speakers
    place       INT. or EXT. and the time of day for a heading that has none, as in plays: from the words of the heading
                and the first page
    outline     of up to eight consecutive scenes: heading, the first direction or else the first sentence, speakers
    profile     of frequent speakers: with whom they speak, where, their characteristic words, and their first words
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from models.components.randomness import derived_seed
from rushes.screenplay.elements import Element, speaker_of
from rushes.screenplay.fountain import parse
from rushes.script.markup import ACTION, CHARACTER, END, HEADING, control, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from models.script.params import AugmentParams

BEATS = 8  # maximum number of scenes of an outline
CUES = 12  # minimum number of cues of a character with a profile
MOST_NAMED = 6  # characters in a control text or a beat
DEFAULT = "no genre"  # the label of a document without one
FIRST_PAGE = 1500  # characters
_PLACED = re.compile(r"(?:INT|EXT|I/E|EST)[. /]")
_INDOORS = re.compile(
    r"\b(?:room|hall|palace|castle|house|chamber|court|prison|tavern|cell|church|tent|cave|cabin|kitchen|inn|abbey"
    r"|chapel|parlour|closet|lodging|apartment|shop|council|theatre|office)\b"
)
_OUTDOORS = re.compile(
    r"\b(?:street|field|forest|wood|heath|camp|garden|coast|before|park|sea|ship|road|plain|battle|platform|orchard"
    r"|island|near|walls|gates|shore|hill|square|highway|churchyard|beach|deck|market|grove|pass)\b"
)
_DARK = re.compile(r"\b(?:night|midnight|moon|torch|torches|candle|stars|asleep)\b")
_SENTENCE = re.compile(r"[^.?!]*[.?!]")


@dataclass(frozen=True)
class ParsedScene:
    """One scene with its id, document and label."""

    id: str
    document: str
    label: str
    elements: list[Element]

    @property
    def heading(self) -> str:
        """The heading in capitals; empty if it has none."""
        return next((one.text.upper() for one in self.elements if one.kind == "heading"), "")

    @property
    def speakers(self) -> list[str]:
        """Speakers in the order of their first cues, without extensions such as (V.O.)."""
        return list(dict.fromkeys(name for one in self.elements if (name := speaker(one))))

    @property
    def text(self) -> str:
        """Action and dialogue, without names and heading."""
        return "\n".join(one.text for one in self.elements if one.kind in {"action", "dialogue"})


def speaker(element: Element) -> str:
    """Name in a cue; empty for another element."""
    return speaker_of(element.text) if element.kind == "character" else ""


def parsed_scenes(rows: pd.DataFrame, texts: Iterable[str]) -> list[ParsedScene]:
    """Scenes of a split."""
    columns = zip(rows["id"], rows["group"], rows["label"], texts, strict=True)
    return [ParsedScene(name, document, label, parse(text)) for name, document, label, text in columns]


class Themes:
    """Characteristic words of scenes, learned from training scenes only."""

    def __init__(self, scenes: Sequence[ParsedScene]) -> None:
        names = {word for scene in scenes for name in scene.speakers for word in re.findall(r"[a-z']+", name.lower())}
        # Words of only a few documents are mostly names, and words of most of them are not themes.
        vectorizer = TfidfVectorizer(
            stop_words="english",
            min_df=min(5, len(scenes)),
            max_df=0.2,
            token_pattern=r"[a-z]{4,}",  # noqa: S106  # of words
            sublinear_tf=True,
        )
        texts = [scene.text for scene in scenes]
        self._words: TfidfVectorizer | None = None
        try:
            vectorizer.fit(texts)
        except ValueError:  # too few scenes: no word is left
            return
        self._words, self._names = vectorizer, names
        self._vocabulary = vectorizer.get_feature_names_out()

    def of(self, text: str, count: int) -> list[str]:
        """Words that are more frequent in a text than in others, the strongest first."""
        if self._words is None:
            return []
        row = self._words.transform([text])
        order = np.argsort(-row.data, kind="stable")
        found = (str(self._vocabulary[row.indices[place]]) for place in order)
        return [word for word in found if word not in self._names][:count]


def scene_text(scene: ParsedScene, themes: Themes, params: AugmentParams, *, whole: bool = False) -> str:
    """A scene as the network reads it: control text, heading, elements.

    With `whole` no part of the control text is omitted at random, and the heading is unchanged.
    """
    random = np.random.default_rng(derived_seed(params.seed, scene.id, "control"))
    kept = [whole or random.random() >= params.control_dropout for _ in range(3)]
    placed = not whole and random.random() < params.completed_heading_share
    asked = control(
        theme=themes.of(scene.text, params.theme_words) if kept[0] else (),
        mood=mood(scene) if kept[1] else "",
        characters=scene.speakers[: 2 * MOST_NAMED] if kept[2] else (),
    )
    heading = place(scene) if placed else scene.heading
    others = [one for one in scene.elements if one.kind != "heading"]
    return asked + encoded([Element("heading", heading or "SOMEWHERE"), *others])


def mood(scene: ParsedScene) -> str:
    """The label of the document, or an empty string."""
    return "" if scene.label == DEFAULT else scene.label


def place(scene: ParsedScene) -> str:
    """The heading with INT. or EXT. and a time of day, if it has neither and its words imply them."""
    heading = scene.heading
    words = heading.lower()
    if not heading or _PLACED.match(heading):
        return heading
    outdoors, indoors = _OUTDOORS.search(words), _INDOORS.search(words)
    if not outdoors and not indoors:
        return heading
    time = "NIGHT" if _DARK.search(f"{words} {scene.text[:FIRST_PAGE].lower()}") else "DAY"
    return f"{'EXT' if outdoors else 'INT'}. {heading.rstrip('. ')} - {time}"


def outlines(scenes: Sequence[ParsedScene], themes: Themes, params: AugmentParams) -> Iterator[str]:
    """Outlines of a document: some consecutive scenes each, as beats."""
    for start in range(0, len(scenes), BEATS):
        some = scenes[start : start + BEATS]
        names = Counter(name for scene in some for name in scene.speakers).most_common(MOST_NAMED)
        asked = control(
            mode="outline",
            theme=themes.of("\n".join(scene.text for scene in some), params.theme_words),
            mood=mood(some[0]),
            characters=[name for name, _ in names],
        )
        yield asked + "".join(_beat(scene) for scene in some) + END


def _beat(scene: ParsedScene) -> str:
    named = f"{CHARACTER}{', '.join(scene.speakers[:MOST_NAMED])}" if scene.speakers else ""
    return f"{HEADING}{scene.heading or 'SOMEWHERE'}{ACTION}{_happens(scene)}{named}"


def _happens(scene: ParsedScene) -> str:
    """The first direction, or the first sentence of dialogue."""
    directions = (one.text for one in scene.elements if one.kind == "action")
    spoken = (one.text for one in scene.elements if one.kind == "dialogue")
    first = " ".join(next(directions, next(spoken, "Nobody speaks.")).split())
    return (_SENTENCE.match(first + ".") or [first])[0].strip() or first


def profiles(scenes: Sequence[ParsedScene], themes: Themes, params: AugmentParams) -> Iterator[str]:
    """Profiles of the frequent speakers of a document: with whom they speak, where, in which words."""
    speeches: dict[str, list[str]] = {}
    for scene in scenes:
        for name, speech in _speeches(scene.elements):
            speeches.setdefault(name, []).append(speech)
    for name, own in speeches.items():
        if len(own) >= CUES:
            among = [scene for scene in scenes if name in scene.speakers]
            asked = control(mode="profile", characters=[name], mood=mood(scenes[0]))
            lines = _described(name, own, among, themes, params)
            yield asked + CHARACTER + name + "".join(ACTION + line for line in lines) + END


def _speeches(elements: Sequence[Element]) -> Iterator[tuple[str, str]]:
    name = ""
    for element in elements:
        if element.kind == "character":
            name = speaker(element)
        elif element.kind == "dialogue" and name:
            yield name, element.text


def _described(
    name: str, speeches: Sequence[str], among: Sequence[ParsedScene], themes: Themes, params: AugmentParams
) -> Iterator[str]:
    others = Counter(other for scene in among for other in scene.speakers if other != name).most_common(3)
    if others:
        yield f"Speaks with {', '.join(other for other, _ in others)}."
    places = list(dict.fromkeys(scene.heading.rstrip(".") for scene in among if scene.heading))[:2]
    if places:
        yield f"Seen in: {'; '.join(places)}."
    words = themes.of("\n".join(speeches), params.theme_words)
    if words:
        yield f"Speaks of {', '.join(words)}."
    first = " ".join(speeches[0].split())
    yield f"First words: {(_SENTENCE.match(first + '.') or [first])[0].strip() or first}"
