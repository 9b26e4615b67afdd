"""The chapters of a board, in HTML and in PDF."""

import re

import numpy as np
import pytest

from rushes.errors import RushesError
from rushes.scene import storyboard_pdf
from rushes.scene.storyboard import Board, Panel, contents
from rushes.scene.storyboard_html import html_of
from rushes.scene.storyboard_pdf import pdf_of
from rushes.screenplay import pdf_fonts
from rushes.screenplay.breakdown import Chapter, SceneBreakdown

ROOM = storyboard_pdf.PAGE[1] - storyboard_pdf.TOP - storyboard_pdf.BOTTOM
ACT_1, HARBOUR, SHIP, WOODS = (
    Chapter(1, "Act One"),
    Chapter(2, "The harbour"),
    Chapter(3, "A ship"),
    Chapter(2, "Woods"),
)
ACT_2 = Chapter(1, "Act Two")


def board(*chapters, pictures=1, **changes):
    """A board of dark scenes, an eighth long each, with the chapters that begin with each of them."""
    fields = {"heading": "EXT. SEA", "action": "", "speakers": (), "eighths": 1} | changes
    scenes = [SceneBreakdown(str(number), chapters=above, **fields) for number, above in enumerate(chapters, 1)]
    dark_nhwc = np.zeros((pictures, 8, 8, 3), np.uint8)
    return Board(("X",), "", tuple(Panel(scene, dark_nhwc, 7) for scene in scenes), 7, "scene v3", ())


FILM = board((), (ACT_1, HARBOUR), (SHIP,), (), (WOODS,), (ACT_2,), ())


def test_the_contents():
    """A chapter extends to the next one of its level or above; scenes before the first one have none."""
    assert [(entry.chapter.title, entry.about) for entry in contents(FILM)] == [
        ("Act One", "scenes 2 to 5, 4/8 pages"),
        ("The harbour", "scenes 2 to 4, 3/8 pages"),
        ("A ship", "scenes 3 to 4, 2/8 pages"),
        ("Woods", "scene 5, 1/8 pages"),
        ("Act Two", "scenes 6 to 7, 2/8 pages"),
    ]
    assert contents(board((), ())) == []


def test_chapters_stand_among_the_scenes():
    """Above their scenes, each at its level; a scene is a level below its chapter."""
    found = re.findall(r"<(h\d) class=\"(?:chapter[^>]*|heading)\">(?:<span>)?([^<]*)", html_of(FILM))

    assert found == [
        ("h2", "EXT. SEA"), ("h2", "Act One"), ("h3", "The harbour"), ("h4", "EXT. SEA"), ("h4", "A ship"),
        ("h5", "EXT. SEA"), ("h5", "EXT. SEA"), ("h3", "Woods"), ("h4", "EXT. SEA"), ("h2", "Act Two"),
        ("h3", "EXT. SEA"), ("h3", "EXT. SEA"),
    ]  # fmt: skip


@pytest.mark.parametrize(("chapters", "listed"), [([()], 0), ([(ACT_1,), ()], 0), ([(ACT_1,), (ACT_2,)], 2)])
def test_two_chapters_are_listed(chapters, listed):
    """Each links to its place; a single one needs no list."""
    html = html_of(board(*chapters))
    links = re.findall(r'href="#([^"]+)"', html)

    assert ("<nav" in html, len(links)) == (listed > 0, listed)
    assert links == re.findall(r'class="chapter level-1" id="([^"]+)"', html)[:listed]


def test_a_title_is_escaped():
    """In the contents and above the scenes."""
    html = html_of(board((Chapter(1, "<b>&"),), (Chapter(1, '"><i>'),)))

    assert "<b>" not in html
    assert "<i>" not in html
    assert html.count("&lt;b&gt;&amp;") == 2


@pytest.mark.parametrize("pictures", [1, 3, 12])
def test_a_page_holds_titles_with_their_scenes(pictures):
    """A title makes its scene higher, and both move to the next page: no sheet exceeds a page."""
    film = board(*[(ACT_1, HARBOUR), (), (WOODS,)] * 6, pictures=pictures)
    laid = [storyboard_pdf._laid(panel, film, pdf_fonts.fonts_for("x")) for panel in film.panels]
    for head in range(0, 280, 20):  # so that a title can fall anywhere on a page
        sheets = storyboard_pdf._sheets(laid, head)
        whole = [sum(one.whole_height for one in sheet) for sheet in sheets]

        assert sum(map(len, sheets)) == 18
        assert whole[0] + head <= ROOM
        assert max(whole) <= ROOM


def test_the_longest_titles_fit_above_the_highest_scene():
    """Six levels at once, twelve pictures, and the longest action of a panel."""
    above = tuple(Chapter(level, "w" * 99 + "\u2026") for level in range(1, 7))
    film = board(above, pictures=12, heading="EXT. SEA - DAY " * 4, action="word " * 48)

    assert storyboard_pdf._laid(film.panels[0], film, pdf_fonts.fonts_for("x")).whole_height < ROOM


def test_the_pdf_has_bookmarks():
    """A line per chapter that leads to its page, nested ones below it, even with omitted levels."""
    pdf = re.sub(rb"\s+", b" ", pdf_of(board((HARBOUR,), *[()] * 5, (ACT_1, SHIP), (Chapter(4, "\u00c6nd"),))))
    found = re.findall(rb"/Dest \[ (\d+) 0 R[^]]*\](?: /\w+ \d+ 0 R)*? /Parent (\d+)[^(]* /Title \(([^)]*)\)", pdf)
    pages, parents, titles = zip(*found, strict=True)

    assert titles == (b"The harbour", b"Act One", b"A ship", b"\\306nd")
    assert pages[0] != pages[1] == pages[2]
    assert len(set(parents)) == 3
    assert parents[0] == parents[1]


def test_a_title_has_its_font(monkeypatch):
    """A font is chosen for its characters, as for those of the scenes."""
    monkeypatch.setattr(pdf_fonts, "_FOLDERS", ())

    with pytest.raises(RushesError, match="no font found here has 海"):
        pdf_of(board((Chapter(1, "海"),)))
