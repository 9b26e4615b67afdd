"""Writes collected pictures on a thread of its own, so that a slow or full disk never delays a capture."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import cv2

from rushes import __version__
from rushes.collect.delivery import Delivery
from rushes.errors import bug_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from rushes.collect.consent import Consent

WAITING = 8  # pictures; at the default rate one comes every 10 s
CLOSE_S = 10.0  # for what still waits at the end
JPEG_QUALITY = 95


class Writer:
    """Pictures on their way into an inbox.

    Attributes:
        written: Pictures in complete folders and in the present one.
        dropped: Pictures for which the disk was too slow.
        failed: Pictures that could not be written.
        folders: Complete folders.

    Args:
        inbox: Folder of the inbox.
        consent: Consent for all pictures.
        log: Called with a line when the first picture cannot be written.
    """

    def __init__(self, inbox: Path, consent: Consent, log: Callable[[str], None]) -> None:
        self.written = self.dropped = self.failed = 0
        self.folders: list[Path] = []
        self._inbox, self._consent, self._log = inbox, consent, log
        self._queue: queue.Queue[np.ndarray | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write_all, name="writer of collected pictures", daemon=True)
        self._thread.start()

    def put(self, picture_bgr: np.ndarray) -> bool:
        """Takes a picture; returns False, and counts it, if too many wait."""
        try:
            self._queue.put_nowait(picture_bgr)
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def _write_all(self) -> None:
        delivery = Delivery(self._inbox, self._consent)
        while (picture_bgr := self._queue.get()) is not None:
            try:
                coded = cv2.imencode(".jpg", picture_bgr, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1]
                delivery.add(coded.tobytes(), ".jpg")
                self.written += 1
            except Exception as error:  # noqa: BLE001  # whatever fails, the thread goes on with the next picture
                self._failed(error)
            if delivery.is_full:
                self._deliver(delivery)
                delivery = Delivery(self._inbox, self._consent)
        self._deliver(delivery)

    def _failed(self, error: Exception) -> None:
        self.failed += 1
        if self.failed == 1:
            reason = error.strerror if isinstance(error, OSError) else bug_report(error, __version__)
            self._log(f"--collect {self._inbox}: cannot be written: {reason}; the capture goes on without")

    def _deliver(self, delivery: Delivery) -> None:
        try:
            delivery.close()
        except OSError as error:
            self._log(f"{delivery.hidden} cannot be renamed: {error.strerror}; the next capture tries again")
        else:
            self.folders += [delivery.folder] * delivery.folder.is_dir()

    def close(self) -> None:
        """Writes what waits, and delivers the folder; a disk that does not answer is left after some seconds."""
        try:
            self._queue.put(None, timeout=CLOSE_S)
        except queue.Full:
            return
        self._thread.join(CLOSE_S)
