"""Capture loop: finds and classifies the faces of each frame; outputs JSON lines, a window or a film."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
from tqdm import tqdm

from rushes.errors import MisuseError, NothingFitsError, UserError
from rushes.expression.classifier import classify_faces
from rushes.expression.overlay import Overlay
from rushes.expression.video_source import cut_short, open_source
from rushes.expression.window import Window, check_window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rushes.expression.classifier import Classifier, FaceExpression
    from rushes.expression.detector import Detector
    from rushes.expression.video_source import Frame, FrameSource

STDOUT = "-"


class Sink(Protocol):
    """An output for frames: lines of JSON, a film or a window."""

    def put(self, frame: Frame, expressions: Sequence[FaceExpression], drawn_bgr: np.ndarray | None) -> bool:
        """Outputs a frame; returns False to stop the loop."""
        ...


@dataclass
class Summary:
    """Counts and times for the final summary line."""

    frames: int = 0
    faces: int = 0
    frames_with_face: int = 0
    unreadable: list[str] = field(default_factory=list)
    left: bool = False  # True if the window was closed or the pipe broken before the end
    detect_ms: list[float] = field(default_factory=list)
    classify_ms: list[float] = field(default_factory=list)
    wall_s: float = 0.0

    def text(self) -> str:
        """Summary in one or two human-readable lines."""
        fps = self.frames / self.wall_s if self.wall_s else 0.0
        detect, classify = (statistics.median(times) if times else 0.0 for times in (self.detect_ms, self.classify_ms))
        line = (
            f"{_counted(self.frames, 'frame')}, {_counted(self.faces, 'face')}, "
            f"a face in {_counted(self.frames_with_face, 'frame')}; {fps:.1f} frames/s, "
            f"{1000 / fps if fps else 0:.1f} ms a frame (median: detect {detect:.1f} ms, classify {classify:.1f} ms)"
        )
        if self.unreadable:
            line += f"\n{_counted(len(self.unreadable), 'picture')} could not be read: {', '.join(self.unreadable[:3])}"
        return line


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def capture(
    source: str,
    detector: Detector,
    classifier: Classifier,
    *,
    show: bool = False,
    save: Path | None = None,
    json_to: str = STDOUT,
    log: Callable[[str], None] = lambda _: None,
    origin: Mapping[str, str | int | None] | None = None,
) -> Summary:
    """Classifies every face of a source until the source ends, or on `q` or Ctrl-C; films are always closed properly.

    Args:
        source: A camera number, a clip, or a folder of pictures.
        detector: Face detector.
        classifier: Expression classifier.
        show: True to show the frames in a window.
        save: The film to write, as MP4.
        json_to: The file for the JSON lines, or `-` for standard output.
        log: Called with the summary line.
        origin: Family, version and digest of the model, for each JSON line.

    Raises:
        MisuseError: The arguments contradict each other, or name something that does not exist.
        NothingFitsError: No frame has a face.
        UserError: The source or an output failed.
    """
    _check_outputs(source, show=show, save=save, json_to=json_to)
    summary = Summary()
    with contextlib.ExitStack() as stack:
        pictures = open_source(source)
        stack.callback(pictures.close)
        stopped = stack.enter_context(_stop_on_signal())
        sinks = _open_sinks(stack, pictures, show=show, save=save, json_to=json_to, origin=origin)
        lines_seen = json_to == STDOUT and sys.stdout.isatty()  # no progress bar between lines of JSON
        frames = _until(stopped, pictures.frames() if lines_seen else _with_progress(pictures, stack))
        stack.callback(lambda: log(summary.text()))
        _loop(frames, detector, classifier, sinks, summary, drawn=show or save is not None)
    _check_summary(summary, pictures, stopped)
    return summary


def _loop(
    frames: Iterator[Frame],
    detector: Detector,
    classifier: Classifier,
    sinks: list[Sink],
    summary: Summary,
    *,
    drawn: bool,
) -> None:
    begun_s, overlay = time.perf_counter(), Overlay()
    try:
        for frame in frames:
            expressions = _classified(frame, detector, classifier, summary)
            picture = overlay.draw(frame.picture_bgr, expressions) if drawn and frame.picture_bgr is not None else None
            go_on = [
                sink.put(frame, expressions, picture) for sink in sinks
            ]  # a list, so that every sink gets the frame even after one returns False
            if not all(go_on):
                summary.left = True
                return
    finally:
        summary.wall_s = time.perf_counter() - begun_s


def _classified(frame: Frame, detector: Detector, classifier: Classifier, summary: Summary) -> list[FaceExpression]:
    summary.frames += 1
    if frame.picture_bgr is None:
        summary.unreadable.append(frame.file)
        return []
    started_s = time.perf_counter()
    faces = detector.detect(frame.picture_bgr)
    found_s = time.perf_counter()
    expressions = classify_faces(frame.picture_bgr, faces, classifier)
    summary.detect_ms.append(1000 * (found_s - started_s))
    if faces:
        summary.classify_ms.append(1000 * (time.perf_counter() - found_s))
    summary.faces += len(faces)
    summary.frames_with_face += bool(faces)
    return expressions


def line_of(frame: Frame, expressions: Sequence[FaceExpression]) -> dict[str, Any]:
    """JSON line of a frame. `expression` is that of the largest face; null if there is no face."""
    line: dict[str, Any] = {"frame": frame.number, "time_s": round(frame.time_s, 3)}
    if frame.file:
        line["file"] = frame.file
    if frame.picture_bgr is None:
        line["error"] = "cannot be decoded"
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
    return line


class Lines:
    """JSON lines, each flushed at once, so that a pipe receives each frame as soon as it is done."""

    def __init__(self, file: IO[str], origin: Mapping[str, str | int | None] | None = None) -> None:
        self._file, self._model = file, {"model": dict(origin)} if origin else {}

    def put(self, frame: Frame, expressions: Sequence[FaceExpression], drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes all three
        """Writes the line; returns False if the pipe is broken (`| head`)."""
        try:
            # Plain ASCII: a Windows console cannot print every character.
            self._file.write(json.dumps(line_of(frame, expressions) | self._model) + "\n")
            self._file.flush()
        except BrokenPipeError:
            _drop_stdout()
            return False
        return True


class FilmWriter:
    """MP4 film with the expressions drawn in. It gets its final name when it is complete."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._draft = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
        self._video: Any = None
        self._size = (0, 0)
        self._written = 0

    def put(self, frame: Frame, expressions: Sequence[FaceExpression], drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes all three
        """Writes the frame at its time: frames are repeated or dropped if the camera's rate is irregular."""
        if drawn_bgr is None:
            return True
        if self._video is None:
            self._open(drawn_bgr)
        # Repeat the frame until the film, at a constant rate, has reached the frame's time; zero times drops it.
        for _ in range(round(frame.time_s * self._fps) + 1 - self._written):
            self._video.write(_onto(drawn_bgr, self._size))
            self._written += 1
        return True

    def _open(self, first_bgr: np.ndarray) -> None:
        self._size = (first_bgr.shape[1], first_bgr.shape[0])
        self._video = cv2.VideoWriter(str(self._draft), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, self._size)
        if not self._video.isOpened():
            message = (
                f"{self._path} cannot be written as MP4 of {self._size[0]}x{self._size[1]} at {self._fps:g} frames/s"
            )
            raise UserError(message)

    def close(self) -> None:
        """Closes the film and renames it to its final name."""
        if self._video is not None:
            self._video.release()
            self._put_up()

    def _put_up(self) -> None:
        if cut_short(self._draft):  # OpenCV does not report failed writes
            self._draft.unlink(missing_ok=True)
            message = f"{self._path} could not be written completely and was removed: is the disk full?"
            raise UserError(message)
        try:
            self._draft.replace(self._path)
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror}"
            raise UserError(message) from error


