"""Camera or stream: a thread reads it, and whoever is slower than it gets the latest picture."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from rushes.capture.frames import Frame, rate_of
from rushes.errors import MisuseError, UserError
from rushes.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

RETRY_S = 1.0  # between attempts to open a camera that was lost
TICK_S = 0.1  # between empty frames while it is lost, so that a character returns to neutral
BAD_READS = 10  # in a row, after which a camera counts as lost; one damaged picture fails one read
# Age of a waiting picture, in frames, from which the next one is worth waiting for: it adds to the age of what is sent.
# Where the analysis takes one frame, 0.4 in place of 0.5 takes 0.1 off the 95th percentile, and for it drops a fifth
# more frames: 1.9 % in place of 1.5 % with a steady camera, 8.5 % in place of 7.0 % with one that varies by 3 %.
STALE = 0.4
SMOOTHING = 0.1  # of the measured time between pictures
SILENT_S = 1.0  # without a picture from a camera that is not lost: a driver may block in a read
CLOSE_S = 2.0  # a driver may block in a read for longer; the device is then left to the end of the process


@dataclass(frozen=True)
class _Picture:
    """A picture with its number among all that were read and the time of its arrival (time.monotonic)."""

    number: int
    arrived_s: float
    pixels_bgr: np.ndarray


class Camera:
    """Camera, by its number, or stream, by its URL.

    Attributes:
        name: Its name, for messages.
        fps: Frames per second that it declares.
        dropped: Pictures that were replaced by later ones before anybody took them.
        losses: Number of times that it stopped giving pictures.
        damaged: Pictures that could not be decoded.

    Args:
        place: A number, or the URL of a stream.
        log: Called with a line when the camera is lost, and when it is back.

    Raises:
        UserError: It cannot be opened.
        MisuseError: The URL is that of a film with an end.
    """

    live = True
    total: int | None = None
    timecode = ""

    def __init__(self, place: int | str, log: Callable[[str], None] = lambda _: None) -> None:
        self.name = f"camera {place}" if isinstance(place, int) else redact(place)
        self._place, self._log = place, log
        video = open_video(place)
        if video is None:
            message = f"{self.name} cannot be opened: {_why_closed(place)}"
            raise UserError(message)
        if video.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
            video.release()
            message = f"{self.name} is a film, and not a camera: download it, and give --source the file"
            raise MisuseError(message)
        self.fps = rate_of(video)
        self.dropped = self.losses = self.damaged = 0
        self._video: cv2.VideoCapture | None = video
        self._changed = threading.Condition()
        self._latest: _Picture | None = None
        self._read = 0
        self._step_s, self._last_s = 1 / self.fps, 0.0  # measured, as the declared rate is often another one
        self._is_lost = self._closing = False
        self._thread = threading.Thread(target=self._read_all, name=f"reader of {self.name}", daemon=True)

    def frames(self) -> Iterator[Frame]:
        """Yields the latest picture each time, with the number that it has among all that the camera gave.

        A picture that has waited for more than 0.4 of a frame is passed over for the next one: it would be sent late,
        and whoever needs a whole frame for each picture would stay behind for ever. The time of a picture is that of
        its arrival, in seconds since the start; a clock that goes back counts as a frame. While the camera gives none,
        frames without pixels are yielded every 0.1 s, and a lost camera is opened again as soon as it is there.
        """
        time_s, last_s = 0.0, time.monotonic()
        shown_s = last_s
        self._thread.start()
        while not self._closing:
            with self._changed:
                self._changed.wait_for(lambda: self._latest or self._closing, timeout=TICK_S)
                self._await_next()
                picture, self._latest = self._latest, None
            if picture is not None:
                last_s = now_s = picture.arrived_s
            elif self._is_lost or time.monotonic() - last_s > SILENT_S:
                now_s = time.monotonic()
            else:
                continue
            time_s, shown_s = time_s + (now_s - shown_s if now_s > shown_s else self._step_s), now_s
            if picture is None:
                yield Frame(self._read, time_s, None)
            else:
                yield Frame(picture.number, time_s, picture.pixels_bgr, arrived_s=picture.arrived_s)

    def _await_next(self) -> None:
        """Waits for the next picture, at most for the time of a frame, if the waiting one is stale."""
        waiting = self._latest
        if waiting is not None and time.monotonic() - waiting.arrived_s > STALE * self._step_s:
            self._changed.wait_for(lambda: self._latest is not waiting or self._closing, timeout=self._step_s)

    def _read_all(self) -> None:
        bad = 0  # reads in a row
        while not self._closing:
            pixels_bgr = None if self._video is None else _picture(self._video)
            if pixels_bgr is not None:
                self.damaged += bad
                bad = 0
                self._put(pixels_bgr)
            elif self._video is not None and bad < BAD_READS:
                bad += 1
            else:
                bad = 0
                self._reopen()
        if self._video is not None:  # by the thread that reads: releasing it during a read crashes some drivers
            self._video.release()

    def _put(self, pixels_bgr: np.ndarray) -> None:
        with self._changed:
            if self._is_lost:
                self._is_lost = False
                self._log(f"{self.name} gives pictures again")
            self.dropped += self._latest is not None
            now_s = time.monotonic()
            if self._last_s:
                self._step_s += SMOOTHING * (min(max(now_s - self._last_s, 0.0), SILENT_S) - self._step_s)
            self._latest, self._last_s = _Picture(self._read, now_s, pixels_bgr), now_s
            self._read += 1
            self._changed.notify()

    def _reopen(self) -> None:
        if not self._is_lost:
            self._is_lost, self.losses = True, self.losses + 1
            self._log(
                f"{self.name} gives no picture after frame {self._read}: check its cable, and other programs that use "
                "it; capture goes on when it is back"
            )
        if self._video is not None:
            self._video.release()
        with self._changed:
            self._changed.wait_for(lambda: self._closing, timeout=RETRY_S)
        self._video = None if self._closing else open_video(self._place)

    def close(self) -> None:
        """Ends the thread, which releases the camera."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        elif self._video is not None:
            self._video.release()


