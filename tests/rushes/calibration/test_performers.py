"""Performers of several actors, by their places at the first sight, and the calibration of each."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from rushes.calibration.performers import Performer, PerformerTracker, check_performers, note_of
from rushes.capture.drawing.mesh import draw_names
from rushes.capture.outputs import Take
from rushes.drive.lines import face_line
from rushes.errors import MisuseError
from rushes.tracking.face import UNITS
from tests.rushes.calibration.test_calibration import JAW, calibrated
from tests.support.actors import MadeUpTracker, made_up_actor

ANNA, BEN = Performer("anna", calibrated()), Performer("ben")
PICTURE = np.zeros((240, 640, 3), np.uint8)


def actor(number, x=None, **more):
    """An actor whose jaw is half open, at a place."""
    return made_up_actor(number, at=(x or 100.0 * number + 100, 120), jawOpen=0.4, **more)


def named(tracker, faces, time_s):
    """Names of the performers in a frame, by actor."""
    tracker._tracker.actors = faces
    return {face.actor: face.performer for face in tracker.track(PICTURE, time_s)}


@pytest.fixture
def two():
    """A tracker of two performers, from left to right."""
    return PerformerTracker(MadeUpTracker([]), (ANNA, BEN), 2)


def test_from_left_to_right(two):
    """By their places in the picture, and not by the numbers of the actors, which have the largest face first."""
    assert named(two, [actor(0, 400), actor(1, 100)], 0.0) == {0: "ben", 1: "anna"}


def test_a_small_face_that_is_found_late_has_its_place(two):
    """Nobody has a name before both are seen, and both keep theirs when they change places, or one is away."""
    assert named(two, [actor(0, 400)], 0.0) == {0: ""}
    assert named(two, [actor(0, 400), actor(1, 100)], 1.5) == {0: "ben", 1: "anna"}
    assert named(two, [actor(0, 50), actor(1, 300)], 2.0) == {0: "ben", 1: "anna"}
    assert named(two, [actor(0, 50)], 9.0) == {0: "ben"}


def test_who_is_alone_for_two_seconds_is_the_first(two):
    """And who comes then is the next one; a third has no name."""
    assert named(two, [actor(1, 400)], 10.0) == {1: ""}
    assert named(two, [actor(1, 400, state="held")], 12.5) == {1: ""}
    assert named(two, [actor(1, 400)], 12.6) == {1: "anna"}
    assert named(two, [actor(1, 400), actor(0, 100)], 13.0) == {1: "anna", 0: "ben"}
    assert named(two, [actor(2, 10)], 14.0) == {2: ""}


def test_each_actor_has_the_calibration_of_its_performer():
    """The jaw of one rests at 0.2 and opens to 0.6; the other keeps its values, and so does who has no name."""
    tracker = PerformerTracker(MadeUpTracker([actor(0, 400), actor(1, 100), actor(2, 600)]), (BEN, ANNA), 3)
    faces = tracker.track(PICTURE, 0.0)
    found = {face.performer: (round(float(face.units[JAW]), 3), face.calibrated) for face in faces}

    assert found == {"ben": (0.4, False), "anna": (0.5, True), "": (0.4, False)}


def test_each_face_eases_from_its_own_values(two):
    """The last values of one actor are not those of the other."""
    faces = [actor(0, 400), dataclasses.replace(actor(1, 100), units=np.zeros(len(UNITS), np.float32))]
    named(two, faces, 0.0)
    two._tracker.wait = lambda _: [dataclasses.replace(face, state="easing") for face in faces]

    assert [float(face.units[JAW]) for face in two.wait(0.1)] == pytest.approx([0.4, 0.0])


def test_values_before_smoothing_are_corrected_too(two):
    """While the face is seen, and on its way to neutral."""
    faces = [actor(0, 400), dataclasses.replace(actor(1, 100), unfiltered=made_up_actor(1, jawOpen=0.5))]
    named(two, faces, 0.0)
    eased = dataclasses.replace(actor(1, state="easing"), unfiltered=made_up_actor(1, jawOpen=0.25))
    eased = dataclasses.replace(eased, units=eased.units / 2)
    two._tracker.wait = lambda _: [eased]
    shown = [two.track(PICTURE, 0.1)[1], *two.wait(0.2)]

    assert [float(face.units[JAW]) for face in shown] == pytest.approx([0.5, 0.25])
    assert [float(face.unfiltered.units[JAW]) for face in shown] == pytest.approx([0.75, 0.375])


def test_other_networks_keep_the_actors(two):
    """A new model of the units brings other calibrations of the same performers, who stay the same actors."""
    named(two, [actor(0, 400), actor(1, 100)], 0.0)
    other = two.with_units("network").with_performers((Performer("anna"), BEN))

    assert [face.performer for face in other.track(PICTURE, 0.1)] == ["ben", "anna"]
    assert [face.calibrated for face in other.track(PICTURE, 0.2)] == [False, False]
    assert [face.calibrated for face in two.track(PICTURE, 0.3)] == [False, True]


@pytest.mark.parametrize(
    ("performers", "actors", "note"),
    [
        ((), 1, "not calibrated"),
        ((BEN,), 2, "not calibrated"),
        ((ANNA,), 1, ""),
        ((ANNA,), 2, "not calibrated: others"),
        ((ANNA, BEN), 2, "not calibrated: ben"),
        ((ANNA, BEN), 3, "not calibrated: ben, others"),
    ],
)
def test_the_note_names_who_is_not_calibrated(performers, actors, note):
    """In the corner of the picture and in the summary."""
    assert note_of(performers, actors) == note


def test_names_reach_lines_slate_and_picture(two):
    """A line of an actor without a name is as before."""
    named(two, [actor(0, 500), actor(1, 100)], 0.0)
    two._tracker.actors.append(actor(2, 300))
    ben, anna, other = two.track(PICTURE, 0.1)
    line = json.loads(json.dumps(face_line(anna)))
    slate = Take(SimpleNamespace(resolve=lambda: SimpleNamespace(name="take01")), performers=(ANNA, BEN)).slate(None)
    named_bgr, plain_bgr = PICTURE.copy(), PICTURE.copy()
    draw_names(named_bgr, [ben, anna, other])
    draw_names(plain_bgr, [dataclasses.replace(face, performer="") for face in (ben, anna, other)])
    columns = np.nonzero((named_bgr != plain_bgr).any(axis=(0, 2)))[0]

    assert (line["actor"], line["performer"], line["calibrated"]) == (1, "anna", True)
    assert "performer" not in face_line(other)
    assert (slate.performer, slate.calibrated) == ("anna, ben", "anna: 2026-03-01T10:00:00+01:00")
    assert [bool(np.any(abs(columns - x) < 40)) for x in (100, 300, 500)] == [True] * 3


def test_a_slate_of_one_performer_has_the_date_alone():
    """As before."""
    assert (
        Take(SimpleNamespace(resolve=lambda: SimpleNamespace(name="t")), performers=(ANNA,)).slate(None).calibrated
        == "2026-03-01T10:00:00+01:00"
    )


@pytest.mark.parametrize(
    ("names", "actors", "message"),
    [
        (["anna", " Anna "], 2, "--performer anna, Anna: a name stands twice"),
        (["anna", "ben"], 1, "--performer names 2 performers, and 1 of them can be tracked: add --actors 2"),
    ],
)
def test_wrong_performers_are_refused(names, actors, message):
    """Before the first frame; following the text helps."""
    with pytest.raises(MisuseError, match=message):
        check_performers(names, actors)
    assert check_performers(["anna", " ben"], 2) == ["anna", "ben"]
