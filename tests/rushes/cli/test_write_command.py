import inspect
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from rushes.cli.write_command import SUFFIXES, write_command
from rushes.screenplay.export import exported
from rushes.screenplay.fountain import Element, parse, write
from rushes.script import decoding
from rushes.script.length import parse_length
from rushes.script.request import TEMPERATURE, TOP_P, Request
from tests.support import scripts, written
from tests.support.command import HEAVY, store_with
from tests.support.written import faults

FERRY = Path(__file__).parents[2].joinpath("support", "ferry.fountain")
RUN = """
import sys
from rushes.cli.app import app
app(standalone_mode=False)
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model store with version 3 of the tiny model."""
    return store_with(tmp_path_factory.mktemp("models"), "script", written.write_bundle)


def test_a_scene(rushes, tmp_path):
    """Standard output and the file are the same, with a note on its origin; the same call gives the same draft."""
    words = ["write", "--theme", "betrayal", "--characters", "anna, Mark (40)", "--length", "50w", "--seed", 3]
    status, out, err = rushes(*words, "--heading", "INT. THRONE ROOM - NIGHT", "--out", "scene.fountain")
    *scene, note = parse(out)

    assert (status, (tmp_path / "scene.fountain").read_text(encoding="utf-8")) == (0, out)
    assert err.startswith("scene.fountain\n")
    assert " characters in " in err
    assert faults(scene, ("ANNA", "MARK")) == []
    assert scene[0] == Element("heading", "INT. THRONE ROOM - NIGHT")
    assert "Written by rushes: script v3, digest " in note.text
    assert f"seed 3, ONNX Runtime {onnxruntime.__version__}. 0.0 % of its words" in note.text
    assert rushes(*words, "--heading", "INT. THRONE ROOM - NIGHT")[1] == out


def test_a_draft_goes_on(rushes, tmp_path):
    """The earlier text is kept byte for byte; only new text is printed; only its characters speak."""
    status, out, _ = rushes("write", "--continue", FERRY, "--length", "60w", "--out", "longer.fountain")
    longer = (tmp_path / "longer.fountain").read_text(encoding="utf-8")
    cast = ("MARA", "SKIPPER", "TOMÁŠ", "McAllister", "MCALLISTER")

    # The ferry's last line is a transition, after which another scene begins.
    assert (status, longer) == (0, FERRY.read_text(encoding="utf-8") + out)
    assert faults([one for one in parse(out) if one.kind != "note"], cast) == []
    assert parse(longer) == parse(FERRY.read_text(encoding="utf-8")) + parse(out)


@pytest.mark.parametrize("form", ["fdx", "txt"])
def test_a_draft_of_another_format_goes_on(rushes, tmp_path, form):
    """The same new text as for the draft in Fountain; the whole is Fountain, or Final Draft's again."""
    elements = scripts.script(1)
    Path("d.fountain").write_text(write(elements), encoding="utf-8")
    Path(f"d.{form}").write_bytes(scripts.fdx(elements) if form == "fdx" else scripts.typed(elements).encode())
    words = ["write", "--length", "40w", "--continue"]
    new = rushes(*words, "d.fountain")[1]
    status, out, _ = rushes(*words, f"d.{form}", "--out", "longer.fountain")

    assert (status, out) == (0, new)
    assert (tmp_path / "longer.fountain").read_text(encoding="utf-8") == write(elements) + new
    assert rushes(*words, f"d.{form}", "--out", "longer.fdx")[0] == 0
    assert rushes(*words, "longer.fdx")[0] == 0


@pytest.mark.parametrize(
    ("name", "starts"), [("d.fdx", b"<?xml"), ("d.pdf", b"%PDF-"), ("d.html", b"<!DOCTYPE html>"), ("d.HTM", b"<!DOC")]
)
def test_other_programs_formats(rushes, tmp_path, name, starts):
    """The format comes from the file name or --format; the same call gives the same file, without notes."""
    assert rushes("write", "--length", "40w", "--out", name)[0] == 0
    content = (tmp_path / name).read_bytes()
    form = SUFFIXES[Path(name).suffix.lower()]
    assert rushes("write", "--length", "40w", "--out", "other", "--format", form)[0] == 0

    assert content.startswith(starts)
    assert (tmp_path / "other").read_bytes() == content
    assert b"Written by rushes" not in content


def test_an_outline_is_read_elsewhere_too():
    """Formats without sections get headings and action, and a script's sections no synopsis."""
    outline = [Element("section", "1. EXT. SEA", depth=1), Element("synopsis", "It rains.")]
    scene = [Element("heading", "EXT. SEA"), Element("synopsis", "secret"), Element("lyrics", "la la")]

    assert b"<Text>1. EXT. SEA<" in exported(outline, "fdx")
    assert b"It rains." in exported(outline, "html")
    assert b"secret" not in exported(scene, "html")
    assert b"<Text>la la<" in exported(scene, "fdx")
    assert exported(outline, "fountain").decode() == write(outline)