def _onto(picture_bgr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Picture scaled to fit the film's size, with black margins: all frames of a film have the size of the first."""
    height, width = picture_bgr.shape[:2]
    if (width, height) == size:
        return picture_bgr
    # Scale without distortion.
    scale = min(size[0] / width, size[1] / height)
    fitted = cv2.resize(picture_bgr, (max(1, int(width * scale)), max(1, int(height * scale))))
    # Paste it into the middle of a black frame.
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    top, left = (size[1] - fitted.shape[0]) // 2, (size[0] - fitted.shape[1]) // 2
    canvas[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return canvas


def _check_outputs(source: str, *, show: bool, save: Path | None, json_to: str) -> None:
    """Checks the outputs before the first frame."""
    if show:
        check_window()
    for option, path in (("--save", save), ("--json", None if json_to == STDOUT else path_of(json_to))):
        if path is not None:
            _check_output(option, path, path_of(source))
    if save is not None and save.suffix.lower() not in {".mp4", ".m4v"}:
        message = f"--save {save}: films are written as MP4; name it {save.with_suffix('.mp4')}"
        raise MisuseError(message)


def _check_output(option: str, path: Path, source: Path) -> None:
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        why = "cannot be written to" if path.parent.is_dir() else "does not exist"
        message = f"{option} {path}: the folder {path.parent} {why}"
        raise MisuseError(message)
    if path.is_dir() or (path.exists() and source.exists() and path.samefile(source)):
        message = f"{option} {path} is {'a folder' if path.is_dir() else 'the source itself'}: name another file"
        raise MisuseError(message)


def path_of(text: str) -> Path:
    """Path from user input, with `~` expanded."""
    return Path(text).expanduser()


def _open_sinks(
    stack: contextlib.ExitStack,
    pictures: FrameSource,
    *,
    show: bool,
    save: Path | None,
    json_to: str,
    origin: Mapping[str, str | int | None] | None,
) -> list[Sink]:
    file = sys.stdout if json_to == STDOUT else stack.enter_context(path_of(json_to).open("w", encoding="utf-8"))
    sinks: list[Sink] = [Lines(file, origin)]
    if save is not None:
        film = FilmWriter(save, pictures.fps)
        stack.callback(film.close)
        sinks.append(film)
    if show:
        window = Window(pictures.name, None if pictures.live else pictures.fps)
        stack.callback(window.close)
        sinks.append(window)
    return sinks


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


def _check_summary(summary: Summary, pictures: FrameSource, stop: _Stop) -> None:
    if stop.asked and not pictures.live:
        of = f" of {pictures.total}" if pictures.total else ""
        message = f"stopped after frame {summary.frames}{of} of {pictures.name}; the results until then are kept"
        raise UserError(message)
    if summary.unreadable and len(summary.unreadable) == summary.frames:
        message = f"no picture in {pictures.name} can be decoded: are the files complete images?"
        raise UserError(message)
    if not summary.frames_with_face and not summary.left:
        message = (
            f"no face in any of the {_counted(summary.frames, 'frame')} of {pictures.name}: "
            "a face should be higher than a tenth of the frame and look at the camera"
        )
        raise NothingFitsError(message)


def _drop_stdout() -> None:
    """Redirects a broken standard output to the null device, so that Python does not fail again on closing it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
