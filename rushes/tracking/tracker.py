"""Tracks the faces of actors over the frames of a camera or film.

    tracker = FaceTracker(open_finder(bundle), open_landmarks(bundle), actors=2)
    faces = tracker.track(frame_bgr, time_s)

The detector searches only where an actor is missing; otherwise the square of each face follows its landmarks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from rushes.tracking.crop import SCALE, square_of_detection, square_of_landmarks
from rushes.tracking.face import HeadPose, TrackedFace
from rushes.tracking.gaze import gaze_deg
from rushes.tracking.head_pose import FOV_DEG, camera_of, fit_head, pose_of
from rushes.tracking.one_euro import LIVE, USUAL_STEP_S, OneEuro

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.tracking.crop import Detection, FaceSquare
    from rushes.tracking.landmarks import LandmarkNetworks
    from rushes.tracking.one_euro import Smoothing

Place = TypeVar("Place")
Found = dict[int, tuple[np.ndarray, float]]  # by actor: landmarks (478, 3), and the score of their presence

HOLD_S, EASE_S = 0.3, 0.5  # of a lost face: its last values, then the way to neutral
# On two real clips a face scores above 0.7 (99 % above 0.999), and the frame after its last one 1e-6.
MIN_PRESENCE = 0.5
MIN_SIDE_PX = 24  # of a square: a face of 16 pixels
# Frames between two searches of the whole frame for a missing actor; one takes 3 to 5 ms and finds faces from a fifth
# of the frame's height. Whoever was just lost is searched in each frame. Where nobody is tracked, every third is enough
# to pick a face up within 3 frames, at 1.5 ms a frame. With others to track, who comes late can wait half a second.
SEARCH_LOST_EVERY, SEARCH_EMPTY_EVERY, SEARCH_EVERY = 1, 3, 12
SEARCH_PART_EVERY = 24  # frames between two parts that are searched for small faces; one takes 25 ms
# The smoothed values: units, gaze, angles and place of the head; and their scales, with which all are about 0 to 1.
UNITS_PART, GAZE_PART, ANGLES_PART, PLACE_PART = slice(0, 52), slice(52, 56), slice(56, 59), slice(59, 62)
SCALES = np.repeat([1.0, 30.0, 30.0, 0.2], [52, 4, 3, 3])  # of units, degrees, degrees, metres


class Detector(Protocol[Place]):
    """A face detector that searches a frame part by part, such as `rushes.expression.face_search.FaceFinder`."""

    def places(self, frame_bgr: np.ndarray) -> list[Place]:
        """Parts of a frame to search in turn: the whole frame, a part, the whole frame, the next part, ..."""
        ...

    def search(self, frame_bgr: np.ndarray, places: Sequence[Place]) -> Sequence[Detection]:
        """Faces in some parts of a frame."""
        ...


class _Actor:
    """An actor: the square around the face, the filters, and the values of the last frame in which it was seen."""

    def __init__(self, smoothing: Smoothing | None) -> None:
        self.square: FaceSquare | None = None  # None in frames of another size
        self.face: TrackedFace | None = None  # None if it was never seen
        self.seen, self.lost_s = False, 0.0
        self._smoothing = smoothing
        # The filter of the landmarks starts again when the face appears; it counts in faces of that time.
        self._filter, self._points_filter, self._face_px = OneEuro(smoothing or LIVE), OneEuro(), 1.0

    @property
    def held(self) -> bool:
        """True if the face is seen, or was until a moment ago."""
        return self.face is not None and self.lost_s < HOLD_S

    @property
    def gone(self) -> bool:
        """True if the face was lost and has eased to neutral."""
        return self.face is not None and self.lost_s >= HOLD_S + EASE_S

    def see(self, face: TrackedFace, time_s: float) -> None:
        """Takes over the values of a frame, smoothed."""
        square = square_of_landmarks(face.landmarks_px)
        is_followed = self.seen and self.square is not None and self.square.is_same_face(square)
        self.square, self.seen, self.lost_s = square, True, 0.0
        if self._smoothing is not None:
            face = _with_values(face, self._filter.filter(_values(face) / SCALES, time_s) * SCALES)
            if not is_followed:  # it may have appeared elsewhere
                self._points_filter, self._face_px = OneEuro(self._smoothing), square.side_px / SCALE
            points_n3 = self._points_filter.filter(face.landmarks_px / self._face_px, time_s) * self._face_px
            face = replace(face, landmarks_px=points_n3.astype(np.float32))
        self.face = face

    def miss(self, step_s: float) -> None:
        """Counts a frame in which the face is not seen."""
        self.seen, self.lost_s = False, self.lost_s + step_s

    def shown(self) -> TrackedFace | None:
        """The face in this frame: as seen, held, or on the way to neutral."""
        if self.face is None or self.gone or self.seen:
            return None if self.gone else self.face
        if self.held:
            return replace(self.face, score=0.0, state="held")
        # Ease without a jerk at either end; the place of the head stays.
        way, values = (self.lost_s - HOLD_S) / EASE_S, _values(self.face)
        values[: PLACE_PART.start] *= 1 - way**2 * (3 - 2 * way)
        return replace(_with_values(self.face, values), score=0.0, state="easing")


class FaceTracker(Generic[Place]):
    """Tracks the faces of up to `actors` actors.

    An actor keeps its number while it is seen. A new face gets the number of an actor that was lost near it, else of
    one that is gone, else a new one. Numbers are below `actors`, so that each can drive a character of its own.

    Args:
        detector: Searches for actors that are missing.
        landmarks: The landmark networks.
        actors: Maximum number of faces.
        fov_deg: Vertical field of view of the camera.
        smoothing: Parameters of the filter; None for the values of each frame alone.
    """

    def __init__(
        self,
        detector: Detector[Place],
        landmarks: LandmarkNetworks,
        *,
        actors: int = 1,
        fov_deg: float = FOV_DEG,
        smoothing: Smoothing | None = LIVE,
    ) -> None:
        self._detector, self._landmarks, self._fov_deg = detector, landmarks, fov_deg
        self._actors = [_Actor(smoothing) for _ in range(actors)]
        self._frames, self._parts = 0, 0
        self._shape: tuple[int, ...] = ()
        self._time_s, self._step_s = -np.inf, USUAL_STEP_S

    def track(self, picture_bgr: np.ndarray, time_s: float) -> list[TrackedFace]:
        """Faces in the next frame, by number: those that are seen, and those lost for less than 0.8 s.

        Args:
            picture_bgr: uint8 H,W,3.
            time_s: Time of the frame. A clock that stands still or goes back counts as one more step of the usual
                length.
        """
        self._step(time_s)
        # Squares of a frame of another size are meaningless: search all of it, as of the first frame.
        places = self._detector.places(picture_bgr)
        if other_size := picture_bgr.shape != self._shape:
            self._shape = picture_bgr.shape
            for actor in self._actors:
                actor.square = None
        found = self._follow(picture_bgr)
        due = places if other_size else self._due(places, found)
        if len(found) < len(self._actors) and due:
            self._search(picture_bgr, due, found)
        self._update(found, time_s)
        return [face for face in (actor.shown() for actor in self._actors) if face is not None]

    def wait(self, time_s: float) -> list[TrackedFace]:
        """Faces while a camera gives no picture: held, then on the way to neutral."""
        self._step(time_s)
        for actor in self._actors:
            actor.miss(self._step_s)
        return [face for face in (actor.shown() for actor in self._actors) if face is not None]

    def _step(self, time_s: float) -> None:
        if 0 < time_s - self._time_s < np.inf:
            self._step_s = time_s - self._time_s
        self._time_s = time_s

    def _follow(self, picture_bgr: np.ndarray) -> Found:
        """Landmarks of the known actors, in the squares in which they were last seen."""
        found: Found = {}
        for number, actor in enumerate(self._actors):
            if actor.square is not None and actor.held:
                points_n3, score = self._landmarks.find(picture_bgr, actor.square)
                if self._is_face(points_n3, score):
                    found[number] = points_n3, score
        # Where two follow one face, such as one that passes before the other, it belongs to the one that moves less.
        squares = {number: square_of_landmarks(points_n3) for number, (points_n3, _) in found.items()}
        kept: list[int] = []
        for number in sorted(found, key=lambda number: _apart(self._actors[number].square, squares[number])):
            if any(squares[number].is_same_face(squares[other]) for other in kept):
                del found[number]
            else:
                kept.append(number)
        return found

    def _due(self, places: list[Place], found: Found) -> list[Place]:
        """Parts of this frame to search; none in most frames."""
        self._frames += 1
        missing = [actor for number, actor in enumerate(self._actors) if number not in found]
        just_lost = any(actor.face is not None and not actor.gone for actor in missing)
        every = SEARCH_LOST_EVERY if just_lost else SEARCH_EVERY if found else SEARCH_EMPTY_EVERY
        due = places[: self._frames % every == 0]
        if self._frames % SEARCH_PART_EVERY == 0 and (parts := places[1::2]):
            self._parts += 1
            due.append(parts[self._parts % len(parts)])
        return due

    def _search(self, picture_bgr: np.ndarray, places: list[Place], found: Found) -> None:
        """Adds new faces to those found, the largest first."""
        detections = self._detector.search(picture_bgr, places)
        squares = sorted(map(square_of_detection, detections), key=lambda square: -square.side_px)
        for coarse in squares:
            if len(found) == len(self._actors) or self._is_found(coarse, found):
                continue
            # The detector's box is coarse: the first landmarks give the square for the second ones.
            points_n3, _ = self._landmarks.find(picture_bgr, coarse)
            points_n3, score = self._landmarks.find(picture_bgr, square_of_landmarks(points_n3))
            square = square_of_landmarks(points_n3)
            if self._is_face(points_n3, score) and not self._is_found(square, found):
                found[self._number(square, found)] = points_n3, score

    def _number(self, square: FaceSquare, found: Found) -> int:
        """Number of the missing actor that fits a new face best."""
        ranks = []
        for number, actor in enumerate(self._actors):
            apart = _apart(actor.square, square)
            kind = 0 if apart < 1 else 1 if actor.gone else 2 if actor.face is None else 3
            ranks.append((number in found, kind, apart, number))
        return min(ranks)[-1]

    def _is_found(self, square: FaceSquare, found: Found) -> bool:
        return any(square.is_same_face(square_of_landmarks(points_n3)) for points_n3, _ in found.values())

    def _is_face(self, points_n3: np.ndarray, score: float) -> bool:
        square, (height, width) = square_of_landmarks(points_n3), self._shape[:2]
        x, y = square.middle_px
        return score >= MIN_PRESENCE and square.side_px >= MIN_SIDE_PX and 0 <= x <= width and 0 <= y <= height

    def _update(self, found: Found, time_s: float) -> None:
        height, width = self._shape[:2]
        camera = camera_of(width, height, self._fov_deg)
        for number, actor in enumerate(self._actors):
            if number not in found:
                actor.miss(self._step_s)
                continue
            points_n3, score = found[number]
            fit = fit_head(points_n3, camera, self._landmarks.face)
            gaze = gaze_deg(points_n3, fit, camera, self._landmarks.face)
            units = self._landmarks.units(points_n3)
            actor.see(TrackedFace(number, score, units, pose_of(fit), gaze, points_n3, "tracked"), time_s)


def _apart(before: FaceSquare | None, now: FaceSquare) -> float:
    """Distance of two squares, in sides."""
    if before is None:
        return np.inf
    return float(np.hypot(*np.subtract(before.middle_px, now.middle_px))) / now.side_px


def _values(face: TrackedFace) -> np.ndarray:
    """The smoothed values in one row."""
    head = face.head
    angles_deg = [head.yaw_deg, head.pitch_deg, head.roll_deg]
    return np.concatenate([face.units, face.gaze_deg.ravel(), angles_deg, head.translation_m]).astype(np.float64)


def _with_values(face: TrackedFace, values: np.ndarray) -> TrackedFace:
    yaw_deg, pitch_deg, roll_deg = (float(value) for value in values[ANGLES_PART])
    return replace(
        face,
        units=values[UNITS_PART].astype(np.float32),
        gaze_deg=values[GAZE_PART].reshape(2, 2).astype(np.float32),
        head=HeadPose(yaw_deg, pitch_deg, roll_deg, values[PLACE_PART]),
    )
