"""A board as a browser shows and prints it. Chromium stands in .ci/debian.txt."""

import re
import shutil
import subprocess
from pathlib import Path

import cv2
import pytest

from rushes.board_html import html_of
from rushes.bundle import read_bundle
from rushes.scene import SceneDrawer
from rushes.screenplay import read_script
from rushes.storyboard import draw_board
from tests.support import scenes

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
)  # fmt: skip
FERRY = Path(__file__).with_name("ferry.fountain")
# Runs in a copy of the page: how far down each card and its pictures reach, and whether every picture is whole.
PROBE = """<script>addEventListener("load", () => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > wide + 1);
  const broken = [...document.images].filter((image) => !image.naturalWidth);
  document.body.dataset.probe = [document.images.length, broken.length, out.length].join("|");
})</script>"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")]


@pytest.fixture(params=[1, 12])
def page(request, tmp_path):
    """The board of a script, with one picture a scene and with twelve."""
    scenes.write_bundle(tmp_path / "scene")
    drawer = SceneDrawer.from_bundle(read_bundle(tmp_path / "scene"))
    board = draw_board(
        read_script(FERRY), drawer, pictures=request.param, seed=7, redraw={"2A": 9}, model="scene v3",
        credits=list(scenes.CREDITS.values()),
    )  # fmt: skip
    (tmp_path / "board.html").write_text(html_of(board), encoding="utf-8")
    return tmp_path / "board.html", request.param


@pytest.fixture
def browse(tmp_path):
    """Runs the browser on a file as a new user; gives what it printed and what it complained of."""

    def run(page, *options):
        command = [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'user'}", *options, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        shutil.rmtree(tmp_path / "user")
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return run


@pytest.mark.parametrize("width_px", [1100, 520])
def test_a_board_on_the_screen(browse, page, tmp_path, width_px):
    """Every picture is there, nothing sticks out, the paper is white also for who likes it dark."""
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


def test_a_board_on_paper(browse, page, tmp_path):
    """On A4; no card is split: four or five of one picture stand on a page, and each of twelve has its own."""
    file, pictures = page
    _, complaints = browse(file, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'board.pdf'}")
    pdf = (tmp_path / "board.pdf").read_bytes()
    sizes = re.findall(rb"/MediaBox \[0 0 (\d+)[.\d]* (\d+)", pdf)

    assert complaints == []
    assert set(sizes) == {(b"594", b"841")}
    assert len(sizes) == {1: 2, 12: 8}[pictures]
