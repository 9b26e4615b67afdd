from dataclasses import replace

import numpy as np
import pytest

from rushes.capture.analysis import LabelAnalyser, TrackingAnalyser
from rushes.capture.frames import Frame
from rushes.capture.label_faces import FaceNumbers, SteadyLabels
from rushes.expression.classifier import FaceExpression
from rushes.faces.detector import Face
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.runtime import LABELS, draw_frame


def read(*probabilities):
    """An expression with these probabilities of angry, happy and sad."""
    return FaceExpression((0, 0, 9, 9), 0.9, tuple(LABELS), probabilities)


ANGRY, HAPPY, SAD = read(0.8, 0.1, 0.1), read(0.1, 0.8, 0.1), read(0.1, 0.1, 0.8)
NEARLY = read(0.42, 0.5, 0.08)  # happy leads angry by less than the margin


def labels(expressions, fps=30, actor=0, steady=None):
    """Labels of an actor over a capture."""
    steady = steady or SteadyLabels()
    return [steady.steady(actor, one, number / fps).label for number, one in enumerate(expressions)]


def test_a_flicker_does_not_show():
    """One frame in between, or several in turn."""
    assert set(labels([ANGRY, HAPPY, ANGRY, SAD, ANGRY, HAPPY, HAPPY, ANGRY])) == {"angry"}
    assert set(labels([ANGRY, *[HAPPY, SAD] * 10])) == {"angry"}


@pytest.mark.parametrize(("fps", "frames"), [(10, 2), (30, 5), (60, 9)])
def test_a_change_shows_after_a_moment(fps, frames):
    """After 0.15 s at any rate, that is within this number of frames."""
    found = labels([ANGRY] + [HAPPY] * 20, fps=fps)

    assert found.index("happy") - 1 == frames
    assert set(found[found.index("happy") :]) == {"happy"}


def test_a_small_lead_changes_nothing():
    """However long it lasts."""
    assert set(labels([ANGRY, *[NEARLY] * 100])) == {"angry"}


def test_the_probabilities_stay():
    """The held label has its own, smaller probability; the first label counts at once."""
    steady = SteadyLabels()
    first, second = steady.steady(0, ANGRY, 0.0), steady.steady(0, HAPPY, 0.03)

    assert first == ANGRY
    assert (second.label, second.probability, second.probabilities) == ("angry", 0.1, HAPPY.probabilities)


def test_actors_have_labels_of_their_own():
    """And whoever was away for a second starts with what is read then."""
    steady = SteadyLabels()
    labels([ANGRY] * 3, steady=steady)

    assert labels([HAPPY], actor=1, steady=steady) == ["happy"]
    assert steady.steady(0, SAD, 0.5).label == "angry"
    assert steady.steady(0, HAPPY, 1.6).label == "happy"


class OnePlace:
    """A detector that finds a face at one place, whatever is there."""

    def detect(self, _frame_bgr):
        """See `Detector`."""
        return [Face((45, 35, 50, 50), 0.9, np.zeros((6, 2)))]


def place(x, side=50.0, probabilities=HAPPY.probabilities):
    """An expression at a place."""
    return replace(HAPPY, box_xywh_px=(x, 0.0, side, side), probabilities=probabilities)


def test_a_face_keeps_its_number_while_it_is_seen():
    """By its place, whatever the order; one that moves, grows and is lost for a moment too. Numbers are used again."""
    numbers = FaceNumbers()

    assert numbers.of([place(0), place(200)], 0.0) == [0, 1]
    assert numbers.of([place(210, 60), place(20)], 0.1) == [1, 0]
    assert numbers.of([place(30), place(400)], 0.2) == [0, 2]
    assert numbers.of([place(215)], 0.9) == [1]
    assert numbers.of([place(500), place(600)], 2.0) == [0, 1]
    assert numbers.of([], 2.1) == []
    assert numbers.of([place(601)], 1.0) == [0]  # a clock that goes back starts again


def test_labels_without_tracking_are_held_by_place():
    """Two faces that change their order keep their own labels."""
    numbers, steady = FaceNumbers(), SteadyLabels()
    frames = [[place(0), place(300, probabilities=SAD.probabilities)]] * 6
    frames += [[place(300, probabilities=ANGRY.probabilities), place(0)]]
    found = [steady.steady_all(numbers.of(frame, n / 30), frame, n / 30) for n, frame in enumerate(frames)]

    assert [one.label for one in found[0]] == ["happy", "sad"]
    assert [one.label for one in found[-1]] == ["sad", "happy"]


@pytest.mark.parametrize(("live", "expected"), [(True, "happy"), (False, "angry")])
@pytest.mark.parametrize("tracked", [True, False])
def test_a_film_is_read_frame_by_frame(classifier, live, expected, tracked):
    """Only a camera's labels are held: those of a film are what the model reads in each frame."""
    tracker = MadeUpTracker([made_up_actor(0, at=(70, 60), size=50)])
    analyser = (
        TrackingAnalyser(tracker, classifier, np.zeros((0, 2))) if tracked else LabelAnalyser(OnePlace(), classifier)
    )
    seen = []
    for number, picture in enumerate((draw_frame(0), np.zeros((120, 160, 3), np.uint8))):
        arrived_s = 100.0 + number / 30 if live else None
        seen += analyser.analyse(Frame(number, number / 30, picture, arrived_s=arrived_s)).expressions

    assert seen[0].label == "happy"
    assert seen[1].label == expected


@pytest.mark.parametrize("tracked", [True, False])
def test_photographs_are_read_mirrored_too(classifier, monkeypatch, tracked):
    """Of a folder; a frame of a film or camera, for which there is less time, is read once."""
    tracker = MadeUpTracker([made_up_actor(0, at=(70, 60), size=50)])
    analyser = (
        TrackingAnalyser(tracker, classifier, np.zeros((0, 2))) if tracked else LabelAnalyser(OnePlace(), classifier)
    )
    reads, classify = [], type(classifier).classify
    monkeypatch.setattr(type(classifier), "classify", lambda self, faces: reads.append(faces) or classify(self, faces))
    picture_bgr = draw_frame(0)
    picture_bgr[:, :80] = 0
    for file in ("", "1.jpg"):
        analyser.analyse(Frame(0, 0.0, picture_bgr, file))

    once, photograph, mirrored = (faces[0] for faces in reads)
    np.testing.assert_array_equal(once, photograph)
    np.testing.assert_array_equal(mirrored, photograph[:, ::-1])
