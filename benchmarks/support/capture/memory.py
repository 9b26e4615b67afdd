"""Memory of a long capture, in a process of its own: loop, networks and outputs are those of `rushes capture`.

    python -m benchmarks.support.capture.memory BUNDLE PICTURES FRAMES...

The pictures of a folder stand for a camera, which gives them again and again. In a film as source FFmpeg's index grows:
by 27 MB from 1,000 to 12,000 frames of a Matroska with a cluster for each, while a capture without it has 358.1 and
then 358.2 MB. Prints a line after each of these numbers of frames: resident megabytes, and seconds since the start.
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
from unittest.mock import patch

import cv2
import numpy as np
import psutil

from benchmarks.support.capture.clips import FPS, film
from rushes.bundle.manifest import read_bundle
from rushes.capture import loop
from rushes.capture.analysis import Tracking, open_analyser
from rushes.capture.frames import Frame
from rushes.capture.outputs import Outputs
from rushes.expression.model import ExpressionModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.support.capture.clips import Part
    from rushes.capture.analysis import Analyser, Analysis

SIZE_PX = (320, 240)
ROUND = 600  # frames, after which the pictures are repeated
AWAY = ((400, 460),)  # the actor slides out of the picture and comes back


def write_pictures(folder: Path, part: Part, frames: int) -> None:
    """Writes the pictures of an actor, which are repeated."""
    folder.mkdir()
    for number, (picture, _) in enumerate(film(SIZE_PX, [part], min(frames, ROUND), 0)):
        cv2.imwrite(str(folder / f"{number:04}.jpg"), picture)


class Repeated:
    """A camera that gives pictures again and again, each once the one before has been analysed."""

    live = True
    total = None
    dropped = losses = damaged = 0
    name, timecode, fps = "camera", "", float(FPS)

    def __init__(self, folder: Path, frames: int) -> None:
        self._coded = [np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(folder.iterdir())]
        self._frames = frames

    def frames(self) -> Iterator[Frame]:
        """Yields so many frames."""
        for number in range(self._frames):
            picture_bgr = cv2.imdecode(self._coded[number % len(self._coded)], cv2.IMREAD_COLOR)
            yield Frame(number, number / FPS, picture_bgr, arrived_s=time.monotonic())

    def close(self) -> None:
        """Does nothing."""


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


def watch(bundle: Path, folder: Path, marks: Sequence[int]) -> None:
    """Captures the pictures of a folder for longer than the last mark."""
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
        with patch.object(loop, "open_source", lambda *_: Repeated(folder, marks[-1] + 1)):
            summary = loop.capture("0", _Watched(analyser, marks, time.perf_counter()), outputs)
    assert summary.frames_with_face > summary.frames / 2


if __name__ == "__main__":
    watch(Path(sys.argv[1]), Path(sys.argv[2]), [int(word) for word in sys.argv[3:]])
