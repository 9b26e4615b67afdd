"""Typed text at one margin with hardly any empty line: sentences distinguish names, speeches and action."""

import pytest

from curation.script.document import read_document
from rushes.screenplay_files.typed.headings import heading_of
from rushes.screenplay_files.typed.page_artifacts import WATERMARKS

NAMES = ("Anna", "Mark", "Old Man")
SPEECH = ("I know that the bridge", "is closed since Monday.")
DONE = ("The old man takes the keys and weighs them.", "He looks for the boat, which", "has gone.")


def elements(text):
    return [element for scene in read_document(text.encode(), ".txt").scenes for element in scene.elements]


def kinds(text, kind):
    return [element.text for element in elements(text) if element.kind == kind]


def tight(dialogue=SPEECH, done=DONE, case=str, speeches=8):
    """Speeches, each with action directly below it."""
    lines = ["INT. MILL - DAY"]
    for number in range(speeches):
        lines += [case(NAMES[number % 3]), *dialogue, *done]
    return "\n".join(lines)


@pytest.mark.parametrize("case", [str, str.upper, "{}:".format])
def test_names_speak_between_lines(case):
    """In small letters, in capitals, or with a colon."""
    assert kinds(tight(case=case), "character") == [NAMES[number % 3].upper() for number in range(8)]


@pytest.mark.parametrize("case", [str, str.upper, "{}:".format])
def test_a_line_that_ends_early_ends_a_speech(case):
    """The first word of the next one would have fitted."""
    text = tight(dialogue=(*SPEECH, "Nobody goes."), done=("Mark sits down.",), case=case)
    speeches = kinds(text, "dialogue")

    assert [" ".join(speech.split()) for speech in speeches] == [" ".join((*SPEECH, "Nobody goes."))] * 8
    assert kinds(text, "action") == ["Mark sits down."] * 8


def test_every_line_is_a_paragraph_where_none_is_broken():
    """A line below the only one of a speech is action."""
    text = tight(dialogue=("I know that the bridge is closed, and so did he.",), done=("He goes.",))

    assert kinds(text, "dialogue") == ["I know that the bridge is closed, and so did he."] * 8
    assert kinds(text, "action") == ["He goes."] * 8


@pytest.mark.parametrize("done", [("CUT TO:",), (*DONE, "CUT TO:")])
def test_a_cut_stands_alone(done):
    """Below a speech and below action."""
    assert kinds(tight(done=done, case=str.upper), "transition") == ["CUT TO:"] * 8


def test_an_aside_does_not_end_a_speech():
    """Neither below words nor above them."""
    text = tight(dialogue=("Wait here.", "(quietly)", "I know that the bridge", "is closed."), case=str.upper)

    assert kinds(text, "parenthetical") == ["quietly"] * 8
    assert len(kinds(text, "dialogue")) == 16


def test_a_direction_in_capitals_does_not_speak():
    """Fountain takes capitals above words for a name."""
    text = tight(dialogue=("Wait here.",), done=("LATER", "The door opens."), case=str.upper)

    assert set(kinds(text, "character")) == {name.upper() for name in NAMES}


def test_short_lines_inside_sentences_are_no_names():
    """A name follows the end of a sentence, and comes back."""
    verse = ["The wheel and", "Anna", "turn, and so does", "Mark", "and nobody", "Old Man", "or not."]

    assert kinds("INT. MILL - DAY\n\n" + "\n".join(verse * 6), "character") == []


@pytest.mark.parametrize("dash", ["-", "--", "\u2013", "\u2014"])
def test_small_names_speak_before_a_dash(dash):
    """If most paragraphs are speeches."""
    lines = [f"{NAMES[number % 3]} {dash} I know {number} times." for number in range(8)]

    assert kinds("\n\n".join(["INT. MILL - DAY", *lines]), "character") == [
        line.partition(" " + dash)[0].upper() for line in lines
    ]


def test_a_sentence_with_a_dash_does_not_speak():
    """A few of many paragraphs have one behind their first word."""
    prose = [f"He walks {number} miles, and rests." for number in range(60)]
    lines = ["Rain - at last.", "Rain - again.", "Wind - from the sea.", "Wind - and more."]

    assert kinds("\n\n".join(["INT. MILL - DAY", *prose, *lines]), "character") == []


def test_two_asides_in_a_line_are_two():
    """Words between brackets are spoken."""
    lines = [f"{name.upper()}: (to Mark) Where is it? (then)\nHere." for name in NAMES * 2]
    text = "\n\n".join(["INT. MILL - DAY", *lines])

    assert kinds(text, "parenthetical") == ["to Mark"] * 6
    assert [" ".join(dialogue.split()) for dialogue in kinds(text, "dialogue")] == ["Where is it? (then) Here."] * 6


def test_words_between_brackets_are_spoken_in_columns():
    """A bracket that closes within the line is not a parenthetical of the whole line."""
    speech = f"{'':20}ANNA\n{'':10}(to Mark) Where is it? (then)\n{'':10}Here.\n\nShe goes.\n\n"

    assert kinds(f"INT. MILL - DAY\n\n{speech * 4}", "parenthetical") == []


def test_words_below_an_aside_and_an_empty_line_are_spoken():
    """In a text whose dialogue begins at the margin."""
    speech = f"{'':20}ANNA\n{'':8}(quietly)\n\nI know so.\n\nShe goes.\n\n"

    assert kinds("INT. MILL - DAY\n\n" + speech * 4, "dialogue") == ["I know so."] * 4


def test_a_line_that_comes_back_in_double_spaced_text_stays():
    """There, every line stands alone; only one at a form feed is page furniture."""
    page = [f"Sentence {number} of a page that goes on{'.' * (number % 3)}" for number in range(30)]
    lines = [*page[:-1], "the usual thing to do in such a house."] * 8

    assert WATERMARKS not in read_document("\n\n".join(["INT. MILL - DAY", *lines]).encode(), ".txt").taken_out


@pytest.mark.parametrize(
    "line",
    ["İÇ. DEĞİRMEN - GECE", "DIŞ. SOKAK - GÜN", "SISÄ. MYLLY - PÄIVÄ", "KÜLSŐ. MALOM - NAPPAL", "EXTERNA. RUA - DIA"],
)
def test_headings_of_other_languages(line):
    """Their openings are words, and not headings without a full stop."""
    assert heading_of(line).text == line
    assert heading_of(f"{line.partition('.')[0].capitalize()} is dark and cold.") is None
