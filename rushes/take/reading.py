"""Reads the motion of one actor from a recorded take, or from a CSV of Live Link Face alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, FiniteFloat, ValidationError

from rushes.drive.curves import COLUMNS, Curves, read_curves
from rushes.drive.livelink import ANGLES, column_of, place_in_ours, values_of
from rushes.drive.timecode import RATES, Rate, TakeClock, frame_of, frames_of, rate_of
from rushes.errors import MisuseError, NothingFitsError, RefusedError, UserError, plain
from rushes.take.recording import CURVES, LINES, SLATE
from rushes.tracking.face import UNITS, HeadPose, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_SLATE_BYTES = 1 << 16
_UNITS = [COLUMNS.index(column_of(unit)) for unit in UNITS]
_ANGLES = [COLUMNS.index(name) for name in ANGLES]
_ORDER = place_in_ours(COLUMNS)


class _Slate(BaseModel):
    frame_rate: str
    timecode: str


class _Head(BaseModel):
    translation_m: tuple[FiniteFloat, FiniteFloat, FiniteFloat]


class _Pose(_Head):
    yaw_deg: FiniteFloat
    pitch_deg: FiniteFloat
    roll_deg: FiniteFloat


class _Gaze(BaseModel):
    left: tuple[FiniteFloat, FiniteFloat]
    right: tuple[FiniteFloat, FiniteFloat]


class _Unfiltered(BaseModel):
    units: dict[str, FiniteFloat]
    head: _Pose
    gaze_deg: _Gaze

    def row(self) -> np.ndarray:
        """Values in the order of `curves.COLUMNS`, then the place of the head (64,)."""
        units = np.array([self.units.get(unit, 0.0) for unit in UNITS], np.float32)
        head, gaze_deg = self.head, np.array([self.gaze_deg.left, self.gaze_deg.right], np.float32)
        place_m = np.array(head.translation_m)
        pose = HeadPose(head.yaw_deg, head.pitch_deg, head.roll_deg, place_m)
        face = TrackedFace(0, 1.0, units, pose, gaze_deg, np.zeros((0, 3), np.float32), "tracked")
        return np.concatenate([values_of(face, _ORDER), place_m])


class _Face(BaseModel):
    actor: int
    head: _Head
    unfiltered: _Unfiltered | None = None


class _Line(BaseModel):
    faces: list[_Face]


Faces = dict[int, list[_Face]]  # in each frame, by actor


@dataclass(frozen=True)
class Motion:
    """Motion of one actor over a take.

    Attributes:
        actor: Number of the actor.
        clock: Timecode of the take.
        timecodes: Timecode of each frame as the file has it.
        times_s: Time of each frame since the start of the take.
        values: Units, and angles in radians, (frames, 61) in the order of `curves.COLUMNS`.
        places_m: Place of the head (frames, 3); 0 if it is unknown.
        unfiltered: Values and place of the head before the filter of capture (frames, 64); None if they are unknown.
    """

    actor: int
    clock: TakeClock
    timecodes: tuple[str, ...]
    times_s: np.ndarray
    values: np.ndarray
    places_m: np.ndarray
    unfiltered: np.ndarray | None = None

    @property
    def units(self) -> np.ndarray:
        """Units (frames, 52) in the order of UNITS."""
        return self.values[:, _UNITS]

    @property
    def angles(self) -> np.ndarray:
        """Angles (frames, 9) in the order of `livelink.ANGLES`."""
        return self.values[:, _ANGLES]

    def faces(self) -> Iterator[tuple[float, TrackedFace]]:
        """Each frame as outputs take it, with its time; it has no landmarks."""
        for time_s, units, angles, place_m in zip(
            self.times_s.tolist(), self.units.astype(np.float32), np.degrees(self.angles), self.places_m, strict=True
        ):
            yaw_deg, pitch_deg, roll_deg = angles[:3].tolist()
            head = HeadPose(yaw_deg, pitch_deg, roll_deg, place_m)
            gaze_deg = -angles[3:].reshape(2, 3)[:, :2].astype(np.float32)
            landmarks_px = np.zeros((0, 3), np.float32)
            yield time_s, TrackedFace(self.actor, 1.0, units, head, gaze_deg, landmarks_px, "tracked")


def read_motion(path: Path, *, actor: int | None = None, rate: str | None = None) -> Motion:
    """Reads the motion of an actor.

    Args:
        path: Folder of a take, or a CSV of Live Link Face.
        actor: Number of the actor; by default the first one seen.
        rate: Frame rate of a CSV alone, whose timecodes do not name it; by default 24, 25, 30, 50 or 60 by the largest
            number of a frame in them.

    Raises:
        MisuseError: There is no such take, or it has no such actor, or the rate is not one of its timecodes.
        NothingFitsError: Nobody was seen in the take.
        UserError: A file cannot be read.
    """
    if not path.is_dir():
        if actor is not None:
            message = f"--actor {actor}: {path} has one actor"
            raise MisuseError(message)
        curves = _curves(path)
        found = rate_of(rate) if rate is not None else _rate_of_labels(curves)
        return _motion(path, curves, 0, TakeClock(found, int(_frames(path, curves, found)[0])), {})
    if rate is not None:
        message = f"--rate {rate}: the slate of {path} has the rate of the take"
        raise MisuseError(message)
    clock = _clock(path / SLATE)
    first, faces = _faces(path / LINES)
    wanted = first if actor is None else actor
    file = path / CURVES if wanted == first else path / f"curves.actor{wanted}.csv"
    if not file.is_file():
        message = f"{path} has no curves of actor {wanted} ({file.name})"
        raise MisuseError(message)
    return _motion(file, _curves(file), wanted, clock, faces)


def _motion(path: Path, curves: Curves, actor: int, clock: TakeClock, faces: Faces) -> Motion:
    order = [curves.columns.index(name) for name in COLUMNS]
    frames = _frames(path, curves, clock.rate) - clock.start
    times_s = (frames + (frames < 0) * clock.rate.frames_a_day) / float(clock.rate.fps)
    places = np.zeros((len(times_s), 3))
    known = faces.get(actor, [])[: len(places)]  # a row may be without its line after a kill
    if known:
        places[: len(known)] = [face.head.translation_m for face in known]
        places[len(known) :] = known[-1].head.translation_m
    values, unfiltered = curves.values[:, order], None
    if any(face.unfiltered for face in known):
        unfiltered = np.hstack([values, places])
        for row, face in enumerate(known):
            if face.unfiltered is not None:
                unfiltered[row] = face.unfiltered.row()
    return Motion(actor, clock, curves.timecodes, times_s, values, places, unfiltered)


def _frames(path: Path, curves: Curves, rate: Rate) -> np.ndarray:
    """Frame number of each row since midnight, with the part of a frame; it goes on over the next midnight."""
    try:
        return frames_of(curves.timecodes, rate)
    except MisuseError as error:
        message = f"{path}: {error}"
        raise UserError(message) from error


def _rate_of_labels(curves: Curves) -> Rate:
    largest = max(int(label[9:11]) if label[9:11].isdecimal() else 0 for label in curves.timecodes)
    return min((rate for rate in RATES.values() if rate.nominal == rate.fps > largest), key=lambda rate: rate.fps,
               default=RATES["60"])  # fmt: skip


def _curves(path: Path) -> Curves:
    try:
        curves = read_curves(path)
    except RefusedError as error:
        message = f"{path} {error.reason}"
        raise UserError(message) from error
    if not curves.timecodes:
        message = f"{path} has no row with a face: nobody was seen"
        raise NothingFitsError(message)
    return curves


def _clock(path: Path) -> TakeClock:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_SLATE_BYTES)
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}): is {path.parent} a take of capture --record?"
        raise MisuseError(message) from error
    try:
        slate = _Slate.model_validate_json(text)
        rate = rate_of(slate.frame_rate)
        return TakeClock(rate, frame_of(slate.timecode, rate))
    except (ValidationError, MisuseError) as error:
        message = f"{path} is not the slate of a take, with timecode and frame_rate: {_first(error)}"
        raise UserError(message) from error


def _faces(path: Path) -> tuple[int, Faces]:
    """First actor seen in the lines of a take, and the faces of each; none if there are no lines."""
    first, faces = None, Faces()
    try:
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):  # after a kill
                    break
                for face in _Line.model_validate_json(line).faces:
                    first = face.actor if first is None else first
                    faces.setdefault(face.actor, []).append(face)
    except FileNotFoundError:
        pass
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise UserError(message) from error
    except ValidationError as error:
        message = f"{path} has a line that is not one of a take: {_first(error)}"
        raise UserError(message) from error
    return first or 0, faces


def _first(error: ValidationError | MisuseError) -> str:
    if isinstance(error, MisuseError):
        return str(error)
    found = error.errors()[0]
    return plain(f"{'.'.join(map(str, found['loc']))} {found['msg']}".strip())