def _picture(video: cv2.VideoCapture) -> np.ndarray | None:
    """The next picture; None if it is damaged, or none comes."""
    try:
        there, pixels_bgr = video.read()
    except cv2.error:  # some backends decode a JPEG that is cut off by an assertion
        return None
    return pixels_bgr if there else None


def open_video(place: int | str) -> cv2.VideoCapture | None:
    """Opens a camera or stream with the shortest queue that its driver allows; None if it cannot be opened.

    On Windows DirectShow is tried before Media Foundation, which takes up to a minute to open some cameras
    (opencv/opencv#17687).
    """
    windows = sys.platform == "win32" and isinstance(place, int)
    for backend in (cv2.CAP_DSHOW, cv2.CAP_MSMF) if windows else (cv2.CAP_ANY,):
        video = cv2.VideoCapture(place, backend)
        if video.isOpened():
            with contextlib.suppress(cv2.error):  # not every driver has this property
                video.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            return video
        video.release()
    return None


def _why_closed(place: int | str) -> str:
    """Reason why a camera could not be opened, and what to do."""
    if isinstance(place, str):
        return "check its address and the network; some cameras serve one program at a time, so end others that show it"
    others = "Others: --source 1, or a file"
    if Path(str(place)).exists():  # a folder is often named by a date, and so read as a number
        others += f". For what is called so in this folder: --source ./{place}"
    device = Path(f"/dev/video{place}")
    if not sys.platform.startswith("linux"):
        return (
            "another program, such as a video call, may hold it: end that program. Or it is not plugged in, or the "
            f"privacy settings do not allow it. {others}"
        )
    if not device.exists():
        return f"there is no {device}: plug it in. {others}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"this user may not open {device}: sudo usermod -aG video $USER, and log in again. {others}"
    return f"another program may hold it: end that program, which `fuser -v {device}` shows. {others}"
