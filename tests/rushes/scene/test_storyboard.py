import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.bundle.manifest import read_bundle
from rushes.errors import MisuseError, RushesError
from rushes.scene import storyboard_pdf
from rushes.scene.generator import SceneGenerator
from rushes.scene.storyboard import Board, Panel, check_redraw, draw_board, parse_redraw
from rushes.scene.storyboard_html import html_of
from rushes.scene.storyboard_pdf import pdf_of
from rushes.screenplay import pdf_fonts
from rushes.screenplay.breakdown import Breakdown, SceneBreakdown
from rushes.screenplay_files.read_file import read_breakdown
from tests.support import scenes

FERRY = Path(__file__).parents[2].joinpath("support", "ferry.fountain")


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """The tiny model."""
    folder = tmp_path_factory.mktemp("scene")
    scenes.write_bundle(folder)
    return SceneGenerator.from_bundle(read_bundle(folder))


@pytest.fixture(scope="module")
def draw(generator):
    """A board of a script."""

    def act(script, pictures=1, seed=7, **redraw):
        credit = list(scenes.CREDITS.values())
        return draw_board(
            script, generator, pictures=pictures, seed=seed, redraw=redraw, model="scene v3", credits=credit
        )

    return act


def _script(*headings):
    rows = [SceneBreakdown(str(number), heading, "", (), 1) for number, heading in enumerate(headings, 1)]
    return Breakdown(("X",), "", tuple(rows))


def _board(**changes):
    scene = SceneBreakdown(
        **{"number": "1", "heading": "EXT. SEA", "action": "", "speakers": (), "eighths": 1} | changes
    )
    return Board(("X",), "", (Panel(scene, np.zeros((1, 16, 16, 3), np.uint8), 7),), 7, "scene v3", ())


def test_a_place_looks_alike_and_new_scenes_change_no_other(draw):
    """At the same time of day the pictures are the same; a new scene does not change those after it."""
    first = draw(_script("EXT. SEA - DAY", "INT. OFFICE - DAY", "EXT. THE SEA - LATER")).panels
    after = draw(_script("EXT. FOREST - DAY", "EXT. SEA - DAY", "INT. OFFICE - DAY")).panels

    assert np.array_equal(first[0].pictures_nhwc, first[2].pictures_nhwc)
    assert np.array_equal(first[0].pictures_nhwc, after[1].pictures_nhwc)
    assert np.array_equal(first[1].pictures_nhwc, after[2].pictures_nhwc)
    assert not np.array_equal(first[0].pictures_nhwc, first[1].pictures_nhwc)


def test_one_scene_drawn_again_keeps_the_rest(draw):
    """Even if the script returns to the place; and the panel shows its seed."""
    script = _script("EXT. SEA", "EXT. SEA", "EXT. FOREST")
    before, after = draw(script, 2), draw(script, 2, **{"2": 9})
    same = [np.array_equal(a.pictures_nhwc, b.pictures_nhwc) for a, b in zip(before.panels, after.panels, strict=True)]

    assert same == [True, False, True]
    assert re.findall(r"seed 9", html_of(after)) == ["seed 9"]
    assert "seed 9" not in html_of(before)


@pytest.mark.parametrize("word", ["12", "=9", "12=", "12=x", "12=-1", "12=\u00b2"])
def test_redraw_is_scene_and_seed(word):
    """Anything else is quoted in the error."""
    assert parse_redraw(["2a=9", "#3#=1", "x=y=4"]) == {"2a": 9, "3": 1, "x=y": 4}
    with pytest.raises(MisuseError, match=re.escape(f"--redraw {word}: write SCENE=SEED")):
        parse_redraw([word])


def test_a_scene_that_is_not_there():
    """The existing numbers are listed; lower case is accepted."""
    script = read_breakdown(FERRY)
    check_redraw(script, {"2a": 9})

    with pytest.raises(MisuseError, match="no scene of this number; it has 1, 2, 2A, 3"):
        check_redraw(script, {"8": 9})


