import numpy as np
import pytest

from rushes.capture.analysis import TrackingAnalyser
from rushes.capture.frames import Frame
from rushes.capture.label_faces import SteadyLabels
from rushes.expression.classifier import FaceExpression
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


@pytest.mark.parametrize(("live", "expected"), [(True, "happy"), (False, "angry")])
def test_a_film_is_read_frame_by_frame(classifier, live, expected):
    """Only a camera's labels are held: those of a film are what the model reads in each frame."""
    analyser = TrackingAnalyser(MadeUpTracker([made_up_actor(0, at=(70, 60), size=50)]), classifier, np.zeros((0, 2)))
    seen = []
    for number, picture in enumerate((draw_frame(0), np.zeros((120, 160, 3), np.uint8))):
        arrived_s = 100.0 + number / 30 if live else None
        seen += analyser.analyse(Frame(number, number / 30, picture, arrived_s=arrived_s)).expressions

    assert seen[0].label == "happy"
    assert seen[1].label == expected
