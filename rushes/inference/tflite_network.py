"""Loads .tflite networks with OpenCV, for any of its engines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

CLASSIC = "ENGINE_CLASSIC"


def read_tflite(model: Path) -> Any:  # noqa: ANN401  # cv2's stubs know no TFLite overload with an engine
    """A network with all of its outputs.

    OpenCV 5.0's new engine keeps the last output alone (opencv/opencv#29569), so its classic one reads the file; its
    reader of bytes takes no engine but from the environment. OpenCV 5.1 has no classic engine, and its default reads
    these networks whole. By bytes it must be where Windows cannot open a name outside its code page.

    Raises:
        cv2.error: OpenCV cannot read it.
        OSError: It cannot be opened.
    """
    classic = getattr(cv2.dnn, CLASSIC, None)
    by_name = os.name != "nt" or str(model).isascii()
    if by_name:
        return cv2.dnn.readNetFromTFLite(str(model), *(() if classic is None else (classic,)))
    if classic is not None:
        os.environ["OPENCV_FORCE_DNN_ENGINE"] = str(classic)
    return cv2.dnn.readNetFromTFLite(np.fromfile(model, np.uint8))
