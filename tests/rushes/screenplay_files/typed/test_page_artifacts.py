"""Page furniture is removed and counted, and the passages that it splits are joined."""

import pytest

from curation.script.document import read_document
from rushes.screenplay_files.typed.page_artifacts import (
    CONTINUED,
    FADE_IN,
    LIBRARY,
    MORE,
    NUMBERS,
    REVISIONS,
    SPEECHES,
    WATERMARKS,
    without_page_marks,
)
from tests.support.scripts import scene, script, typed

PAGES = """\
    FADE IN:

    1   INT. KITCHEN - NIGHT                              1

    A kettle boils. She is old and watches it for
    a long while.                                             *

                    ANNA
            I never said that we would
            go home before it
                    (MORE)
    (CONTINUED)
\f
    CONTINUED: (2)                                       12.

                    ANNA (CONT'D)
            was dark.

    He walks to the window and looks out at the

                                                         13.

    rain, which has not stopped.

    Blue Rev. 3/9/98

                    MARK
            At 9. Or 10.
"""


def texts(work):
    return "\n".join(one.text for one in work.scenes)


def test_a_typed_page_gives_what_is_said_and_done():
    """Speeches and paragraphs split by pages are joined; a number in dialogue stays."""
    work = read_document(PAGES.encode(), ".txt")

    assert texts(work) == (
        "INT. KITCHEN - NIGHT\n\nA kettle boils. She is old and watches it for a long while.\n\n"
        "ANNA\nI never said that we would go home before it was dark.\n\n"
        "He walks to the window and looks out at the rain, which has not stopped.\n\nMARK\nAt 9. Or 10.\n"
    )
    assert work.taken_out == {MORE: 2, CONTINUED: 2, NUMBERS: 1, REVISIONS: 2, FADE_IN: 1}


def test_a_watermark_is_what_comes_back_on_every_page():
    """Numbers in it may vary; a repeated heading or cue stays."""
    pages = [f"{typed(scene(5 * seed))}\n   THE FERRY - property of Studio {seed}\n\f" for seed in range(6)]
    work = read_document("".join(pages).encode(), ".txt")

    assert work.taken_out[WATERMARKS] == 6
    assert "property" not in texts(work)
    assert texts(work).count("INT. KITCHEN - NIGHT") == 6


def test_a_line_that_comes_back_in_a_short_script_stays():
    """Three pages are not enough to identify a watermark."""
    lines = ["He nods and goes.", ""] * 3

    assert without_page_marks(lines) == ("\n".join(lines), {})


def test_a_countdown_is_no_row_of_pages():
    """A single number on its line is a page number, three consecutive ones are not."""
    count = ["3.", "", "2.", "", "1.", "", "Go.", *[""] * 20, "47.", ""]

    assert without_page_marks(count)[1] == {NUMBERS: 1}


@pytest.mark.parametrize("line", ["rev111", "INT. A  ", "ANNA (", "**A. B", "* ", "_[", "A\n", "A.\n     said\n"])
def test_no_line_takes_forever(line):
    """A script twenty thousand times as long takes a moment; so does a program's log without an empty line."""
    text = f"INT. A - DAY\n\n{line * 20_000}x\n\n          ANNA\n     Hi.\n"
    for suffix in (".txt", ".md", ".fountain"):
        assert read_document(text.encode(), suffix).scenes


def test_the_words_of_a_library_go():
    """Everything outside the lines with which it delimits a document."""
    above = [
        "The Project Gutenberg eBook of The Ferry",
        "",
        "*** START OF THE PROJECT GUTENBERG EBOOK THE FERRY ***",
        "",
    ]
    below = ["*** END OF THE PROJECT GUTENBERG EBOOK THE FERRY ***", "", "Section 1. General Terms of Use"]
    work = read_document("\n".join([*above, typed(script(1)), *below]).encode(), ".txt")

    assert work.taken_out == {LIBRARY: 6}
    assert work.headings == 4
    assert "Terms" not in texts(work)


def test_cues_of_other_formats_lose_their_marks_too():
    """A speech after an action keeps its cue."""
    text = ".A\n\nANNA (V.O.) (cont\u2019d)\nOne.\n\nANNA (CONT'D)\n(continuing)\nTwo.\n\n"
    text += "A bell.\n\nANNA (CONT'D)\nThree.\n"
    work = read_document(text.encode(), ".fountain")

    assert texts(work) == ".A\n\nANNA (V.O.)\nOne.\n\nANNA\nTwo.\n\nA bell.\n\nANNA\nThree.\n"
    assert work.taken_out == {MORE: 4}
    assert work.cues == ["ANNA", "ANNA", "ANNA"]


@pytest.mark.parametrize("head", ["www.scripts.example      The Mill      {}", "THE MILL      FULL BLUE      {}A."])
def test_a_line_that_counts_pages_is_furniture(head):
    """Even between the lines of a speech; as many lines that count nothing are not."""
    page = "{:30}ANNA\n{:20}Sit down over there and\n" + head + "\n{:20}read it.\n\n" + "The wheel turns.\n\n" * 9
    text = "INT. MILL - DAY\n\n" + "".join(page.format("", "", number, "") for number in (2, 3, 4))
    work = read_document(text.encode(), ".txt")
    still = read_document(text.replace("3", "7").replace("4", "2").encode(), ".txt")

    assert work.taken_out[NUMBERS] == 3
    assert [one.text for one in work.scenes[0].elements if one.kind == "dialogue"] == [
        "Sit down over there and read it."
    ] * 3
    assert still.taken_out[NUMBERS] == 0


@pytest.mark.parametrize("form", ["{n}. {name}\n{words}", "{n}  {name}:\n{words}", "{n}. {name}: {words}"])
@pytest.mark.parametrize("indent", ["", "    "])
def test_numbers_of_speeches_are_taken_out(form, indent):
    """Above words and beside them, at the margin and in columns."""
    names = ["ANNA", "MARK"] * 4
    speeches = [form.format(n=n, name=f"{name}", words="Sit down.") for n, name in enumerate(names, 5)]
    text = "\n\n".join(["INT. MILL - DAY", *(f"{indent}{speech}" for speech in speeches)])
    work = read_document(text.encode(), ".txt")

    assert (work.cues, work.taken_out[SPEECHES], work.words.lost) == (names, 8, 0)


def test_numbers_that_do_not_count_are_part_of_names():
    """As in the name of a patrol."""
    speeches = [f"{number} BRAVO\nSit down." for number in (4, 2, 4, 2, 4, 2)]

    assert (
        read_document("\n\n".join(["INT. MILL - DAY", *speeches]).encode(), ".txt").cues == ["4 BRAVO", "2 BRAVO"] * 3
    )
