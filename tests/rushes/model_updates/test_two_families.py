"""An expression model and a tracking model from one registry, of which each is prepared beside the other."""

import numpy as np
import pytest

from rushes.capture.analysis import Tracking, TrackingAnalyser
from rushes.faces import face_search
from rushes.model_updates import analyser_updates
from rushes.model_updates.choice import choose_model, choose_units
from rushes.model_updates.frame_budget import TRIAL_FRAMES
from rushes.store.store import CHAMPION, point
from rushes.tracking.landmarks import LANDMARKS_ROLE
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.follows import frames
from tests.support.runtime import BrightSquare, write_bundle
from tests.support.units_bundle import write_units_bundle

WRITE = {"expression": write_bundle, "tracking": write_units_bundle}


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Makes a version the champion of a registry in a folder."""
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "store"))
    monkeypatch.setattr("rushes.store.store.prove_once", lambda _: None)
    monkeypatch.setattr(face_search, "open_finder", lambda _: BrightSquare())

    def write(name, version, **differs):
        digest = WRITE[name](tmp_path / "made", **differs)
        folder = tmp_path / "served" / name / f"v{version}-{digest[:12]}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made").rename(folder)
        point(folder.parent, CHAMPION, folder)

    write("expression", 1)
    write("tracking", 1)
    return write


@pytest.fixture
def registry(put, tmp_path):  # noqa: ARG001  # it fills the folder
    """The registry."""
    return str(tmp_path / "served")


@pytest.fixture
def capture(registry, classifier, monkeypatch):
    """A capture that has begun with both: gives versions of the frames that it analyses; and its followers."""
    chosen = [choose_model("expression", None, registry), choose_units("tracking", registry)]
    analyser = TrackingAnalyser(
        MadeUpTracker([made_up_actor(at=(40, 24), size=20)]), classifier, np.zeros((0, 2), int), note=""
    )
    monkeypatch.setattr(analyser_updates, "open_analyser", lambda *_: analyser)
    pictures = frames(0, 1000, live=False)  # a film has no budget of time
    with analyser_updates.following(chosen, analyser, Tracking(), (), print, interval_s=3600) as swapping:

        def run(count):
            origins = [swapping.analyse(next(pictures)).model.origin for _ in range(count)]
            return [(origin["version"], origin["tracking_version"]) for origin in origins]

        yield run, dict(zip(("expression", "tracking"), swapping._followers, strict=True))


def test_an_expression_model_is_prepared_again_where_other_units_are_read_by_then(put, capture):
    """It brings an analyser of its own, with a calibration for the network that has read the units until then."""
    run, followers = capture
    put("tracking", 2, level=0.75)
    followers["tracking"].poll()
    found = run(1)
    put("expression", 2, detector=b"another")
    followers["expression"].poll()  # waits while tracking is on trial
    put("tracking", 3, level=0.25)
    followers["tracking"].poll()
    found += run(TRIAL_FRAMES + 5)
    followers["expression"].poll()

    assert found == [(1, 2)] + [(1, 3)] * (TRIAL_FRAMES + 5)
    assert run(1) == [(2, 3)]


def test_units_are_prepared_again_where_other_landmarks_are_found_by_then(put, capture, tmp_path, monkeypatch):
    """The network has learned from the points of one landmark network."""
    run, followers = capture
    monkeypatch.setattr(analyser_updates, "check_landmarks", lambda *_: None)  # of the expression model
    (tmp_path / "points.tflite").write_bytes(b"points")
    put("expression", 2, assets={tmp_path / "points.tflite": LANDMARKS_ROLE})
    put("tracking", 2, level=0.75)
    for follower in followers.values():
        follower.poll()
    found = run(TRIAL_FRAMES + 5)
    followers["tracking"].poll()

    assert found == [(2, 1)] * (TRIAL_FRAMES + 5)
    assert run(1) == [(2, 2)]
