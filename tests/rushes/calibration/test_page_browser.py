"""The page of a calibration in a browser: prompts, pauses, the result, another round, and the end."""

import json
import socket
import threading

import numpy as np
import pytest

from rushes.tracking.face import UNITS
from tests.support import model_store
from tests.support.actors import made_up_actor
from tests.support.browser import MARKS, browsing
from tests.support.command import command_line
from tests.support.performing import AT_REST, OPEN, Stage
from tests.support.runtime import BrightSquare

pytestmark = MARKS
LEAD_S = 3.0
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SHOWN = "((e) => Boolean(e && e.offsetWidth && e.offsetHeight))(document.querySelector(%r))"


@pytest.fixture(scope="module")
def tab():
    """A tab of one browser for all tests."""
    with browsing() as given:
        yield given


@pytest.fixture
def stage():
    """A camera before which nobody sits yet."""
    given = Stage()
    yield given
    given.close()


@pytest.fixture
def calibration(stage, tmp_path, monkeypatch, capsys):
    """Runs the command in a thread; its URL, and its status and output once it has ended."""
    monkeypatch.setenv("RUSHES_MODELS", str(model_store.fill(tmp_path / "models")))
    monkeypatch.setattr("rushes.faces.face_search.open_finder", lambda _: BrightSquare())
    monkeypatch.setattr("rushes.calibration.run.open_source", lambda *_: stage)
    monkeypatch.setattr("rushes.capture.analysis.open_tracker", lambda *_: (stage, np.zeros((0, 2), int)))
    monkeypatch.setattr("rushes.calibration.store.networks_of", lambda *_: {"face_units": "aa"})
    for place in ("rushes.capture.web.feed.VIEWER_S", "rushes.calibration.page.LAST_S"):
        monkeypatch.setattr(place, 60.0)  # a machine at work may hold up the browser
    run, found = command_line(monkeypatch, capsys), []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["calibrate", "--performer", "anna", "--neutral", "2", "--motion", "20", "--web", port]
    thread = threading.Thread(target=lambda: found.extend(run(*words)))
    thread.start()
    stage.run(1.0)  # frames are taken once the server runs

    def ended():
        thread.join(60)
        assert not thread.is_alive()
        return found

    yield f"http://127.0.0.1:{port}/", ended
    stage.close()
    thread.join(60)


def text(tab, name):
    return tab.run(f"document.querySelector('#{name}').textContent")


def until(tab, condition):
    """Waits for a condition on the page, at most half a minute."""
    late = f"throw new Error({condition!r} + ': ' + document.querySelector('#dialogue').innerText)"
    tab.run(
        f"(async () => {{ const from = Date.now(); while (!({condition})) {{ if (Date.now() - from > 30000) {late}; "
        "await new Promise(requestAnimationFrame); } })()"
    )


def until_text(tab, name, words):
    until(tab, f"document.querySelector('#{name}').textContent.includes({words!r})")


def perform(tab, stage):
    """Rests, and opens the mouth in all movements."""
    stage.face = AT_REST
    stage.run(LEAD_S + 1.9)
    stage.face = OPEN
    stage.run(20.5)
    until(tab, SHOWN % "#answers")


def choose(tab, choice):
    tab.run(f"document.querySelector('[data-choice={choice}]').click()")


