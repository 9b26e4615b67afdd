"""Recording of a take: a folder with its curves, its lines of JSON and its slate.

All three are readable at any moment, after a kill too: rows and lines are written whole, and the slate is written over
in place, in space that it has from the start, so that it can be completed on a full disk.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from rushes.drive.curves import CurvesSink
from rushes.drive.files import GrowingFile
from rushes.drive.lines import LinesSink
from rushes.drive.timecode import label_of
from rushes.errors import MisuseError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rushes.drive.sink import Sink
    from rushes.drive.timecode import TakeClock
    from rushes.tracking.face import TrackedFace

CURVES, LINES, SLATE = "curves.csv", "lines.jsonl", "slate.json"
_ROOM = 4096  # bytes of a slate


@dataclass(frozen=True)
class Slate:
    """Text of a clapperboard, and the model that tracked the faces."""

    scene: str
    take: str
    performer: str
    date: str  # ISO 8601
    model_version: str
    model_digest: str


class Recording:
    """Writes a take into a folder of its own."""

    def __init__(self, folder: Path, slate: Slate, clock: TakeClock) -> None:
        self._slate, self._clock = slate, clock
        self._written = self._dropped = 0
        self._last: int | None = None
        self._cut_short = False
        text = self._text("recording")  # fails before there are files
        with contextlib.ExitStack() as stack:  # closes what was opened if the next one fails
            self._sinks: list[Sink] = []
            for opening, name in ((CurvesSink.open, CURVES), (LinesSink.open, LINES)):
                self._sinks.append(opening(folder / name, clock))
                stack.callback(self._sinks[-1].close)
            self._file = GrowingFile(folder / SLATE)
            stack.callback(self._file.close)
            self._file.append(text, records=0)
            self._files = stack.pop_all()

    @classmethod
    def open(cls, folder: Path, slate: Slate, clock: TakeClock) -> Recording:
        """Creates the folder and its files.

        Raises:
            MisuseError: The folder has files already: a take is never written over.
            UserError: It cannot be written.
        """
        try:
            folder.mkdir(exist_ok=True)
            taken = any(folder.iterdir())
        except OSError as error:
            message = f"--record {folder}: cannot be written: {error.strerror}"
            raise UserError(message) from error
        if taken:
            message = f"--record {folder}: the folder has files already; name a new one, so that no take is lost"
            raise MisuseError(message)
        return cls(folder, slate, clock)

    def put(self, time_s: float, frame_number: int, faces: Sequence[TrackedFace]) -> None:
        """Records the frame.

        Raises:
            UserError: The disk is full; the frames until then are kept.
        """
        if self._last is not None:
            self._dropped += max(0, frame_number - self._last - 1)
        self._last = frame_number
        try:
            for sink in self._sinks:
                sink.put(time_s, frame_number, faces)
        except UserError:
            self._cut_short = True
            raise
        self._written += 1
        if self._written % self._clock.rate.nominal == 0:  # about each second
            self._file.overwrite(0, self._text("recording"))

    def close(self) -> None:
        """Completes the slate and closes the files."""
        with self._files:
            if not self._file.closed:
                self._file.overwrite(0, self._text("cut short" if self._cut_short else "complete"))

    def _text(self, state: Literal["recording", "complete", "cut short"]) -> str:
        counted: dict[str, Any] = {
            "timecode": label_of(self._clock.start, self._clock.rate),
            "frame_rate": self._clock.rate.name,
            "frames_written": self._written,
            "frames_dropped": self._dropped,
            "state": state,
        }
        text = json.dumps(asdict(self._slate) | counted, indent=2)
        if len(text) >= _ROOM:
            message = f"the slate has {len(text)} characters: shorten scene, take or performer"
            raise MisuseError(message)
        return text.ljust(_ROOM - 1) + "\n"
