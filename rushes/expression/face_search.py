"""Searches frames for faces: a part at a time, then a close look at each proposal.

    finder = open_finder(bundle)
    faces = finder.detect(image_bgr)      # of one image
    tracker = finder.tracker()            # for one film: follows faces from frame to frame
    faces = tracker.detect(frame_bgr)

Proposals come from the short-range network on the whole frame and the full-range one on squares of it. The short-range
network then runs on squares two and three times as wide as the proposal, and must find the face in both.
Measured on 500 photographs of streets and on rendered heads of 8 to 70 % of the frame's height: proposals reach 0.69
where there is no face, and begin at 0.05 where there is one. Close up, the lower of the two looks is at most 0.60 in 99
of 100 empty frames, and at least 0.77 for 97 of 100 heads of 10 % or more, leaning by up to 45 degrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rushes.expression.crops import cut_square, turn_square
from rushes.expression.detector import (
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
from rushes.expression.following import Patch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rushes.bundle.manifest import Bundle

ROLE, FULL_RANGE_ROLE = "detector", "detector_full_range"
MIN_SCORE = 0.75  # of both close looks, for a face to be new; benchmarks/face_threshold.py chooses it
KEEP_SCORE = 0.6  # of a close look, for a face that was there in the frame before
SURE_SCORE = 0.8  # of the look at the whole frame: needs no other; no empty street of 500 reaches it
PROPOSAL_SCORE = 0.3  # of a proposal, short range
FULL_RANGE_SCORE = 0.2  # of a proposal, full range
CLOSE_LOOKS = (2.0, 3.0)  # sides of the close looks, in sides of the proposed box; a known face gets the first alone
LEANING_RAD = float(np.radians(8))  # from which on a close look is repeated along the head's own axis
MOST_PROPOSALS = 5  # new ones that are looked at closely in one frame of a film; the others wait for the next search
OBLONG = 1.2  # frames less oblong than this are one square
# Frames from one searched place to the next, without and with a known face. A frame has two squares at most up to
# 16:9, and the whole frame is looked at before each of them: four places. A new large face is found within 4 frames
# of an empty film and within 12 beside a known face, a new small one within 8 and 24.
SEARCH_EMPTY_EVERY, SEARCH_EVERY = 2, 6
LOOK_EVERY = 2  # frames from one close look at a known face to the next, while it only drifts
WINDOW_SHARE, WINDOW_RAD = 0.05, float(np.radians(4))  # by which a face leaves its window: of its size, and in roll
CUT_LEVELS = 16.0  # mean change of a coarse picture, of 255, from which on it is another shot
COARSE_CELLS = 24  # along a side of that picture

Square = tuple[int, int, int]  # x, y, side in pixels of the frame


def open_finder(bundle: Bundle) -> FaceFinder:
    """The face detector of a bundle; an older bundle without the full-range network uses the short range alone.

    Raises:
        BundleError: The bundle has no detector.
        UserError: A network cannot be loaded.
    """
    roles = [file.role for file in bundle.manifest.files.values()]
    full_range = BlazeFace(bundle.path(FULL_RANGE_ROLE), FULL_RANGE) if FULL_RANGE_ROLE in roles else None
    return FaceFinder(BlazeFace(bundle.path(ROLE)), full_range)


class FaceFinder:
    """Finds the faces of one image, independent of any before.

    Args:
        short_range: Proposes large faces, and confirms all.
        full_range: Proposes small ones; without it the short range does, in smaller squares.
        min_score: Of a face; the default was chosen by benchmarks/face_threshold.py.
    """

    def __init__(
        self, short_range: BlazeFace, full_range: BlazeFace | None = None, *, min_score: float = MIN_SCORE
    ) -> None:
        self._short_range, self._full_range, self._min_score = short_range, full_range, min_score

    def detect(self, frame_bgr: np.ndarray) -> list[Face]:
        """All faces, the largest first."""
        return _by_size(self.search(frame_bgr, self.places(frame_bgr), most=10 * MOST_PROPOSALS))

    def tracker(self) -> FaceTracker:
        """A detector for one film."""
        return FaceTracker(self)

    def places(self, frame_bgr: np.ndarray) -> list[Square | None]:
        """Parts of a frame to search in turn: squares for small faces, and the whole frame before each."""
        height, width = frame_bgr.shape[:2]
        smaller = squares(width, height, 0.5) if self._full_range is None else []
        return [turn for place in (*squares(width, height), *smaller) for turn in (None, place)]

    def search(
        self,
        frame_bgr: np.ndarray,
        places: Sequence[Square | None],
        known: Sequence[Face] = (),
        most: int = MOST_PROPOSALS,
    ) -> list[Face]:
        """New faces in some parts of a frame.

        Args:
            frame_bgr: uint8 H,W,3.
            places: Squares to search; None is the whole frame.
            known: Faces that are not new.
            most: Largest number of close looks at proposals.
        """
        # proposals of the whole frame, then those of its squares, the best first
        glanced = merge(self._short_range.look(frame_bgr, 0, 0, PROPOSAL_SCORE)) if None in places else []
        looks = [self._search(frame_bgr, *place) for place in places if place is not None]
        proposed = sorted([*glanced, *(merge(np.concatenate(looks)) if looks else ())], key=lambda row: -row[0])
        # a sure proposal needs no close look
        there = [row_of(face) for face in known]
        found = [self._refined(frame_bgr, row) for row in glanced if row[0] >= SURE_SCORE and not _among(row, there)]
        # the others are confirmed by close looks, up to `most`
        for row in [row for row in proposed if not _among(row, there + found)][:most]:
            proved = None if _among(row, found) else self._proved(frame_bgr, row)
            if proved is not None and not _among(proved, there + found):
                found.append(proved)
        return [face_of(row) for row in merge(np.array(found).reshape(-1, 17))]

    def follow(self, frame_bgr: np.ndarray, face: Face) -> Face | None:
        """A face of the frame before in this one, by one close look along its axis; None if it is gone."""
        row = self._look_along(frame_bgr, row_of(face))
        return None if row is None else face_of(row)

    def _search(self, frame_bgr: np.ndarray, x: int, y: int, side: int) -> np.ndarray:
        part_bgr = frame_bgr[y : y + side, x : x + side]
        if self._full_range is None:
            return self._short_range.look(part_bgr, x, y, PROPOSAL_SCORE)
        return self._full_range.look(part_bgr, x, y, FULL_RANGE_SCORE)

    def _proved(self, frame_bgr: np.ndarray, row_17: np.ndarray) -> np.ndarray | None:
        """A proposal confirmed by the close looks, with the lower of their scores; None if one finds no face."""
        looks = []
        for sides in CLOSE_LOOKS:
            look = self._look_close(frame_bgr, row_17, sides, self._min_score)
            if look is None:
                return None
            looks.append(look)
        looks[0][0] = min(look[0] for look in looks)
        return self._refined(frame_bgr, looks[0]) if abs(roll_of(face_of(looks[0]))) >= LEANING_RAD else looks[0]

    def _refined(self, frame_bgr: np.ndarray, row_17: np.ndarray) -> np.ndarray:
        """A face with box and key points of a close look along its axis; its score stays."""
        row = self._look_along(frame_bgr, row_17)
        return row_17 if row is None else np.concatenate([row_17[:1], row[1:]])

    def _look_along(self, frame_bgr: np.ndarray, row_17: np.ndarray) -> np.ndarray | None:
        """A close look along the axis of the head.

        The box of a head that leans by 30 degrees is 8 % smaller than that of the same head upright, by 45 degrees
        14 %, and the line of its eyes is 2 degrees less steep: an expression network would get another crop.
        """
        roll_rad, size_px = roll_of(face_of(row_17)), float(row_17[3:5].max())
        if abs(roll_rad) < LEANING_RAD:
            return self._look_close(frame_bgr, row_17, CLOSE_LOOKS[0], KEEP_SCORE)
        # turn the square around the face upright, and detect in it
        middle, side = (float(row_17[1]), float(row_17[2])), max(1, round(CLOSE_LOOKS[0] * size_px))
        seen = merge(self._short_range.look(turn_square(frame_bgr, middle, side, roll_rad), 0, 0, KEEP_SCORE))
        # only a face in the middle is the same one
        rows = [row for row in seen if np.abs(row[1:3] - side / 2).max() < size_px / 2]
        if not rows:
            return None
        # turn its points back to the frame; point 1 is the size, which does not turn
        points_82 = rows[0][1:].reshape(8, 2).copy()
        cos, sin = np.cos(roll_rad), np.sin(roll_rad)
        places = [0, *range(2, 8)]
        points_82[places] = (points_82[places] - side / 2) @ np.array([[cos, sin], [-sin, cos]]) + middle
        return np.concatenate([rows[0][:1], points_82.ravel()])

    def _look_close(
        self, frame_bgr: np.ndarray, row_17: np.ndarray, sides: float, min_score: float
    ) -> np.ndarray | None:
        """The face that a close look finds at a proposal; None if there is none."""
        part_bgr, x, y = _around(frame_bgr, row_17, sides)
        seen = merge(self._short_range.look(part_bgr, x, y, min_score))
        return next((close for close in seen if _same(close, row_17)), None)


class _Track:
    """A face over frames: detected closely every other frame, and followed by template matching between."""

    def __init__(self, frame_bgr: np.ndarray, face: Face, age: int = 0) -> None:
        self.face, self._age = face, age
        self._seen, self._patch = face, Patch(frame_bgr, face.box_xywh_px)
        self._window = (
            face  # where close looks are cut: constant while the face hardly moves, so that their input is too
        )

    def follow(self, frame_bgr: np.ndarray, finder: FaceFinder) -> bool:
        """Takes the next frame; False if the face is gone."""
        self._age += 1
        shift_px = self._patch.shift_px(frame_bgr) if self._age % LOOK_EVERY else None
        if shift_px is not None:
            self.face = _moved(self._seen, shift_px)
            return True
        if _has_left(self.face, self._window):
            self._window = self.face
        face = finder.follow(frame_bgr, self._window)
        if face is not None:
            self.face = self._seen = face
            self._patch = Patch(frame_bgr, face.box_xywh_px)
        return face is not None


class FaceTracker:
    """Finds the faces of a film or a camera: follows known ones, and searches for others a part at a time.

    The first frame, frames after a cut and frames that lost a face are searched completely. Unrelated pictures are a
    row of cuts, so each is searched.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._tracks: list[_Track] = []
        self._coarse: np.ndarray | None = None
        self._frames = self._searched = 0

    def detect(self, frame_bgr: np.ndarray) -> list[Face]:
        """The faces of the next frame, the largest first."""
        self._frames += 1
        if self._is_cut(frame_bgr):
            # No limit of close looks: a picture of a crowd may be the only one of it.
            self._tracks, new = [], self._finder.detect(frame_bgr)
        else:
            new = self._next(frame_bgr)
        self._tracks += [_Track(frame_bgr, face, age) for age, face in enumerate(new)]
        return _by_size(track.face for track in self._tracks)

    def _next(self, frame_bgr: np.ndarray) -> list[Face]:
        """Follows the known faces; returns the new ones."""
        kept = [track for track in self._tracks if track.follow(frame_bgr, self._finder)]
        lost, self._tracks = len(kept) < len(self._tracks), _apart(kept)
        places = self._finder.places(frame_bgr)
        due = places if lost else self._due(places)
        return self._finder.search(frame_bgr, due, [track.face for track in self._tracks]) if due else []

    def _due(self, places: Sequence[Square | None]) -> list[Square | None]:
        """The part to search in this frame; in most frames none."""
        if self._frames % (SEARCH_EVERY if self._tracks else SEARCH_EMPTY_EVERY):
            return []
        self._searched += 1
        return [places[self._searched % len(places)]]

    def _is_cut(self, frame_bgr: np.ndarray) -> bool:
        """True if this frame is of another shot than the last."""
        # mean absolute difference of a coarse grid of pixels, in levels of 255
        rows, columns = (np.linspace(0, length - 1, COARSE_CELLS).astype(int) for length in frame_bgr.shape[:2])
        before, self._coarse = self._coarse, frame_bgr[rows[:, None], columns[None, :]].astype(np.float32)
        return before is None or float(np.abs(before - self._coarse).mean()) > CUT_LEVELS


