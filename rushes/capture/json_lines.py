"""Writes a line of JSON for each frame."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from rushes.drive.lines import face_line
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from rushes.capture.analysis import Analysis
    from rushes.drive.timecode import TakeClock


def line_of(analysis: Analysis, clock: TakeClock) -> dict[str, Any]:
    """JSON line of a frame. `expression` is that of the largest face; null if there is no face."""
    frame, expressions = analysis.frame, analysis.expressions
    line: dict[str, Any] = {"frame": frame.number, "time_s": round(frame.time_s, 3)}
    # Pictures of a folder have a name, and no time of their own.
    line |= {"file": frame.file} if frame.file else {"timecode": clock.label(frame.time_s)}
    if frame.picture_bgr is None:
        line["error"] = "cannot be decoded" if frame.file else "the camera gives no picture"
    line["expression"] = expressions[0].label if expressions else None
    line["faces"] = [
        {
            "box_px": [round(value) for value in expression.box_xywh_px],
            "score": round(expression.score, 4),
            "label": expression.label,
            "probabilities": {
                label: round(value, 4) for label, value in zip(expression.labels, expression.probabilities, strict=True)
            },
        }
        for expression in expressions
    ]
    for face, number in zip(line["faces"], analysis.numbers, strict=False):
        face["actor"] = number
    if analysis.actors:
        line["actors"] = [face_line(actor) for actor in analysis.actors]
    return line


def print_line(line: str) -> None:
    """Prints a line, flushed at once, so that a pipe receives each frame as soon as it is done.

    Raises:
        BrokenPipeError: Nobody reads any more.
        UserError: The disk is full.
    """
    try:
        sys.stdout.write(line)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"standard output cannot be written any further: {error.strerror}"
        raise UserError(message) from error


class JsonLines:
    """JSON lines, each given to a function that appends it to a file or prints it."""

    def __init__(
        self, append: Callable[[str], None], clock: TakeClock, origin: Mapping[str, str | int | None] | None = None
    ) -> None:
        self._append, self._clock, self._origin = append, clock, origin

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes both
        """Writes the line; returns False if the pipe is broken (`| head`)."""
        origin = analysis.model.origin if analysis.model else self._origin
        model = {"model": dict(origin)} if origin else {}
        try:
            # Plain ASCII: a Windows console cannot print every character.
            self._append(json.dumps(line_of(analysis, self._clock) | model) + "\n")
        except BrokenPipeError:
            _drop_stdout()
            return False
        return True


def _drop_stdout() -> None:
    """Redirects a broken standard output to the null device, so that Python does not fail again on closing it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
