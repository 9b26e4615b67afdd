from fractions import Fraction

import cv2
import numpy as np
import pytest

from rushes.drive.bvh import BvhSink
from tests.support.face_streams import made_up_face, read_bvh

RATE = Fraction(25)
AXES = {"Xrotation": (1, 0, 0), "Yrotation": (0, 1, 0), "Zrotation": (0, 0, 1)}


def written(path, frames, fps=RATE):
    sink = BvhSink.open(path, fps)
    for time_s, faces in frames:
        sink.put(time_s, 0, faces)
    sink.close()
    return read_bvh(path.read_text(encoding="utf-8"))


def rotation(motion, frame, joint):
    """Rotation of a joint: the product of its channels in their order, as BVH has it."""
    turns = [
        cv2.Rodrigues(np.radians(motion.frames[frame][joint, channel]) * np.array(AXES[channel], float))[0]
        for of, channel in motion.channels
        if of == joint and channel in AXES
    ]
    return np.linalg.multi_dot(turns)


def test_an_independent_reader_opens_it(tmp_path):
    """Hierarchy, channels, frame time and frames."""
    motion = written(tmp_path / "take.bvh", [(0.0, [made_up_face(at_m=(0.1, 0.2, 0.6))]), (0.04, [made_up_face()])])

    assert {joint: parent for joint, parent in motion.parents.items() if "." not in joint} == {
        "Head": None,
        "LeftEye": "Head",
        "RightEye": "Head",
    }
    assert motion.offsets["LeftEye"][0] == -motion.offsets["RightEye"][0] > 0  # the left side has positive x
    assert motion.frame_time_s == pytest.approx(0.04)
    place = [motion.frames[0]["Head", f"{axis}position"] for axis in "XYZ"]
    np.testing.assert_allclose(place, (10, -20, -60))  # centimetres, y up, z to the camera
    assert len(motion.frames) == 2


@pytest.mark.parametrize(
    ("head", "vector", "to"),
    [
        ((90, 0, 0), (0, 0, 1), (1, 0, 0)),  # the nose turns to the character's left, +x
        ((0, 90, 0), (0, 0, 1), (0, 1, 0)),  # the nose turns up
        ((0, 0, 90), (0, 1, 0), (-1, 0, 0)),  # the crown tilts to the right shoulder, -x
        ((90, 90, 0), (0, 0, 1), (0, 1, 0)),  # left, then up
        ((90, 0, 90), (0, 1, 0), (0, 0, 1)),  # left, then to the right shoulder, which now lies in front
    ],
)
def test_the_head_turns_as_the_actor_does(tmp_path, head, vector, to):
    """In a right-handed frame: x to the character's left, y up, z forward."""
    motion = written(tmp_path / "take.bvh", [(0.0, [made_up_face(head=head)])])

    np.testing.assert_allclose(rotation(motion, 0, "Head") @ vector, to, atol=1e-9)


def test_the_eyes_turn_by_themselves(tmp_path):
    """Relative to the head."""
    motion = written(tmp_path / "take.bvh", [(0.0, [made_up_face(gaze=((90.0, 0.0), (0.0, 90.0)))])])

    np.testing.assert_allclose(rotation(motion, 0, "LeftEye") @ (0, 0, 1), (1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(rotation(motion, 0, "RightEye") @ (0, 0, 1), (0, 1, 0), atol=1e-6)
    np.testing.assert_allclose(rotation(motion, 0, "Head"), np.eye(3), atol=1e-9)


def yaws(motion):
    return [frame["Head", "Yrotation"] for frame in motion.frames]


def turned(yaw_deg, actor=0):
    return made_up_face(actor, head=(yaw_deg, 0.0, 0.0))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([(0.0, [turned(1)]), (0.04, [turned(2)]), (0.08, [turned(3)])], [1, 2, 3]),
        ([(0.0, [turned(1)]), (0.16, [turned(2)])], [1, 1, 1, 1, 2]),  # frames were dropped
        ([(0.0, [turned(1)]), (0.04, []), (0.08, [turned(2)])], [1, 1, 2]),  # nobody was seen
        ([(0.0, []), (0.04, []), (0.08, [turned(2)])], [2, 2, 2]),  # the actor enters late
        ([(0.0, [turned(1)]), (0.01, [turned(2)]), (0.04, [turned(3)])], [1, 3]),  # the camera is faster
        ([(0.0, [])], []),
    ],
)
def test_the_rate_is_constant(tmp_path, frames, expected):
    """BVH has no times: poses are repeated, and the number of frames in the heading is true."""
    assert yaws(written(tmp_path / "take.bvh", frames)) == expected


def test_each_actor_has_a_file(tmp_path):
    """Of the same length."""
    frames = [(0.0, [turned(1, 4)]), (0.04, [turned(2, 4), turned(9, 5)]), (0.08, [turned(3, 4)])]
    first = written(tmp_path / "take.bvh", frames)
    second = read_bvh((tmp_path / "take.actor5.bvh").read_text(encoding="utf-8"))

    assert (yaws(first), yaws(second)) == ([1, 2, 3], [9, 9, 9])


def test_it_is_whole_after_each_frame(tmp_path):
    """A kill loses nothing: the heading counts the frames that are there."""
    sink = BvhSink.open(tmp_path / "take.bvh", RATE)
    for frame in range(12):
        sink.put(frame / 25, frame, [turned(frame)])
        assert yaws(read_bvh((tmp_path / "take.bvh").read_text())) == list(range(frame + 1))
    sink.close()
