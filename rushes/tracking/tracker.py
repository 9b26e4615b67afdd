"""Tracks the faces of actors over the frames of a camera or film.

    tracker = FaceTracker(open_finder(bundle), open_landmarks(bundle), actors=2)
    faces = tracker.track(frame_bgr, time_s)

The detector searches only where an actor is missing; otherwise the square of each face follows its landmarks. Of
several actors, one who comes back is known by the face, or while it is not seen clearly, by the place.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import numpy as np

from rushes.tracking.appearance import CHECKS, NEAR_BONUS, SAME, Appearance, Describer
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
    from rushes.tracking.units_network import UnitsNetwork

Place = TypeVar("Place")
FoundFace = tuple[np.ndarray, float]  # landmarks (478, 3), and the score of their presence
Found = dict[int, FoundFace]  # by actor

HOLD_S, EASE_S = 0.3, 0.5  # of a lost face: its last values, then the way to neutral
MOST_STEP_S = 0.25  # of a frame in which a face is lost: a camera that stands still for a second does not make it jump
# On two real clips a face scores above 0.7 (99 % above 0.999), and the frame after its last one 1e-6.
MIN_PRESENCE = 0.5
MIN_SIDE_PX = 24  # of a square: a face of 16 pixels
# Frames between two searches of the whole frame for a missing actor; one takes 3 to 5 ms and finds faces from a fifth
# of the frame's height. Whoever was just lost is searched in each frame. Where nobody is tracked, every third is enough
# to pick a face up within 3 frames. With others to track, who comes late can wait half a second.
SEARCH_LOST_EVERY, SEARCH_EMPTY_EVERY, SEARCH_EVERY = 1, 3, 12
# Frames between two parts that are searched for small faces, without and with others to track; one takes 5 ms.
SEARCH_PART_EMPTY_EVERY, SEARCH_PART_EVERY = 3, 6
SEARCH_AROUND_EVERY, AROUND_S = 3, 5.0  # frames between two searches where a face was lost, and for how long
# Actors for a new face, the best first. Those lost near it, gone, never seen and just lost elsewhere are not compared:
# their faces are unknown, or the new one is not seen clearly.
ALIKE, NEAR, GONE, NEW, JUST_LOST, UNLIKE = range(6)
# The smoothed values: units, gaze, angles and place of the head; and their scales, with which all are about 0 to 1.
UNITS_PART, GAZE_PART, ANGLES_PART, PLACE_PART = slice(0, 52), slice(52, 56), slice(56, 59), slice(59, 62)
SCALES = np.repeat([1.0, 30.0, 30.0, 0.2], [52, 4, 3, 3])  # of units, degrees, degrees, metres


class PartDetector(Protocol[Place]):
    """A face detector that searches a frame part by part, such as `rushes.faces.face_search.FaceFinder`."""

    def places(self, frame_bgr: np.ndarray) -> list[Place]:
        """Parts of a frame: the whole frame, then those to search in turn."""
        ...

    def place_around(self, frame_bgr: np.ndarray, middle_px: tuple[float, float], face_px: float) -> Place:
        """The part to search for a face that was lost there."""
        ...

    def search(self, frame_bgr: np.ndarray, places: Sequence[Place]) -> Sequence[Detection]:
        """Faces in some parts of a frame."""
        ...


class _Actor:
    """An actor: the square around the face, the filters, and the values of the last frame in which it was seen."""

    def __init__(self, smoothing: Smoothing | None) -> None:
        self.appearance = Appearance()
        self.square: FaceSquare | None = None  # None in frames of another size
        self.face: TrackedFace | None = None  # None if it was never seen
        self.seen, self.lost_s = False, 0.0
        self.state: tuple[UnitsNetwork, np.ndarray] | None = None  # of the network that read this face; None once lost
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
        return self.face is not None and self.lost_s > HOLD_S + EASE_S

    def see(self, face: TrackedFace, time_s: float) -> None:
        """Takes over the values of a frame, smoothed."""
        square = square_of_landmarks(face.landmarks_px)
        is_followed = self.seen and self.square is not None and self.square.is_same_face(square)
        self.square, self.seen, self.lost_s = square, True, 0.0
        if self._smoothing is not None:
            values = self._filter.filter(_values(face) / SCALES, time_s) * SCALES
            face = replace(_with_values(face, values), unfiltered=face)
            if not is_followed:  # it may have appeared elsewhere
                self._points_filter, self._face_px = OneEuro(self._smoothing), square.side_px / SCALE
            points_n3 = self._points_filter.filter(face.landmarks_px / self._face_px, time_s) * self._face_px
            face = replace(face, landmarks_px=points_n3.astype(np.float32))
        self.face = face

    def miss(self, step_s: float) -> None:
        """Counts a frame in which the face is not seen."""
        before_s, end_s = self.lost_s, HOLD_S + EASE_S
        self.seen, self.lost_s = False, before_s + min(step_s, MOST_STEP_S)
        if before_s < end_s < self.lost_s:
            self.lost_s = end_s  # a frame that is neutral, at any rate
        if not self.held:
            self.state = None

    def shown(self) -> TrackedFace | None:
        """The face in this frame: as seen, held, or on the way to neutral."""
        if self.face is None or self.gone or self.seen:
            return None if self.gone else self.face
        if self.held:
            return replace(self.face, score=0.0, state="held")
        # Ease without a jerk at either end; the place of the head stays.
        way = (self.lost_s - HOLD_S) / EASE_S
        share, unfiltered = 1 - way**2 * (3 - 2 * way), self.face.unfiltered
        unfiltered = unfiltered and _eased(unfiltered, share)
        return replace(_eased(self.face, share), score=0.0, state="easing", unfiltered=unfiltered)


@dataclass
class _Past:
    """Clock and counts of a tracker, which are shared where it gets another network for the units.

    Attributes:
        frames: Number of frames, for the turns of the searches.
        parts: Parts of frames that were searched.
        shape: Of the frame before.
        time_s: Of the frame before.
        step_s: Time between the last two frames.
    """

    frames: int = 0
    parts: int = 0
    shape: tuple[int, ...] = ()
    time_s: float = -np.inf
    step_s: float = USUAL_STEP_S


class FaceTracker(Generic[Place]):
    """Tracks the faces of up to `actors` actors.

    An actor keeps its number while it is seen. A new face gets the number of the missing actor whom it is like, else a
    new one. As long as it is not seen clearly, it has that of an actor who was lost near it, else of one who is gone,
    else a new one. Numbers are below `actors`, so that each can drive a character of its own.

    Args:
        detector: Searches for actors that are missing.
        landmarks: The landmark networks.
        actors: Maximum number of faces.
        fov_deg: Vertical field of view of the camera.
        smoothing: Parameters of the filter; None for the values of each frame alone.
        units: Network that reads units, head and gaze; None for MediaPipe's units, and head and gaze as fitted.

    Attributes:
        units: As above.
    """

    def __init__(
        self,
        detector: PartDetector[Place],
        landmarks: LandmarkNetworks,
        *,
        actors: int = 1,
        fov_deg: float = FOV_DEG,
        smoothing: Smoothing | None = LIVE,
        units: UnitsNetwork | None = None,
    ) -> None:
        self._detector, self._landmarks, self._fov_deg, self.units = detector, landmarks, fov_deg, units
        self._actors = [_Actor(smoothing) for _ in range(actors)]
        self._describer = Describer(landmarks.face) if actors > 1 else None
        self._past = _Past()

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
        if other_size := picture_bgr.shape != self._past.shape:
            self._past.shape = picture_bgr.shape
            for actor in self._actors:
                actor.square = None
        found = self._follow(picture_bgr)
        due = places if other_size else self._due(picture_bgr, places, found)
        if len(found) < len(self._actors) and due:
            self._search(picture_bgr, due, found)
        if self._describer is not None:
            self._recognise(picture_bgr, self._describer, found)
        self._update(found, time_s)
        return [face for face in (actor.shown() for actor in self._actors) if face is not None]

    def wait(self, time_s: float) -> list[TrackedFace]:
        """Faces while a camera gives no picture: held, then on the way to neutral."""
        self._step(time_s)
        for actor in self._actors:
            actor.miss(self._past.step_s)
        return [face for face in (actor.shown() for actor in self._actors) if face is not None]

    def with_units(self, units: UnitsNetwork | None) -> Self:
        """This tracker with another network for units, head and gaze; actors, numbers and the clock are shared."""
        other = copy(self)
        other.units = units
        return other

    def _step(self, time_s: float) -> None:
        if 0 < time_s - self._past.time_s < np.inf:
            self._past.step_s = time_s - self._past.time_s
        self._past.time_s = time_s

    def _follow(self, picture_bgr: np.ndarray) -> Found:
        """Landmarks of the known actors, in the squares in which they were last seen."""
        found: Found = {}
        squares: dict[int, FaceSquare] = {}
        for number, actor in enumerate(self._actors):
            if actor.square is not None and actor.held:
                points_n3, score = self._landmarks.find(picture_bgr, actor.square)
                square = square_of_landmarks(points_n3)
                if self._is_face(square, score):
                    found[number], squares[number] = (points_n3, score), square
        # Where two follow one face, such as one that passes before the other, it belongs to the one that moves less.
        kept: list[int] = []
        for number in sorted(found, key=lambda number: _apart(self._actors[number].square, squares[number])):
            if any(squares[number].is_same_face(squares[other]) for other in kept):
                del found[number]
            else:
                kept.append(number)
        return found

    def _due(self, picture_bgr: np.ndarray, places: list[Place], found: Found) -> list[Place]:
        """Parts of this frame to search; none in most frames."""
        self._past.frames += 1
        missing = [actor for number, actor in enumerate(self._actors) if number not in found]
        just_lost = any(actor.face is not None and not actor.gone for actor in missing)
        every = SEARCH_LOST_EVERY if just_lost else SEARCH_EVERY if found else SEARCH_EMPTY_EVERY
        due = places[: self._past.frames % every == 0]
        # Search the whole frame, a part, and where a face was lost in different frames.
        if self._past.frames % (SEARCH_PART_EVERY if found else SEARCH_PART_EMPTY_EVERY) == 1 and (parts := places[1:]):
            self._past.parts += 1
            due.append(parts[self._past.parts % len(parts)])
        lost = [actor.square for actor in missing if actor.square is not None and actor.lost_s < AROUND_S]
        if self._past.frames % SEARCH_AROUND_EVERY == SEARCH_AROUND_EVERY - 1 and lost:
            square = lost[self._past.frames // SEARCH_AROUND_EVERY % len(lost)]
            due.append(self._detector.place_around(picture_bgr, square.middle_px, square.side_px / SCALE))
        return due

    def _search(self, picture_bgr: np.ndarray, places: list[Place], found: Found) -> None:
        """Adds new faces to those found, the largest first."""
        detections = self._detector.search(picture_bgr, places)
        squares = sorted(map(square_of_detection, detections), key=lambda square: -square.side_px)
        new: list[FoundFace] = []
        for coarse in squares:
            faces = [*found.values(), *new]
            if len(faces) == len(self._actors) or self._is_found(coarse, faces):
                continue
            # The detector's box is coarse: the first landmarks give the square for the second ones.
            points_n3, _ = self._landmarks.find(picture_bgr, coarse)
            points_n3, score = self._landmarks.find(picture_bgr, square_of_landmarks(points_n3))
            square = square_of_landmarks(points_n3)
            if self._is_face(square, score) and not self._is_found(square, faces):
                new.append((points_n3, score))
        self._number(picture_bgr, new, found)

    def _number(self, picture_bgr: np.ndarray, new: list[FoundFace], found: Found) -> None:
        """Gives numbers of missing actors to new faces; of several, first where one fits best."""
        squares = [square_of_landmarks(points_n3) for points_n3, _ in new]
        describer = self._describer
        descriptors = [describer.describe(picture_bgr, points_n3) if describer else None for points_n3, _ in new]
        waiting = set(range(len(new)))
        while waiting:
            missing = self._missing(found)
            pairs = [(self._rank(number, squares[n], descriptors[n]), number, n) for number in missing for n in waiting]
            (kind, _), number, n = min(pairs)
            self._actors[number].appearance.checks = 0 if kind == ALIKE else CHECKS
            found[number] = new[n]
            waiting.remove(n)

    def _rank(self, number: int, square: FaceSquare, descriptor: np.ndarray | None) -> tuple[int, float]:
        """Rank of an actor for a face, its kind first: the lowest fits best."""
        actor = self._actors[number]
        apart, unlike = _apart(actor.square, square), actor.appearance.unlike(descriptor)
        if unlike is None:
            return (NEAR if apart < 1 else GONE if actor.gone else NEW if actor.face is None else JUST_LOST), apart
        if apart < 1:
            unlike -= NEAR_BONUS
        return (ALIKE if unlike < SAME else UNLIKE), unlike

    def _recognise(self, picture_bgr: np.ndarray, describer: Describer, found: Found) -> None:
        """Learns the faces of actors; gives another number to one whose face was like nobody's on entry, but is now."""
        for number, (points_n3, _) in list(found.items()):
            actor = self._actors[number]
            if not actor.appearance.is_due(self._past.time_s):
                continue
            descriptor = describer.describe(picture_bgr, points_n3)
            if descriptor is None:
                continue
            right = self._checked(number, square_of_landmarks(points_n3), descriptor, found)
            if right != number:
                found[right] = found.pop(number)
                self._actors[right].state, actor.state, actor.square = actor.state, None, None
                if actor.appearance.is_vague:  # all that was learned may be of another person
                    actor.appearance = Appearance()
            self._actors[right].appearance.learn(descriptor, self._past.time_s)

    def _checked(self, number: int, square: FaceSquare, descriptor: np.ndarray, found: Found) -> int:
        """Number of a found actor: another one if the face is like that of a missing actor, or unlike a known own."""
        own = self._actors[number].appearance
        if not own.checks:
            return number
        ranks = [(self._rank(one, square, descriptor), one) for one in (number, *self._missing(found))]
        (kind, _), best = min(ranks)
        if kind == ALIKE and not (own.is_vague and best == number):
            self._actors[best].appearance.checks = 0
        is_first = own.checks == CHECKS and not own.is_vague
        return best if kind == ALIKE or (is_first and kind != UNLIKE) else number

    def _missing(self, found: Found) -> list[int]:
        return [number for number in range(len(self._actors)) if number not in found]

    def _is_found(self, square: FaceSquare, faces: list[FoundFace]) -> bool:
        return any(square.is_same_face(square_of_landmarks(points_n3)) for points_n3, _ in faces)

    def _is_face(self, square: FaceSquare, score: float) -> bool:
        (height, width), (x, y) = self._past.shape[:2], square.middle_px
        return score >= MIN_PRESENCE and square.side_px >= MIN_SIDE_PX and 0 <= x <= width and 0 <= y <= height

    def _update(self, found: Found, time_s: float) -> None:
        height, width = self._past.shape[:2]
        camera = camera_of(width, height, self._fov_deg)
        for number, actor in enumerate(self._actors):
            if number not in found:
                actor.miss(self._past.step_s)
                continue
            points_n3, score = found[number]
            fit = fit_head(points_n3, camera, self._landmarks.face)
            gaze, head = gaze_deg(points_n3, fit, camera, self._landmarks.face), pose_of(fit)
            fitted_a = np.array([head.yaw_deg, head.pitch_deg, head.roll_deg, *gaze.ravel()], np.float32)
            if self.units is None:
                units = self._landmarks.units(points_n3)
            else:
                # The state knows the face by then: it is kept while the actor is hidden for a moment.
                network, state_1h = actor.state or (None, None)
                if network is not self.units or state_1h is None:
                    state_1h = self.units.start()
                reading = self.units.read(points_n3, head, gaze, state_1h)
                units, head, gaze, actor.state = (
                    reading.units,
                    reading.head,
                    reading.gaze_deg,
                    (self.units, reading.state_1h),
                )
            actor.see(TrackedFace(number, score, units, head, gaze, points_n3, "tracked", fitted_a), time_s)


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


def _eased(face: TrackedFace, share: float) -> TrackedFace:
    values = _values(face)
    values[: PLACE_PART.start] *= share
    return _with_values(face, values)


def _with_values(face: TrackedFace, values: np.ndarray) -> TrackedFace:
    yaw_deg, pitch_deg, roll_deg = (float(value) for value in values[ANGLES_PART])
    return replace(
        face,
        units=values[UNITS_PART].astype(np.float32),
        gaze_deg=values[GAZE_PART].reshape(2, 2).astype(np.float32),
        head=HeadPose(yaw_deg, pitch_deg, roll_deg, values[PLACE_PART]),
    )
