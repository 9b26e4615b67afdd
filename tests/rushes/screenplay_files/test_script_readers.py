"""Each format is read into the elements that were written, and Fountain preserves them."""

import textwrap
from contextlib import suppress
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.script.document import read_document
from rushes.errors import RefusedError
from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import parse, write
from rushes.screenplay_files.read_columns import is_indented, read_screenplay
from rushes.screenplay_files.read_fdx import read_fdx
from rushes.screenplay_files.read_file import SUFFIXES
from rushes.screenplay_files.read_play import is_plain_play, is_play, read_play
from tests.support.scripts import COLUMNS, MARGIN, fdx, scene, script, typed

WORD = st.text("abcdefgh", min_size=1, max_size=8)
SENTENCE = st.lists(WORD, min_size=1, max_size=30).map(lambda words: f"{' '.join(words).capitalize()}.")
NAME = st.lists(WORD, min_size=1, max_size=2).map(lambda words: " ".join(words).upper())
ASIDE = st.lists(WORD, min_size=1, max_size=6).map(" ".join)
SAID = st.tuples(NAME, st.none() | ASIDE, SENTENCE)
CUT = st.just([Element("transition", "CUT TO:")])
SPEECH = SAID.map(
    lambda said: [
        Element("character", said[0]),
        *([Element("parenthetical", said[1])] if said[1] else []),
        Element("dialogue", said[2]),
    ]
)
ACTION = SENTENCE.map(lambda text: [Element("action", text)])
SCENE = st.tuples(NAME, ACTION, st.lists(SPEECH, min_size=2), ACTION | CUT).map(
    lambda parts: [Element("heading", f"INT. {parts[0]} - NIGHT"), *parts[1], *chain(*parts[2]), *parts[3]]
)
SCRIPT = st.lists(SCENE, min_size=1, max_size=4).map(lambda scenes: list(chain(*scenes)))

PLAY = """\
# The Ferry, Part 1

## ACT I

### SCENE I. Elsinore. A platform before the
castle.

_Enter FRANCISCO; to him, as the bell
beats, BERNARDO_

**First Citizen**|
__\\[Aside to BERNARDO.]_|
Who's there? *Nay*, answer me:|
\\--Stand, and unfold yourself.

_Exit_

Long live the king!

THE FERRY, PART 1

#### ACT II

### SCENE II

**BERNARDO**

*[He draws.]*

He.

EPILOGUE

If this were played upon a stage now.
""".replace("|", "  ")
PLAIN = """\
ACT I

SCENE I. Elsinore. A platform before the Castle.

Enter Francisco and Barnardo.

BARNARDO.
Who\u2019s there?

FRANCISCO.
Nay, answer me.

 [_Exit Barnardo._]
"""
ENTITY = b'<!DOCTYPE F [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
BOMB = b'<!DOCTYPE F [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
REMOTE = b'<!DOCTYPE F SYSTEM "http://127.0.0.1:9/fdx.dtd">'


@given(SCRIPT)
def test_a_script_of_final_draft_comes_back(elements):
    """Through its file, and through Fountain."""
    found, _ = read_fdx(fdx(elements))

    assert found == elements
    assert parse(write(found)) == found


@given(SCRIPT)
def test_a_typed_screenplay_comes_back(elements):
    """However its lines were broken; Fountain to elements to Fountain is idempotent."""
    text = typed(elements)

    assert is_indented(text)
    assert read_screenplay(text) == elements
    assert write(parse(write(elements))) == write(elements)


def test_final_draft_has_more_than_words():
    """Numbers, dual dialogue, styles within a word, a title page; a note is not read."""
    note = "<ScriptNote><Paragraph><Text>cut this</Text></Paragraph></ScriptNote>"
    action = f'<Paragraph Type="Action"><Text>A </Text><Text Style="Bold">ket</Text><Text>tle.</Text>{note}</Paragraph>'
    hi = '<Paragraph Type="Dialogue"><Text>Hi.</Text></Paragraph>'
    said = "".join(f'<Paragraph Type="Character"><Text>{name}</Text></Paragraph>{hi}' for name in ("Anna", "Bo"))
    head = '<FinalDraft><Content><Paragraph Type="Scene Heading" Number="4A"><Text>int. hall</Text></Paragraph>'
    title = "<TitlePage><Content><Paragraph><Text> </Text></Paragraph><Paragraph><Text>The Ferry</Text></Paragraph>"
    dual = f"<Paragraph><DualDialogue>{said}</DualDialogue></Paragraph>"
    found, _ = read_fdx(f"{head}{action}{dual}</Content>{title}</Content></TitlePage></FinalDraft>".encode())

    assert write(found) == "Title: The Ferry\n\nINT. HALL #4A#\n\nA kettle.\n\nANNA\nHi.\n\nBO ^\nHi.\n"


