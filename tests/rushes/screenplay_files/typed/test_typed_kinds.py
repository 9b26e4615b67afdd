"""Kinds of lines in typed scripts, and lines that only resemble them."""

import pytest

from curation.script.document import read_document
from rushes.screenplay_files.text_encoding import decode
from rushes.screenplay_files.typed.headings import heading_of
from rushes.screenplay_files.typed.names import bare_name, cue_of, is_title_case, may_be_cue
from rushes.screenplay_files.typed.page_artifacts import WATERMARKS

TALK = [("Anna", "You are late."), ("Mark", "I know."), ("Old Man", "So do I."), ("Anna", "Sit down."), ("Mark", "No.")]


def cues(text):
    return read_document(text.encode(), ".txt").cues


def transcript(*others, form="{name}: {words}"):
    """A transcript with other paragraphs between its speeches, twice."""
    lines = [form.format(name=name, words=words) for name, words in TALK * 2]
    return "\n\n".join(["INT. MILL - DAY", *lines[:4], *others, *lines[4:]])


@pytest.mark.parametrize("form", ["{name}: {words}", "{name}\n{words}", "{name}:\n{words}", "{name}\n\n{words}"])
def test_names_in_small_letters_speak_in_a_transcript(form):
    """Next to their words, above them, or with an empty line above."""
    assert cues(transcript("The wheel turns.", form=form)) == [name.upper() for name, _ in TALK * 2]


@pytest.mark.parametrize("form", ["{name}: {words}", "{name} - {words}", "{name}. {words}"])
def test_names_in_capitals_speak_beside_their_words(form):
    """Followed by a colon, a dash or a full stop."""
    lines = [form.format(name=name.upper(), words=words) for name, words in TALK * 2]

    assert cues("\n\n".join(["INT. MILL - DAY", *lines])) == [name.upper() for name, _ in TALK * 2]


@pytest.mark.parametrize(
    "line",
    [
        "Note: the lamp stays lit.",
        "He looks at the sign: closed until spring.",
        "Listen: whatever you hear, do not open.",
        "Title card: Three days earlier.",
        "Time: late.",
    ],
)
def test_a_line_of_action_with_a_colon_names_nobody(line):
    """In a transcript, however often it recurs."""
    assert cues(transcript(line, "The wheel turns.", line)) == [name.upper() for name, _ in TALK * 2]


def test_a_few_lines_with_a_colon_make_no_transcript():
    """A script with names above the dialogue keeps its cast list as action."""
    cast = "Anna: thirty, a miller's daughter\n\nMark: a stranger\n\nAnna: see above"
    speeches = [f"{name.upper()}\n{words}" for name, words in TALK]

    assert cues("\n\n".join([cast, "INT. MILL - DAY", "Rain.", *speeches])) == [name.upper() for name, _ in TALK]


def test_prose_is_not_a_transcript():
    """A few of many paragraphs begin with a word and a colon."""
    paragraphs = [f"He walks {number} miles, and rests." for number in range(60)]
    labels = ["Monday: rain.", "Tuesday: rain.", "Monday: snow."] * 3

    assert cues("\n\n".join(["INT. MILL - DAY", *paragraphs, *labels])) == []


def test_what_people_repeat_is_not_a_watermark():
    """`Yes, sir.` on every page is dialogue; a title on every page is page furniture."""
    page = [
        f"{'':20}ANNA\n{'':10}Where {{n}} is it?\n\n{'':20}MARK\n{'':10}Yes, sir.\n\nThey look on for {{n}} more.\n"
    ] * 6
    text = "\f   The Mill - second version\n\n".join("\n".join(page).format(n=n) for n in range(6))
    work = read_document(f"INT. MILL - DAY\n\n{text}".encode(), ".txt")

    assert sum(one.text == "Yes, sir." for one in work.scenes[0].elements) == 36
    assert work.taken_out[WATERMARKS] == 5


