"""Films the picture of a camera beside the other outputs: coded and written on threads of their own.

A disk that stalls for a moment delays no output: pictures wait in a queue. If the queue is full, a camera's picture is
lost and counted, and a file as source waits.
"""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from rushes.errors import UserError
from rushes.take.matroska import JPEG, PNG, Format, MatroskaFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Coding = Literal["jpeg", "lossless"]
# Suffix for OpenCV, its options, and the name in Matroska. At 720p JPEG takes 3 CPU-ms and 0.2 MB a frame (41.5 dB),
# PNG 26 CPU-ms and 1.4 MB, with several threads; with OpenCV's own choice of filters it takes 50 ms.
CODINGS: dict[Coding, tuple[str, Sequence[int], Format]] = {
    "jpeg": (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 95), JPEG),
    "lossless": (
        ".png",
        (
            *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG),
            *(cv2.IMWRITE_PNG_COMPRESSION, 1),
            *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
        ),
        PNG,
    ),
}
WAITING = 24  # pictures, 0.8 s at 30 frames/s; 150 MB at 1080p if none of them is coded yet


class TakeFilm:
    """A film of the pictures of a source, each at its own time.

    Attributes:
        path: The file; it is created with the first picture.
        coding: `jpeg` or `lossless`.
        written: Pictures in the file.
        lost: Pictures for which the disk or the processor was too slow.

    Args:
        path: See above.
        coding: See above.
        fps: Usual frames per second.
        live: True for a camera, whose pictures cannot wait.
        label: Gives the SMPTE timecode of a time, for that of the first picture.
    """

    def __init__(
        self, path: Path, coding: Coding, fps: float, *, live: bool, label: Callable[[float], str] = lambda _: ""
    ) -> None:
        self.path, self.coding = path, coding
        self.written = self.lost = 0
        self._fps, self._live, self._label, self._taken = fps, live, label, 0
        self._size: tuple[int, int] | None = None
        self._error: Exception | None = None
        self._queue: queue.Queue[tuple[Future[bytes], float] | None] = queue.Queue(WAITING)
        threads = 1 if coding == "jpeg" else max(1, (os.cpu_count() or 1) // 2)
        self._coders = ThreadPoolExecutor(threads, thread_name_prefix="coder of the film")
        self._thread: threading.Thread | None = None

    def put(self, picture_bgr: np.ndarray, time_s: float) -> int | None:
        """Films a picture; returns its number in the film, or None if it is lost.

        Raises:
            UserError: The film cannot be written any further; the pictures until then are kept.
        """
        if self._error is not None:
            raise self._error
        if self._thread is None:
            self._begin((picture_bgr.shape[1], picture_bgr.shape[0]), self._label(time_s))
        if self._live and self._queue.full():  # only this thread puts, so that there is room afterwards
            self.lost += 1
            return None
        self._queue.put((self._coders.submit(self._coded, picture_bgr), time_s))
        self._taken += 1
        return self._taken - 1

    def _begin(self, size_px: tuple[int, int], timecode: str) -> None:
        self._size = size_px
        file = MatroskaFile(self.path, CODINGS[self.coding][2], size_px, self._fps, timecode)
        self._thread = threading.Thread(target=self._write_all, args=(file,), name="writer of the film", daemon=True)
        self._thread.start()

    def _coded(self, picture_bgr: np.ndarray) -> bytes:
        suffix, options, _ = CODINGS[self.coding]
        assert self._size is not None  # noqa: S101  # for the type checker: put sets it
        return cv2.imencode(suffix, fitted(picture_bgr, self._size), options)[1].tobytes()

    def _write_all(self, file: MatroskaFile) -> None:
        while (waiting := self._queue.get()) is not None:
            coded, time_s = waiting
            if self._error is None:  # later pictures are taken from the queue all the same, so that nobody waits
                try:
                    file.append(coded.result(), time_s)
                    self.written += 1
                except Exception as error:  # noqa: BLE001  # raised again by the thread that puts
                    self._error = error
        try:
            file.close()
        except UserError as error:
            self._error = self._error or error

    def close(self) -> None:
        """Writes what waits, and closes the film; a second call does nothing.

        Raises:
            UserError: Not all could be written; the pictures until then are kept.
        """
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._coders.shutdown()
        if self.written < self._taken and self._error is not None:
            error, self._taken = self._error, self.written
            raise error


def fitted(picture_bgr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Picture scaled to fit a film's size, with black margins: all frames of a film have the size of the first."""
    height, width = picture_bgr.shape[:2]
    if (width, height) == size:
        return picture_bgr
    # Scale without distortion.
    scale = min(size[0] / width, size[1] / height)
    scaled = cv2.resize(picture_bgr, (max(1, int(width * scale)), max(1, int(height * scale))))
    # Paste it into the middle of a black frame.
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    top, left = (size[1] - scaled.shape[0]) // 2, (size[0] - scaled.shape[1]) // 2
    canvas[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return canvas
