import threading
from functools import partial

import numpy as np
import pytest

from rushes.calibration.calibration import Origin, measure
from rushes.calibration.page import CalibrationPage
from rushes.calibration.run import LEAD_S, calibrate
from rushes.calibration.session import Session
from rushes.capture.web.address import WebAddress
from rushes.capture.web.feed import Feed
from rushes.errors import MisuseError, UserError
from tests.support.actors import made_up_actor
from tests.support.performing import AT_REST, OPEN, PerformingTracker, Stage
from tests.support.runtime import write_clip

ORIGIN = Origin("2026-03-01T10:00:00+01:00", "00ff", {"face_units": "aa"})
EDGES = np.zeros((0, 2), int)
TURNED = made_up_actor(angles_deg=(40, 0, 0))


class Viewer:
    """Somebody who has the page open, or not."""

    here = False


@pytest.fixture
def viewer(monkeypatch):
    """A viewer who has not come yet."""
    given = Viewer()
    monkeypatch.setattr(Feed, "viewed", property(lambda _: given.here))
    monkeypatch.setattr("rushes.calibration.page.LAST_S", 0.01)  # nobody takes the last state here
    return given


@pytest.fixture
def started(monkeypatch, capsys):  # noqa: ARG001  # catches what the thread prints
    """Starts a calibration with a page; gives its camera, its page, its messages and what ends it."""
    stage, pages, messages, failures = Stage(), [], [], []
    monkeypatch.setattr("rushes.calibration.run.open_source", lambda *_: stage)
    about = {"address": WebAddress(port=0), "origin": {}, "edges": EDGES, "performer": "anna", "log": messages.append}

    def open_page(source):
        pages.append(CalibrationPage(source, **about))
        return pages[0]

    def run():
        try:
            calibrate("0", stage, partial(Session, 2.0, 10.0), measured, messages.append, open_page)
        except UserError as error:
            failures.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    stage.run(0.1)
    yield stage, pages[0], messages, lambda: (thread.join(30), thread.is_alive(), failures)[1:]
    stage.close()
    thread.join(30)


def measured(session):
    return measure("anna", ORIGIN, session.at_rest, session.in_motion)


def test_it_waits_for_a_viewer_and_for_a_face(viewer, started, capsys):
    """The terminal names which of the two is missing, and the URL; both begin it, and either pauses it."""
    stage, page, messages, _ = started
    phases = []

    def note():
        stage.run(1.0)
        phases.append((page.state()["phase"], page.state()["missing"]))

    note()
    viewer.here = True
    note()
    viewer.here, stage.face = False, AT_REST
    note()
    viewer.here = True
    note()
    viewer.here = False
    note()

    assert phases == [("waiting", ["viewer", "face"]), ("waiting", ["face"]), ("waiting", ["viewer"]),
                      ("running", []), ("running", ["viewer"])]  # fmt: skip
    assert messages == [f"open the page: {page.url}"]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("waiting")]
    assert lines == [
        f"waiting for somebody who opens {page.url} and a face before camera 0",
        "waiting for a face before camera 0",
        f"waiting for somebody who opens {page.url}",
        f"waiting for somebody who opens {page.url}",
    ]


def finish_a_session(stage, face=OPEN):
    stage.face = AT_REST if face is OPEN else face
    stage.run(LEAD_S + 1.9)
    stage.face = face
    stage.run(10.5)


def test_a_result_that_nobody_looks_at_is_accepted(viewer, started, monkeypatch):
    """Some time after the page was closed; the terminal names the choice."""
    monkeypatch.setattr("rushes.calibration.page.AWAY_S", 2.0)
    stage, page, messages, ended = started
    viewer.here = True
    finish_a_session(stage)
    phase = page.state()["phase"]
    stage.run(10.0)
    still = page.state()["phase"]
    viewer.here = False
    stage.run(2.1)

    assert ended() == (False, [])
    assert (phase, still) == ("result", "result")
    assert page.state()["phase"] == "ended"
    assert messages[1:] == [f"choose on the page, again or done: {page.url}"]


def test_a_failed_round_after_a_good_one_keeps_the_good_one(viewer, started):
    """It was stored, and the command succeeds."""
    stage, page, _, ended = started
    viewer.here = True
    finish_a_session(stage)
    refused = [page.answer("later"), page.answer("")]
    assert page.answer("again")
    stage.run(0.1)
    early = page.answer("done")
    finish_a_session(stage, TURNED)
    shown = page.state()
    page.answer("done")

    assert ended() == (False, [])
    assert (refused, early) == ([False, False], False)
    assert "turned by 40, 0, 0 degrees" in shown["error"]
    assert (shown["stored"], page.state()["stored"], page.state()["error"]) == (True, True, "")


def test_a_failure_is_the_last_thing_shown(viewer, started):
    """And it is what the command ends with."""
    stage, page, _, ended = started
    viewer.here = True
    finish_a_session(stage, TURNED)
    page.answer("done")
    alive, [failure] = ended()

    assert not alive
    assert "look straight at the camera" in failure
    assert (page.state()["phase"], page.state()["stored"], page.state()["error"]) == ("ended", False, failure)


def test_a_clip_has_nobody_to_prompt(tmp_path):
    """It is refused before a server runs."""
    open_page = partial(
        CalibrationPage, address=WebAddress(port=0), origin={}, edges=EDGES, performer="anna", log=print
    )
    clip = write_clip(tmp_path / "clip.mp4", frames=3)

    with pytest.raises(MisuseError, match=r"--web prompts whoever sits before a camera, and .*clip.mp4 is not one"):
        calibrate(str(clip), PerformingTracker(), lambda _: Session(), measured, print, open_page)
