"""A made-up detector and landmark network, and the frames that they see."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from rushes.faces.detector import Face

FPS = 25
FIRST, SECOND = (200, 200, 100, 0.8), (450, 220, 100, 0.4)
HAND = (0, 0, 0, 0.2)


@dataclass
class Stage:
    """A detector and landmark networks that see the faces of the present frame.

    Attributes:
        faces: (x, y, size, weight of every unit) of each.
        face: The canonical face.
        searches: Places that were searched in each frame.
        finds: Runs of the landmark network.
    """

    face: object
    faces: list = field(default_factory=list)
    searches: list = field(default_factory=list)
    finds: int = 0

    def places(self, _frame_bgr):
        """As of a wide frame."""
        return ["whole", "left", "right"]

    def place_around(self, _frame_bgr, middle_px, face_px):
        """As for faces from a fifth of the frame's height."""
        return "whole" if face_px > 96 else (*middle_px, face_px)

    def search(self, _frame_bgr, places):
        """Large faces on the whole frame, small ones in the part that shows them."""
        self.searches[-1] += places
        seen = [one for one in self.faces if ("whole" in places if one[2] > 50 else self._is_in(one, places))]
        return [Face((x - s / 2, y - s / 2, s, s), 1.0, np.array([[x - 9, y], [x + 9, y]])) for x, y, s, _ in seen]

    def find(self, _frame_bgr, square):
        """The face nearest to the middle of a square."""
        self.finds += 1
        near = sorted(self.faces, key=lambda one: np.hypot(*np.subtract(one[:2], square.middle_px)))
        if not near or np.hypot(*np.subtract(near[0][:2], square.middle_px)) > square.side_px / 2:
            return self._points(*square.middle_px, square.side_px / 1.5, 0), 0.01
        return self._points(*near[0]), 0.99

    def units(self, landmarks_px):
        """The weight, which lies in the depth of an unused landmark."""
        return np.full(52, landmarks_px[477, 2], np.float32)

    @staticmethod
    def _is_in(face, places):
        """Halves of the frame, and squares around lost faces."""
        x, y, *_ = face
        around = [place for place in places if isinstance(place, tuple)]
        return ("left" if x < 320 else "right") in places or any(
            max(abs(x - left), abs(y - top)) < 2 * size for left, top, size in around
        )

    def _points(self, x, y, size, weight):
        points_n3 = np.concatenate([self.face.vertices_cm * [1, -1, -1], np.zeros((10, 3))])
        low, high = points_n3[:, :2].min(axis=0), points_n3[:, :2].max(axis=0)
        points_n3[:, :2] -= (low + high) / 2
        points_n3 *= size / (high - low).max()
        points_n3[:, :2] += (x, y)
        points_n3[477, 2] = weight
        return points_n3.astype(np.float32)


def lit(faces, exposure):
    """A frame in which the weight of a face stands for the person: each has another pattern; without light, none."""
    frame_bgr = np.zeros((480, 640, 3), np.uint8)
    for x, y, size, weight in faces:
        person = np.random.default_rng(round(100 * weight)).uniform(40, 160, (7, 7)).astype(np.float32)
        pattern = cv2.resize(exposure * person, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 255)
        frame_bgr[y - size // 2 :, x - size // 2 :][:size, :size] = pattern[..., None]
    return frame_bgr


def at(person, place):
    """The face of one person at the place of another."""
    return (*place[:3], person[3])


def states(results):
    """States of the faces of each frame, without repetition."""
    every = [tuple(face.state for face in faces) for faces in results]
    return [state for number, state in enumerate(every) if number == 0 or state != every[number - 1]]