@pytest.mark.parametrize("head", [ENTITY, BOMB, REMOTE])
def test_final_draft_reaches_nothing_outside_itself(head):
    """External entities are neither files nor addresses to it, and entity expansion is bounded."""
    with pytest.raises(RefusedError, match="names an entity or a document type"):
        read_fdx(head + fdx(scene(1)).partition(b"?>")[2].replace(b"<Text>", b"<Text>&x;", 1))


@pytest.mark.parametrize(
    "data", [fdx(scene(1))[:300], b"<Word><Content/></Word>", b"<FinalDraft/>", b"INT. HALL\n\nHi.\n"]
)
def test_what_is_no_final_draft_is_refused(data):
    """Truncated, another program's, empty, plain text."""
    with pytest.raises(RefusedError, match="Final Draft"):
        read_fdx(data)


def test_a_play_becomes_fountain():
    """Acts are sections, headings forced, names in capitals; a continued speech has its cue again."""
    found = read_play(PLAY)

    assert write(found) == (
        "Title: The Ferry, Part 1\n\n# ACT I\n\n.ELSINORE. A PLATFORM BEFORE THE CASTLE\n\n"
        "Enter FRANCISCO; to him, as the bell beats, BERNARDO\n\n"
        "FIRST CITIZEN\n(Aside to BERNARDO)\nWho's there? Nay, answer me:\n--Stand, and unfold yourself.\n\n"
        "Exit\n\nFIRST CITIZEN\nLong live the king!\n\n# ACT II\n\n.SCENE II\n\nHe draws.\n\nBERNARDO\nHe.\n\n"
        ".EPILOGUE\n\nEPILOGUE\nIf this were played upon a stage now.\n"
    )
    assert parse(write(found)) == found


def test_an_act_without_scenes_is_one():
    """A heading that contains only scenes is not one."""
    found = read_play("# A\n\n## PROLOGUE\n\n### SCENE I. A heath.\n\n**ANN**\nOh.\n\n## Act Two\n\n**ANN**\nAh.\n")

    assert [one.text for one in found if one.kind == "heading"] == ["A HEATH", "ACT TWO"]


def test_a_plain_play_is_read_like_one_in_markdown():
    """As typed by Project Gutenberg."""
    assert is_plain_play(PLAIN)
    assert not is_play(PLAIN)
    assert write(read_play(PLAIN)) == (
        "# ACT I\n\n.ELSINORE. A PLATFORM BEFORE THE CASTLE\n\nEnter Francisco and Barnardo.\n\n"
        "BARNARDO\nWho\u2019s there?\n\nFRANCISCO\nNay, answer me.\n\nExit Barnardo.\n"
    )


def test_columns_are_found_wherever_they_are():
    """A margin of an inch and a half, no empty line before a cue, and a transition at the right."""
    cue = " " * (MARGIN + COLUMNS["character"])
    text = textwrap.indent(typed(scene(1)).replace(f"\n\n{cue}", f"\n{cue}"), " " * 11)
    found = read_screenplay(text)

    assert [one for one in found if one.kind != "action"] == [one for one in scene(1) if one.kind != "action"]


@pytest.mark.parametrize("suffix", [".txt", ".md", ".fountain", ".spmd"])
def test_fountain_is_read_under_any_name(suffix):
    """If there are neither columns nor bold names."""
    work = read_document(write([Element("title", "Title: *The Ferry*"), *script(1)]).encode(), suffix)

    assert (work.title, work.headings) == ("The Ferry", 4)
    assert "".join(one.text for one in work.scenes) == "".join(write(scene(100 + n)) for n in range(4))


