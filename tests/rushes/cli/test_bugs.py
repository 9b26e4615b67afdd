import subprocess
import sys

import pytest

from rushes import __version__
from tests.support import model_store
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.command import command_line
from tests.support.runtime import BrightSquare, write_clip
from tests.support.takes import write_take
from tests.support.written import SOURCE

COMMANDS = {
    "calibrate": "calibrate --performer anna --source {here}/clip.mp4 --neutral 0.5 --motion 0.5",
    "pull": "pull expression --registry {models} --to {here}/store",
    "capture": "capture --source {here}/clip.mp4",
    "check": "check expression",
    "list": "list",
    "pin": "pin expression --model {models}",
    "retarget": "retarget {here}/take --out {here}/again.csv",
    "scene": "scene --text sea --out {here}/sheet.png",
    "storyboard": "storyboard {here}/script.fountain --out {here}/board.html",
    "write": "write --theme sea --length 20w",
}
# The project's functions that each command calls, also inside its `try` blocks.
PLACES = {
    "calibrate": [
        "rushes.calibration.run.open_source",
        "rushes.calibration.calibration.Calibration",
        "rushes.calibration.store.networks_of",
    ],
    "pull": ["rushes.pull.folder_registry.pointed", "rushes.store.store.verify", "rushes.pull.pull.record_pull"],
    "capture": [
        "rushes.expression.classifier.fit_picture",
        "rushes.store.store.read_records",
        "rushes.capture.json_lines.line_of",
    ],
    "check": ["rushes.inference.latency.example_feed", "rushes.inference.check.prove", "rushes.store.store.verify"],
    "list": ["rushes.store.listing.verify", "rushes.store.listing.read_records"],
    "pin": ["rushes.loading.read_head", "rushes.store.store.write_whole"],
    "retarget": ["rushes.take.reading.read_curves", "rushes.take.reading.rate_of", "rushes.take.retargeting.Curves"],
    "scene": [
        "rushes.scene.text_encoder.TextEncoder._embed",
        "rushes.scene.generator.heading_phrase",
        "rushes.scene.contact_sheet.compose",
    ],
    "storyboard": ["rushes.scene.storyboard.place_seed", "rushes.scene.storyboard_html.html_of"],
    "write": ["rushes.script.decoding.draw", "rushes.script.writer.learned"],
}
MISTAKES = {
    "calibrate": ("calibrate --performer anna --source {here}/no.mp4", "no.mp4"),
    "pull": ("pull a*b --registry {models}", "is not the name of a model"),
    "capture": ("capture --source {here}/no.mp4", "no.mp4"),
    "check": ("check expression@8", "Versions of expression there: 7"),
    "list": ("list --model {here}", "no model in"),
    "pin": ("pin expression@8", "Versions of expression there: 7"),
    "retarget": ("retarget {here}/take --out {here}/again.csv --actor 4", "no curves of actor 4"),
    "scene": ("scene --text sea --category wood", "this model knows"),
    "storyboard": ("storyboard {here}/empty.fountain", "scene heading"),
    "write": ("write --length 5miles", "write pages as 2p"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model store with a tiny model of each family."""
    return model_store.fill(tmp_path_factory.mktemp("models"))


@pytest.fixture
def rushes(models, tmp_path, monkeypatch, capsys):
    """Runs a command line; returns status, standard output and standard error."""
    monkeypatch.setenv("RUSHES_MODELS", str(models))
    monkeypatch.setattr("rushes.faces.face_search.open_finder", lambda _: BrightSquare())
    monkeypatch.setattr("rushes.capture.analysis.open_tracker", lambda *_: (MadeUpTracker([made_up_actor()]), None))
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", frames=25, fps=25)
    write_take(tmp_path / "take", frames=3)
    (tmp_path / "script.fountain").write_text("INT. MILL - DAY\n\nRain.\n")
    (tmp_path / "empty.fountain").write_text(SOURCE)
    run = command_line(monkeypatch, capsys)
    return lambda line: run(*line.format(models=models, here=tmp_path).split())


@pytest.mark.parametrize(("command", "place"), [(name, place) for name, places in PLACES.items() for place in places])
def test_a_planted_value_error_is_reported_as_a_bug(rushes, monkeypatch, command, place):
    """With version and place; not as a user's mistake, a damaged bundle or a bad address."""

    def fail(*_args, **_named):
        message = "operands could not be broadcast together"
        raise ValueError(message)

    assert rushes(COMMANDS[command])[0] == 0
    monkeypatch.setattr(place, fail)
    status, _, err = rushes(COMMANDS[command])

    assert status == 1
    assert f"this is a bug in rushes {__version__}, please report it: ValueError: operands" in err
    assert "test_bugs.py:" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistake_of_the_user_is_not_a_bug(rushes, command):
    """The message names the option or value to change."""
    line, message = MISTAKES[command]
    status, _, err = rushes(line)

    assert status in {2, 3} or (command == "capture" and status == 1)
    assert message in err
    assert "bug" not in err


def test_a_bug_in_the_child_process_is_reported_as_one(rushes, monkeypatch):
    """Also if the graphs run for the first time, in a process of their own."""
    monkeypatch.setenv("RUSHES_MACHINE_STATE", "state")
    plant = "import runpy, sys, numpy; numpy.isfinite = lambda _: numpy.zeros(2) + numpy.zeros(3)"
    start = f"{plant}; runpy.run_module('rushes.inference.child_process', run_name='__main__')"
    started = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _words, **how: started([sys.executable, "-c", start], **how))
    status, _, err = rushes("check expression")

    assert status == 1
    assert "please report it" in err
    assert "operands could not be broadcast together" in err
