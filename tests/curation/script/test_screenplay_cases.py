"""Small screenplays in real-world formats, each with its expected elements."""

import json
from pathlib import Path

import pytest

from curation.script.document import read_document
from rushes.screenplay.elements import unstyled
from rushes.screenplay.fountain import parse

CASES = sorted((Path(__file__).parent / "screenplays").iterdir())


def _elements(case):
    path = next(path for path in case.iterdir() if path.name != "expected.json")
    if json.loads((case / "expected.json").read_text())["reader"] == "curation.script.document.read_document":
        document = read_document(path.read_bytes(), path.suffix)
        return document.title, [element for scene in document.scenes for element in scene.elements]
    return "", parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_form_is_read(case):
    """Headings, cues, dialogue and titles are as a reader would see them."""
    title, elements = _elements(case)

    def of(kind):
        return [element.text for element in elements if element.kind == kind]

    found = {
        "title": title,
        "headings": of("heading"),
        "headings_flat": [" ".join(text.split()) for text in of("heading")],
        "cues": of("character"),
        "action": of("action"),
        "dialogue": of("dialogue"),
        "action_plain": list(map(unstyled, of("action"))),
        "parentheticals_plain": list(map(unstyled, of("parenthetical"))),
    }
    expected = json.loads((case / "expected.json").read_text())["expected"]

    assert {name: found[name] for name in expected} == expected