@pytest.mark.parametrize("words", [["--outline", "--characters", "ANNA"], ["--character", "anna"]])
def test_outlines_and_profiles(rushes, words):
    """Sections and synopses, and the note."""
    status, out, _ = rushes("write", *words, "--length", "40w")

    assert status == 0
    assert [one.kind for one in parse(out)][:2] == ["section", "synopsis"]
    assert out.startswith("# ANNA\n" if words[0] == "--character" else "# 1. ")


def test_stopped_in_the_middle(rushes, tmp_path, monkeypatch):
    """Whole paragraphs written so far are kept; the status shows that it was stopped."""
    real, calls = decoding.draw, []

    def draw(*words, **named):
        calls.append(words)
        if len(calls) > 300:
            raise KeyboardInterrupt
        return real(*words, **named)

    monkeypatch.setattr(decoding, "draw", draw)
    status, out, err = rushes("write", "--length", "300w", "--out", "d.fountain", "--heading", "EXT. SEA")
    text = (tmp_path / "d.fountain").read_text(encoding="utf-8")

    assert (status, err) == (1, "rushes: stopped; d.fountain holds the text written so far\n")
    assert text == out == write(parse(out))
    assert [one.kind for one in parse(text)][-1] == "note"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--length", "2"], 2, "--length 2: write pages as 2p"),
        (["--out", "x.doc"], 2, "or name the format with --format"),
        (["--out", "no/x.pdf"], 2, "does not exist"),
        (["--format", "doc"], 2, "it is one of fountain, fdx, pdf, html"),
        (["--format", "pdf"], 2, "add --out draft.pdf"),
        (["--characters", " , "], 2, "name 1 to 20"),
        (["--characters", "ANNA, ?!"], 2, "--characters ?!: a name needs a letter"),
        (["--character", "A, B"], 2, "--character A, B: name one"),
        (["--outline", "--heading", "SEA"], 2, "--outline and --heading exclude each other"),
        (["--character", "A", "--outline"], 2, "--outline and --character exclude each other"),
        (["--character", "A", "--scenes", "2"], 2, "--character and --scenes exclude each other"),
        (["--theme", "x" * 999], 2, "--theme: 999 characters are too many"),
        (["--heading", "..."], 2, "is not a heading"),
        (["--temperature", "3"], 2, "Invalid value for '--temperature'"),
        (["--continue", "none.fountain"], 2, "does not exist"),
        (["--continue", "empty.fountain"], 3, "is empty"),
        (["--continue", "notes.fountain"], 3, "has no scene to go on from"),
        (["--continue", "."], 2, "is a directory"),
        (["--continue", __file__], 2, "Fountain (.fountain), Final Draft (.fdx), plain text (.txt)"),
        (["--model", "."], 3, "no script model in"),
    ],
)
def test_what_makes_no_sense(rushes, tmp_path, words, status, message):
    """One line, the right status, and nothing written."""
    for name, text in (("empty", ""), ("notes", "[[Only this.]]")):
        (tmp_path / f"{name}.fountain").write_text(text)
    found, out, err = rushes("write", *words)

    assert (found, out) == (status, "")
    assert message in err
    assert "Traceback" not in err
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("form", "package"), [("html", "screenplain"), ("pdf", "reportlab")])
def test_a_missing_package_is_named(rushes, monkeypatch, form, package):
    """The check comes before any output; Fountain does not need the package."""
    monkeypatch.setitem(sys.modules, package, None)
    status, out, err = rushes("write", "--out", f"x.{form}", "--length", "5w")

    assert (status, out) == (1, "")
    assert f"pip install {package} (the wheel's extra [write] brings it)" in err
    assert rushes("write", "--out", "x.fountain", "--length", "5w")[0] == 0


def test_pull_names_what_the_model_is_for(rushes, models, tmp_path):
    """The printed command works."""
    [bundle] = (models / "script").iterdir()
    status, _, err = rushes("pull", "script", "--registry", bundle, "--to", tmp_path / "here")

    assert (status, err.splitlines()[-1].startswith("use it: rushes write --theme ")) == (0, True)
    assert rushes("write", "--length", "5w", "--model", tmp_path / "here")[0] == 0


def test_nothing_heavy_is_loaded(models, tmp_path):
    """Writing loads neither training nor network modules."""
    command = [sys.executable, "-c", RUN, "write", "--length", "20w", "--out", "x.pdf", "--model", str(models)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stderr.split())


def test_what_is_left_out_is_the_writers_own_choice():
    """The command has the defaults of a request, which it does not load for its help."""
    defaults = {name: one.default for name, one in inspect.signature(write_command).parameters.items()}

    assert (defaults["temperature"], defaults["top_p"]) == (TEMPERATURE, TOP_P)
    assert parse_length(defaults["length"]) == Request().length
    assert defaults["seed"] == Request().seed
