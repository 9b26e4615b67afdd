"""Window for the captured frames, if OpenCV was built with windows and a display is available."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import cv2

from rushes.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from rushes.capture.analysis import Analysis

QUIT_KEYS = {ord("q"), ord("Q"), 27}  # 27 is Escape
PROBE = "import cv2; cv2.namedWindow('rushes'); cv2.waitKey(1)"
PROBE_TIMEOUT_S = 30
FIRST_PX = (1280, 720)


def check_window() -> None:
    """Checks that a window can be opened.

    OpenCV aborts the whole process if the display is missing, so on systems where it may be missing a child process
    tries first.

    Raises:
        RushesError: No window can be opened; the message names an alternative.
    """
    if re.search(r"^\s*GUI:\s*NONE\s*$", cv2.getBuildInformation(), re.MULTILINE):
        message = (
            "--show: this OpenCV was built without windows (opencv-python-headless). Use --save out.mp4, or install "
        )
        raise UserError(message + "opencv-python in its place")
    if not sys.platform.startswith("linux"):
        return
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not display or not _probe():
        where = (
            f"the display {display} cannot be opened" if display else "there is no display here (DISPLAY is not set)"
        )
        message = f"--show: {where}. Use --save out.mp4, or run it on a machine with a screen"
        raise UserError(message)


def _probe() -> bool:
    try:
        done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


class Window:
    """Window that shows frames; `q`, Escape or closing it stops the loop. `fps` limits the rate of a clip."""

    def __init__(self, title: str, fps: float | None) -> None:
        self._title = f"Rushes: {title} (q quits)"
        self._frame_s = 1 / fps if fps else 0.0
        self._due_s = 0.0
        self._is_sized = False
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes both
        """Shows the frame; returns False if the user quits."""
        if drawn_bgr is not None:
            self._size(drawn_bgr)
            cv2.imshow(self._title, drawn_bgr)
        wait_s = max(0.001, self._due_s - time.monotonic())
        self._due_s = max(self._due_s, time.monotonic()) + self._frame_s
        key = cv2.waitKey(max(1, round(1000 * wait_s)))
        closed = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        return (key & 0xFF) not in QUIT_KEYS and not closed

    def _size(self, first_bgr: np.ndarray) -> None:
        """Sets the initial size to that of the picture, or to fit a laptop's screen; the user may change it later."""
        if self._is_sized:
            return
        height, width = first_bgr.shape[:2]
        scale = min(1.0, FIRST_PX[0] / width, FIRST_PX[1] / height)
        cv2.resizeWindow(self._title, max(1, round(width * scale)), max(1, round(height * scale)))
        self._is_sized = True

    def close(self) -> None:
        """Closes the window."""
        cv2.destroyAllWindows()
