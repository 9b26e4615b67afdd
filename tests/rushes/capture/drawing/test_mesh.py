import numpy as np
import pytest

from rushes.capture.drawing.mesh import AXES, FEATURES, draw_actors, edges_of, head_axes
from rushes.tracking.face import HeadPose
from tests.support.actors import made_up_actor

SIZE = (240, 320)


def _drawn(actors, edges=()):
    canvas = np.zeros((*SIZE, 3), np.uint8)
    draw_actors(canvas, actors, np.array(edges, int).reshape(-1, 2))
    return canvas


def _has(canvas, colour):
    return bool((np.abs(canvas.astype(int) - colour).max(axis=2) < 8).any())


def test_each_edge_is_drawn_once():
    """Triangles share their edges."""
    assert edges_of(np.array([[0, 1, 2], [2, 1, 3]])).tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]


@pytest.mark.parametrize(
    ("pose", "axis", "points"),
    [
        ((30, 0, 0), 2, (0.5, 0)),  # turned to the actor's left: forward is to the right of the picture
        ((0, 30, 0), 2, (0, 0.5)),  # up
        ((0, 0, 30), 1, (-0.5, 0.866)),  # tilted to the actor's right shoulder: the crown is to the left
    ],
)
def test_axes_follow_the_signs_of_the_pose(pose, axis, points):
    """Axes are those of the picture, y up."""
    head = HeadPose(*pose, np.zeros(3))

    assert head_axes(head)[axis, :2] == pytest.approx(points, abs=1e-3)


def test_an_actor_is_drawn_at_its_landmarks():
    """Nothing is drawn away from the face but the axes, which start at the nose."""
    canvas = _drawn([made_up_actor(at=(160, 120), size=80)])

    assert _has(canvas, FEATURES)
    assert all(_has(canvas, colour) for colour in AXES[:2])
    assert not canvas[:, :60].any()


def test_an_actor_out_of_sight_is_grey():
    """The place is the last one seen."""
    canvas = _drawn([made_up_actor(at=(160, 120), size=80, state="held")])

    assert canvas.any()
    assert not _has(canvas, FEATURES)


@pytest.mark.parametrize(
    ("at", "visible"), [((-300, 120), False), ((318, 238), True), ((0, 0), True), ((900, 900), False)]
)
def test_a_face_beyond_the_border_is_drawn_in_part(at, visible):
    """The visible part is drawn, as it is in a larger picture but for the ends of lines at the border."""
    across = np.array([(point, point + 239) for point in range(0, 239, 8)])
    canvas = _drawn([made_up_actor(at=at, size=80)], across)
    large = np.zeros((SIZE[0] + 400, SIZE[1] + 400, 3), np.uint8)
    draw_actors(large, [made_up_actor(at=np.add(at, 200), size=80)], across)

    assert canvas.any() == visible
    assert np.abs(canvas.astype(int) - large[200:-200, 200:-200]).mean() < 0.1
