"""Session of a calibration: a neutral face, then the range of motion, with prompts."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tqdm import tqdm

from rushes.capture.video_source import open_source
from rushes.errors import NothingFitsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rushes.calibration.calibration import Tracker
    from rushes.tracking.face import TrackedFace

NEUTRAL = "look straight at the camera, with a relaxed face and closed mouth"
# Each moves other units to their ends; they are shown for the same time.
MOTIONS = (
    "raise your eyebrows and open your eyes wide",
    "frown, and wrinkle your nose",
    "close both eyes, then the left, then the right",
    "look left, right, up and down with the eyes alone",
    "open your mouth as wide as you can, and stick out your tongue",
    "smile broadly with closed lips, then with open ones",
    "pull the corners of your mouth down, then wide apart",
    "purse your lips, then make a round O",
    "move jaw and mouth to the left, then to the right",
    "roll your lips in, press them, then blow up your cheeks",
)
PATIENCE_S = 60.0  # of a camera that sees nobody


@dataclass
class Session:
    """Faces of the two parts.

    Attributes:
        neutral_s: Seconds of the neutral face, from the first frame with a face.
        motion_s: Seconds of the range of motion after it.
    """

    neutral_s: float = 5.0
    motion_s: float = 20.0
    at_rest: list[TrackedFace] = field(default_factory=list)
    in_motion: list[TrackedFace] = field(default_factory=list)

    def prompt(self, time_s: float) -> str:
        """Text for the performer at a time since the start."""
        if time_s < self.neutral_s:
            return NEUTRAL
        part = (time_s - self.neutral_s) / self.motion_s
        return MOTIONS[min(int(part * len(MOTIONS)), len(MOTIONS) - 1)]

    def add(self, face: TrackedFace | None, time_s: float) -> bool:
        """Takes the face of a frame; returns False after the end."""
        if time_s >= self.neutral_s + self.motion_s:
            return False
        if face is not None:
            (self.at_rest if time_s < self.neutral_s else self.in_motion).append(face)
        return True


def run_session(source: str, tracker: Tracker, session: Session, log: Callable[[str], None]) -> None:
    """Shows the prompts on the terminal, with a bar, and takes the faces of a camera or clip.

    Raises:
        NothingFitsError: A camera sees nobody for a minute.
        UserError: The source cannot be opened or read.
    """
    total_s = session.neutral_s + session.motion_s
    bar_format = "{bar} {n:.0f} of {total:.0f} s"
    with (
        closing(open_source(source, log)) as pictures,
        tqdm(total=total_s, bar_format=bar_format, disable=None, file=sys.stderr) as bar,
    ):
        begun_s, shown = None, ""
        for frame in pictures.frames():
            face = None if frame.picture_bgr is None else _seen(tracker.track(frame.picture_bgr, frame.time_s))
            if begun_s is None and face is None:
                _check_patience(pictures.name, frame.time_s, live=pictures.live)
                continue
            begun_s = frame.time_s if begun_s is None else begun_s
            time_s = frame.time_s - begun_s
            if not session.add(face, time_s):
                return
            if (prompt := session.prompt(time_s)) != shown:
                shown = prompt
                bar.write(prompt, file=sys.stderr)
            bar.update(time_s - bar.n)


def _seen(faces: Sequence[TrackedFace]) -> TrackedFace | None:
    return next((face for face in faces if face.actor == 0 and face.state == "tracked"), None)


def _check_patience(name: str, time_s: float, *, live: bool) -> None:
    if live and time_s > PATIENCE_S:
        message = f"{name} sees no face: sit before the camera, with light from the front"
        raise NothingFitsError(message)
