"""The page as rendered by a browser."""

import re

import cv2
import pytest

from tests.support.browser import MARKS, browse

DARK = "--blink-settings=preferredColorScheme=0"
# Runs in a copy of the page, inside a frame as wide as a phone: lists its width, and the elements that stick out.
PROBE = """<script>addEventListener("load", () => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll("body *")].filter(
    (e) => !e.closest(".frame > div, .scroll, svg") && e.getBoundingClientRect().right > wide + 1);
  const names = out.map((e) => e.tagName + "." + e.className);
  parent.postMessage([wide, document.documentElement.scrollWidth, names.join(" ")].join("|"), "*");
})</script>"""
# Lists the tables that are wider than their box, so that a reader has to scroll them sideways.
PUSHED = """<script>addEventListener("load", () => {
  const boxes = [...document.querySelectorAll(".scroll:has(table)")].filter((e) => e.scrollWidth > e.clientWidth);
  parent.postMessage(boxes.map((e) => e.querySelector("table").className || "table").join(" "), "*");
})</script>"""
FRAME = """<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,">
<script>addEventListener("message", (e) => { document.body.dataset.probe = e.data; })</script>
<body><iframe src="probed.html" style="width: %dpx; height: 900px; border: 0"></iframe></body>"""

pytestmark = MARKS


def probed(page, probe, folder, width_px):
    """Output of a script that runs in a copy of the page, inside a frame of that width."""
    html = re.sub(r"<meta http-equiv=[^>]*>", probe, page.read_text(encoding="utf-8"), count=1)
    (folder / "probed.html").write_text(html, encoding="utf-8")
    (folder / "frame.html").write_text(FRAME % width_px, encoding="utf-8")
    dom, complaints = browse(folder / "frame.html", "--window-size=1400,1000", "--dump-dom")

    assert complaints == []
    return re.search(r'data-probe="([^"]*)"', dom).group(1)


@pytest.fixture(params=["good", "failed", "odd", "drawing", "long"])
def page(request, pages):
    """Pages of a good run, of a failed one, and of one with extreme widths, a family that draws, and a long search."""
    return pages[request.param]


@pytest.mark.parametrize(("width_px", "options"), [(1280, ()), (1280, (DARK,)), (400, ())])
def test_the_page_shows(page, tmp_path, width_px, options):
    """The screenshot has ink on paper, in light and dark, and the browser logs no error."""
    shot = tmp_path / "shot.png"
    _, complaints = browse(page, f"--window-size={width_px},1200", f"--screenshot={shot}", *options)
    picture = cv2.imread(str(shot), cv2.IMREAD_GRAYSCALE)

    assert complaints == []
    assert picture.shape == (1200, width_px)
    assert picture.std() > 15
    assert (picture[100:].mean() < 100) == (DARK in options)


@pytest.mark.parametrize("width_px", [1280, 760, 360])
def test_nothing_sticks_out(page, tmp_path, width_px):
    """Lines, tables and charts fit the window; sheets and tables scroll inside their own box."""
    assert probed(page, PROBE, tmp_path, width_px) == f"{width_px}|{width_px}|"


@pytest.mark.parametrize("name", ["good", "long"])
def test_a_table_is_seen_whole(pages, name, tmp_path):
    """On a desktop screen no column is cut off, whatever a row of the compression search has."""
    assert probed(pages[name], PUSHED, tmp_path, 1280) == ""


def test_the_browser_refuses_what_is_fetched(pages, tmp_path):
    """The page's own policy blocks a picture from elsewhere, planted in the page."""
    planted = tmp_path / "planted.html"
    picture = '<img src="http://127.0.0.1:9/x.png" alt="">'
    planted.write_text(pages["good"].read_text(encoding="utf-8") + picture, encoding="utf-8")

    assert any("Content Security Policy" in line for line in browse(planted, "--dump-dom")[1])
