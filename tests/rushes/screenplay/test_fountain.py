from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.screenplay import elements as elements_module
from rushes.screenplay import fountain
from rushes.screenplay.fountain import Element, canonical, parse, unstyled, write
from tests.support.written import ELEMENTS, TEXTS, as_screenplain, seen_by_screenplain

FERRY = Path(__file__).parents[2].joinpath("support", "ferry.fountain").read_text(encoding="utf-8")
FEW = settings(max_examples=300, deadline=None)


def kinds(text):
    return [(element.kind, element.text) for element in parse(text)]


@FEW
@given(st.lists(ELEMENTS, max_size=6))
def test_what_is_written_is_read_back(drawn):
    """Any canonical elements, and their text is the only one."""
    clean, text = canonical(drawn), write(drawn)

    assert canonical(clean) == clean
    assert parse(text) == clean
    assert write(clean) == text


def test_a_key_that_opens_a_scene_is_not_of_the_title_page():
    """A scene may follow the title page directly, so such a line is its heading."""
    page = [Element("title", "TITLE: Ferry\nINT.: 0\nAuthor: Anna")]

    assert canonical(page) == [Element("title", "TITLE: Ferry\nAuthor: Anna")]
    assert parse(write(page)) == canonical(page)


@FEW
@given(TEXTS)
def test_any_text_is_read(text):
    """Parsing never fails; and writing the result is idempotent."""
    clean = parse(text)

    assert canonical(clean) == clean
    assert parse(write(clean)) == clean
    assert write(parse(write(clean))) == write(clean)


@FEW
@given(st.lists(ELEMENTS, max_size=6))
def test_screenplain_reads_the_same_kinds(drawn):
    """For printed elements; it does not know lyrics and synopses everywhere, nor empty lines in dialogue."""
    clean = canonical(element for element in drawn if element.kind not in {"synopsis", "lyrics", "dialogue"})
    found = [kind for kind, _ in seen_by_screenplain(write(clean))]

    assert found == [kind for kind, _ in as_screenplain(clean)]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("_transition", lambda _: None), ("_is_cue", str.isupper), ("_like_a_title", lambda _: False)],
)
def test_a_planted_fault_shows(monkeypatch, name, wrong):
    """Without one of its rules the writer's output is read differently."""
    meant = [Element("action", "Note: a Door"), Element("action", "CUT TO:"), Element("action", "! OH\nNo")]
    text = write(meant)
    monkeypatch.setattr(fountain, name, wrong)

    assert parse(text) != meant or write(meant) != text


def test_a_whole_script():
    """Every element, in order."""
    script = parse(FERRY)

    assert script[0] == Element(
        "title", "Title: _**THE LAST FERRY**_\nTitle: a short film\nCredit: written by\nAuthor: Inès Årud\n"
        "Contact: nobody@example.org\nDraft date: 3 May 2031",
    )  # fmt: skip
    assert Element("heading", "INT./EXT. TRUCK - MOVING - DAY", number="2A") in script
    assert Element("character", "MARA", dual=True) in script
    assert Element("section", "Two: The return", depth=2) in script
    assert Element("boneyard", "In the first draft she jumped:\n\nEXT. OPEN WATER - DAY\n\nShe swims.") in script
    assert [one.text for one in script if one.kind == "transition"] == ["CUT TO:", "FADE OUT."]
    assert parse(write(script)) == script


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("INT. HALL", [("heading", "INT. HALL")]),
        ("i/e hall", [("heading", "i/e hall")]),
        (".THE CAVE", [("heading", "THE CAVE")]),
        ("..THE CAVE", [("action", "..THE CAVE")]),
        ("INTERIOR", [("action", "INTERIOR")]),
        ("INT. HALL\nA door.", [("heading", "INT. HALL"), ("action", "A door.")]),
        ("BOB\n(low)\nHi.\nThere.", [("character", "BOB"), ("parenthetical", "low"), ("dialogue", "Hi.\nThere.")]),
        ("BOB\nOne.\n  \nTwo.\n\nThree.", [("character", "BOB"), ("dialogue", "One.\n\nTwo."), ("action", "Three.")]),
        ("BOB (V.O.)\nHi.", [("character", "BOB (V.O.)"), ("dialogue", "Hi.")]),
        ("@McBob\nHi.", [("character", "McBob"), ("dialogue", "Hi.")]),
        ("BOB\n\nHi.", [("action", "BOB"), ("action", "Hi.")]),
        ("BOB\n[[note]]\nHi.", [("character", "BOB"), ("dialogue", "Hi."), ("note", "note")]),
        ("!BOB\nHi.", [("action", "BOB\nHi.")]),
        ("CUT TO:", [("transition", "CUT TO:")]),
        ("> Fade out.", [("transition", "Fade out.")]),
        ("CUT TO:\nBlack.", [("action", "CUT TO:\nBlack.")]),
        ("FADE IN:\nBlack.", [("action", "FADE IN:\nBlack.")]),
        ("> THE END <\n> fin <", [("centered", "THE END\nfin")]),
        ("~la\n~lo", [("lyrics", "la\nlo")]),
        ("# One\n= what", [("section", "One"), ("synopsis", "what")]),
        ("====", [("page_break", "")]),
        ("He [[who?]] goes.", [("action", "He goes."), ("note", "who?")]),
        ("[[open\n\nHe goes.", [("note", "open"), ("action", "He goes.")]),
        ("[[a\n\nb]]", [("note", "a\n\nb")]),
        ("He /* runs\n\nand */ goes.", [("action", "He goes."), ("boneyard", "runs\n\nand")]),
        ("He /* goes.", [("action", "He / * goes.")]),
        ("FADE IN: slowly", [("action", "FADE IN: slowly")]),
        ("Title: A\n  B\nBy: C\n\nHe goes.", [("title", "Title: A\nTitle: B\nBy: C"), ("action", "He goes.")]),
    ],
)  # fmt: skip
def test_the_syntax(text, found):
    """As specified by fountain.io/syntax."""
    assert kinds(text) == found
    assert kinds(write(parse(text))) == found


