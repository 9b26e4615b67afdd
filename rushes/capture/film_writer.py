"""Writes captured frames as an MP4 film."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import cv2

from rushes.capture.video_source import cut_short
from rushes.errors import UserError
from rushes.take.film import fitted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from rushes.capture.analysis import Analysis


class FilmWriter:
    """MP4 film with the expressions drawn in. It gets its final name when it is complete.

    Attributes:
        left_out_s: Seconds without a picture that the film leaves out.

    Args:
        path: The film.
        fps: Its rate.
        longest_s: Longest time without a picture that the film shows as a still. A camera that is away for an hour
            would otherwise keep the capture waiting for the writing of 90,000 pictures.
        log: Called with a line for each longer time.
    """

    def __init__(self, path: Path, fps: float, longest_s: float = math.inf, log: Callable[[str], None] = print) -> None:
        self._path, self._fps, self._longest_s, self._log = path, fps, longest_s, log
        self.left_out_s = 0.0
        self._draft = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
        self._video: Any = None
        self._size = (0, 0)
        self._written = 0

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:
        """Writes the frame at its time: frames are repeated or dropped if the camera's rate is irregular."""
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

    def close(self) -> None:
        """Closes the film and renames it to its final name."""
        if self._video is not None:
            self._video.release()
            self._put_up()

    def _put_up(self) -> None:
        if cut_short(self._draft):  # OpenCV does not report failed writes
            self._draft.unlink(missing_ok=True)
            message = f"{self._path} could not be written completely and was removed: is the disk full?"
            raise UserError(message)
        try:
            self._draft.replace(self._path)
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror}"
            raise UserError(message) from error
