from dataclasses import replace

import numpy as np
import pytest

from rushes.capture.drawing.mesh import draw_names
from rushes.capture.drawing.overlay import Overlay, colour_of
from rushes.drawing import INK
from rushes.expression.classifier import FaceExpression
from tests.support.actors import made_up_actor

LABELS = ("angry", "happy", "sad")


def _reading(box, labels=LABELS, best=1):
    shares = [0.1 / max(1, len(labels) - 1)] * len(labels)
    shares[best] = 0.9
    return FaceExpression(box, 0.9, tuple(labels), tuple(shares))


def _has(picture, colour):
    return bool((np.abs(picture.astype(int) - colour).sum(axis=2) < 12).any())


def test_the_reading_is_drawn_and_the_frame_left_alone():
    """The label's colour appears on the copy, near the face; the frame itself is unchanged."""
    frame = np.full((480, 640, 3), 90, np.uint8)
    drawn = Overlay().draw(frame, [_reading((100, 100, 150, 150))])

    assert (frame == 90).all()
    assert _has(drawn[95:255, 95:255], colour_of(1))
    assert _has(drawn[90:350, 250:], colour_of(1))


def test_without_faces_the_picture_stays():
    """Without faces, nothing is drawn."""
    frame = np.full((48, 64, 3), 90, np.uint8)

    assert (Overlay().draw(frame, []) == frame).all()


def test_panels_keep_clear_of_other_faces():
    """A panel's first place is on the right of the face, unless it would hide another face."""
    frame = np.full((720, 1280, 3), 90, np.uint8)
    drawn = Overlay().draw(frame, [_reading((300, 150, 200, 200)), _reading((560, 160, 180, 180))])

    assert (drawn[180:320, 580:720] == 90).all()


def test_panels_keep_clear_of_the_head():
    """The detector's box ends at the brows: neither the hair above it nor the chin below it is hidden."""
    frame = np.full((720, 1280, 3), 90, np.uint8)
    drawn = Overlay().draw(frame, [_reading((540, 250, 200, 200))])

    assert (drawn[180:245, 525:755] == 90).all()
    assert (drawn[456:470, 525:755] == 90).all()


def test_panels_keep_clear_of_each_other():
    """The panel of a second face close by does not move the first one."""
    frame, first = np.full((720, 1280, 3), 90, np.uint8), _reading((300, 300, 60, 60))
    alone, both = Overlay().draw(frame, [first]), Overlay().draw(frame, [first, _reading((300, 400, 58, 58))])
    panel = np.s_[280:404, 379:613]

    assert (alone[panel] != 90).any(axis=2).mean() > 0.9
    assert (alone[panel] == both[panel]).all()


def test_a_panel_does_not_hop_round_a_face_that_moves():
    """A panel that no longer fits on the right by a pixel moves to the left once, and does not return at the next."""
    frame, overlay, sides = np.full((720, 1280, 3), 90, np.uint8), Overlay(), []
    for x in (700, 800, 815, 810, 815, 834, 840, 834, 815, 805):
        overlay.draw(frame, [_reading((x, 200, 200, 200))])
        sides += [side for _, side in overlay._stood]

    assert sides == ["right"] * 6 + ["left"] * 4


def test_a_certain_reading_keeps_its_number_clear_of_its_bar():
    """`100 %` is the widest number."""
    frame = np.full((720, 1280, 3), 90, np.uint8)
    drawn = Overlay().draw(frame, [FaceExpression((100, 300, 150, 150), 0.9, ("sad", "happy"), (0.0, 1.0))]).astype(int)
    row = drawn[313:333, 277:513]
    bar = np.nonzero((np.abs(row - colour_of(1)).sum(axis=2) < 12).any(axis=0))[0]
    ink = np.nonzero((np.abs(row - INK).sum(axis=2) < 60).any(axis=0))[0]

    assert ink[ink > bar.min()].min() > bar.max() + 2


@pytest.mark.parametrize("size", [(1, 1), (5, 900), (40, 60), (120, 160), (2160, 3840)])
@pytest.mark.parametrize("box", [(-50, -50, 400, 400), (3, 3, 1, 1), (5000, 10, 60, 60)])
def test_any_size_and_place_can_be_drawn(size, box):
    """Tiny frames, huge ones, and boxes that hang over the edge."""
    drawn = Overlay().draw(np.full((*size, 3), 90, np.uint8), [_reading(box)] * 5)

    assert drawn.shape == (*size, 3)


@pytest.mark.parametrize("label", ["怒り", "שמחה", "радость", "Überraschung", "a\nb\tc", "", "x" * 300, "\U0001f600"])
def test_any_label_can_be_drawn(label):
    """A taxonomy may use any language and long labels."""
    frame = np.full((480, 640, 3), 90, np.uint8)
    drawn = Overlay().draw(frame, [_reading((100, 100, 150, 150), labels=(label, "b"), best=0)])

    assert (drawn != frame).any()


def test_many_labels_keep_to_the_likeliest():
    """Thirty labels do not make a panel that hides the picture."""
    frame = np.full((720, 1280, 3), 90, np.uint8)
    drawn = Overlay().draw(frame, [_reading((100, 100, 150, 150), labels=[f"label {n}" for n in range(30)], best=29)])

    assert (drawn[500:] == 90).all()


def test_a_panel_does_not_cover_the_name_of_a_performer():
    """Faces that are close to each other keep their names readable."""
    actors = [
        replace(made_up_actor(number, at=(x, 200), size=90), performer=name, calibrated=True)
        for number, (x, name) in enumerate(
            ((150, "anna, who has a long name"), (330, "benjamin, the second"), (510, "carl"))
        )
    ]
    black = np.zeros((360, 640, 3), np.uint8)
    draw_names(black, actors)
    drawn = Overlay().draw(np.full((360, 640, 3), 90, np.uint8), [_reading((105, 240, 90, 90))], actors)
    letters = (black == INK).all(axis=2)

    assert letters.sum() > 100
    assert (drawn[letters] == INK).all()
