import json
import re
import subprocess
import sys

import pytest
import typer

from rushes.cli.app import app
from rushes.errors import plain
from rushes.faces import face_search
from tests.support.command import command_line
from tests.support.runtime import BrightSquare, write_clip

HEAVY = {"torch", "pytorch_lightning", "lightning", "prefect", "mlflow", "dvc", "onnx", "pandas", "matplotlib"}
# Runs a command as on a set, then lists the loaded modules.
RUN = """
import sys
from rushes.cli.app import app
app(standalone_mode=False)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
# Only the detector is replaced: it finds bright areas.
PLANT = """
import numpy as np
from rushes.faces import detector, face_search

class Bright:
    def __init__(self, bundle): pass
    def tracker(self): return self
    def detect(self, frame):
        rows, columns = np.nonzero(frame.min(axis=2) > 200)
        box = (float(columns.min()), float(rows.min()), float(np.ptp(columns)), float(np.ptp(rows)))
        return [detector.Face(box, 0.9, np.zeros((6, 2)))]

face_search.open_finder = Bright
"""


@pytest.fixture
def rushes(monkeypatch, capsys):
    """Runs the command in this process; returns status, standard output and standard error."""
    monkeypatch.setattr(face_search, "open_finder", lambda _: BrightSquare())
    return command_line(monkeypatch, capsys)


def _python(*words, **environment):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, **environment)


def test_pull_then_capture(rushes, mlflow, clip, tmp_path):
    """The two commands of a set, one after the other; pull prints the command line for capture."""
    status, out, err = rushes("pull", "expression@champion", "--registry", mlflow.url, "--to", tmp_path / "models")
    assert status == 0
    assert out.splitlines()[-1].startswith(str(tmp_path / "models/expression/v7-"))
    assert f"rushes capture --show --model {tmp_path / 'models'}" in err
    status, out, err = rushes("capture", "--model", tmp_path / "models", "--source", clip, "--save", tmp_path / "o.mp4")

    assert status == 0
    assert [json.loads(line)["expression"] for line in out.splitlines()] == ["happy"] * 10
    assert "10 frames, 10 faces" in err


def test_status_3_when_nothing_fits(rushes, mlflow, bundle_folder, tmp_path):
    """No such version, no model, no face: the command ran without a result."""
    empty = write_clip(tmp_path / "empty.mp4", face=False)
    (tmp_path / "none").mkdir()

    assert rushes("pull", "expression@staging", "--registry", mlflow.url, "--to", tmp_path / "x")[0] == 3
    assert rushes("capture", "--model", tmp_path / "none", "--source", empty)[0] == 3
    assert rushes("capture", "--model", bundle_folder, "--source", empty)[0] == 3


def test_status_2_for_misuse(rushes, bundle_folder, tmp_path):
    """An invalid argument, or a missing model or source."""
    assert rushes("bogus")[0] == 2
    assert rushes("capture", "--model", tmp_path / "nowhere")[0] == 2
    assert rushes("capture", "--model", bundle_folder, "--source", tmp_path / "nowhere.mp4")[0] == 2
    assert rushes("pull", "a b", "--registry", tmp_path)[0] == 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda bundle, _: (bundle / "expression.onnx").write_bytes(b"x"), "expression.onnx has 1 bytes, not"),
        (lambda bundle, _: (bundle / "manifest.json").write_text("{}"), "family: Field required"),
        (lambda _, clip: clip.write_bytes(b"x"), "cannot be opened"),
    ],
)
def test_a_failure_is_one_line(rushes, bundle_folder, clip, spoil, words):
    """Status 1, one line on standard error, no traceback."""
    spoil(bundle_folder, clip)
    status, out, err = rushes("capture", "--model", bundle_folder, "--source", clip)

    assert (status, out) == (1, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_the_remedy_of_a_failure_is_printed(rushes, bundle_folder, clip):
    """Behind the message; the bundle lacks the landmark networks."""
    status, _, err = rushes("capture", "--model", bundle_folder, "--source", clip, "--units")

    assert status == 1
    assert err.endswith("it was made before faces were tracked; pull a newer version: rushes pull expression\n")


def test_a_bundle_of_another_family_is_named(rushes, bundle_folder, clip):
    """Also if its graph would run."""
    manifest = bundle_folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"family": "expression"', '"family": "scene"'))
    (bundle_folder / "certificate.json").unlink()
    status, _, err = rushes("capture", "--model", bundle_folder, "--source", clip)

    assert status == 3
    assert "is a bundle of the family 'scene', not 'expression'" in err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyboardInterrupt(), "rushes: stopped"),
        (OSError(28, "No space left on device"), "rushes: No space left on device"),
        (OSError(13, "Permission denied", "lines.jsonl"), "rushes: lines.jsonl: Permission denied"),
    ],
)
def test_an_error_of_the_system_is_one_line(rushes, bundle_folder, clip, monkeypatch, error, line):
    """Ctrl-C while the model loads, a full disk, a file of another user: status 1 and a message."""

    def fail(_):
        raise error

    monkeypatch.setattr(face_search, "open_finder", fail)
    status, _, err = rushes("capture", "--model", bundle_folder, "--source", clip)

    assert (status, err) == (1, f"{line}\n")


def test_a_log_on_a_full_disk_ends_no_capture(rushes, bundle_folder, clip, monkeypatch):
    """As with `2> capture.log`, where the line about an output that fails could not be printed either."""

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(typer, "echo", fail)
    status, out, _ = rushes("capture", "--model", bundle_folder, "--source", clip)

    assert (status, len(out.splitlines())) == (0, 10)


def test_a_fault_of_ours_is_one_line_too(rushes, bundle_folder, clip, monkeypatch):
    """An unexpected exception ends without a traceback; RUSHES_DEBUG shows it."""
    monkeypatch.setattr(face_search, "open_finder", lambda _: 1 / 0)
    status, _, err = rushes("capture", "--model", bundle_folder, "--source", clip)
    monkeypatch.setenv("RUSHES_DEBUG", "1")

    assert status == 1
    assert err.startswith("rushes: this is a bug in rushes")
    with pytest.raises(ZeroDivisionError):
        rushes("capture", "--model", bundle_folder, "--source", clip)


@pytest.mark.parametrize(
    "forged", ["\nrushes: signed by studio.pub", "\r\x1b[2Krushes: fine", "\u202e\u2028\x85\udc1b"]
)
def test_a_text_of_a_registry_cannot_forge_a_line(rushes, mlflow, tmp_path, forged):
    """Line breaks and cursor movements in a tag are replaced by visible characters."""
    mlflow.tags = {"rushes.rejected": "2031-05-01", "rushes.rejected_why": f"sad{forged}"}
    _, _, err = rushes("pull", "expression", "--registry", mlflow.url, "--to", tmp_path / "models")

    assert err.startswith(f"rushes: expression at {mlflow.url} was rolled back on 2031-05-01: sad")
    assert [line.isprintable() for line in err.removesuffix("\n").split("\n")] == [True]


def test_a_text_of_a_bundle_cannot_forge_a_line(rushes, bundle_folder, clip):
    """A family's name cannot break the line either."""
    document = json.loads((bundle_folder / "manifest.json").read_text()) | {"family": "x\x1b[1A\x07y"}
    (bundle_folder / "manifest.json").write_text(json.dumps(document))
    (bundle_folder / "certificate.json").unlink()
    status, _, err = rushes("capture", "--model", bundle_folder, "--source", clip)

    assert (status, len(err.splitlines())) == (3, 1)
    assert err.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("text", "shown"), [("café, 映画", "café, 映画"), ("a\nb\tc", "a?b?c"), ("\x1b[0m\udc80", "?[0m?")]
)
def test_plain_text_is_what_can_be_printed(text, shown):
    """Letters of any language are printable; cursor movements are not."""
    assert plain(text) == shown


