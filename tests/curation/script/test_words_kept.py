"""Word conservation: every word of the input is in the output, or listed as removed."""

import html
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.typed_screenplays.tuned import NAMED, by_lot
from benchmarks.typed_screenplays.typist import typed
from benchmarks.typed_screenplays.web import WEB
from curation.script.document import read_document
from rushes.screenplay.elements import unstyled
from rushes.screenplay.export import exported
from rushes.screenplay.fountain import write
from tests.support.scripts import fdx, scene

SCREENPLAYS = sorted((Path(__file__).parent / "screenplays").glob("*/input.*"))
CASES = [path for path in SCREENPLAYS if path.read_bytes().count(b"\n") > 1]  # a single line is refused
LOTS = by_lot(1, 60)
MARK = re.compile(r"^\s*THE MILL - Rev\b.*$|CONT'D|\d+[A-Z]?CCC\b", re.IGNORECASE | re.MULTILINE)


def words_of(text):
    """The words of a text, in lower case, without markers and numbers."""
    return Counter(re.findall(r"[^\W\d_]{3,}", unstyled(MARK.sub(" ", text)).casefold()))


def lost(text, data, suffix):
    """Words of a text that are missing from all that was read of it."""
    document = read_document(data, suffix)
    read = "\n".join([document.title, *(element.text for scene in document.scenes for element in scene.elements)])
    return words_of(text) - words_of(read)


# A speech continued under the same name (CONT'D) is one speech, with its name once.
@pytest.mark.parametrize("number", [number for number, style in enumerate(LOTS) if "CONT" not in style.cue])
def test_typed_pages_lose_no_word(number):
    """In every style of typed pages, except page furniture."""
    data = typed(LOTS[number], seed=1, scenes=5).data

    assert lost(data.decode(), data, ".txt") == Counter()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_odd_screenplays_lose_no_word(path):
    """Except notes, title pages and the tags of web pages, which are not words of a script."""
    text = path.read_bytes().decode("utf-8", "replace")
    text = re.sub(r"<[^>]*>|\[\[.*?\]\]|^\w+:.*$", " ", text, flags=re.DOTALL | re.MULTILINE)

    assert lost(text, path.read_bytes(), path.suffix) == Counter()


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_final_draft_and_fountain_lose_no_word(seed):
    """With any content."""
    elements = scene(seed)
    text = "\n".join(element.text for element in elements)

    assert lost(text, fdx(elements), ".fdx") == Counter()
    assert lost(text, write(elements).encode(), ".fountain") == Counter()


@pytest.mark.parametrize(
    "name", ["usual", "dual", "odd extensions", "lower case", "transcript", "Russian", "tight, flush"]
)
@pytest.mark.parametrize("form", ["fountain", "fdx"])
def test_what_was_typed_comes_back_from_what_write_exports(name, form):
    """Kinds and words are preserved; Final Draft has headings and names in capitals."""
    scenes = read_document(typed({**NAMED, **WEB}[name], 3).data, ".txt").scenes
    elements = [element for scene in scenes for element in scene.elements]
    document = read_document(exported(elements, form), f".{form}")

    back = [element for scene in document.scenes for element in scene.elements]
    assert [(one.kind, one.text.upper()) for one in back] == [(one.kind, one.text.upper()) for one in elements]
    assert document.words.lost == 0


@pytest.mark.parametrize("name", ["usual", "odd names", "French"])
def test_a_page_for_browsers_has_every_word(name):
    """For a typed screenplay."""
    scenes = read_document(typed({**NAMED, **WEB}[name], 3).data, ".txt").scenes
    elements = [element for scene in scenes for element in scene.elements]
    page = html.unescape(re.sub(r"<[^>]*>", " ", exported(elements, "html").decode()))

    assert words_of("\n".join(one.text for one in elements)) - words_of(page) == Counter()


def test_a_lost_word_shows():
    """The comparison detects a speech that a reader drops."""
    assert lost("INT. HALL\n\nA bell.\n\nANN\nUnheard.", b"INT. HALL\n\nA bell.\n", ".fountain") == Counter(
        {"ann": 1, "unheard": 1}
    )
