import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from rushes.screenplay.fountain import write
from tests.support import scenes, scripts
from tests.support.command import HEAVY, store_with

FERRY = Path(__file__).parents[2].joinpath("support", "ferry.fountain")
RUN = """
import sys
from rushes.cli.app import app
app(standalone_mode=False)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model store with version 3 of the tiny model."""
    return store_with(tmp_path_factory.mktemp("models"), "scene", scenes.write_bundle)


def test_a_sheet_of_a_place(rushes, tmp_path):
    """Eight pictures; the default file name comes from the request. The same call gives the same file."""
    status, out, err = rushes("scene", "--text", "EXT. FOREST - DAY", "--seed", 7)
    content = (tmp_path / "ext-forest-day-7.png").read_bytes()
    again = rushes("scene", "--text", "EXT. FOREST - DAY", "--seed", 7, "--out", "again.png", "--count", 8)

    assert (status, out, err) == (0, "ext-forest-day-7.png\n", "")
    assert again[0] == 0
    assert (tmp_path / "again.png").read_bytes() == content
    assert cv2.imread("again.png").shape[1] == 4 * 256 + 3 * 12 + 64


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--text", " "], 2, "--text is empty"),
        (["--text", "sea", "--category", "wood"], 2, "this model knows forest, sea, street"),
        (["--text", "sea", "--out", "x.gif"], 2, "must end in .png"),
        (["--text", "sea", "--out", "no/x.png"], 2, "does not exist"),
        (["--text", "sea", "--out", "x"], 2, "or in / for a folder"),
        (["--text", "sea", "--out", f"{FERRY}/x/"], 2, "ferry.fountain is not a folder; name"),
        (["--text", "sea", "--out", "new/", "--category", "wood"], 2, "this model knows forest, sea, street"),
        (["--text", "sea", "--count", "0"], 2, "Invalid value for '--count'"),
        ([], 2, "Missing option '--text'"),
    ],
)
def test_what_makes_no_sense(rushes, tmp_path, words, status, message):
    """One line, the right status, and no file."""
    found, out, err = rushes("scene", *words)

    assert (found, out) == (status, "")
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_each_picture_by_itself(rushes, tmp_path):
    """In a folder, with its credits; its seed and number reproduce it, whatever is drawn with it."""
    status, out, err = rushes("scene", "--text", "EXT. PIER", "--count", 3, "--seed", 7, "--out", "pier/")
    third = (tmp_path / "pier/ext-pier-7-0003.png").read_bytes()
    again = rushes("scene", "--text", "EXT. PIER", "--count", 20, "--seed", 7, "--out", "pier")

    assert (status, out, err) == (0, "".join(f"pier/ext-pier-7-000{number}.png\n" for number in (1, 2, 3)), "")
    assert scenes.CREDITS["film"].encode() in third
    assert scenes.CREDITS["film"] in (tmp_path / "pier/CREDITS.txt").read_text(encoding="utf-8")
    assert (again[0], len(list((tmp_path / "pier").iterdir()))) == (0, 21)
    assert (tmp_path / "pier/ext-pier-7-0003.png").read_bytes() == third


@pytest.mark.parametrize("form", ["fdx", "txt"])
def test_a_storyboard_of_another_format(rushes, tmp_path, form):
    """Final Draft's and a typed page give the board of the same script in Fountain, apart from its title."""
    elements = scripts.script(1)
    Path("s.fountain").write_text(write(elements), encoding="utf-8")
    Path(f"s.{form}").write_bytes(scripts.fdx(elements) if form == "fdx" else scripts.typed(elements).encode())

    assert rushes("storyboard", "s.fountain", "--out", "a.html") == (0, "a.html\n", "")
    assert rushes("storyboard", f"s.{form}", "--out", "b.html") == (0, "b.html\n", "")
    assert (tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()


def test_the_formats_of_scripts_are_named(rushes):
    """In the help, and for a file of any other."""
    Path("s.docx").write_bytes(b"PK\3\4")
    status, out, err = rushes("storyboard", "s.docx")

    assert (status, out) == (2, "")
    assert "Fountain (.fountain), Final Draft (.fdx), plain text (.txt)" in err
    assert ".fountain, .fdx or .txt" in rushes("storyboard", "--help")[1]


def test_a_storyboard(rushes, tmp_path):
    """As HTML named after the script, and as PDF."""
    assert rushes("storyboard", FERRY) == (0, "ferry.html\n", "")
    assert rushes("storyboard", FERRY, "--out", "b.pdf", "--pictures", 3, "--redraw", "2a=9") == (0, "b.pdf\n", "")

    assert re.search(
        r"drawn by rushes scene v3, digest [0-9a-f]{12}, seed 1", (tmp_path / "ferry.html").read_text(encoding="utf-8")
    )
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("content", "words", "status", "message"),
    [
        ("Nobody talks.", [], 3, "has no scene heading"), ("", [], 3, "is empty"),
        ("EXT. SEA", ["--redraw", "2=1"], 2, "no scene of this number; it has 1"),
        ("EXT. SEA", ["--redraw", "2"], 2, "write SCENE=SEED"), ("EXT. SEA", ["--out", "x.doc"], 2, "must end in"),
        ("EXT. SEA", ["--model", "."], 3, "no scene model in"),
    ],
)  # fmt: skip
def test_a_script_that_gives_no_board(rushes, tmp_path, content, words, status, message):
    """One line with the reason, the right status, and no storyboard."""
    (tmp_path / "s.fountain").write_text(content)
    found, out, err = rushes("storyboard", "s.fountain", *words)

    assert (found, out) == (status, "")
    assert message in err
    assert not list(tmp_path.glob("*.html"))


def test_a_bundle_of_another_family(rushes, bundle_folder):
    """The message names the family."""
    status, _, err = rushes("scene", "--text", "sea", "--model", bundle_folder)

    assert (status, "is a bundle of the family 'expression', not 'scene'" in err) == (3, True)


def test_pull_names_what_the_model_is_for(rushes, models, tmp_path):
    """The printed command works."""
    [bundle] = (models / "scene").iterdir()
    status, _, err = rushes("pull", "scene", "--registry", bundle, "--to", tmp_path / "here")

    assert status == 0
    assert err.splitlines()[-1] == f'use it: rushes scene --text "EXT. FOREST - DAY" --model {tmp_path / "here"}'
    assert rushes("scene", "--text", "EXT. FOREST - DAY", "--model", tmp_path / "here")[0] == 0


@pytest.mark.parametrize("words", [["scene", "--text", "sea", "--out", "x.png"], ["storyboard", str(FERRY)]])
def test_nothing_heavy_is_loaded(models, tmp_path, words):
    """The commands that draw load neither training nor network modules."""
    command = [sys.executable, "-c", RUN, *words, "--model", str(models)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())