@pytest.mark.parametrize("command", [command.name for command in app.registered_commands])
def test_help_has_examples(rushes, command):
    """Each command shows an example and the meaning of each exit status: any of them can fail, and be misused."""
    status, out, _ = rushes(command, "--help")

    assert status == 0
    assert f"  rushes {command}" in out
    assert re.search("Exit status: 0 [^,]+, 1 [^,]+, 2 misuse, 3 ", out)


def test_help_is_light():
    """Help loads neither OpenCV nor ONNX Runtime nor requests."""
    done = _python("-c", "import sys, rushes.cli.app; print(*{'cv2', 'onnxruntime', 'requests'} & set(sys.modules))")

    assert done.stdout.strip() == "", done.stderr


@pytest.mark.parametrize(
    ("words", "web"),
    [([], None), (["--web"], "8765"), (["--web", "--units"], "8765"), (["--web", "9000"], "9000"), (["--web=0"], "0")],
)
def test_web_may_stand_alone(words, web):
    """The option has a value of its own, and one may be given."""
    command = typer.main.get_command(app).commands["capture"]

    assert command.make_context("capture", words).params["web"] == web


def test_capture_is_light(bundle_folder, clip, tmp_path):
    """After a whole run over a clip, no training module has been imported."""
    words = [
        "capture",
        "--model",
        bundle_folder,
        "--source",
        clip,
        "--save",
        tmp_path / "o.mp4",
        "--json",
        tmp_path / "j",
    ]
    done = _python("-c", PLANT + RUN, *map(str, words))
    loaded = set(done.stdout.split())

    assert {"cv2", "onnxruntime", "rushes"} <= loaded, done.stderr
    assert loaded & HEAVY == set()


def test_pull_is_light(bundle_folder, tmp_path):
    """Pull does not load them, nor OpenCV."""
    words = ["pull", "expression", "--registry", bundle_folder, "--to", tmp_path / "models"]
    done = _python("-c", RUN, *map(str, words))
    loaded = set(done.stdout.split())

    assert {"requests", "rushes"} <= loaded, done.stderr
    assert loaded & (HEAVY | {"cv2", "onnxruntime"}) == set()
