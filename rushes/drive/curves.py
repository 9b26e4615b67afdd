"""Curves of a take as the CSV of Live Link Face: written by the frame, read by the names of the columns.

The app writes JawRight before JawLeft and MouthRight before MouthLeft, ten digits after the point, and timecodes with
thousandths of a frame, such as 13:13:04:31.652. A file is written as the app writes it. Signs and units of the angles
stand in `rushes.drive.livelink`.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rushes.drive.files import FilePerActor, GrowingFile
from rushes.drive.livelink import VALUES, column_of, place_in_ours, values_of
from rushes.drive.timecode import label_of
from rushes.errors import RefusedError, plain
from rushes.suggest import did_you_mean
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rushes.drive.timecode import TakeClock
    from rushes.tracking.face import TrackedFace

_SWAPPED = {"JawLeft": "JawRight", "JawRight": "JawLeft", "MouthLeft": "MouthRight", "MouthRight": "MouthLeft"}
COLUMNS = tuple(_SWAPPED.get(name, name) for name in VALUES)
LEADING = ("Timecode", "BlendShapeCount")
_ORDER = place_in_ours(COLUMNS)
MOST_BYTES = 1 << 30  # 25 hours at 60 frames/s are a tenth of it; a file beyond is something else


@dataclass(frozen=True)
class Curves:
    """Curves of one actor over a take."""

    timecodes: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray  # (frames, columns) float64
    ends: tuple[str, str] = ("", "")  # timecodes of the first and the last row of the file, with a face or without

    def column(self, name: str) -> np.ndarray:
        """Curve of one name (frames,)."""
        return self.values[:, self.columns.index(name)]

    def units(self) -> np.ndarray:
        """Units (frames, 52) float32 in the order of UNITS."""
        places = [self.columns.index(column_of(unit)) for unit in UNITS]
        return self.values[:, places].astype(np.float32)


class CurvesSink:
    """Writes a row for each face of a frame; each actor has a file."""

    def __init__(self, files: FilePerActor, clock: TakeClock) -> None:
        self._files, self._clock = files, clock

    @classmethod
    def open(cls, path: Path, clock: TakeClock) -> CurvesSink:
        """Creates the file with its heading.

        Raises:
            UserError: It cannot be written.
        """
        return cls(FilePerActor(path, _begun), clock)

    def put(self, time_s: float, frame_number: int, faces: Sequence[TrackedFace]) -> None:  # noqa: ARG002  # a sink takes all three
        """Appends the frame.

        Raises:
            UserError: The disk is full; the rows until then are kept.
        """
        frame, thousandths = self._clock.at(time_s)
        timecode = f"{label_of(frame, self._clock.rate)}.{thousandths:03}".replace(";", ":")  # the app has colons only
        for face in faces:
            self._files.of(face.actor).append(_row(timecode, values_of(face, _ORDER)))

    def close(self) -> None:
        """Closes the files."""
        self._files.close()


def _begun(path: Path) -> GrowingFile:
    file = GrowingFile(path)
    file.append(",".join((*LEADING, *COLUMNS)) + "\n", records=0)
    return file


def _row(timecode: str, values: np.ndarray) -> str:
    return ",".join((timecode, str(len(values)), *(f"{value:.10f}" for value in values.tolist()))) + "\n"


def write_curves(path: Path, curves: Curves) -> None:
    """Writes curves in the order of their columns, which may be those of any rig.

    Raises:
        UserError: The file cannot be written.
    """
    file = GrowingFile(path)
    try:
        heading = io.StringIO()
        csv.writer(heading, lineterminator="\n").writerow((*LEADING, *curves.columns))
        file.append(heading.getvalue(), records=0)
        for timecode, values in zip(curves.timecodes, curves.values, strict=True):
            file.append(_row(timecode, values))
    finally:
        file.close()


def read_curves(path: Path) -> Curves:
    """Reads the CSV of Live Link Face or of `CurvesSink`; columns may be in any order.

    Rows of the app without a face (BlendShapeCount 0) are left out. A last line without its end, as a kill may leave
    it, is left out too.

    Raises:
        RefusedError: The file is not such a CSV; the reason names the line.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            reason = "is larger than 1 GB: is it a CSV of Live Link Face?"
            raise RefusedError(reason, "")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise RefusedError(reason, "") from error
    except UnicodeDecodeError as error:
        reason = "is not text in UTF-8: is it a CSV of Live Link Face?"
        raise RefusedError(reason, "") from error
    lines = text.splitlines(keepends=True)
    whole = lines if not lines or lines[-1].endswith(("\n", "\r")) else lines[:-1] or lines
    rows = csv.reader(whole)
    try:
        columns = _columns(next(rows, []))
        found = list(_rows(rows, columns))
    except csv.Error as error:
        reason = f"is not CSV: {error} in line {rows.line_num}"
        raise RefusedError(reason, "") from error
    values = np.array([one for _, one in found], np.float64).reshape(len(found), len(columns))
    labels = [line.partition(",")[0] for line in whole[1:] if line.strip()]
    ends = (labels[0], labels[-1]) if labels else ("", "")
    return Curves(tuple(timecode for timecode, _ in found), columns, values, ends)


def _columns(heading: list[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in heading)
    if names[: len(LEADING)] != LEADING:
        reason = f"does not start with the columns {' and '.join(LEADING)}: is it a CSV of Live Link Face?"
        raise RefusedError(reason, "")
    columns = names[len(LEADING) :]
    for name in columns:
        if name not in COLUMNS:
            reason = f"has an unknown column {plain(name)!r}.{did_you_mean(name, COLUMNS)}"
            raise RefusedError(reason, "")
    if missing := [name for name in COLUMNS if name not in columns]:
        reason = f"lacks the columns {', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}"  # noqa: PLR2004  # enough to find them
        raise RefusedError(reason, "")
    if len(columns) > len(COLUMNS):
        reason = "has a column twice"
        raise RefusedError(reason, "")
    return columns


def _rows(rows: Iterator[list[str]], columns: tuple[str, ...]) -> Iterator[tuple[str, list[float]]]:
    for line, row in enumerate(rows, start=2):
        if not row or row[1:2] == ["0"]:
            continue
        if len(row) != len(LEADING) + len(columns) or row[1] != str(len(columns)):
            reason = f"has {len(row)} instead of {len(LEADING) + len(columns)} cells, or another count, in line {line}"
            raise RefusedError(reason, "")
        try:
            values = [float(cell) for cell in row[len(LEADING) :]]
        except ValueError as error:
            reason = f"has a cell that is not a number in line {line}: {plain(error)}"
            raise RefusedError(reason, "") from error
        if not all(map(math.isfinite, values)):
            reason = f"has a value that is not finite in line {line}"
            raise RefusedError(reason, "")
        yield row[0], values
