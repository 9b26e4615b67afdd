"""Counts and times of a capture, for the line at its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rushes.capture.analysis import Analysis
    from rushes.capture.frames import FrameSource

BLACK, BLACK_EVERY_PX = 20, 8  # level that a lens cap leaves, with the noise of a camera; of every eighth pixel
KEPT = 4096  # of the latest times, so that a capture of a day needs no more memory than one of a minute


class _Times:
    """The latest times, in ms."""

    def __init__(self) -> None:
        self._ring = np.zeros(KEPT)
        self._count = 0

    def add(self, ms: float) -> None:
        self._ring[self._count % KEPT] = ms
        self._count += 1

    def percentile(self, percent: float) -> float:
        """Percentile; 0 if there are no times."""
        return float(np.percentile(self._ring[: min(self._count, KEPT)], percent)) if self._count else 0.0


@dataclass
class Summary:
    """Counts and times for the final summary line."""

    note: str = ""  # of the analyser, such as `not calibrated`
    frames: int = 0
    faces: int = 0
    frames_with_face: int = 0
    unreadable: list[str] = field(default_factory=list)
    left: bool = False  # True if the window was closed or the pipe broken before the end
    dropped: int = 0  # pictures of a camera that were replaced by later ones
    losses: int = 0  # times that the camera stopped giving pictures
    damaged: int = 0  # pictures of a camera that could not be decoded
    black: int = 0  # frames of a camera without light
    wall_s: float = 0.0
    detect: _Times = field(default_factory=_Times)
    classify: _Times = field(default_factory=_Times)
    age: _Times = field(default_factory=_Times)  # of a camera's frames once all outputs have them

    def add(self, analysis: Analysis, *, live: bool) -> None:
        """Counts a frame; one without pixels is unreadable, unless it stands for a camera's silence."""
        frame = analysis.frame
        if frame.picture_bgr is None and live:
            return
        self.frames += 1
        if frame.picture_bgr is None:
            self.unreadable.append(frame.file)
            return
        self.black += live and int(frame.picture_bgr[::BLACK_EVERY_PX, ::BLACK_EVERY_PX].max(initial=0) <= BLACK)
        self.detect.add(analysis.detect_ms)
        if analysis.expressions:
            self.classify.add(analysis.classify_ms)
        self.faces += len(analysis.expressions)
        self.frames_with_face += bool(analysis.expressions)

    def sent(self, analysis: Analysis) -> None:
        """Notes the age of a camera's frame, which all outputs have now."""
        if analysis.frame.arrived_s is not None:
            self.age.add(1000 * (time.monotonic() - analysis.frame.arrived_s))

    def end(self, source: FrameSource, wall_s: float) -> None:
        """Takes over the counts of the source."""
        self.wall_s = wall_s
        self.dropped, self.losses, self.damaged = source.dropped, source.losses, source.damaged

    def lines(self) -> list[str]:
        """Summary for a person, in one to seven lines."""
        fps = self.frames / self.wall_s if self.wall_s else 0.0
        first = (
            f"{counted(self.frames, 'frame')}, {counted(self.faces, 'face')}, "
            f"a face in {counted(self.frames_with_face, 'frame')}; {fps:.1f} frames/s, "
            f"{1000 / fps if fps else 0:.1f} ms a frame (median: detect {self.detect.percentile(50):.1f} ms, "
            f"classify {self.classify.percentile(50):.1f} ms)"
        )
        lines = [first]
        if age_ms := self.age.percentile(95):
            lines.append(
                f"{counted(self.dropped, 'frame')} dropped for later ones; 95 % were sent within {age_ms:.0f} ms"
            )
        if self.note:
            lines.append(self.note)
        if self.losses:
            lines.append(f"the camera was lost {counted(self.losses, 'time')}")
        if self.damaged:
            lines.append(f"{counted(self.damaged, 'picture')} of the camera could not be decoded: check its cable")
        if self.black:
            black = counted(self.black, "frame")
            lines.append(f"{black} of the camera without light: check the lens cap, the shutter and the lamps")
        if self.unreadable:
            unreadable = ", ".join(self.unreadable[:3])
            lines.append(f"{counted(len(self.unreadable), 'picture')} could not be read: {unreadable}")
        return lines


def counted(number: int, thing: str) -> str:
    """Number and noun, such as "1 frame" and "2 frames"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
