"""The real networks on rendered heads of known units, gaze and pose: both backends, both sides, and all signs."""

import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import rushes
from benchmarks.support.heads import draw_streets, filmed
from rushes.bundle.manifest import read_bundle
from rushes.errors import UserError
from rushes.expression.model import open_model
from rushes.inference.tflite_network import open_tflite
from rushes.tracking.crop import FaceSquare, square_of_detection
from rushes.tracking.face import UNITS
from rushes.tracking.landmarks import (
    INPUT_PX,
    LANDMARKS,
    POINTS,
    PRESENCE,
    LandmarkNetworks,
    open_landmarks,
    try_network,
)
from rushes.tracking.tracker import FaceTracker
from tests.support.command import command_line
from tests.support.filmed_heads import film_head
from tests.support.runtime import LABELS, write_bundle

UNIT = {name: number for number, name in enumerate(UNITS)}


@pytest.fixture(scope="module")
def track(heads, finder, networks):
    """Films a head and tracks it in this one frame; mirrored if wanted."""

    def tracked(*, mirrored=False, **filmed):
        head = film_head(heads, **filmed)
        picture_bgr = np.ascontiguousarray(head.picture_bgr[:, :: -1 if mirrored else 1])
        [face] = FaceTracker(finder, networks, fov_deg=head.fov_deg, smoothing=None).track(picture_bgr, 0)
        return face, head

    return tracked


@pytest.mark.parametrize(
    ("point", "logit", "score"), [(1.0, 5.0, 0.993), (1.0, np.nan, 0.0), (1.0, np.inf, 0.0), (np.nan, 5.0, 0.0)]
)
def test_outputs_that_are_not_finite_count_as_a_lost_face(point, logit, score):
    """As of a network that overflows on a picture."""
    networks = LandmarkNetworks.__new__(LandmarkNetworks)
    points_n3 = np.full((LANDMARKS, 3), 100.0, np.float32)
    points_n3[20] = point
    outputs = {POINTS: points_n3.reshape(1, 1, 1, -1), PRESENCE: np.array([logit], np.float32)}
    networks._landmarks = SimpleNamespace(run=lambda _: outputs)
    square = FaceSquare((50.0, 50.0), 80.0, 0.0)

    assert networks.find(np.zeros((100, 100, 3), np.uint8), square)[1] == pytest.approx(score, abs=1e-3)


@pytest.mark.slow
def test_both_backends_give_the_same(heads, finder, landmark_files, networks):
    """Landmarks to a hundredth of a pixel of the input, units to 1e-4."""
    other = LandmarkNetworks(*landmark_files, backend="opencv")
    for person in range(4):
        picture_bgr = film_head(heads, person, {"jawOpen": 0.3 * person}, size_px=256).picture_bgr
        square = square_of_detection(finder.detect(picture_bgr)[0])
        (points_n3, score), (other_n3, other_score) = (one.find(picture_bgr, square) for one in (networks, other))

        assert np.abs(points_n3 - other_n3).max() < 0.01 * square.side_px / INPUT_PX
        assert score == pytest.approx(other_score, abs=1e-4)
        np.testing.assert_allclose(networks.units(points_n3), other.units(points_n3), atol=1e-4)


@pytest.mark.slow
def test_the_pose_of_the_head(track):
    """Signs, and mean errors of yaw, pitch and roll without a person's own constant."""
    turns = [(25, 0, 0), (-25, 0, 0), (0, 15, 0), (0, -15, 0), (0, 0, 20), (0, 0, -20), (20, -10, 10), (0, 0, 0)]
    errors = []
    for person in (3, 5, 8):
        poses = [track(person=person, turn_deg=turn)[0].head for turn in turns]
        found = np.array([[pose.yaw_deg, pose.pitch_deg, pose.roll_deg] for pose in poses])
        errors.append(found - turns - (found - turns).mean(axis=0))

    assert (np.abs(errors).mean(axis=(0, 1)) < [1.5, 3.2, 1.5]).all()


@pytest.mark.slow
def test_the_distance_follows_from_the_field_of_view(track):
    """A head of another size than the canonical one is taken for one at another distance."""
    face, head = track()

    assert face.head.translation_m[2] == pytest.approx(head.distance_m, rel=0.2)
    assert np.abs(face.head.translation_m[:2]).max() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("yaw_deg", [20, -20])
def test_the_eyes_look_where_they_look(track, yaw_deg):
    """Both, also from a turned head, relative to which gaze is measured."""
    for turn_deg in ((0, 0, 0), (15, 0, 10)):
        face, _ = track(gaze_deg=(yaw_deg, 0), turn_deg=turn_deg)

        np.testing.assert_allclose(face.gaze_deg[:, 0], yaw_deg, atol=8)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight"])
def test_the_sides_of_units_are_the_actors_own(track, unit):
    """The left eye of the actor is on the right of the picture."""
    face, _ = track(units={unit: 1.0})
    other = unit.replace("Left", "?").replace("Right", "Left").replace("?", "Right")

    assert face.units[UNIT[unit]] > face.units[UNIT[other]] + 0.3


@pytest.mark.slow
def test_units_rise_with_what_they_name(track):
    """Of a head that moves the unit against the same head at rest."""
    rest = track()[0].units
    for unit in ("jawOpen", "mouthPucker"):
        assert track(units={unit: 1.0})[0].units[UNIT[unit]] > rest[UNIT[unit]] + 0.3, unit