@pytest.mark.parametrize(
    ("words", "cue"),
    [
        ("ANNA [V.O.]", "ANNA (V.O.)"),
        ("ANNA, O.S.", "ANNA (O.S.)"),
        ("ANNA - V.O.", "ANNA (V.O.)"),
        ("ANNA V.O.:", "ANNA (V.O.)"),
        ("ANNA.", "ANNA"),
        ("MR. T.", "MR. T."),
        ("SAMMY JR.", "SAMMY JR."),
        ("ANNA (V.O.) (CONT'D)", "ANNA (V.O.) (CONT'D)"),
    ],
)
def test_a_cue_is_read_as_the_trade_types_it(words, cue):
    """Extensions go into brackets; the full stop of an abbreviation stays."""
    assert cue_of(words) == cue
    assert bare_name(words) == cue.partition(" (")[0]


@pytest.mark.parametrize(
    "words", ["LATER", "INSERT - LETTER", "BACK TO SCENE", "ANGLE ON ANNA", "MARK'S POV", "ACT TWO"]
)
def test_what_a_camera_sees_names_nobody(words):
    """Even in capitals above a paragraph."""
    assert not may_be_cue(words)


@pytest.mark.parametrize("words", ["Anna/Ben", "Dr. van der Berg", "2nd Cop", "Mrs. O'Brien", "The Kid"])
def test_names_in_small_letters(words):
    """With their particles, numbers and titles."""
    assert is_title_case(words)


@pytest.mark.parametrize(
    ("line", "heading", "number"),
    [
        ("INTÉRIEUR NUIT - CUISINE", "INTÉRIEUR NUIT - CUISINE", ""),
        ("12. KÜCHE - INNEN/TAG", "KÜCHE - INNEN/TAG", "12"),
        ("AUSSEN. STRASSE - NACHT", "AUSSEN. STRASSE - NACHT", ""),
        ("SZENE 3: INNEN. KÜCHE - TAG", "INNEN. KÜCHE - TAG", "3"),
        ("ESTERNO STRADA - NOTTE", "ESTERNO STRADA - NOTTE", ""),
        ("[12] INT. MILL - DAY", "INT. MILL - DAY", "12"),
        ("#12 INT. MILL - DAY #12", "INT. MILL - DAY", "12"),
        ("9 INT. MILL - DAY 9*", "INT. MILL - DAY", "9"),
        ("int. mill - day", "int. mill - day", ""),
        ("12 FLASHBACK - INT. MILL - DAY", "FLASHBACK - INT. MILL - DAY", "12"),
        ("ESTABLISHING SHOT: EXT. MILL", "ESTABLISHING SHOT: EXT. MILL", ""),
    ],
)
def test_headings_of_other_countries_and_numbers(line, heading, number):
    """In other languages, with the place first or last, and with numbers beside them."""
    found = heading_of(line)

    assert found is not None
    assert (found.text, found.number) == (heading, number)


@pytest.mark.parametrize(
    "line", ["Innen. Es ist dunkel.", "int. the usual", "He comes in by day.", "WE GO IN / DAY BREAKS", "NATURAL LIGHT"]
)
def test_common_words_are_no_headings(line):
    """Even if headings begin or end with them elsewhere."""
    assert heading_of(line) is None


@pytest.mark.parametrize(
    ("text", "coding"),
    [
        ("ИНТ. КУХНЯ - ДЕНЬ\n\nАнна смотрит в окно. Идёт дождь.", "cp1251"),  # noqa: RUF001 - it is Cyrillic
        ("ИНТ. КУХНЯ - ДЕНЬ\n\nАнна смотрит в окно. Идёт дождь.", "koi8-r"),  # noqa: RUF001 - it is Cyrillic
        ("Don\u2019t say \u201cno\u201d \u2014 it\u2019s late.", "mac_roman"),
        ("Don\u2019t say \u201cno\u201d \u2014 it\u2019s caf\u00e9 O\u00d5.", "cp1252"),
    ],
)
def test_encodings_of_a_byte_a_letter(text, coding):
    """Distinguished by the letters that each would give."""
    assert decode(text.encode(coding)).text == text


def test_an_aside_over_two_lines_is_one():
    """In double spacing, and with dialogue in its last line."""
    page = "INT. MILL - DAY\n\nRain.\n\n{0}ANNA\n\n{1}(to Mark, who is\n\n{1}not here) Late.\n\n{0}MARK\n\n{2}I know.\n"
    work = read_document("\n".join(3 * [page]).format(" " * 22, " " * 16, " " * 10).encode(), ".txt")

    assert [(one.kind, one.text) for one in work.scenes[0].elements[3:5]] == [
        ("parenthetical", "to Mark, who is not here"),
        ("dialogue", "Late."),
    ]