def _by_size(faces: Iterable[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.box_xywh_px[2] * face.box_xywh_px[3])


def _apart(tracks: Sequence[_Track]) -> list[_Track]:
    """Tracks without those that follow the face of another track."""
    kept: list[_Track] = []
    for track in tracks:
        if not _among(row_of(track.face), [row_of(other.face) for other in kept]):
            kept.append(track)
    return kept


def _has_left(face: Face, window: Face) -> bool:
    """True if a face differs from its window in place, size or roll by more than the limits."""
    now, then = row_of(face)[1:5], row_of(window)[1:5]
    return bool(np.abs(now - then).max() > WINDOW_SHARE * then[2:].max()) or (
        abs(roll_of(face) - roll_of(window)) > WINDOW_RAD
    )


def _moved(face: Face, shift_px: tuple[float, float]) -> Face:
    (x, y, w, h), (across, down) = face.box_xywh_px, shift_px
    return Face((x + across, y + down, w, h), face.score, face.keypoints_px + np.array(shift_px))


def squares(width: int, height: int, share: float = 1.0) -> list[Square]:
    """Overlapping squares (x, y, side) that cover a frame: one, a row, or a grid of smaller ones.

    Args:
        width: Of the frame, in pixels.
        height: See width.
        share: Side of a square, as a share of the frame's shorter side.
    """
    short, long = sorted((width, height))
    side = long if share == 1 and long < OBLONG * short else max(1, round(share * short))
    return [(x, y, side) for y in _steps(height, side) for x in _steps(width, side)]


def _steps(length: int, side: int) -> list[int]:
    """Starts of pieces that overlap by a fifth or more, so that a face cut by one is whole in another."""
    count = 1 if length <= side else 1 + int(np.ceil((length - side) / (0.8 * side)))
    return [round(start) for start in np.linspace(0, max(0, length - side), count)]


def _around(frame_bgr: np.ndarray, row_17: np.ndarray, sides: float) -> tuple[np.ndarray, int, int]:
    """The square around a box, and its left top corner; beyond the frame the nearest pixels are repeated."""
    side = max(1, round(float(row_17[3:5].max()) * sides))
    x, y = (round(float(middle) - side / 2) for middle in row_17[1:3])
    return cut_square(frame_bgr, x, y, side), x, y


def _same(close_17: np.ndarray, row_17: np.ndarray) -> bool:
    """True if a close look found the proposal, and not a neighbour."""
    return bool(np.abs(close_17[1:3] - row_17[1:3]).max() < row_17[3:5].max() / 2)


def _among(row_17: np.ndarray, rows: Sequence[np.ndarray]) -> bool:
    return bool(rows) and bool((overlap(row_17, np.array(rows)) >= MIN_OVERLAP).any())
