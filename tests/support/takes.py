"""Recorded takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.drive.timecode import TakeClock, rate_of
from rushes.take.recording import Recording, Slate
from tests.support.face_streams import made_up_face

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rushes.tracking.face import TrackedFace

FPS = 25


def record_take(
    folder: Path, faces: Iterable[list[TrackedFace]], start: str = "10:00:00:00", rate: str = str(FPS)
) -> Path:
    """A take of these faces, one list a frame."""
    clock = TakeClock.from_label(start, rate_of(rate))
    recording = Recording.open(folder, Slate("12A", "3", "anna", "2026-03-01", "expression v7", "00ff"), clock)
    for number, found in enumerate(faces):
        recording.put(number / float(clock.rate.fps), number, found)
    recording.close()
    return folder


def write_take(folder: Path, frames: int = 10) -> Path:
    """A take of one actor whose mouth opens and whose head turns."""
    return record_take(
        folder,
        (
            [made_up_face(units={"jawOpen": number / 16}, head=(number, -number, 2.0), gaze=((1, 2), (3, 4)))]
            for number in range(frames)
        ),
    )
