"""Recording of a take: a folder with the picture of the camera, the curves, the lines of JSON and the slate.

All four are readable at any moment, after a kill too: rows, lines and pictures are written whole, and the slate is
written over in place, in space that it has from the start, so that it can be completed on a full disk.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from rushes.drive.curves import CurvesSink
from rushes.drive.files import GrowingFile
from rushes.drive.lines import LinesSink
from rushes.drive.timecode import label_of
from rushes.errors import MisuseError, UserError
from rushes.take.film import Coding, TakeFilm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from rushes.drive.timecode import TakeClock
    from rushes.tracking.face import TrackedFace

FILM, CURVES, LINES, SLATE = "camera.mkv", "curves.csv", "lines.jsonl", "slate.json"
SYNC = (
    "A picture of the film is shown at the time_s of its line; film_frame of the line is its number from 0, or null if "
    "it was lost. A row of the curves has the timecode of its line."
)
_ROOM = 4096  # bytes of a slate


@dataclass(frozen=True)
class Slate:
    """Text of a clapperboard, and the model that tracked the faces."""

    scene: str
    take: str
    performer: str
    date: str  # ISO 8601
    model_version: str
    model_digest: str
    calibrated: str = ""  # date of the performer's calibration; of several, with their names


@dataclass(frozen=True)
class FilmFormat:
    """Film of a take: its coding, usual rate, and True for a camera, whose pictures cannot wait for the disk."""

    coding: Coding
    fps: float
    live: bool


class Recording:
    """Writes a take into a folder of its own."""

    def __init__(self, folder: Path, slate: Slate, clock: TakeClock, film: FilmFormat | None = None) -> None:
        self._slate, self._clock = slate, clock
        self._film = TakeFilm(folder / FILM, film.coding, film.fps, live=film.live, label=clock.label) if film else None
        self._written = self._dropped = 0
        self._last: int | None = None
        self._cut_short = False
        text = self._text("recording")  # fails before there are files
        _claim(folder)
        with contextlib.ExitStack() as stack:  # closes what was opened if the next one fails
            self._curves = CurvesSink.open(folder / CURVES, clock)
            stack.callback(self._curves.close)
            self._lines = LinesSink.open(folder / LINES, clock)
            stack.callback(self._lines.close)
            self._file = GrowingFile(folder / SLATE)
            stack.callback(self._file.close)
            self._file.append(text, records=0)
            self._files = stack.pop_all()

    @classmethod
    def open(cls, folder: Path, slate: Slate, clock: TakeClock, film: FilmFormat | None = None) -> Recording:
        """Creates the folder and its files.

        Args:
            folder: The folder.
            slate: Its slate.
            clock: Timecode of the take.
            film: How the picture is filmed, if it is.

        Raises:
            MisuseError: The folder has files already: a take is never written over.
            UserError: It cannot be written.
        """
        check_new(folder)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error
        return cls(folder, slate, clock, film)

    def put(
        self,
        time_s: float,
        frame_number: int,
        faces: Sequence[TrackedFace],
        picture_bgr: np.ndarray | None = None,
        model: Mapping[str, str | int | None] | None = None,
    ) -> None:
        """Records the frame.

        Args:
            time_s: Time of the frame since the start of the source.
            frame_number: Number of the frame in the source, from 0.
            faces: Faces in the frame.
            picture_bgr: The picture, if it is filmed; nobody changes it afterwards.
            model: Family, version and digest of the model, if it may be another one than that of the slate.

        Raises:
            UserError: The disk is full; the frames until then are kept.
        """
        if self._last is not None:
            self._dropped += max(0, frame_number - self._last - 1)
        self._last = frame_number
        try:
            more: dict[str, Any] = {"model": dict(model)} if model else {}
            if self._film is not None and picture_bgr is not None:
                more["film_frame"] = self._film.put(picture_bgr, time_s)
            self._curves.put(time_s, frame_number, faces)
            self._lines.put(time_s, frame_number, faces, more)
        except UserError:
            self._cut_short = True
            raise
        self._written += 1
        if self._written % self._clock.rate.nominal == 0:  # about each second
            self._file.overwrite(0, self._text("recording"))

    def cut_short(self) -> None:
        """Notes that the capture failed, for the slate."""
        self._cut_short = True

    def close(self) -> None:
        """Completes film and slate, and closes the files.

        Raises:
            UserError: Not all pictures could be written; those until then are kept.
        """
        with self._files:
            try:
                if self._film is not None:
                    self._film.close()
            except UserError:
                known, self._cut_short = self._cut_short, True
                if not known:  # else the capture ends with this error already
                    raise
            finally:
                if not self._file.closed:
                    self._file.overwrite(0, self._text("cut short" if self._cut_short else "complete"))

    @property
    def counted(self) -> str:
        """Counts, as text."""
        lost = self._film.lost if self._film else 0
        why = f", {lost} of them not in the film, since the disk or the processor was too slow" if lost else ""
        return f"{self._written} frames recorded{why}"

    def _text(self, state: Literal["recording", "complete", "cut short"]) -> str:
        counted: dict[str, Any] = {
            "timecode": label_of(self._clock.start, self._clock.rate),
            "frame_rate": self._clock.rate.name,
            "frames_written": self._written,
            "frames_dropped": self._dropped,
            "state": state,
        }
        if self._film is not None:
            counted["film"] = {
                "file": FILM,
                "coding": self._film.coding,
                "frames_written": self._film.written,
                "frames_lost": self._film.lost,
                "sync": SYNC,
            }
        text = json.dumps(asdict(self._slate) | counted, indent=2)
        if len(text) >= _ROOM:
            message = f"the slate has {len(text)} characters: shorten scene, take or performer"
            raise MisuseError(message)
        return text.ljust(_ROOM - 1) + "\n"


def _claim(folder: Path) -> None:
    """Creates the slate, which only one of two captures that record to one folder can do."""
    try:
        (folder / SLATE).touch(exist_ok=False)
    except FileExistsError as error:
        message = f"--record {folder}: another capture has begun to record there; name a new folder"
        raise MisuseError(message) from error
    except OSError as error:
        raise _unwritable(folder, error) from error


def check_new(folder: Path) -> None:
    """Checks that a folder can take a recording: it is new or empty.

    Raises:
        MisuseError: It has files.
        UserError: It cannot be read.
    """
    try:
        taken = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise _unwritable(folder, error) from error
    if taken:
        message = f"--record {folder}: the folder has files already; name a new one, so that no take is lost"
        raise MisuseError(message)


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(f"--record {folder}: cannot be written: {error.strerror}")
