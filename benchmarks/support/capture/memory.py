"""Memory of a long capture, in a process of its own: loop, networks and outputs are those of `rushes capture`.

    python -m benchmarks.support.capture.memory BUNDLE CLIP FRAMES...

Prints a line after each of these numbers of frames: resident megabytes, and seconds since the start.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import psutil

from benchmarks.support.capture.clips import FPS, film
from rushes.bundle.manifest import read_bundle
from rushes.capture.analysis import Tracking, open_analyser
from rushes.capture.loop import capture
from rushes.capture.outputs import Outputs
from rushes.expression.model import ExpressionModel
from rushes.take.matroska import JPEG, MatroskaFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from benchmarks.support.capture.clips import Part
    from rushes.capture.analysis import Analyser, Analysis
    from rushes.capture.frames import Frame

SIZE_PX = (320, 240)
ROUND = 600  # frames, after which the pictures are repeated
AWAY = ((400, 460),)  # the actor slides out of the picture and comes back
QUALITY = 80  # of the JPEGs: 100,000 of them take 1 GB


def write_clip(path: Path, part: Part, frames: int) -> None:
    """Writes a clip of an actor whose pictures are repeated."""
    pictures = (picture for picture, _ in film(SIZE_PX, [part], min(frames, ROUND), 0))
    coded = [cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1].tobytes() for picture in pictures]
    file = MatroskaFile(path, JPEG, SIZE_PX, FPS)
    for number in range(frames):
        file.append(coded[number % ROUND], number / FPS)
    file.close()


@dataclass(frozen=True)
class _Watched:
    """An analyser; prints the memory before the frames of these numbers."""

    analyser: Analyser
    marks: Sequence[int]
    begun_s: float

    @property
    def edges(self) -> np.ndarray:
        """See `Analyser`."""
        return self.analyser.edges

    @property
    def note(self) -> str:
        """See `Analyser`."""
        return self.analyser.note

    def analyse(self, frame: Frame) -> Analysis:
        """See `Analyser`."""
        if frame.number in self.marks:
            gc.collect()
            rss_mb = psutil.Process().memory_info().rss / 2**20
            print(rss_mb, time.perf_counter() - self.begun_s, flush=True)
        return self.analyser.analyse(frame)


def watch(bundle: Path, clip: Path, marks: Sequence[int]) -> None:
    """Captures a clip that is longer than the last mark."""
    cv2.setNumThreads(1)
    analyser = open_analyser(ExpressionModel(read_bundle(bundle)), Tracking())
    with (
        tempfile.TemporaryDirectory() as scratch,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,  # full after some packets; others are dropped
    ):
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        outputs = Outputs(
            json_to=os.devnull,  # 10 kB a frame
            drive=(f"vmc://127.0.0.1:{port}", f"livelink://127.0.0.1:{port}"),
            curves=Path(scratch, "take.csv"),
            bvh=Path(scratch, "take.bvh"),
            web="127.0.0.1:0",
        )
        summary = capture(str(clip), _Watched(analyser, marks, time.perf_counter()), outputs)
    assert summary.frames_with_face > summary.frames / 2


if __name__ == "__main__":
    watch(Path(sys.argv[1]), Path(sys.argv[2]), [int(word) for word in sys.argv[3:]])
