"""Writes captured frames as an MP4 film."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import cv2

from rushes.capture.video_source import cut_short
from rushes.errors import UserError
from rushes.output_files import open_alone
from rushes.take.film import fitted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from rushes.capture.analysis import Analysis

# Room on the disk that is proved each second: more than OpenCV's buffer of 256 kB, the film of a second, and the index.
ROOM = bytes(4 << 20)


class FilmWriter:
    """MP4 film with the expressions drawn in. It gets its final name when it is complete.

    OpenCV does not report failed writes. So room for the end of the film is proved before each second of it, and where
    there is none any more, the film ends in time to be complete.

    Attributes:
        left_out_s: Seconds without a picture that the film leaves out.

    Args:
        path: The film.
        fps: Its rate.
        longest_s: Longest time without a picture that the film shows as a still. A camera that is away for an hour
            would otherwise keep the capture waiting for the writing of 90,000 pictures.
        log: Called with a line for each longer time.

    Raises:
        UserError: The film cannot be written, or another process writes it.
    """

    def __init__(self, path: Path, fps: float, longest_s: float = math.inf, log: Callable[[str], None] = print) -> None:
        self._path, self._fps, self._longest_s, self._log = path, fps, longest_s, log
        self.left_out_s = 0.0
        self._draft = path.with_name(f".{path.stem}.part.mp4")
        try:
            self._file = open_alone(self._draft, path)
        except OSError as error:
            message = f"{path} cannot be written: {error.strerror}"
            raise UserError(message) from error
        self._video: Any = None
        self._size = (0, 0)
        self._written = 0

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:
        """Writes the frame at its time: frames are repeated or dropped if the camera's rate is irregular.

        Raises:
            UserError: The disk is full; the film of the frames until then is complete once it is closed.
        """
        if drawn_bgr is None:
            return True
        if self._video is None:
            self._open(drawn_bgr)
        time_s = analysis.frame.time_s - self.left_out_s
        still_s = time_s - self._written / self._fps
        if still_s > self._longest_s:
            self.left_out_s, time_s = self.left_out_s + still_s, self._written / self._fps
            self._log(f"{self._path} leaves out {still_s:.0f} s without a picture")
        # Repeat the frame until the film, at a constant rate, has reached the frame's time; zero times drops it.
        for _ in range(round(time_s * self._fps) + 1 - self._written):
            if self._written % max(1, round(self._fps)) == 0:
                self._prove_room()
            self._video.write(fitted(drawn_bgr, self._size))
            self._written += 1
        return True

    def _open(self, first_bgr: np.ndarray) -> None:
        self._size = (first_bgr.shape[1], first_bgr.shape[0])
        self._video = cv2.VideoWriter(str(self._draft), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, self._size)
        if not self._video.isOpened():
            message = (
                f"{self._path} cannot be written as MP4 of {self._size[0]}x{self._size[1]} at {self._fps:g} frames/s"
            )
            raise UserError(message)

    def _prove_room(self) -> None:
        """Writes behind the film and takes it back: a quota does not show in the free space of the disk."""
        end, rest = self._file.seek(0, os.SEEK_END), memoryview(ROOM)
        try:
            while rest:  # a nearly full disk takes a part, and fails at the next try
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            kept = f"; the {self._written} frames until then are kept" if self._written else ""
            message = f"{self._path} cannot be written any further: {error.strerror}{kept}"
            raise UserError(message) from error
        finally:
            self._file.truncate(end)

    def close(self) -> None:
        """Closes the film and renames it to its final name; a second call does nothing.

        Raises:
            UserError: The film is not complete, and was removed.
        """
        if self._file.closed:
            return
        try:
            if self._video is not None:
                self._video.release()
            if os.name == "nt":  # where a file that is open cannot be renamed
                self._file.close()
            self._put_up()
        finally:
            self._file.close()

    def _put_up(self) -> None:
        if not self._written or cut_short(self._draft):
            self._draft.unlink(missing_ok=True)
            if not self._written:
                return
            message = f"{self._path} could not be written completely and was removed: is the disk full?"
            raise UserError(message)
        try:
            self._draft.replace(self._path)
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror}"
            raise UserError(message) from error
