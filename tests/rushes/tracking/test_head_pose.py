"""Head pose from landmarks of a known pose, and the file of the canonical face."""

import struct

import numpy as np
import pytest

from rushes.errors import UserError
from rushes.tracking.head_pose import fit_head, pose_of, read_canonical_face


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (0, -20, 0), (0, 0, 25), (-25, 15, -30)])
def test_a_known_pose_is_found(face, camera, pose, angles):
    """Angles and place, also away from the middle of the frame."""
    landmarks_px, _ = pose(*angles)
    head = pose_of(fit_head(landmarks_px, camera, face))

    np.testing.assert_allclose([head.yaw_deg, head.pitch_deg, head.roll_deg], angles, atol=1e-6)
    np.testing.assert_allclose(head.translation_m, [0.06, -0.04, 0.8], atol=1e-9)


def test_the_nose_of_a_head_that_turns_left_points_to_the_right_of_the_picture(camera, pose):
    """Signs, by where points of the head come to lie."""
    nose, crown = np.array([[0.0, 0, 9]]), np.array([[0.0, 9, 0]])
    middle = camera.project(pose(0, 0, 0)[1].place(np.zeros((1, 3))))

    assert (camera.project(pose(30, 0, 0)[1].place(nose)) > middle)[0, 0]
    assert (camera.project(pose(0, 20, 0)[1].place(nose)) < middle)[0, 1]
    assert (camera.project(pose(0, 0, 25)[1].place(crown)) < middle)[0, 0]


def field(number, content):
    """A field of a protocol buffer: a number, or bytes."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    """Seven bits a byte, the lowest first."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def geometry(vertices=468, place=lambda n: (n, -n, n / 2)):
    """A file of the format, in which vertex n is at `place(n)`."""
    floats = [number for n in range(vertices) for number in (*place(n), 0, 0)]
    mesh = field(1, 0) + b"".join(varint(3 << 3 | 5) + struct.pack("<f", number) for number in floats)
    mesh += b"".join(field(4, corner) for corner in (0, 1, 300))
    basis = [field(1, n) + varint(2 << 3 | 5) + struct.pack("<f", weight) for n, weight in ((4, 1), (450, 3))]
    return field(1, mesh) + b"".join(field(2, entry) for entry in basis) + field(3, 1)


def test_the_canonical_face_is_read(tmp_path):
    """Vertices, triangles, and landmarks with weights that sum to 1."""
    (tmp_path / "face").write_bytes(geometry())
    face = read_canonical_face(tmp_path / "face")

    np.testing.assert_array_equal(face.vertices_cm[300], [300, -300, 150])
    assert face.triangles.tolist() == [[0, 1, 300]]
    assert (face.fixed.tolist(), face.weights.tolist()) == ([4, 450], [0.25, 0.75])


@pytest.mark.parametrize("content", [b"", b"\xff", geometry(467), geometry()[:-40], b"\x0a\x00", b"not a face at all"])
def test_another_file_is_refused(tmp_path, content):
    """With the remedy."""
    (tmp_path / "face").write_bytes(content)

    with pytest.raises(UserError, match="face is not the geometry of a face: fetch the bundle again"):
        read_canonical_face(tmp_path / "face")