def test_the_page_has_all_of_it_and_fetches_nothing(draw):
    """Each scene with its pictures; the model and the credits, on screen and on paper."""
    html = html_of(draw(read_breakdown(FERRY), 2))

    assert html.count("<article") == 8
    assert html.count("data:image/jpeg;base64,") == 16
    assert (
        html.count("drawn by rushes scene v3, seed 7") == 3
    )  # under the title, at the end, and below each printed page
    assert scenes.CREDITS["film"] in html
    assert not re.findall(r"https?://|<script|@import|<link(?! rel=\"icon\")", html)
    for text in ("written by Inès Årud", "INT./EXT. TRUCK", "TOMÁŠ, MARA", "2 2/8 pages", "Snow on the road."):
        assert text in html
    for hidden in ("the crane there", "OPEN WATER", "may go", "Mara misses"):
        assert hidden not in html


def test_texts_of_a_script_are_escaped():
    """In the page and in its style, which also has the credits."""
    odd = "</style><b>&\"'\\"
    board = _board(number=odd, heading=odd, action=odd, speakers=(odd,))
    html = html_of(Board((odd,), odd, board.panels, 7, odd, (odd,)))

    assert html.count("</style>") == 1
    assert "<b>" not in html


def test_the_pdf_has_its_pages(draw):
    """Eight scenes of one picture take two pages, of twelve eight; the same board gives the same file."""
    script = read_breakdown(FERRY)
    few, many = pdf_of(draw(script)), pdf_of(draw(script, 12))

    assert few.startswith(b"%PDF-")
    assert [len(re.findall(rb"/Type /Page\b", pdf)) for pdf in (few, many)] == [2, 8]
    assert pdf_of(draw(script)) == few


def test_a_card_is_never_higher_than_a_page():
    """The longest text of a panel, and a word wider than a line."""
    board = _board(number="1" * 30, heading="W" * 400, action="word " * 48, speakers=("A" * 90, "B C"))
    laid = storyboard_pdf._laid(board.panels[0], board, pdf_fonts.fonts_for("x"))

    assert laid.height < storyboard_pdf.PAGE[1] - storyboard_pdf.TOP - storyboard_pdf.BOTTOM
    assert pdf_of(board).startswith(b"%PDF-")


def test_signs_without_a_font(monkeypatch, tmp_path):
    """Western Europe works on any machine; for other scripts the error has a remedy, and a font can be given."""
    monkeypatch.setattr(pdf_fonts, "_FOLDERS", ())
    (tmp_path / "no.ttf").write_text("no font")

    assert pdf_of(_board(action="«Ça va?» \u2014 “Öl für Škoda… Ærø”")).startswith(b"%PDF-")
    with pytest.raises(RushesError, match=r"no font found here has 海: .*--font FILE\.ttf.*--out FILE\.html"):
        pdf_of(_board(action="海"))
    with pytest.raises(RushesError, match=r"cannot set this script.*--out FILE\.html"):
        pdf_of(_board(action="שלום"))
    with pytest.raises(MisuseError, match="is not a TrueType font"):
        pdf_of(_board(), tmp_path / "no.ttf")


def test_a_missing_package_is_named(monkeypatch):
    """The wheel does not need it until PDF is requested, and HTML never needs it."""
    monkeypatch.setitem(sys.modules, "reportlab.pdfgen.canvas", None)

    with pytest.raises(RushesError, match=r"pip install reportlab.*--out board\.html"):
        pdf_of(_board())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40), st.text(max_size=80), st.sampled_from([html_of, pdf_of]))
def test_any_text_gives_a_board_or_a_clean_error(draw, tmp_path, heading, text, kind):
    """Any content is accepted, down to the printed page."""
    (tmp_path / "any.fountain").write_bytes(f"EXT. {heading}\n\n{text}\n".encode("utf-8", "replace"))
    try:
        content = kind(draw(read_breakdown(tmp_path / "any.fountain")))
    except RushesError:
        return

    assert content.startswith("<!DOCTYPE" if kind is html_of else b"%PDF-")