def test_what_nobody_sees_is_in_no_scene():
    """Notes, synopses, sections and numbers are removed; text before the first heading is a scene without one."""
    text = "ANN\nOh.\n\n# One\n\n= How it begins\n\nINT. A #3#\n\nA bell[[loud]] rings.\n\n/* cut */\n"
    work = read_document(text.encode(), ".fountain")

    assert [(one.number, one.text) for one in work.scenes] == [(0, "ANN\nOh.\n"), (1, "INT. A\n\nA bell rings.\n")]
    assert work.taken_out == {"notes and synopses": 3}


@pytest.mark.parametrize(
    ("above", "scenes"), [("THE MILL\n\nby Ann\n\nMay 1999", 1), ("She waits for the bell that never rings again.", 2)]
)
def test_a_title_page_is_no_scene(above, scenes):
    """Names and dates before the first heading are skipped and counted; a sentence of action is kept."""
    work = read_document(f"{above}\n\nINT. A\n\nA bell rings.\n".encode(), ".fountain")

    assert len(work.scenes) == scenes
    assert work.taken_out == ({"paragraphs of a title page": 3} if scenes == 1 else {})


LINES = (
    "INT. A - DAY", "ANNA", "     (x)", "          ANNA", "     Hi.", "**ANN**", "_[x]_", "# A", "## ACT I", "ACT I",
    "\f", "### SCENE I. B", "12.", "(MORE)", "CONTINUED:", "[[", "]]", "/*", "*/", "*", "SCENE I. C", "ANN.", "> X",
    "~la", "=", "===", "Title: A", "@x", "!y", ".z", "A ^", "", "\u00e9", "\u00e2\u20ac\u2122",
)  # fmt: skip
TEXT = st.lists(st.sampled_from(LINES), min_size=2, max_size=40).map("\n".join)


@given(TEXT, st.sampled_from([".txt", ".md", ".fountain"]))
def test_whatever_is_read_gives_canonical_scenes(text, suffix):
    """For any text, each scene is Fountain that reads as written, and begins with its heading."""
    try:
        scenes = read_document(text.encode(), suffix).scenes
    except RefusedError:
        scenes = []

    assert all(write(parse(scene.text)) == scene.text for scene in scenes)
    assert all(parse(scene.text)[0].kind == "heading" for scene in scenes if scene.number)


@given(st.binary(), st.sampled_from(sorted(SUFFIXES)))
def test_no_bytes_break_a_reader(data, suffix):
    """They are either refused without side effects, or read as a document."""
    found = None
    with suppress(RefusedError):
        found = read_document(data, suffix)

    assert found is None or all(scene.text for scene in found.scenes)


def test_the_rest_of_a_rewrapped_line_stays_in_its_speech():
    """Mail breaks long lines again, and their rests are at the left edge."""
    speech = "{0:8}ANNA\n{0:6}If you ask me, he never meant to\ncome back. He\n{0:6}took the coat.".format("")
    text = "\n\n".join(["    INT. MILL - DAY", "    The wheel turns, and turns, and\nstops.", *[speech] * 4])
    elements = read_document(text.encode(), ".txt").scenes[0].elements

    assert [one.text for one in elements if one.kind == "dialogue"] == [
        "If you ask me, he never meant to come back. He took the coat."
    ] * 4


def test_a_known_name_speaks_words_that_are_centred_below_it():
    """Though these begin farther right than the name."""
    speeches = [
        f"{name:^60}\n{words:^60}" for name, words in [("INSPECTOR", "Who wants to know that?"), ("INSPECTOR", "No.")]
    ]
    text = "\n\n".join(["INT. MILL - DAY", "The wheel turns.", *speeches])

    assert read_document(text.encode(), ".txt").cues == ["INSPECTOR"] * 2


def test_a_name_speaks_on_a_page_that_is_moved_left():
    """Its words may be left of the heading on the page before."""
    pages = [f"{'':18}INT. MILL - DAY\n", *[f"{'':8}The wheel turns.\n\n{'':30}Mrs. Bell\n{'':19}No.\n"] * 3]

    assert read_document("\n".join(pages).encode(), ".txt").cues == ["Mrs. Bell"] * 3