def test_prompts_pause_and_result(tab, stage, calibration, tmp_path):
    """From the first look at the page to the file; nothing is ever wider than the window."""
    url, ended = calibration
    tab.complaints.clear()
    tab.open(url, 1280, 800)
    until_text(tab, "prompt", "Waiting for a face")
    stage.dark = True
    until_text(tab, "prompt", "Waiting for the camera")
    stage.dark, stage.face = False, AT_REST
    until_text(tab, "step", "Get ready")
    ready = [text(tab, name) for name in ("prompt", "countdown", "hint")]
    stage.run(LEAD_S)
    until_text(tab, "step", "Neutral")
    size_px = tab.run("parseFloat(getComputedStyle(document.querySelector('#prompt')).fontSize)")
    stage.face = None
    stage.run(10.0)
    until_text(tab, "prompt", "Paused: no face is seen")
    paused = [text(tab, name) for name in ("step", "countdown")]
    stage.face = AT_REST
    until_text(tab, "prompt", "Look into the camera")
    stage.run(2.0)
    stage.face, steps = OPEN, []
    for number in range(1, 11):
        until_text(tab, "step", f"{number} of 10")
        steps.append((text(tab, "step"), text(tab, "prompt"), tab.run(OVERFLOW)))
        progress = int(tab.run("document.querySelector('#plan').getAttribute('aria-valuenow')"))
        stage.run(1.9)
    until(tab, SHOWN % "#answers")
    bars = tab.run("Object.fromEntries([...document.querySelectorAll('[data-unit]')].map((bar) => [bar.dataset.unit, "
        "[Number(bar.dataset.value), bar.firstChild.offsetLeft / bar.offsetWidth, bar.className]]))")  # fmt: skip
    result = [text(tab, name) for name in ("prompt", "hint", "unread")]
    repeat = tab.run("[...document.querySelectorAll('#repeat li')].map((item) => item.innerText)")
    choose(tab, "done")
    until_text(tab, "prompt", "Done: anna is calibrated")
    status, out, err = ended()

    assert ready == ["Look into the camera, relax your face, close your mouth", "3", "Next: neutral"]
    assert paused == ["Neutral", "2"]
    assert size_px > 30
    assert steps[0] == ("Brows up · 1 of 10", "Raise your eyebrows and open your eyes wide", 0)
    assert [overflow for *_, overflow in steps] == [0] * 10
    assert 90 <= progress <= 95
    assert result[:2] == ["anna is calibrated", "1 of 52 units moved."]
    assert result[2].startswith("The model hardly reads: cheekPuff, cheekSquint, jawForward")
    assert sorted(bars) == sorted(UNITS)
    assert bars["jawOpen"][:2] == [40, pytest.approx(0.2, abs=0.02)]
    assert ("weak" in bars["jawOpen"][2], "weak" in bars["browInnerUp"][2]) == (False, True)
    assert repeat[1] == "Frown, and wrinkle your nose\nbrowDown"
    assert (status, tab.complaints) == (0, [])
    assert out.strip() == str(tmp_path / "models" / "performers" / "anna.json")
    assert f"waiting for somebody who opens {url} and a face before camera 0" in err
    assert "frown, and wrinkle your nose" in err


def test_another_round_takes_the_place_of_the_first(tab, stage, calibration, tmp_path):
    """The result of each is stored at once; "again" asks nothing more of the terminal."""
    url, ended = calibration
    path = tmp_path / "models" / "performers" / "anna.json"
    tab.open(url, 1280, 800)
    perform(tab, stage)
    first = json.loads(path.read_text())["gain"]
    stage.face = AT_REST
    choose(tab, "again")
    until_text(tab, "step", "Get ready")
    hidden = not tab.run(SHOWN % "#answers")
    stage.run(LEAD_S + 1.9)
    stage.face = made_up_actor(jawOpen=1.0)
    stage.run(20.5)
    until(tab, SHOWN % "#answers")
    choose(tab, "done")

    assert ended()[0] == 0
    assert hidden
    assert first == {"jawOpen": pytest.approx(2.5)}
    assert json.loads(path.read_text())["gain"] == {"jawOpen": pytest.approx(1.25)}


def test_a_performer_who_looks_away_gets_another_try(tab, stage, calibration, tmp_path):
    """The page gives the reason; if nobody tries again, the command fails and nothing is stored."""
    url, ended = calibration
    tab.open(url, 400, 800)
    stage.face = made_up_actor(angles_deg=(40, 0, 0))
    stage.run(LEAD_S + 22.5)
    until(tab, SHOWN % "#answers")
    shown = [text(tab, name) for name in ("prompt", "hint")]
    overflow = tab.run(OVERFLOW)
    choose(tab, "done")
    until_text(tab, "hint", "Nothing was stored")
    status, _, err = ended()

    assert shown[0] == "Not calibrated"
    assert shown[1].startswith("The head is turned by 40, 0, 0 degrees")
    assert overflow == 0
    assert (status, "look straight at the camera and start again" in err) == (1, True)
    assert not (tmp_path / "models" / "performers" / "anna.json").exists()
