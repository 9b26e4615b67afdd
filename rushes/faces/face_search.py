"""Searches frames for faces: proposes candidates part by part, then confirms each by close-up detection.

    finder = open_finder(bundle)
    faces = finder.detect(image_bgr)      # faces of one image
    tracker = finder.tracker()            # for one film: follows faces from frame to frame
    faces = tracker.detect(frame_bgr)

Proposals come from the short-range network on the whole frame and the full-range network on squares of it, in films
also on tiles of a large frame and around faces that were lost (rushes/faces/places.py). The short-range network
then runs on close-ups, squares two and three times as wide as the proposal, and must find the face in both. Measured on
500 photographs of streets and on rendered heads of 8 to 70 % of the frame's height: proposals score up to 0.69 without
a face, and from 0.05 with one. The lower of the two close-up scores is at most 0.60 in 99 of 100 empty frames, and at
least 0.77 for 97 of 100 heads of 10 % or more, leaning by up to 45 degrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rushes.faces.crops import cut_square, turn_square
from rushes.faces.detector import (
    FULL_RANGE,
    MIN_OVERLAP,
    BlazeFace,
    Face,
    face_of,
    merge,
    overlap,
    roll_of,
    row_of,
)
from rushes.faces.following import Patch
from rushes.faces.places import AROUND_SIDES, square_around, squares, with_tiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.bundle.manifest import Bundle
    from rushes.faces.places import Place

ROLE, FULL_RANGE_ROLE = "detector", "detector_full_range"
MIN_SCORE = 0.75  # minimum of both close-ups for a new face; chosen by benchmarks/face_threshold.py
KEEP_SCORE = 0.6  # minimum of one close-up for a face of the previous frame
SURE_SCORE = 0.8  # of a detection in the whole frame that needs no close-up; no empty street of 500 reaches it
PROPOSAL_SCORE = 0.3  # minimum of a short-range proposal
FULL_RANGE_SCORE = 0.2  # minimum of a full-range proposal
CLOSE_LOOKS = (2.0, 3.0)  # sides of the close-ups, in sides of the proposed box; known faces use only the first
LEANING_RAD = float(np.radians(8))  # roll from which a close-up is repeated along the axis of the head
MOST_PROPOSALS = 5  # maximum of close-ups of new proposals in one frame of a film; the rest wait for the next search
# Frames between two searches of the whole frame, and between two parts of it, without and with a known face; never both
# in one frame. A new large face is found within 3 and 12 frames. A frame of up to 16:9 has two squares: a new face from
# 5.5 % of its height is found within 6 and 12 frames. In one of 1920x1080, which also has eight tiles, it is found
# within 18 and 36, and one of 40 pixels within 36 and 72.
WHOLE_EMPTY_EVERY, WHOLE_EVERY = 3, 12
PART_EMPTY_EVERY, PART_EVERY = 3, 6
AROUND_EVERY, AROUND_FRAMES = 3, 150  # frames between two searches around lost faces, and for how many frames
LOOK_EVERY = 2  # frames between two close-ups of a known face while template matching follows it
# Change of a face that ends its window: of position or size, as a share of its size, and of roll.
WINDOW_SHARE, WINDOW_RAD = 0.05, float(np.radians(4))
CUT_LEVELS = 16.0  # mean difference of two coarse pictures, of 255, above which a new shot begins
COARSE_CELLS = 24  # along a side of the coarse picture


def open_finder(bundle: Bundle) -> FaceFinder:
    """Opens the face detector of a bundle; an older bundle without the full-range network uses only the short range.

    Raises:
        BundleError: The bundle has no detector.
        UserError: A network cannot be loaded.
    """
    roles = [file.role for file in bundle.manifest.files.values()]
    full_range = BlazeFace(bundle.path(FULL_RANGE_ROLE), FULL_RANGE) if FULL_RANGE_ROLE in roles else None
    return FaceFinder(BlazeFace(bundle.path(ROLE)), full_range)


class FaceFinder:
    """Finds the faces of one image, independently of previous images.

    Args:
        short_range: Network that proposes large faces and confirms all faces.
        full_range: Network that proposes small faces; without it the short-range network does, in smaller squares.
        min_score: Minimum score of a face; the default was chosen by benchmarks/face_threshold.py.
    """

    def __init__(
        self, short_range: BlazeFace, full_range: BlazeFace | None = None, *, min_score: float = MIN_SCORE
    ) -> None:
        self._short_range, self._full_range, self._min_score = short_range, full_range, min_score

    def detect(self, frame_bgr: np.ndarray) -> list[Face]:
        """Finds all faces of an image, the largest first."""
        return _by_size(self.search(frame_bgr, self.large_places(frame_bgr), most=10 * MOST_PROPOSALS))

    def tracker(self) -> FilmDetector:
        """Creates a detector for one film."""
        return FilmDetector(self)

    def places(self, frame_bgr: np.ndarray) -> list[Place]:
        """Parts of a frame of a film: the whole frame, then those to search in turn, squares and tiles."""
        (height, width), (whole, *large) = frame_bgr.shape[:2], self.large_places(frame_bgr)
        return [whole, *(large if self._full_range is None else with_tiles(large, width, height))]

    def large_places(self, frame_bgr: np.ndarray) -> list[Place]:
        """The whole frame, and squares of it for faces from 5.5 % of its height."""
        height, width = frame_bgr.shape[:2]
        smaller = squares(width, height, 0.5) if self._full_range is None else []
        return [None, *squares(width, height), *smaller]

    def place_around(self, frame_bgr: np.ndarray, middle_px: tuple[float, float], face_px: float) -> Place:
        """The part to search for a face that was lost there: the whole frame for a large one."""
        height, width = frame_bgr.shape[:2]
        return square_around(width, height, middle_px, face_px)

    def search(
        self,
        frame_bgr: np.ndarray,
        places: Sequence[Place],
        known: Sequence[Face] = (),
        most: int = MOST_PROPOSALS,
    ) -> list[Face]:
        """Finds new faces in some parts of a frame.

        Args:
            frame_bgr: uint8 H,W,3.
            places: Squares to search, each once; None is the whole frame.
            known: Known faces, which are not returned.
            most: Maximum number of proposals to confirm by close-ups.
        """
        # Collect the proposals of the whole frame and of its squares, the best first.
        glanced = merge(self._short_range.look(frame_bgr, 0, 0, PROPOSAL_SCORE)) if None in places else []
        looks = [self._search(frame_bgr, *place) for place in dict.fromkeys(places) if place is not None]
        proposed = sorted([*glanced, *(merge(np.concatenate(looks)) if looks else ())], key=lambda row: -row[0])
        # Accept sure proposals without close-ups.
        there = [row_of(face) for face in known]
        found = [self._refined(frame_bgr, row) for row in glanced if row[0] >= SURE_SCORE and not _among(row, there)]
        # Confirm the others by close-ups, up to `most`.
        for row in [row for row in proposed if not _among(row, there + found)][:most]:
            proved = None if _among(row, found) else self._proved(frame_bgr, row)
            if proved is not None and not _among(proved, there + found):
                found.append(proved)
        return [face_of(row) for row in merge(np.array(found).reshape(-1, 17))]

    def follow(self, frame_bgr: np.ndarray, face: Face) -> Face | None:
        """Finds a face of the previous frame in this one by one close-up along its axis; None if it is gone."""
        row = self._look_along(frame_bgr, row_of(face))
        return None if row is None else face_of(row)

    def _search(self, frame_bgr: np.ndarray, x: int, y: int, side: int) -> np.ndarray:
        part_bgr = frame_bgr[y : y + side, x : x + side]
        if self._full_range is None:
            return self._short_range.look(part_bgr, x, y, PROPOSAL_SCORE)
        return self._full_range.look(part_bgr, x, y, FULL_RANGE_SCORE)

    def _proved(self, frame_bgr: np.ndarray, row_17: np.ndarray) -> np.ndarray | None:
        """Confirms a proposal by two close-ups; the score is the lower of theirs; None if one finds no face."""
        looks = []
        for sides in CLOSE_LOOKS:
            look = self._look_close(frame_bgr, row_17, sides, self._min_score)
            if look is None:
                return None
            looks.append(look)
        looks[0][0] = min(look[0] for look in looks)
        return self._refined(frame_bgr, looks[0]) if abs(roll_of(face_of(looks[0]))) >= LEANING_RAD else looks[0]

    def _refined(self, frame_bgr: np.ndarray, row_17: np.ndarray) -> np.ndarray:
        """Replaces the box and key points of a face by those of a close-up along its axis; keeps its score."""
        row = self._look_along(frame_bgr, row_17)
        return row_17 if row is None else np.concatenate([row_17[:1], row[1:]])

    def _look_along(self, frame_bgr: np.ndarray, row_17: np.ndarray) -> np.ndarray | None:
        """Detects a face in a close-up along the axis of the head.

        The box of a head that leans by 30 degrees is 8 % smaller than that of the same head upright, by 45 degrees
        14 %, and the line of its eyes is 2 degrees less steep, so an expression network would get a different crop.
        """
        roll_rad, size_px = roll_of(face_of(row_17)), float(row_17[3:5].max())
        if abs(roll_rad) < LEANING_RAD:
            return self._look_close(frame_bgr, row_17, CLOSE_LOOKS[0], KEEP_SCORE)
        # Rotate the square around the face upright, and detect faces in it.
        middle, side = (float(row_17[1]), float(row_17[2])), max(1, round(CLOSE_LOOKS[0] * size_px))
        seen = merge(self._short_range.look(turn_square(frame_bgr, middle, side, roll_rad), 0, 0, KEEP_SCORE))
        # Keep only a face in the middle: others are neighbours.
        rows = [row for row in seen if np.abs(row[1:3] - side / 2).max() < size_px / 2]
        if not rows:
            return None
        # Rotate its points back to the frame; point 1 is the size, which is not rotated.
        points_82 = rows[0][1:].reshape(8, 2).copy()
        cos, sin = np.cos(roll_rad), np.sin(roll_rad)
        places = [0, *range(2, 8)]
        points_82[places] = (points_82[places] - side / 2) @ np.array([[cos, sin], [-sin, cos]]) + middle
        return np.concatenate([rows[0][:1], points_82.ravel()])

    def _look_close(
        self, frame_bgr: np.ndarray, row_17: np.ndarray, sides: float, min_score: float
    ) -> np.ndarray | None:
        """Detects the proposed face in a close-up `sides` times as wide; None if there is no face."""
        part_bgr, x, y = _around(frame_bgr, row_17, sides)
        seen = merge(self._short_range.look(part_bgr, x, y, min_score))
        return next((close for close in seen if _same(close, row_17)), None)


class _Track:
    """A face followed over frames: detected in a close-up every other frame, by template matching in between."""

    def __init__(self, frame_bgr: np.ndarray, face: Face, age: int = 0) -> None:
        self.face, self._age = face, age
        self._seen, self._patch = face, Patch(frame_bgr, face.box_xywh_px)
        self._window = (
            face  # place of the close-ups: constant while the face hardly moves, so that their input is constant too
        )

    def follow(self, frame_bgr: np.ndarray, finder: FaceFinder) -> bool:
        """Updates the face with the next frame; returns False if it is gone."""
        self._age += 1
        # Follow the face by template matching on frames without a close-up.
        shift_px = self._patch.shift_px(frame_bgr) if self._age % LOOK_EVERY else None
        if shift_px is not None:
            self.face = _moved(self._seen, shift_px)
            return True
        # Otherwise detect it in a close-up at its window, which moves only with larger changes.
        if _has_left(self.face, self._window):
            self._window = self.face
        face = finder.follow(frame_bgr, self._window)
        if face is not None:
            self.face = self._seen = face
            self._patch = Patch(frame_bgr, face.box_xywh_px)
        return face is not None


class FilmDetector:
    """Finds the faces of a film or camera: follows known faces and searches for new ones, one part at a time.

    The first frame, frames after a cut and frames in which a face is lost are searched completely. Between unrelated
    pictures there is always a cut, so each is searched.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._tracks: list[_Track] = []
        self._coarse: np.ndarray | None = None
        self._frames = self._parts = 0
        self._lost: list[tuple[Face, int]] = []  # faces, and the frames in which they were lost

    def detect(self, frame_bgr: np.ndarray) -> list[Face]:
        """Finds the faces of the next frame, the largest first."""
        self._frames += 1
        if self._is_cut(frame_bgr):
            # The limit of a film frame does not apply: a picture of a crowd may be the only one of it.
            self._tracks, self._lost, new = [], [], self._finder.detect(frame_bgr)
        else:
            new = self._next(frame_bgr)
        self._tracks += [_Track(frame_bgr, face, age) for age, face in enumerate(new)]
        return _by_size(track.face for track in self._tracks)

    def _next(self, frame_bgr: np.ndarray) -> list[Face]:
        """Follows the known faces; returns the new ones."""
        before = self._tracks
        kept = [track for track in before if track.follow(frame_bgr, self._finder)]
        lost, self._tracks = [track.face for track in before if track not in kept], _apart(kept)
        due = [*self._finder.large_places(frame_bgr), *self._around(frame_bgr, lost)] if lost else self._due(frame_bgr)
        new = self._finder.search(frame_bgr, due, [track.face for track in self._tracks]) if due else []
        # Forget lost faces after some time, and those that are back.
        self._lost = [
            (face, frame)
            for face, frame in [*self._lost, *((face, self._frames) for face in lost)]
            if self._frames - frame < AROUND_FRAMES and not any(_is_near(one, face) for one in new)
        ]
        return new

    def _due(self, frame_bgr: np.ndarray) -> list[Place]:
        """Parts to search in this frame; none in most frames."""
        whole, *parts = self._finder.places(frame_bgr)
        whole_every, part_every = (WHOLE_EVERY, PART_EVERY) if self._tracks else (WHOLE_EMPTY_EVERY, PART_EMPTY_EVERY)
        due = [] if self._frames % whole_every else [whole]
        if self._frames % part_every == 1:
            self._parts += 1
            due.append(parts[self._parts % len(parts)])
        if self._lost and self._frames % AROUND_EVERY == AROUND_EVERY - 1:
            face, _ = self._lost[self._frames // AROUND_EVERY % len(self._lost)]
            due += self._around(frame_bgr, [face])
        return due

    def _around(self, frame_bgr: np.ndarray, faces: Sequence[Face]) -> list[Place]:
        return [self._finder.place_around(frame_bgr, *_middle_and_size(face)) for face in faces]

    def _is_cut(self, frame_bgr: np.ndarray) -> bool:
        """True if this frame belongs to another shot than the previous one."""
        # Compute the mean absolute difference of a coarse grid of pixels, in levels of 255.
        rows, columns = (np.linspace(0, length - 1, COARSE_CELLS).astype(int) for length in frame_bgr.shape[:2])
        before, self._coarse = self._coarse, frame_bgr[rows[:, None], columns[None, :]].astype(np.float32)
        return before is None or float(np.abs(before - self._coarse).mean()) > CUT_LEVELS


def _by_size(faces: Iterable[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.box_xywh_px[2] * face.box_xywh_px[3])


def _apart(tracks: Sequence[_Track]) -> list[_Track]:
    """Tracks without those that overlap an earlier track, as they follow the same face."""
    kept: list[_Track] = []
    for track in tracks:
        if not _among(row_of(track.face), [row_of(other.face) for other in kept]):
            kept.append(track)
    return kept


def _has_left(face: Face, window: Face) -> bool:
    """True if a face differs from its window in position, size or roll by more than the limits."""
    now, then = row_of(face)[1:5], row_of(window)[1:5]
    return bool(np.abs(now - then).max() > WINDOW_SHARE * then[2:].max()) or (
        abs(roll_of(face) - roll_of(window)) > WINDOW_RAD
    )


def _middle_and_size(face: Face) -> tuple[tuple[float, float], float]:
    x, y, w, h = face.box_xywh_px
    return (x + w / 2, y + h / 2), max(w, h)


def _is_near(face: Face, lost: Face) -> bool:
    """True if a face is in the square that is searched for a lost one."""
    middle_px, size_px = _middle_and_size(lost)
    apart_px = np.abs(np.subtract(_middle_and_size(face)[0], middle_px)).max()
    return bool(apart_px < AROUND_SIDES / 2 * size_px)


def _moved(face: Face, shift_px: tuple[float, float]) -> Face:
    (x, y, w, h), (across, down) = face.box_xywh_px, shift_px
    return Face((x + across, y + down, w, h), face.score, face.keypoints_px + np.array(shift_px))


def _around(frame_bgr: np.ndarray, row_17: np.ndarray, sides: float) -> tuple[np.ndarray, int, int]:
    """Square around a box, and its top left corner; the nearest pixels are repeated beyond the frame."""
    side = max(1, round(float(row_17[3:5].max()) * sides))
    x, y = (round(float(middle) - side / 2) for middle in row_17[1:3])
    return cut_square(frame_bgr, x, y, side), x, y


def _same(close_17: np.ndarray, row_17: np.ndarray) -> bool:
    """True if a close-up shows the proposed face and not a neighbouring one."""
    return bool(np.abs(close_17[1:3] - row_17[1:3]).max() < row_17[3:5].max() / 2)


def _among(row_17: np.ndarray, rows: Sequence[np.ndarray]) -> bool:
    return bool(rows) and bool((overlap(row_17, np.array(rows)) >= MIN_OVERLAP).any())
