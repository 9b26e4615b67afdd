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
    """Loads a network with all of its outputs.

    OpenCV 5.0's new engine keeps only the last output (opencv/opencv#29569), so its classic engine loads the file; when
    loading bytes, the engine can be set only by the environment. OpenCV 5.1 has no classic engine, and its default
    engine loads these networks completely. Bytes are needed on Windows for file names outside the code page.

    Raises:
        cv2.error: OpenCV cannot parse the network.
        OSError: The file cannot be opened.
    """
    classic = getattr(cv2.dnn, CLASSIC, None)
    by_name = os.name != "nt" or str(model).isascii()
    if by_name:
        return cv2.dnn.readNetFromTFLite(str(model), *(() if classic is None else (classic,)))
    if classic is not None:
        os.environ["OPENCV_FORCE_DNN_ENGINE"] = str(classic)
    return cv2.dnn.readNetFromTFLite(np.fromfile(model, np.uint8))
