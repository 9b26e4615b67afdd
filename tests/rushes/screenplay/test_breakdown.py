import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.errors import NothingFitsError, RushesError
from rushes.screenplay.breakdown import MAX_TITLE, PAGE_LINES, pages
from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import write
from rushes.screenplay_files.read_file import read_breakdown
from tests.support import scripts

FERRY = Path(__file__).parents[2].joinpath("support", "ferry.fountain")
# Elements of a script, and texts that may break a parser of it.
PIECES = st.sampled_from(
    ["INT. HALL - DAY", "EXT. SEA", ".FORCED", "..", "BOB", "BOB ^", "@Bo", "(aside)", "Hello.", "[[", "]]", "/*", "*/",
     "*", "**", "_", "\\", "~la", "!", "# One", "= syn", "===", "> X <", "> CUT:", "CUT TO:", "#1#", "#", "Title: X",
     "\t", "  ", "\ufeff", "\ue700", "\0", "é", "海", "\x85", "😀", ":"]
)  # fmt: skip


@pytest.fixture
def read(tmp_path):
    """Parses a script given as text or bytes."""

    def act(content, say=lambda _: None):
        path = tmp_path / "script.fountain"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_breakdown(path, say)

    return act


def test_a_script_with_everything_in_it():
    """Numbers, headings of every form, speakers and the first action; never a note or a struck passage."""
    script = read_breakdown(FERRY)
    rows = [(scene.number, scene.heading, scene.speakers) for scene in script.scenes]

    assert (script.title, script.byline) == (("THE LAST FERRY", "a short film"), "written by Inès Årud")
    assert rows == [
        ("1", "EXT. HARBOUR - DAWN", ("MARA", "SKIPPER")),
        ("2", "EXT. PINE WOODS - DAY", ()),
        ("2A", "INT./EXT. TRUCK - MOVING - DAY", ("TOMÁŠ", "MARA")),
        ("3", "EXT. MOUNTAIN PASS - SUNSET", ("McAllister",)),
        ("4", "A DREAM OF ICE", ("MARA",)),
        ("5", "int. mountain hut - night", ("MCALLISTER", "MARA")),
        ("6", "EXT. HARBOUR - NIGHT", ("SKIPPER", "MARA")),
        ("7", "EXT. HARBOUR - CONTINUOUS", ()),
    ]
    assert script.scenes[0].action == "Fog on the water. A ferry, small and white, pulls at its ropes."
    assert script.scenes[4].action == "THE SHIP"
    assert script.scenes[7].action.endswith("as if \u2026")


@pytest.mark.parametrize(
    ("heading", "is_one"),
    [
        ("INT. HALL", True), ("ext hall", True), ("I/E HALL", True), ("EST. HALL", True), ("EXT/INT. HALL", True),
        (".HALL", True), ("INT. HALL\nNo empty line.", True), ("..HALL", False), ("Interior", False),
        ("EXTRA! HALL", False), ("HALL - DAY", False), ("# INT. HALL", False), ("!INT. HALL", False),
    ],
)  # fmt: skip
def test_what_is_a_heading(read, heading, is_one):
    """Forced, without its full stop, in lower case, over a line: all of them, and nothing else."""
    script = read(f"EXT. FIRST\n\nAction.\n\n{heading}\n\nBOB\nHello.\n")

    assert len(script.scenes) == 1 + is_one
    assert script.scenes[-1].speakers == ("BOB",)


@pytest.mark.parametrize(
    "hidden",
    [
        "[[SECRET]]", "[[one\nSECRET]]", "[[one\n\nSECRET]]", "[[SECRET", "/* SECRET */", "/*\n\nINT. SECRET\n\n*/",
        "= SECRET", "= one\n= SECRET", "# one\n= SECRET", "# one [[SECRET]]", "# one /* SECRET */", "/* # SECRET */",
        "[[# SECRET]]",
    ],
)  # fmt: skip
def test_what_is_hidden_stays_hidden(read, hidden):
    """Notes, boneyard and synopses are for the writer."""
    scenes = read(f"EXT. SEA\n\n{hidden}\n\nINT. HALL\n\nSeen.\n").scenes

    assert "SECRET" not in repr(scenes)
    assert [(scene.heading, scene.action) for scene in scenes][-1] == ("INT. HALL", "Seen.")


def _outline(script):
    return [(scene.heading, [(one.level, one.title) for one in scene.chapters]) for scene in script.scenes]


