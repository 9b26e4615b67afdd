"""Training texts: control text derived from the scripts, tokens that encode the text, no held-out document."""

from __future__ import annotations

import numpy as np

from models.script.data import documents_of, tokens_of
from models.script.encode import LEARNED, encode, extensions_in
from models.script.params import AugmentParams
from models.script.texts import ParsedScene, Themes, parsed_scenes, place, profiles, scene_text
from rushes.screenplay.fountain import Element
from rushes.script.markup import CHARACTER, CONTROL, DIALOGUE, END, HEADING, PARENTHETICAL, decoded
from rushes.script.vocabulary import Spelling


def test_tokens_encode_the_text(samples):
    """Each text's tokens, put together again, are the text in signs of the vocabulary."""
    spelling, signs = Spelling(samples.info["vocabulary"]), samples.info["vocabulary"]
    tokens, rows = tokens_of(samples, "train"), samples.kept("train")
    ends = rows["tokens"].cumsum()

    for text, end, count in zip(samples.texts("train"), ends, rows["tokens"], strict=True):
        assert "".join(signs[token] for token in tokens[end - count : end]) == spelling.spelled(text)
    assert (tokens > 0).all()
    assert sum(len(document) for document in documents_of(samples, "train")) == len(tokens)


def test_extensions_are_those_that_are_learned():
    """One that stands in speech is none, nor is one that nearly never comes."""
    off, aside = f"{CHARACTER}ANNA (O.S.){DIALOGUE}Hi.", f"{CHARACTER}ANNA (V.O.){PARENTHETICAL}low{DIALOGUE}Hi."
    spoken = f"{CHARACTER}ANNA{DIALOGUE}They wrote (CONT'D) here."

    assert extensions_in([spoken] * 99) == []
    assert extensions_in([off] * LEARNED + [aside] * (LEARNED - 1)) == [" (O.S.)"]
    assert extensions_in([off, aside] * LEARNED) == [" (V.O.)", " (O.S.)"]


def test_no_held_out_work_is_learned_from(clean, samples):
    """The test split stays shut, and no text of validation stands in training."""
    assert set(samples.table["group"]) == {"ferry", "well", "mill"}
    assert set(samples.kept("train")["group"]) == {"ferry", "well"}
    held = {text.partition("\n\n")[2] for split in ("validation", "test") for text in clean.texts(split)}
    assert not any(text[:80] in learned for learned in samples.texts("train") for text in held)


def test_a_scene_is_its_elements_after_what_is_asked(clean):
    """All of the control text, then the unchanged scene; omissions differ with the seed."""
    [scene, *others] = parsed_scenes(clean.kept("train"), clean.texts("train"))
    themes = Themes([scene, *others])
    whole = scene_text(scene, themes, AugmentParams(), whole=True)
    drawn = {scene_text(scene, themes, AugmentParams(seed=seed)).partition(HEADING)[0] for seed in range(20)}

    assert whole.startswith(CONTROL)
    assert whole.endswith(END)
    assert decoded(whole) == scene.elements
    assert f"characters: {', '.join(scene.speakers)}" in whole
    assert len(drawn) > 2


def test_a_heading_gets_a_place_only_if_its_words_imply_one():
    """Plays have no INT. or EXT.; existing ones stay."""

    def placed(heading: str, line: str = "Well met.") -> str:
        return place(ParsedScene("a", "a", "", [Element("heading", heading), Element("action", line)]))

    assert placed("A room in the castle.") == "INT. A ROOM IN THE CASTLE - DAY"
    assert placed("A heath", "The moon is up.") == "EXT. A HEATH - NIGHT"
    assert placed("INT. ROOM - DUSK") == "INT. ROOM - DUSK"
    assert placed("Elsewhere") == "ELSEWHERE"


def test_who_speaks_often_has_a_profile(clean):
    """With whom, and the first words; who speaks seldom has none."""
    scenes = parsed_scenes(clean.kept("train"), clean.texts("train"))[:4]
    elements = [Element("character", "ANNA"), Element("dialogue", "Well.")] * 12 + [
        Element("character", "MARK (V.O.)"),
        Element("dialogue", "Go."),
    ]
    scene = ParsedScene("x", "x", "", [Element("heading", "INT. A - DAY"), *elements])
    [profile] = profiles([scene], Themes(scenes), AugmentParams())

    assert "Speaks with MARK." in profile
    assert "First words: Well." in profile


def test_the_same_seed_gives_the_same_set(clean, tmp_path):
    """Nothing in it depends on when or where it was made."""
    made = [encode(clean, AugmentParams(), tmp_path / name, lambda _asset: b"") for name in "ab"]
    assert np.array_equal(tokens_of(made[0], "train"), tokens_of(made[1], "train"))
