import numpy as np
import pytest

from rushes.bundle.manifest import read_head
from rushes.calibration.performers import Performer
from rushes.calibration.store import networks_of
from rushes.capture.analysis import LabelAnalyser, Tracking, TrackingAnalyser
from rushes.errors import NothingFitsError
from rushes.faces import face_search
from rushes.loading import open_model
from rushes.model_updates import analyser_updates
from rushes.model_updates.analyser_updates import prepare_change, prepare_units
from rushes.model_updates.choice import Chosen, choose_model, choose_units
from rushes.model_updates.follower import reason_of
from rushes.model_updates.frame_budget import TRIAL_FRAMES
from rushes.store.store import CHAMPION, point
from rushes.tracking.face import HeadPose
from rushes.tracking.landmarks import LANDMARKS_ROLE
from tests.rushes.calibration.test_calibration import calibrated
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.follows import frames
from tests.support.runtime import BrightSquare, write_bundle
from tests.support.units_bundle import write_units_bundle

EDGES = np.zeros((0, 2), int)
FRAME = np.zeros((478, 3), np.float32), HeadPose(0.0, 0.0, 0.0, np.zeros(3)), np.zeros((2, 2))


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """Bundles by name: `new` differs in the expression network, `other` in a detector."""
    monkeypatch.setattr(face_search, "open_finder", lambda _: BrightSquare())
    write_bundle(tmp_path / "old")
    write_bundle(tmp_path / "new", crop={"scale": 1.5})
    write_bundle(tmp_path / "other", detector=b"another")
    return lambda name: read_head(tmp_path / name)


def _changed(bundle, name, analyser, tracking=None, performers=()):
    return prepare_change(bundle(name), bundle("old"), next(frames(0, 1)), tracking, performers)(analyser)


def test_what_is_known_of_actors_survives_a_new_expression_network(bundle, classifier):
    """The tracker, with numbers and smoothing, and the labels that are held; the classifier is the new one."""
    before = TrackingAnalyser(MadeUpTracker([made_up_actor(3, at=(70, 60), size=60)]), classifier, EDGES)
    before.analyse(next(frames(0, 1)))
    after = _changed(bundle, "new", before, Tracking())

    assert (after.tracker, after.labels) == (before.tracker, before.labels)
    assert (before.classifier.crop.scale, after.classifier.crop.scale) == (1.17, 1.5)
    analysis = after.analyse(next(frames(1, 2)))
    assert (analysis.numbers, analysis.expressions[0].crop.scale) == ([3], 1.5)
    assert [seen for _, seen in before.tracker.times_s] == [True, True]  # warming up is not a frame


def test_labels_of_another_taxonomy_are_not_held(bundle, classifier):
    """They are held by their index."""
    before = TrackingAnalyser(MadeUpTracker([]), classifier, EDGES)
    classifier.labels = ("angry", "happy", "sad", "sorry")

    assert _changed(bundle, "new", before, Tracking()).labels is not before.labels


def test_the_detector_of_a_label_survives(bundle, classifier):
    """It follows faces from frame to frame, whose labels are held."""
    before = LabelAnalyser(BrightSquare(), classifier)
    after = _changed(bundle, "new", before)

    assert (after.detector, after.labels, after.faces) == (before.detector, before.labels, before.faces)
    assert after.classifier.crop.scale == 1.5


def test_other_networks_bring_an_analyser_of_their_own(bundle, classifier, monkeypatch):
    """It is warmed up as a whole."""
    given, fresh = [], LabelAnalyser(BrightSquare(), classifier)
    monkeypatch.setattr(analyser_updates, "open_analyser", lambda model, *rest: given.append((model, *rest)) or fresh)
    monkeypatch.setattr(BrightSquare, "detect", lambda *_: given.append("warmed up") or [])
    after = _changed(bundle, "other", LabelAnalyser(BrightSquare(), classifier), Tracking(2))

    assert after is fresh
    assert given[0][1:] == (Tracking(2), [])
    assert given[1:] == ["warmed up"] * analyser_updates.WARM_UPS


def test_a_new_network_is_warmed_up_on_the_frame(bundle, classifier, monkeypatch):
    """Before the swap, so that its first frame takes no longer than the others."""
    seen, opened = [], open_model(bundle("new"))
    monkeypatch.setattr(opened.classifier, "classify", seen.extend)
    monkeypatch.setattr(analyser_updates, "open_model", lambda _: opened)
    frame = next(frames(0, 1))
    change = prepare_change(bundle("new"), bundle("old"), frame, None, ())

    assert [picture is frame.picture_bgr for picture in seen] == [True] * analyser_updates.WARM_UPS
    assert change(LabelAnalyser(BrightSquare(), classifier)).classifier is opened.classifier