def test_sections_are_chapters(read):
    """Each stands with its first scene, under its parents; it ends nothing and is not an action."""
    script = read(
        "# One\n\n## *Set* out\n\nEXT. A\n\nRain.\n\n## Back\nMore rain.\n\nEXT. B\n# Two\nEXT. C\n\nEXT. D\n"
    )

    assert _outline(script) == [
        ("EXT. A", [(1, "One"), (2, "Set out")]), ("EXT. B", [(2, "Back")]), ("EXT. C", [(1, "Two")]), ("EXT. D", []),
    ]  # fmt: skip
    assert [scene.action for scene in script.scenes] == ["Rain.", "", "", ""]
    assert [scene.chapters for scene in read_breakdown(FERRY).scenes if scene.chapters][1][0].title == "Two: The return"


@pytest.mark.parametrize(
    ("sections", "chapters"),
    [
        ("# Empty\n\n# Full", [(1, "Full")]), ("## Empty\n\n# Full", [(1, "Full")]),
        ("# Act\n\n## Empty\n\n### Empty too\n\n## Full", [(1, "Act"), (2, "Full")]),
        ("#\n\n##   \n\n# [[only a note]]\n\n# Full", [(1, "Full")]), ("# **", [(1, "**")]), ("#Full", [(1, "Full")]),
        ("# \x01", []), ("### Deep", [(1, "Deep")]), ("# Act\n\n### Deep", [(1, "Act"), (2, "Deep")]),
        ("######## Eight\n\n", [(1, "Eight")]), ("!# No section", []), (" # Set in", [(1, "Set in")]), ("#" * 9, []),
    ],
)  # fmt: skip
def test_a_section_without_a_scene_is_no_chapter(read, sections, chapters):
    """A section without a title is not one either, and omitted levels are not counted."""
    script = read(f"EXT. SEA\n\n{sections}\n\nEXT. FULL\n\n# Left over\n\n## This too\n")

    assert _outline(script) == [("EXT. SEA", []), ("EXT. FULL", chapters)]


def test_a_long_title_is_cut(read):
    """It has to fit a page together with its scene."""
    [scene] = read(f"# {'w' * 300}\n\nEXT. SEA\n").scenes

    assert scene.chapters[0].title == "w" * (MAX_TITLE - 1) + "\u2026"


@pytest.mark.parametrize(
    ("cue", "name"),
    [("BOB (V.O.)", "BOB"), ("BOB (O.S.) (CONT'D)", "BOB"), ("BOB ^", "BOB"), ("@McBob", "McBob"), ("ÉMILE", "ÉMILE"),
     ("R2D2 (beeping", "R2D2")],
)  # fmt: skip
def test_who_speaks(read, cue, name):
    """Only the name."""
    assert read(f"EXT. SEA\n\n{cue}\nHello.\n").scenes[0].speakers == (name,)


def test_a_transition_over_a_line_does_not_speak(read):
    """The marker of lyrics is not shown either."""
    [scene] = read("EXT. SEA\n\nCUT TO:\nBlack.\n\n~La la.\n").scenes

    assert scene.speakers == ()
    assert scene.action == "Black."
    assert read("EXT. SEA\n\n~La la.\n").scenes[0].action == "La la."


def test_numbers_go_on_from_those_given(read):
    """A number that the script gives to a later scene is not used."""
    script = read("EXT. A\n\nINT. B #7A#\n\nEXT. C\n\nINT. D #8#\n\nEXT. E\n\nINT. F #x#\n")

    assert [scene.number for scene in script.scenes] == ["1", "7A", "9", "8", "10", "x"]


def test_length_in_eighths(read):
    """A page is fifty-five lines: 18 short dialogues and the heading fill one. Dual dialogue stands side by side."""
    dialogue = "BOB\n{}\n\n"
    page = read("EXT. SEA\n\n" + dialogue.format("Hello.") * 18).scenes[0]
    twice = read("EXT. SEA\n\n" + dialogue.format("word " * 80) * 6).scenes[0]
    dual = read("EXT. SEA\n\n" + (dialogue.format("word " * 80) + "ANN ^\n" + "word " * 80 + "\n\n") * 3).scenes[0]

    assert (page.eighths, read("EXT. SEA\n").scenes[0].eighths) == (math.ceil(8 * 57 / PAGE_LINES), 1)
    assert twice.eighths > dual.eighths > twice.eighths / 2
    assert [pages(number) for number in (1, 8, 11, 16)] == ["1/8", "1", "1 3/8", "2"]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_codings_and_line_ends(read, coding, line):
    """Encodings of all programs are read; a guessed one is reported."""
    said = []
    text = "Title: Café\n\nEXT. CAFÉ - DAY\n\nRené waits.\n\nRENÉ\nOui.\n".replace("\n", line)
    script = read(text.encode(coding), said.append)

    assert (script.title, script.scenes[0].heading) == (("Café",), "EXT. CAFÉ - DAY")
    assert script.scenes[0].speakers == ("RENÉ",)
    assert len(said) == (coding == "cp1252")


