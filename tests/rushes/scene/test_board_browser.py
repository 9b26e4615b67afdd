"""A board as rendered and printed by a browser."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rushes.bundle.manifest import read_bundle
from rushes.scene.generator import SceneGenerator
from rushes.scene.storyboard import Board, Panel, draw_board
from rushes.scene.storyboard_html import html_of
from rushes.screenplay.breakdown import Chapter, SceneBreakdown
from rushes.screenplay_files.read_file import read_breakdown
from tests.support import scenes
from tests.support.browser import MARKS, browse

FERRY = Path(__file__).parents[2].joinpath("support", "ferry.fountain")
# Runs in a copy of the page: lists the bottom of each panel and its pictures, and checks that pictures are whole.
PROBE = """<script>addEventListener("load", () => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > wide + 1);
  const broken = [...document.images].filter((image) => !image.naturalWidth);
  document.body.dataset.probe = [document.images.length, broken.length, out.length].join("|");
})</script>"""

pytestmark = MARKS


@pytest.fixture(params=[1, 12])
def page(request, tmp_path):
    """The board of a script, with one picture per scene and with twelve."""
    scenes.write_bundle(tmp_path / "scene")
    generator = SceneGenerator.from_bundle(read_bundle(tmp_path / "scene"))
    board = draw_board(
        read_breakdown(FERRY), generator, pictures=request.param, seed=7, redraw={"2A": 9}, model="scene v3",
        credits=list(scenes.CREDITS.values()),
    )  # fmt: skip
    (tmp_path / "board.html").write_text(html_of(board), encoding="utf-8")
    return tmp_path / "board.html", request.param


@pytest.mark.parametrize("width_px", [1100, 520])
def test_a_board_on_the_screen(page, tmp_path, width_px):
    """Every picture is there, nothing sticks out, and the paper is white in dark mode too."""
    file, pictures = page
    html = re.sub(r"<meta http-equiv=[^>]*>", PROBE, file.read_text(encoding="utf-8"), count=1)
    (tmp_path / "probed.html").write_text(html, encoding="utf-8")
    size = f"--window-size={width_px},1400"
    dom, _ = browse(tmp_path / "probed.html", size, "--dump-dom")
    _, complaints = browse(file, size, "--blink-settings=preferredColorScheme=0", f"--screenshot={tmp_path / 's.png'}")
    shot = cv2.imread(str(tmp_path / "s.png"))

    assert complaints == []
    assert re.search(r'data-probe="([^"]*)"', dom)[1] == f"{8 * pictures}|0|0"
    assert (shot == 255).all(axis=2).mean() > 0.2


def test_a_board_on_paper(page, tmp_path):
    """On A4, no panel is split: a page has four or five of one picture, or one of twelve."""
    file, pictures = page
    _, complaints = browse(file, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'board.pdf'}")
    pdf = (tmp_path / "board.pdf").read_bytes()
    sizes = re.findall(rb"/MediaBox \[0 0 (\d+)[.\d]* (\d+)", pdf)

    assert complaints == []
    assert set(sizes) == {(b"594", b"841")}
    assert len(sizes) == {1: 2, 12: 8}[pictures]


def test_a_chapter_is_never_left_at_the_foot_of_a_page(tmp_path):
    """Its title stands on the page of its first scene, at any position."""
    scene = SceneBreakdown("1", "EXT. SEA", "", (), 1)
    dark, chapters = np.zeros((1, 16, 16, 3), np.uint8), [()] * 3 + [(Chapter(1, f"C{n}-"),) for n in range(12)]
    panels = [Panel(replace(scene, heading=f"H{n - 3}-", chapters=above), dark, 7) for n, above in enumerate(chapters)]
    page, printed = tmp_path / "board.html", tmp_path / "board.pdf"
    page.write_text(html_of(Board(("X",), "", tuple(panels), 7, "scene v3", ())), encoding="utf-8")
    browse(page, "--no-pdf-header-footer", "--generate-pdf-document-outline", f"--print-to-pdf={printed}")
    places = dict(re.findall(rb"/Title \(([CH]\d+)-.*?\)\s+/Dest \[(\d+)", printed.read_bytes()))

    assert len(set(places.values())) >= 3
    assert [places[b"C%d" % n] == places[b"H%d" % n] for n in range(12)] == [True] * 12
