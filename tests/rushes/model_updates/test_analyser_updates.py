import numpy as np
import pytest

from rushes.bundle.manifest import read_head
from rushes.calibration.store import networks_of
from rushes.capture.analysis import LabelAnalyser, Tracking, TrackingAnalyser
from rushes.errors import NothingFitsError
from rushes.expression import face_search
from rushes.loading import open_model
from rushes.model_updates import analyser_updates
from rushes.model_updates.analyser_updates import prepare_change
from rushes.model_updates.choice import Chosen
from tests.rushes.calibration.test_calibration import calibrated
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.follows import frames
from tests.support.runtime import BrightSquare, write_bundle

EDGES = np.zeros((0, 2), int)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """Bundles by name: `new` differs in the expression network, `other` in a detector."""
    monkeypatch.setattr(face_search, "open_finder", lambda _: BrightSquare())
    write_bundle(tmp_path / "old")
    write_bundle(tmp_path / "new", crop={"scale": 1.5})
    write_bundle(tmp_path / "other", detector=b"another")
    return lambda name: read_head(tmp_path / name)


def _changed(bundle, name, analyser, tracking=None, calibration=None):
    return prepare_change(bundle(name), bundle("old"), next(frames(0, 1)), tracking, calibration)(analyser)


def test_what_is_known_of_actors_survives_a_new_expression_network(bundle, classifier):
    """The tracker, with numbers and smoothing, and the labels that are held; the classifier is the new one."""
    before = TrackingAnalyser(MadeUpTracker([made_up_actor(3, at=(70, 60), size=60)]), classifier, EDGES)
    before.analyse(next(frames(0, 1)))
    after = _changed(bundle, "new", before, Tracking())

    assert (after.tracker, after.labels) == (before.tracker, before.labels)
    assert (before.classifier.crop.scale, after.classifier.crop.scale) == (1.17, 1.5)
    assert after.analyse(next(frames(1, 2))).numbers == [3]
    assert [seen for _, seen in before.tracker.times_s] == [True, True]  # warming up is not a frame


def test_labels_of_another_taxonomy_are_not_held(bundle, classifier):
    """They are held by their index."""
    before = TrackingAnalyser(MadeUpTracker([]), classifier, EDGES)
    classifier.labels = ("angry", "happy", "sad", "sorry")

    assert _changed(bundle, "new", before, Tracking()).labels is not before.labels


def test_the_detector_of_a_label_survives(bundle, classifier):
    """It follows faces from frame to frame."""
    before = LabelAnalyser(BrightSquare(), classifier)
    after = _changed(bundle, "new", before)

    assert after.detector is before.detector
    assert after.classifier.crop.scale == 1.5


def test_other_networks_bring_an_analyser_of_their_own(bundle, classifier, monkeypatch):
    """It is warmed up as a whole."""
    given, fresh = [], LabelAnalyser(BrightSquare(), classifier)
    monkeypatch.setattr(analyser_updates, "open_analyser", lambda model, *rest: given.append((model, *rest)) or fresh)
    monkeypatch.setattr(BrightSquare, "detect", lambda *_: given.append("warmed up") or [])
    after = _changed(bundle, "other", LabelAnalyser(BrightSquare(), classifier), Tracking(2), None)

    assert after is fresh
    assert given[0][1:] == (Tracking(2), None)
    assert given[1:] == ["warmed up"] * analyser_updates.WARM_UPS


def test_a_new_network_is_warmed_up_on_the_frame(bundle, classifier, monkeypatch):
    """Before the swap, so that its first frame takes no longer than the others."""
    seen, opened = [], open_model(bundle("new"))
    monkeypatch.setattr(opened.classifier, "classify", seen.extend)
    monkeypatch.setattr(analyser_updates, "open_model", lambda _: opened)
    frame = next(frames(0, 1))
    change = prepare_change(bundle("new"), bundle("old"), frame, None, None)

    assert [picture is frame.picture_bgr for picture in seen] == [True] * analyser_updates.WARM_UPS
    assert change(LabelAnalyser(BrightSquare(), classifier)).classifier is opened.classifier


def test_a_calibration_holds_or_the_version_is_refused(bundle, classifier, monkeypatch):
    """With other landmark networks the character would jump."""
    before = TrackingAnalyser(MadeUpTracker([]), classifier, EDGES, note="")
    held = calibrated().model_copy(update={"networks": networks_of(bundle("other"))})
    monkeypatch.setattr(analyser_updates, "open_analyser", lambda *_: before)

    assert _changed(bundle, "other", before, Tracking(), held) is before
    with pytest.raises(
        NothingFitsError, match=r"not calibrated with the landmark networks.*rushes calibrate --performer"
    ):
        _changed(bundle, "other", before, Tracking(), calibrated())


def test_a_fixed_version_has_no_follower(bundle, classifier):
    """The analyser is the given one."""
    given = LabelAnalyser(BrightSquare(), classifier)
    with analyser_updates.following(Chosen(bundle("old")), given, None, None, print) as analyser:
        assert analyser is given