def test_action_is_told_from_words_by_its_width():
    """In a text without empty lines, as programs that read PDFs leave it."""
    wide = "The wheel turns and turns, and the water falls into the dark below."
    speeches = "\n".join(f"{name.upper()}\n{words}\n{wide}" for name, words in TALK * 2)
    work = read_document(f"INT. MILL - DAY\n{wide}\n{speeches}\n".encode(), ".txt")

    assert work.cues == [name.upper() for name, _ in TALK * 2]
    assert [one.text for one in work.scenes[0].elements if one.kind == "dialogue"] == [said for _, said in TALK * 2]


@pytest.mark.parametrize("margin", ["", " " * 10])
def test_a_cut_and_a_heading_in_one_line_are_two(margin):
    """In columns and without."""
    speech = f"{margin * 2}ANNA\n{margin}You are late." if margin else "ANNA\nYou are late."
    text = f"FADE IN: EXT. ROAD - DAY\n\nRain.\n\n{speech}\n\nCUT TO: INT. MILL - NIGHT\n\nA wheel.\n\n{speech}\n"
    work = read_document(text.encode(), ".txt")

    assert [scene.heading for scene in work.scenes if scene.number] == ["EXT. ROAD - DAY", "INT. MILL - NIGHT"]
    assert [one.text for scene in work.scenes for one in scene.elements if one.kind == "transition"] == ["CUT TO:"]
    assert work.words.lost == 0


def columns(*speeches, above="\n", below=""):
    """A page in columns, with action after each speech."""
    done = "The wheel of the mill goes on turning."
    rows = [f"{above}{'':22}{name}\n{below}{'':10}{words}\n\n{done}\n" for name, words in speeches]
    return "INT. MILL - DAY\n\nNobody is there.\n" + "".join(rows)


@pytest.mark.parametrize(("above", "below"), [("\n", ""), ("", ""), ("\n", "\n"), ("", "\n")])
def test_names_in_small_letters_speak_in_columns(above, below):
    """With and without empty lines above and below them, indented further than both."""
    found = cues(columns(*TALK * 2, above=above, below=below))

    assert [name.upper() for name in found] == [name.upper() for name, _ in TALK * 2]


def test_names_speak_in_a_text_in_capitals():
    """One that occurs once, too, away from the column of the others."""
    text = columns(*TALK, ("          Miller", "What is it?"), *TALK).upper()

    assert cues(text) == [name.upper() for name, _ in (*TALK, ("Miller", ""), *TALK)]


@pytest.mark.parametrize("case", [str, str.upper])
def test_names_speak_beside_a_column_of_words(case):
    """Without a colon; the words go on below themselves."""
    lines = [f"{case(name):12}{words}\n{'':12}Please." for name, words in TALK * 2]
    work = read_document("\n\n".join(["INT. MILL - DAY", *lines]).encode(), ".txt")

    assert work.cues == [name.upper() for name, _ in TALK * 2]
    assert "".join(one.text for one in work.scenes[0].elements if one.kind == "dialogue").startswith(
        "You are late.\nPlease"
    )


def test_blanks_inside_lines_make_no_column_of_words():
    """They begin in many columns."""
    lines = [f"{name}  walks on" for name in ("ANNA", "JO", "INSPECTOR", "OLD MAN", "Q") * 3]

    assert cues("\n\n".join(["INT. MILL - DAY", *lines])) == []


def test_an_aside_between_empty_lines_is_in_the_speech():
    """And so is what follows it, but no direction in brackets."""
    speeches = [
        f"{name.upper()}\n\n(beat)\n\n{words}\n\n(then)\n\nNo.\n\n(The wheel turns.)" for name, words in TALK * 2
    ]
    work = read_document("\n\n".join(["INT. MILL - DAY", *speeches]).encode(), ".txt")
    kinds = [one.kind for one in work.scenes[0].elements]

    assert kinds == ["heading", *["character", *["parenthetical", "dialogue"] * 2, "action"] * 10]
