"""Tracking of actors with a made-up detector and network: what is held, and when the detector searches."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from rushes.calibration.calibration import Origin, measure
from rushes.calibration.recording import recording_of
from rushes.capture.analysis import Tracking, open_tracker
from rushes.tracking.one_euro import LIVE
from rushes.tracking.tracker import FaceTracker
from rushes.tracking.units_network import Reading
from tests.support.tracked_stage import FIRST, FPS, SECOND, at, lit, states


def test_a_known_face_is_followed_without_the_detector(stage, play):
    """It moves across the frame; the detector ran for the first frame alone."""
    results = [play(1, (200 + 8 * step, 200, 100, 0.8))[0] for step in range(30)]

    assert [len(faces) for faces in results] == [1] * 30
    assert results[-1][0].landmarks_px[:468, 0].mean() == pytest.approx(200 + 8 * 29, abs=10)
    assert stage.searches[0]
    assert not any(stage.searches[1:])


def test_a_lost_face_is_held_then_eases_to_neutral_then_is_gone(play):
    """0.3 s with its last values, 0.5 s on the way, its place kept."""
    [before] = play(3, FIRST)[-1]
    results = play(25)
    held, easing = results[:7], results[7:19]

    assert states(results) == [("held",), ("easing",), ()]
    assert [faces[0].state for faces in held] == ["held"] * 7  # the eighth frame is 0.32 s after the last one
    assert all((faces[0].units == before.units).all() and faces[0].score == 0 for faces in held)
    weights = [faces[0].units[0] for faces in easing]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 0.75
    assert weights[-1] < 0.1
    assert abs(easing[-1][0].head.yaw_deg) <= abs(before.head.yaw_deg)
    np.testing.assert_array_equal(easing[-1][0].head.translation_m, before.head.translation_m)
    assert not np.any(results[19][0].units)  # the last one is neutral
    assert not any(results[20:])


@pytest.mark.parametrize("away_frames", [1, 5, 12, 40, 41, 42, 200])
@pytest.mark.parametrize("back", [FIRST, (420, 300, 90, 0.5)])
def test_a_face_is_picked_up_within_three_frames(play, away_frames, back):
    """Wherever it comes back, and however long it was away."""
    play(4, FIRST)
    play(away_frames)
    results = play(3, back)

    assert [(face.actor, face.state) for face in results[-1]] == [(0, "tracked")]
    assert results[-1][0].units[0] == pytest.approx(back[3])


@pytest.mark.parametrize("x", [200, 500])
def test_a_small_face_is_found_by_parts(play, stage, x):
    """Each has its turn, and no frame after the first searches more than one place."""
    play(4)
    play(5, (x, 200, 40, 0.5))

    assert [len(play(1, (x, 200, 40, 0.5))[0])] == [1]
    assert max(map(len, stage.searches[1:])) == 1


@pytest.mark.parametrize("away_frames", [1, 2, 10, 40, 41, 100])
@pytest.mark.parametrize("others", [(), ((100, 400, 100, 0.1),)])
def test_a_small_face_is_picked_up_within_three_frames_near_where_it_was(play, away_frames, others):
    """However long it was away, and whoever else is tracked."""
    play(4, (400, 200, 40, 0.5), *others, actors=2)
    play(away_frames, *others)
    results = play(3, (440, 180, 40, 0.5), *others)

    assert [face.state for face in results[-1]] == ["tracked"] * (1 + len(others))


def test_actors_keep_their_numbers_when_they_come_and_go(play):
    """The largest is the first; who comes back near gets the old number, though the other is also gone."""
    play(2, FIRST, SECOND, actors=2)
    play(40, SECOND)
    results = play(20, SECOND, (230, 210, 110, 0.7))

    assert [(face.actor, round(float(face.units[0]), 1)) for face in results[-1]] == [(0, 0.7), (1, 0.4)]


def test_two_actors_who_change_places_slowly_keep_their_numbers(play):
    """They pass at different heights."""
    for step in range(60):
        [one, other] = play(1, (150 + 5 * step, 130, 100, 0.8), (450 - 5 * step, 330, 100, 0.4), actors=2)[0]

        assert (one.actor, other.actor) == (0, 1)
        assert (one.units[0], other.units[0]) == (pytest.approx(0.8), pytest.approx(0.4))


def test_one_face_has_one_track(play):
    """An actor who passes behind another: one face is tracked, and both again after it."""
    for step in range(40):
        front, behind = (300, 200, 100, 0.8), (100 + 10 * step, 200, 80, 0.4)
        hidden = abs(behind[0] - front[0]) < 55  # the square behind still holds the face in front
        faces = play(1, front, *(() if hidden else (behind,)), actors=2)[0]
        tracked = [face for face in faces if face.state == "tracked"]

        assert [face.actor for face in tracked][:1] == [0]
        assert len(tracked) == len({round(float(face.landmarks_px[0, 0])) for face in tracked})
        assert tracked[0].units[0] == pytest.approx(0.8)
    assert [face.actor for face in play(2, front, behind, actors=2)[-1]] == [0, 1]


def test_who_comes_back_near_keeps_the_number(play):
    """Though there is one that nobody has had."""
    play(3, FIRST, actors=2)
    play(10)
    moved = (FIRST[0] + 60, *FIRST[1:])

    assert [(face.actor, face.state) for face in play(1, moved)[0]] == [(0, "tracked")]


def test_the_landmark_network_runs_once_a_face(play, stage):
    """Also while another actor is searched; not at all for one that is gone."""
    play(30, FIRST, actors=2)
    assert stage.finds == 2 + 29  # the first frame has a coarse and a fine square

    play(40)
    stage.finds = 0
    play(30)
    assert stage.finds == 0


def test_a_new_face_elsewhere_is_another_actor(play):
    """While the first is only just lost, its number is kept for it."""
    play(3, FIRST, actors=2)
    results = play(3, SECOND)

    assert [(face.actor, face.state) for face in results[-1]] == [(0, "held"), (1, "tracked")]


def test_no_more_actors_than_asked(play):
    """The largest of three; nobody takes its place."""
    crowd = [(100, 200, 80, 0.1), (300, 200, 120, 0.9), (500, 200, 80, 0.2)]

    assert [round(float(face.units[0]), 1) for face in play(30, *crowd)[-1]] == [0.9]


def test_a_clock_that_stands_still_still_loses_a_face(stage):
    """A repeated time counts as one more frame."""
    tracker, frame_bgr = FaceTracker(stage, stage), np.zeros((480, 640, 3), np.uint8)
    stage.faces, stage.searches = [FIRST], [[]]
    tracker.track(frame_bgr, 7.0)
    stage.faces = []
    states = [[face.state for face in tracker.track(frame_bgr, time_s)] for time_s in [7.0] * 12 + [3.0] * 14]

    assert states[0] == ["held"]
    assert states[12] == ["easing"]
    assert states[-1] == []


def test_landmarks_are_smoothed_from_where_a_face_appears(stage):
    """At rest they move by less than half of the jitter; a face that comes back elsewhere is there at once."""
    tracker, raw = FaceTracker(stage, stage), FaceTracker(stage, stage, smoothing=None)
    frame_bgr, random = np.zeros((480, 640, 3), np.uint8), np.random.default_rng(0)
    stage.searches, seen = [[]], ([], [])
    for number in range(40):
        stage.faces = [(200 + random.normal(), 200 + random.normal(), 90, 0.0)]
        for place, one in enumerate((tracker, raw)):
            seen[place].append(one.track(frame_bgr, number / 25)[0].landmarks_px)
    jitter, of_raw = (np.abs(np.diff(curve[20:], 2, axis=0)).mean() for curve in seen)
    stage.faces = [(450, 300, 90, 0.0)]
    found = [
        next(iter(zip(*(one.track(frame_bgr, 1.6 + number / 25) for one in (tracker, raw)), strict=True)))
        for number in range(4)
    ]
    [smooth, rough] = next(pair for pair in found if pair[0].state == "tracked")

    assert jitter < 0.5 * of_raw
    np.testing.assert_allclose(smooth.landmarks_px, rough.landmarks_px, atol=0.01)


def test_actors_ease_to_neutral_while_a_camera_gives_no_picture(stage):
    """Time goes on without pictures; who comes back is tracked within three pictures."""
    tracker, frame_bgr = FaceTracker(stage, stage), np.zeros((480, 640, 3), np.uint8)
    assert tracker.wait(0.0) == []
    stage.faces, stage.searches = [FIRST], [[]]
    tracker.track(frame_bgr, 1.0)
    states = [[face.state for face in tracker.wait(1.0 + number / 10)] for number in range(1, 11)]

    assert states[:2] == [["held"]] * 2
    assert states[3:6] == [["easing"]] * 3
    assert states[-1] == []
    seen = [tracker.track(frame_bgr, 2.1 + number / 25) for number in range(3)]
    assert [face.state for face in seen[-1]] == ["tracked"]


def test_a_frame_of_another_size_is_searched_completely(stage):
    """Squares of the old frame mean nothing in it."""
    tracker = FaceTracker(stage, stage)
    stage.faces, stage.searches = [FIRST], [[]]
    tracker.track(np.zeros((480, 640, 3), np.uint8), 0)
    stage.faces, stage.searches = [(210, 205, 90, 0.9), (700, 500, 200, 0.3)], [[]]
    [found] = tracker.track(np.zeros((1080, 1920, 3), np.uint8), 0.04)

    assert (found.actor, found.state) == (0, "tracked")
    assert found.landmarks_px[:468, 0].mean() == pytest.approx(700, abs=15)


def test_values_are_smoothed_and_stay_within_their_range(play):
    """A jump of the weight arrives in steps; without smoothing at once."""
    play(10, FIRST, smoothing=LIVE)
    weights = [faces[0].units[0] for faces in play(6, (*FIRST[:3], 0.2))]

    assert 0.2 < weights[0] < 0.8
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] == pytest.approx(0.2, abs=0.06)


def test_faces_keep_their_values_before_smoothing(stage):
    """As a tracker without smoothing gives them; they ease to neutral with the others."""
    tracker, raw = FaceTracker(stage, stage), FaceTracker(stage, stage, smoothing=None)
    frame_bgr, found, stage.searches = np.zeros((480, 640, 3), np.uint8), [], [[]]
    for number in range(60):
        stage.faces = [(*FIRST[:3], 0.2 + 0.6 * (number % 2))] if number < 10 else []
        found += zip(*(one.track(frame_bgr, number / 25) for one in (tracker, raw)), strict=True)
    apart = [float(np.abs(face.units - plain.units).max()) for face, plain in found]

    assert {plain.state for _, plain in found} == {"tracked", "held", "easing"}
    assert all(plain.unfiltered is None for _, plain in found)
    assert max(apart) > 0.05
    for face, plain in found:
        np.testing.assert_allclose(face.unfiltered.units, plain.units, atol=1e-6)
        np.testing.assert_allclose(face.unfiltered.gaze_deg, plain.gaze_deg, atol=1e-4)
        assert face.unfiltered.head.yaw_deg == pytest.approx(plain.head.yaw_deg, abs=1e-6)


class Counting:
    """Stands for a network: all units are a thousandth of the frames that it has seen of a face, by its state."""

    def __init__(self, level=0.0):
        self.level = level

    def start(self):
        """No frames."""
        return np.zeros((1, 1), np.float32)

    def read(self, _landmarks_px, head, gaze_deg, state_1h):
        """One more frame; the head is turned by a degree."""
        state_1h = state_1h + 1
        turned = replace(head, yaw_deg=head.yaw_deg + 1)
        return Reading(np.full(52, self.level + state_1h[0, 0] / 1000, np.float32), turned, gaze_deg + 2, state_1h)


def _frames_seen(faces):
    return [round(1000 * float(face.units[0]) % 100) for face in faces]


def test_a_network_reads_each_actor_with_a_state_of_its_own(stage):
    """Units, head and gaze are those of the network; a hidden face is known again, one that was gone is new."""
    fitted = FaceTracker(stage, stage, smoothing=None)
    tracker = FaceTracker(stage, stage, actors=2, smoothing=None, units=Counting())
    frame_bgr, time_s = np.zeros((480, 640, 3), np.uint8), 0.0

    def track(one, frames, *faces):
        nonlocal time_s
        stage.faces, found = list(faces), []
        for _ in range(frames):
            stage.searches.append([])
            found, time_s = one.track(frame_bgr, time_s), time_s + 1 / FPS
        return found

    [plain] = track(fitted, 1, FIRST)
    [first] = track(tracker, 1, FIRST)
    assert first.head.yaw_deg == pytest.approx(plain.head.yaw_deg + 1)
    assert first.gaze_deg == pytest.approx(plain.gaze_deg + 2)
    track(tracker, 30, FIRST)
    both = track(tracker, 24, FIRST, SECOND)
    assert _frames_seen(both)[0] == 55
    assert _frames_seen(both)[1] <= 24
    track(tracker, 3, SECOND)
    assert _frames_seen(track(tracker, 1, FIRST, SECOND))[0] == 56  # hidden for 0.12 s
    track(tracker, 30, SECOND)
    assert _frames_seen(track(tracker, 20, FIRST, SECOND))[0] <= 20


def test_a_face_that_gets_its_own_number_back_takes_its_state_along(stage):
    """It came back in the dark at the place of another actor, and is known once there is light."""
    tracker, time_s = FaceTracker(stage, stage, actors=2, smoothing=None, units=Counting()), 0.0

    def track(frames, exposure, *faces):
        nonlocal time_s
        stage.faces, found = list(faces), []
        for _ in range(frames):
            stage.searches.append([])
            found, time_s = tracker.track(lit(faces, exposure), time_s), time_s + 1 / FPS
        return {face.actor: frames for face, frames in zip(found, _frames_seen(found), strict=True)}

    track(40, 1.0, FIRST, SECOND)
    track(40, 1.0)
    dark = track(20, 0.0, at(SECOND, FIRST))
    light = track(20, 1.0, at(SECOND, FIRST))

    assert dark == {0: 20}
    assert light[1] == 40


def test_a_calibration_computed_again_with_the_same_network_is_the_same(stage, monkeypatch):
    """Its tracker does not smooth, so that the recorded landmarks are those that the network has read."""
    monkeypatch.setattr("rushes.capture.analysis.open_landmarks", lambda *_: stage)
    monkeypatch.setattr("rushes.capture.analysis.open_finder", lambda _: stage)
    stage.face = replace(stage.face, triangles=np.zeros((0, 3), int))
    tracker, _ = open_tracker(SimpleNamespace(bundle=None), Tracking(), print)
    frame_bgr, random, parts = np.zeros((480, 640, 3), np.uint8), np.random.default_rng(0), ([], [])
    for number in range(80):
        part, weight = (parts[0], 0.1) if number < 20 else (parts[1], 0.1 + 0.4 * np.sin(number) ** 2)
        stage.faces = [(200, 200, 100, weight + random.uniform(-0.05, 0.05))]
        stage.searches.append([])
        part += tracker.track(frame_bgr, number / FPS)
    origin = Origin("2026-11-30", "ab", {})
    measured = measure("anna", origin, *parts)
    again = measure("anna", origin, *recording_of(*parts).read_again(stage))

    assert measured.gain["jawOpen"] == pytest.approx(1 / 0.4, rel=0.2)
    assert again.gain["jawOpen"] == pytest.approx(measured.gain["jawOpen"], rel=0.01)
    assert again.angles_deg == pytest.approx(measured.angles_deg, abs=0.01)


def test_another_network_takes_over_with_the_same_actors(stage):
    """Numbers and squares stay; the state begins again, since it is another network's."""
    frame_bgr, before = np.zeros((480, 640, 3), np.uint8), FaceTracker(stage, stage, smoothing=None, units=Counting())
    stage.faces = [FIRST]
    stage.searches.append([])
    before.track(frame_bgr, 0.0)
    finds = stage.finds
    after = before.with_units(Counting(level=0.5))
    [face] = after.track(frame_bgr, 1 / FPS)

    assert (before.units.level, after.units.level) == (0.0, 0.5)
    assert face.units[0] == pytest.approx(0.501)
    assert stage.finds == finds + 1  # followed, not searched
    [face] = before.track(frame_bgr, 2 / FPS)  # swapped back
    assert face.units[0] == pytest.approx(0.001)
    [face] = before.with_units(None).track(frame_bgr, 3 / FPS)
    assert face.units[0] == pytest.approx(FIRST[3])


@pytest.mark.parametrize("swapped_back", [False, True])
def test_a_lost_face_eases_as_usual_after_a_swap_back(stage, swapped_back):
    """The frames of the trial are past for the network before as well: its first step is one frame long."""
    frame_bgr, one = np.zeros((480, 640, 3), np.uint8), FaceTracker(stage, stage, smoothing=None)
    stage.faces = [FIRST]
    stage.searches.append([])
    one.track(frame_bgr, 0.0)
    trial = one.with_units(None) if swapped_back else one
    for number in range(1, 50):
        trial.track(frame_bgr, number / FPS)
    stage.faces = []
    results = []
    for number in range(50, 60):
        stage.searches.append([])
        results.append(one.track(frame_bgr, number / FPS))

    assert states(results[:7]) == [("held",)]  # 0.28 s
    assert states(results[7:]) == [("easing",)]