def test_a_calibration_holds_or_the_version_is_refused(bundle, classifier, monkeypatch):
    """With other landmark networks the character would jump."""
    before = TrackingAnalyser(MadeUpTracker([]), classifier, EDGES, note="")
    held = calibrated().model_copy(update={"networks": networks_of(bundle("other"))})
    monkeypatch.setattr(analyser_updates, "open_analyser", lambda *_: before)

    assert _changed(bundle, "other", before, Tracking(), [Performer("anna", held)]) == before
    with pytest.raises(NothingFitsError, match=r"not calibrated with the networks of.*rushes calibrate --performer"):
        _changed(bundle, "other", before, Tracking(), [Performer("anna", calibrated())])


def test_a_fixed_version_has_no_follower(bundle, classifier):
    """The analyser is the given one."""
    given = LabelAnalyser(BrightSquare(), classifier)
    with analyser_updates.following([Chosen(bundle("old"))], given, None, (), print) as analyser:
        assert analyser is given


def test_units_of_a_new_version_and_actors_of_the_old_one(bundle, classifier, tmp_path, monkeypatch):
    """The tracker stays; the network is the new one, also where the landmark networks change later."""
    write_units_bundle(tmp_path / "units", level=0.75)
    before = TrackingAnalyser(MadeUpTracker([made_up_actor()]), classifier, EDGES)
    after = prepare_units(read_head(tmp_path / "units"), bundle("old"), ())(before)

    assert before.tracker.units is None
    assert after.tracker.actors is before.tracker.actors
    assert after.tracker.units.read(*FRAME, after.tracker.units.start()).units == pytest.approx(0.75)

    fresh = TrackingAnalyser(MadeUpTracker([]), classifier, EDGES)
    monkeypatch.setattr(analyser_updates, "open_analyser", lambda *_: fresh)
    change = prepare_change(
        bundle("other"), bundle("old"), next(frames(0, 1)), Tracking(), (), read_head(tmp_path / "units")
    )
    assert change(after).tracker.units is after.tracker.units


def test_units_need_their_landmarks_and_a_calibration_for_them(bundle, tmp_path):
    """The network has learned from these points, and a calibration holds for its scales."""
    write_units_bundle(tmp_path / "units")
    write_units_bundle(tmp_path / "changed", level=0.75)
    units, changed, old = read_head(tmp_path / "units"), read_head(tmp_path / "changed"), bundle("old")
    held = [Performer("anna", calibrated().model_copy(update={"networks": networks_of(old, units)}))]

    assert prepare_units(units, old, held)
    with pytest.raises(NothingFitsError, match=r"not calibrated with the networks of.*rushes calibrate --performer"):
        prepare_units(changed, old, held)
    (tmp_path / "landmarks.tflite").write_bytes(b"points")
    write_bundle(tmp_path / "expression", assets={tmp_path / "landmarks.tflite": LANDMARKS_ROLE})
    with pytest.raises(NothingFitsError, match="has learned from the points of another landmark network") as caught:
        prepare_units(units, read_head(tmp_path / "expression"), ())
    assert "; pull the newest versions: rushes pull expression, rushes pull tracking" in reason_of(caught.value)


def test_both_families_follow_one_registry(classifier, tmp_path, monkeypatch):
    """One after another: while a version is on trial, that of the other family waits. Every analysis names both."""
    served, lines = tmp_path / "served", []

    def put(name, version, write, **differs):
        digest = write(tmp_path / "made", **differs)
        folder = served / name / f"v{version}-{digest[:12]}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made").rename(folder)
        point(folder.parent, CHAMPION, folder)

    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "store"))
    monkeypatch.setattr("rushes.store.store.prove_once", lambda _: None)
    monkeypatch.setattr(face_search, "open_finder", lambda _: BrightSquare())
    put("expression", 1, write_bundle)
    put("tracking", 1, write_units_bundle)
    assert choose_units(None, str(served)) is None  # the store has none yet
    chosen = [choose_model("expression", None, str(served)), choose_units("tracking@champion", str(served))]
    assert choose_units("mediapipe", str(served)) is None
    assert choose_units(None, "").bundle.digest == chosen[1].bundle.digest  # the one in use in the store now
    analyser = TrackingAnalyser(MadeUpTracker([made_up_actor(at=(40, 24), size=20)]), classifier, EDGES)
    found, pictures = [], frames(0, TRIAL_FRAMES + 4)
    with analyser_updates.following(chosen, analyser, Tracking(), (), lines.append, interval_s=3600) as swapping:
        found += [swapping.analyse(next(pictures))]
        put("expression", 2, write_bundle, crop={"scale": 1.5})
        put("tracking", 2, write_units_bundle, level=0.75)
        for follower in swapping._followers:
            follower.poll()
        found += map(swapping.analyse, pictures)
    versions = [(one.model.origin["version"], one.model.origin["tracking_version"]) for one in found]

    assert versions == [(1, 1)] + [(2, 1)] * TRIAL_FRAMES + [(2, 2)] * 3
    assert [line.partition(" from")[0] for line in lines] == ["expression v2 is in use", "tracking v2 is in use"]
    assert swapping._analyser.classifier.crop.scale == 1.5
    assert swapping._analyser.tracker.units.read(*FRAME, np.zeros((1, 3), np.float32)).units[0] == pytest.approx(0.75)