@pytest.mark.slow
def test_a_mirrored_picture_has_mirrored_values(track):
    """Left and right change places; yaw, roll, gaze to the side and x change their sign."""
    filmed = {"turn_deg": (18.7, 8.7, 9.7), "gaze_deg": (12, 0), "units": {"mouthSmileLeft": 0.9, "eyeBlinkRight": 0.6}}
    (face, _), (mirror, _) = track(**filmed), track(**filmed, mirrored=True)
    swapped = [name.replace("Left", "?").replace("Right", "Left").replace("?", "Right") for name in UNITS]
    pose, mirrored = face.head, mirror.head

    apart = np.abs(mirror.units[[UNIT[name] for name in swapped]] - face.units)
    # The network is not quite symmetric: one unit of this face differs by 0.5, none of the sides that move.
    assert apart.mean() < 0.05
    assert max(apart[UNIT[name]] for name in UNITS if "Smile" in name or "Blink" in name) < 0.15
    assert (mirrored.yaw_deg, mirrored.roll_deg) == pytest.approx((-pose.yaw_deg, -pose.roll_deg), abs=1.5)
    assert mirrored.pitch_deg == pytest.approx(pose.pitch_deg, abs=1.5)
    np.testing.assert_allclose(mirror.gaze_deg[::-1, 0], -face.gaze_deg[:, 0], atol=8)
    np.testing.assert_allclose(mirrored.translation_m, pose.translation_m * [-1, 1, 1], atol=0.02)


@pytest.mark.slow
def test_networks_of_a_bundle_are_tried_with_each_backend(landmark_files, tmp_path):
    """They run on a blank picture; NaN in a weight is found."""
    for path in landmark_files[:2]:
        try_network(path)
    broken = bytearray(landmark_files[0].read_bytes())
    broken[200_000:600_000] = b"\xff" * 400_000
    (tmp_path / "net.tflite").write_bytes(broken)

    with pytest.raises(UserError, match=r"net\.tflite gives NaN or infinity"):
        try_network(tmp_path / "net.tflite")


@pytest.mark.slow
def test_an_older_bundle_reads_labels_and_a_newer_one_units(
    blazeface_file, landmark_files, tmp_path, monkeypatch, capsys
):
    """The networks are missing until the printed command has pulled a version that has them."""
    detector = blazeface_file.read_bytes()
    write_bundle(tmp_path / "old", detector)
    with pytest.raises(UserError, match="has no face_geometry, face_landmarks, face_units") as caught:
        open_landmarks(read_bundle(tmp_path / "old"))
    assert open_model(read_bundle(tmp_path / "old")).labels == tuple(LABELS)
    roles = dict(zip(landmark_files, ("face_landmarks", "face_units", "face_geometry"), strict=True))
    write_bundle(tmp_path / "stick", detector, roles)
    command, words = re.search(r"newer version: rushes (pull) (.+)", caught.value.remedy).groups()

    assert (
        command_line(monkeypatch, capsys)(command, words, "--registry", tmp_path / "stick", "--to", tmp_path / "set")[0]
        == 0
    )
    assert open_landmarks(rushes.load("expression", store=tmp_path / "set").bundle).face.vertices_cm.shape == (468, 3)


def test_another_network_is_not_the_landmarks(tmp_path):
    """Its outputs are named."""
    write_bundle(tmp_path)
    detector = tmp_path / "detector.tflite"

    assert open_tflite(detector, "opencv").outputs
    with pytest.raises(UserError, match="not the geometry of a face"):
        LandmarkNetworks(detector, detector, detector, "onnx")


@pytest.mark.slow
def test_a_face_of_40_pixels_is_tracked_in_a_large_frame(heads, finder, networks):
    """From the first frame at 1920x1080, and again within three frames when it was hidden; nothing else is."""
    head = cv2.resize(film_head(heads).picture_bgr, (80, 80), interpolation=cv2.INTER_AREA)
    empty_bgr = filmed(cv2.resize(draw_streets(1, 3)[0], (1920, 1080)), np.random.default_rng(0))
    there_bgr = empty_bgr.copy()
    there_bgr[560:640, 1200:1280] = head
    tracker, states, places_px = FaceTracker(finder, networks, actors=2), [], []
    for number, frame_bgr in enumerate([there_bgr] * 10 + [empty_bgr] * 30 + [there_bgr] * 3):
        faces = tracker.track(frame_bgr, number / 25)
        states.append([face.state for face in faces])
        places_px += [face.landmarks_px[:, :2].mean(axis=0) for face in faces if face.state == "tracked"]

    assert states[:10] == [["tracked"]] * 10
    assert states[-4:-3] == [[]]
    assert states[-1] == ["tracked"]
    np.testing.assert_allclose(places_px, np.tile((1240, 600), (len(places_px), 1)), atol=8)


@pytest.mark.slow
def test_a_head_is_followed_lost_and_picked_up(heads, finder, networks, monkeypatch):
    """It crosses the frame without the detector; after a second of black it is found within three frames."""
    picture_bgr, searches = film_head(heads).picture_bgr, []
    search = finder.search
    monkeypatch.setattr(finder, "search", lambda *given: searches.append(1) or search(*given))
    tracker, black_bgr = FaceTracker(finder, networks, smoothing=None), np.zeros_like(picture_bgr)
    shifted = [np.roll(picture_bgr, 6 * step, axis=1) for step in range(-4, 5)]
    faces = [tracker.track(frame_bgr, number / 25) for number, frame_bgr in enumerate(shifted)]
    noses_px = [face.landmarks_px[1, 0] for [face] in faces]

    np.testing.assert_allclose(np.diff(noses_px), 6, atol=2)
    assert len(searches) == 1
    assert [tracker.track(black_bgr, (9 + number) / 25) for number in range(25)][-1] == []
    assert [face.state for face in [tracker.track(picture_bgr, (34 + number) / 25) for number in range(3)][-1]] == [
        "tracked"
    ]