def test_title_pages(read):
    """Values beside and below their key; a first line with a colon may not be one."""
    assert read("Title: One\n   two\nAuthor: A\nAuthors: B\n\nEXT. SEA\n").title == ("One", "two")
    assert read("Title: One\nAuthor: A\nAuthors: B\n\nEXT. SEA\n").byline == "by A, B"
    assert read("INT. HOUSE: HALL - DAY\n\nA door.\n").scenes[0].heading == "INT. HOUSE: HALL - DAY"
    assert read("FADE IN: slowly\n\nEXT. SEA\n").title == ("script",)


@pytest.mark.parametrize(
    ("content", "kind", "fault"),
    [
        ("", NothingFitsError, "is empty"), ("\n \n", NothingFitsError, "is empty"),
        ("Two men talk.\n", NothingFitsError, r"no scene heading.*\.THE CAVE"),
        ("Title: X\n", NothingFitsError, "no scene heading"),
        (b"%PDF-1.7", RushesError, "export it as Fountain"), (b"<?xml?>", RushesError, "export it as Fountain"),
        (b"EXT. SEA\n\0\0", RushesError, "it is not text"), (b"\xff\xfeE", RushesError, "are not text"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(read, content, kind, fault):
    """One line, with a remedy."""
    with pytest.raises(kind, match=fault):
        read(content)


@pytest.mark.parametrize("form", ["fdx", "txt"])
def test_other_formats_give_the_same_scenes(tmp_path, form):
    """Numbers, headings, speakers, first action and length."""
    elements = [
        element for number in range(3) for element in (*scripts.scene(number), Element("transition", "CUT TO:"))
    ]
    (tmp_path / "s.fountain").write_text(write(elements))
    (tmp_path / f"s.{form}").write_bytes(scripts.fdx(elements) if form == "fdx" else scripts.typed(elements).encode())

    assert read_breakdown(tmp_path / f"s.{form}") == read_breakdown(tmp_path / "s.fountain")


@pytest.mark.parametrize(
    ("lines", "byline"),
    [
        (["written by", "Ana and Bo", "May 1999"], "written by Ana and Bo"),
        (["Screenplay by Ana", "May 1999"], "Screenplay by Ana"),
        (["a tale of Bybury", "May 1999", "by"], ""),
    ],
)
def test_a_title_page_without_keys(tmp_path, lines, byline):
    """As Final Draft has it: the author is below or beside a credit."""
    title = "".join(f"<Paragraph><Text>{line}</Text></Paragraph>" for line in ["THE FERRY", *lines])
    page = f"<TitlePage><Content>{title}</Content></TitlePage></FinalDraft>".encode()
    (tmp_path / "s.fdx").write_bytes(scripts.fdx(scripts.scene(1)).replace(b"</FinalDraft>", page))
    script = read_breakdown(tmp_path / "s.fdx")

    assert (script.title, script.byline) == (("THE FERRY",), byline)


@pytest.mark.parametrize("text", ["EXT. SEA\n\n/* gone", "EXT. SEA\n\n" + "/*" * 50_000])
def test_what_strikes_nothing_out_is_text(read, text):
    """An unclosed /* is kept as text, as in other parsers."""
    assert read(text).scenes[0].heading == "EXT. SEA"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.lists(st.tuples(PIECES, st.sampled_from(["", " ", "\n", "\n\n"])))))
def test_any_file_is_read_or_refused(read, pieces):
    """No other error is raised, and the result can be printed."""
    content = pieces if isinstance(pieces, bytes) else "".join(a + b for a, b in pieces)
    try:
        script = read(content)
    except RushesError:
        return
    for scene in script.scenes:
        assert scene.heading.isprintable()
        assert scene.number
        assert scene.eighths >= 1
        assert all(chapter.title.isprintable() and 1 <= chapter.level <= 6 for chapter in scene.chapters)