@pytest.mark.parametrize(
    "text",
    [
        "EXT. SEA - DAY #1A#\n", ".SEA\n", "INT./EXT. CAR\n", "I/E CAR\n", "int. hut\n", "BOB\nHi.\n\nANN ^\nHi!\n",
        "@McBob\n(low)\nHi.\n", "BOB\nA.\n  \nB.\n", "!BOB\nHi.\n", "!INT. HALL\n", "> FADE OUT.\n", "SMASH CUT TO:\n",
        "> THE END <\n", "# One\n\n## Two\n", "===\n", "[[a\n  \nb]]\n", "He /* x */\n\ngoes.\n", "!> no\n", "!=\n",
    ],
)  # fmt: skip
def test_screenplain_agrees(text):
    """Kinds and texts agree, for the source and for the written text."""
    assert as_screenplain(parse(text)) == seen_by_screenplain(text)
    assert seen_by_screenplain(write(parse(text))) == seen_by_screenplain(text)


def test_a_mark_stands_only_where_it_must():
    """The plain form if possible, also over a colon that would make a title page."""
    forced = [Element("heading", "SEA"), Element("action", "CUT TO:"), Element("transition", "OUT."),
              Element("character", "McBob"), Element("dialogue", "(so")]  # fmt: skip
    plain = [Element("heading", "EXT. SEA"), Element("action", "Cut to:"), Element("transition", "CUT TO:"),
             Element("character", "BOB"), Element("dialogue", "Hi.")]  # fmt: skip

    assert write(forced) == ".SEA\n\n!CUT TO:\n\n> OUT.\n\n@McBob\n(so\n"
    assert write(plain) == "EXT. SEA\n\nCut to:\n\nCUT TO:\n\nBOB\nHi.\n"
    assert write([Element("heading", "INT. HUT: HALL")]) == "\nINT. HUT: HALL\n"
    assert write([Element("heading", "EXT/INT. CAR")]) == ".EXT/INT. CAR\n"


def test_what_fountain_cannot_say():
    """A cue without dialogue, dialogue without a cue, dual dialogue without a partner, and an empty text."""
    given_elements = [
        Element("character", "BOB"), Element("heading", " .SEA "), Element("parenthetical", "low"), Element("note", ""),
        Element("character", "ANN", dual=True), Element("note", "why?"), Element("dialogue", "(so)\nHi."),
    ]  # fmt: skip

    assert canonical(given_elements) == [
        Element("action", "BOB"), Element("heading", "SEA"), Element("action", "(low)"), Element("character", "ANN"),
        Element("parenthetical", "so"), Element("dialogue", "Hi."), Element("note", "why?"),
    ]  # fmt: skip


def test_emphasis_is_kept_and_can_be_taken_off():
    """Nested styles, and literal stars."""
    assert kinds("He _**runs**_.") == [("action", "He _**runs**_.")]
    assert unstyled("He _**runs**_ \\*fast\\*, 2 * 3 * 4.") == "He runs *fast*, 2 * 3 * 4."


@pytest.mark.parametrize(
    "text",
    [
        " " * 100_000, "[[" * 5_000, "[[\n\n" * 5_000, "[[a]]" * 4_000, "/*" * 20_000, "*a" * 20_000, "~\n" * 8_000,
        "B" * 10_000 + "\nx\n" + "  \n" * 4_000, "BOB\n" + "(a)\na\n" * 2_000, "A\nb ^\n\n" * 1_500,
        "INT. " + "#1" * 20_000 + "#", "A\nb ^\n\n[[x]]\n\n" * 800,
    ],
)  # fmt: skip
def test_a_long_script_ends(text):
    """A pattern with quadratic or cubic backtracking would hang here."""
    long = text * 10

    assert write(parse(write(parse(long)))) == write(parse(long))
    assert len(unstyled(long)) <= len(long)


def test_the_patterns_take_no_line_feed_for_a_blank():
    """Otherwise lines would merge."""
    assert elements_module.printed("a\t\xa0b\u2028c\0") == "a     b\nc"
