"""Capture loop: runs the models on each frame of a source and passes the result to the outputs."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from rushes.capture.drawing.overlay import Overlay
from rushes.capture.outputs import STDOUT, Outputs
from rushes.capture.summary import Summary, counted
from rushes.capture.video_source import open_source
from rushes.errors import NothingFitsError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rushes.capture.analysis import Analyser
    from rushes.capture.failing_output import Sink
    from rushes.capture.frames import Frame, FrameSource


def capture(
    source: str,
    analyser: Analyser,
    outputs: Outputs,
    *,
    log: Callable[[str], None] = lambda _: None,
    origin: Mapping[str, str | int | None] | None = None,
) -> Summary:
    """Analyses every frame of a source until it ends, or on `q` or Ctrl-C; films are always closed properly.

    Of a camera only the latest frame is analysed; those that come in the meantime are dropped and counted.

    Args:
        source: A camera number, a clip, or a folder of pictures.
        analyser: The models.
        outputs: Where the results go.
        log: Called with lines for the user: a camera that is lost or back, and the summary.
        origin: Family, version and digest of the model, for each JSON line.

    Raises:
        MisuseError: The arguments contradict each other, or name something that does not exist.
        NothingFitsError: No frame has a face.
        UserError: The source or an output failed.
    """
    outputs.check(source)
    summary = Summary()
    with contextlib.suppress(_LeftError), contextlib.ExitStack() as stack:
        pictures = open_source(source, log)
        stack.callback(pictures.close)
        stopped = stack.enter_context(_stop_on_signal())
        sinks = outputs.open(stack, pictures, origin, analyser.edges, log)
        # No progress bar between lines of JSON.
        lines_seen = outputs.json_to == STDOUT and sys.stdout.isatty()
        frames = _until(stopped, pictures.frames() if lines_seen else _with_progress(pictures, stack))
        stack.callback(_log_lines, summary, log)
        begun_s = time.perf_counter()
        try:
            _loop(frames, analyser, sinks, summary, live=pictures.live, drawn=outputs.drawn)
        finally:
            summary.note = analyser.note  # as it is at the end
            summary.end(pictures, time.perf_counter() - begun_s)
        _check_end(summary, pictures, stopped)  # before the outputs are closed: a take is then cut short
    _check_summary(summary, pictures)
    return summary


def _loop(
    frames: Iterator[Frame], analyser: Analyser, sinks: list[Sink], summary: Summary, *, live: bool, drawn: bool
) -> None:
    overlay = Overlay(analyser.edges, analyser.note)
    for frame in frames:
        analysis = analyser.analyse(frame)
        summary.add(analysis, live=live)
        pixels_bgr = frame.picture_bgr if drawn else None
        overlay.note = analyser.note
        picture = None if pixels_bgr is None else overlay.draw(pixels_bgr, analysis.expressions, analysis.actors)
        # A list, so that every sink gets the frame even after one returns False.
        go_on = [sink.put(analysis, picture) for sink in sinks]
        summary.sent(analysis)
        if not all(go_on):
            summary.left = True
            return


def _log_lines(summary: Summary, log: Callable[[str], None]) -> None:
    for line in summary.lines():
        log(line)


def _with_progress(pictures: FrameSource, stack: contextlib.ExitStack) -> Iterator[Frame]:
    if pictures.live:
        return pictures.frames()
    return iter(stack.enter_context(tqdm(pictures.frames(), total=pictures.total, unit=" frames", disable=None)))


@dataclass
class _Stop:
    asked: bool = False


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[_Stop]:
    """Context in which Ctrl-C and SIGTERM end the loop after the current frame; a second signal ends it at once."""
    stop = _Stop()

    def ask(_number: int, _frame: object) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: signals belong to the caller
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _until(stop: _Stop, frames: Iterator[Frame]) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        if stop.asked:
            return


class _LeftError(Exception):
    """A viewer, or a reader of the lines, who leaves before a clip has ended, without a failure."""


def _check_end(summary: Summary, pictures: FrameSource, stop: _Stop) -> None:
    """Raises an error if a clip did not end by itself; a camera always ends so."""
    if pictures.live:
        return
    if stop.asked:
        of = f" of {pictures.total}" if pictures.total else ""
        message = f"stopped after frame {summary.frames}{of} of {pictures.name}; the results until then are kept"
        raise UserError(message)
    if summary.left:
        raise _LeftError


def _check_summary(summary: Summary, pictures: FrameSource) -> None:
    if summary.unreadable and len(summary.unreadable) == summary.frames:
        message = f"no picture in {pictures.name} can be decoded: are the files complete images?"
        raise UserError(message)
    if not summary.frames_with_face and not summary.left:
        message = (
            f"no face in any of the {counted(summary.frames, 'frame')} of {pictures.name}: "
            "a face should be higher than a tenth of the frame and look at the camera"
        )
        raise NothingFitsError(message)
