"""Outputs of a capture: checked before the first frame, and opened together."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.bundle.manifest import DIGEST_CHARS
from rushes.calibration.performers import names_of
from rushes.capture.actor_sink import ActorSink, RecordingSink
from rushes.capture.drawing.window import Window, check_window
from rushes.capture.failing_output import FailingOutput
from rushes.capture.film_writer import FilmWriter
from rushes.capture.json_lines import JsonLines, print_line
from rushes.capture.pacing import Pacing
from rushes.capture.web.address import parse_web_address
from rushes.capture.web.server import WebSink
from rushes.collect.sink import Collecting, CollectingSink
from rushes.drive.address import check_actor
from rushes.drive.bvh import BvhSink
from rushes.drive.curves import CurvesSink
from rushes.drive.destinations import open_destination
from rushes.drive.files import GrowingFile
from rushes.drive.names import names_of as names_of_rig
from rushes.drive.timecode import RATES, TakeClock, nearest_rate, rate_of
from rushes.errors import MisuseError
from rushes.output_files import check_free
from rushes.take.recording import FilmFormat, Recording, Slate, check_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import ExitStack

    import numpy as np

    from rushes.calibration.performers import Performer
    from rushes.capture.failing_output import Sink
    from rushes.capture.frames import FrameSource
    from rushes.drive.sink import FaceSink
    from rushes.take.film import Coding

STDOUT = "-"
WALL_CLOCK = "clock"
LONGEST_TEXTS = 1000  # of a slate of 4,096 bytes
LONGEST_STILL_S = 10.0  # of a camera that gives no picture, in the film of --save


@dataclass(frozen=True)
class Take:
    """A take to record.

    Attributes:
        folder: Its folder, new or empty.
        scene: Scene on the slate.
        take: Take on the slate; by default the name of the folder.
        performers: Performers on the slate.
        coding: How the picture is filmed.
    """

    folder: Path
    scene: str = ""
    take: str = ""
    performers: tuple[Performer, ...] = ()
    coding: Coding = "jpeg"

    def check(self) -> None:
        """Checks before the first frame that the texts fit on a slate.

        Raises:
            MisuseError: They are too long.
        """
        # Each other character than ASCII takes six; names may stand twice.
        length = len(json.dumps([self.scene, self.take, names_of(self.performers)]))
        if length > LONGEST_TEXTS:
            message = (
                f"--scene, --take and --performer have {length} characters on the slate, where another than ASCII "
                f"counts as six, and {LONGEST_TEXTS} are allowed: shorten them"
            )
            raise MisuseError(message)

    def slate(self, origin: Mapping[str, str | int | None] | None) -> Slate:
        """Slate with the time of now, and the model."""
        model, version = origin or {}, (origin or {}).get("version")
        name = f"{model.get('family', '')}{'' if version is None else f' v{version}'}"
        if "tracking_digest" in model:
            units = model.get("tracking_version")
            name += f", tracking {str(model['tracking_digest'])[:DIGEST_CHARS] if units is None else f'v{units}'}"
        date, take = datetime.now().astimezone().isoformat(timespec="seconds"), self.take or self.folder.resolve().name
        dates = {one.name: one.calibration.date for one in self.performers if one.calibration is not None}
        calibrated = ", ".join(dates.values() if len(self.performers) == 1 else map(": ".join, dates.items()))
        names = names_of(self.performers)
        return Slate(self.scene, take, names, date, name, str(model.get("digest", "")), calibrated)


@dataclass(frozen=True)
class Outputs:
    """Selected outputs of a capture.

    Attributes:
        show: True to show the frames in a window.
        save: The film to write, as MP4.
        json_to: The file for the JSON lines, or `-` for standard output.
        drive: Addresses of characters to drive, such as `vmc://127.0.0.1:39539`.
        names: Names of their rig: a preset, or a YAML file.
        curves: The file for the curves, as CSV.
        bvh: The file for the motion of head and eyes.
        web: Address of the page, such as `8765`; None without it.
        record: The take to record.
        timecode: Timecode at the start, or `clock` for the time of day; by default that of a camera, and
            that of the file of a film, else 0.
        rate: Rate of the timecode; by default the one nearest to the source.
        calibrated: Names of the performers whose calibrations are applied, for the page; None without one.
        collect: What to collect for training; None for nothing.
    """

    show: bool = False
    save: Path | None = None
    json_to: str = STDOUT
    drive: tuple[str, ...] = ()
    names: str = "arkit"
    curves: Path | None = None
    bvh: Path | None = None
    web: str | None = None
    record: Take | None = None
    timecode: str | None = None
    rate: str | None = None
    calibrated: str | None = None
    collect: Collecting | None = None

    @property
    def drawn(self) -> bool:
        """True if the picture is shown or saved."""
        return self.show or self.save is not None

    @property
    def tracked(self) -> bool:
        """True if an output needs tracked actors."""
        outputs = (self.curves, self.bvh, self.web, self.record)
        return bool(self.drive) or any(output is not None for output in outputs)

    def check(self, source: str, actors: int = 1) -> None:
        """Checks the outputs before the first frame, for so many actors.

        Raises:
            MisuseError: An output cannot be written, or is the source itself.
            UserError: No window can be opened.
        """
        if self.show:
            check_window()
        lines = None if self.json_to == STDOUT else path_of(self.json_to)
        files = {"--save": self.save, "--json": lines, "--curves": self.curves, "--bvh": self.bvh}
        check_outputs(files, [path_of(source)])
        if self.save is not None and self.save.suffix.lower() not in {".mp4", ".m4v"}:
            message = f"--save {self.save}: films are written as MP4; name it {self.save.with_suffix('.mp4')}"
            raise MisuseError(message)
        if self.record is not None:
            self.record.check()
            _check_folder("--record", self.record.folder)
            check_new(self.record.folder)
        if self.collect is not None:
            self.collect.check()
        if self.timecode not in {None, WALL_CLOCK} or self.rate is not None:
            self._clock(60.0, live=False)
        names_of_rig(self.names)
        for address in self.drive:
            check_actor(address, actors)
        if self.web is not None:
            parse_web_address(self.web)

    def open(
        self,
        stack: ExitStack,
        source: FrameSource,
        origin: Mapping[str, str | int | None] | None,
        edges: np.ndarray,
        log: Callable[[str], None],
    ) -> list[Sink]:
        """Opens the outputs; the stack closes them. `edges` are those of the mesh that the page draws.

        What can fail comes first, such as a port or the name of a host: no file is emptied before. Of a camera, a file
        that fails ends alone.

        Raises:
            UserError: A file cannot be written, the name of a host is not known, or a port is in use.
        """
        sinks: list[Sink] = []

        def add(sink: Sink, close: Callable[[], None]) -> None:
            kept = FailingOutput(sink, close, log) if source.live else None
            stack.callback(kept.close if kept else close)
            sinks.append(kept or sink)

        if self.web is not None:
            page = WebSink.open(parse_web_address(self.web), source, origin, edges, log, self.calibrated)
            stack.callback(page.close)
            sinks.append(page)
        clock, rig = self._clock_of(source, log), names_of_rig(self.names)
        sinks += [Pacing()] if self.drive and not source.live else []
        for address in self.drive:
            receiver = open_destination(address, rig, clock, log)
            add(ActorSink(receiver, in_silence=True), receiver.close)  # of a camera's silence too
        if self.collect is not None:
            collecting = CollectingSink.open(self.collect, log)
            stack.callback(collecting.close)
            sinks.append(collecting)
        if self.save is not None:
            film = FilmWriter(self.save, source.fps, LONGEST_STILL_S if source.live else math.inf, log)
            add(film, film.close)
        if self.json_to == STDOUT:
            add(JsonLines(print_line, clock, origin), lambda: None)
        else:
            lines = GrowingFile(path_of(self.json_to))
            add(JsonLines(lines.append, clock, origin), lines.close)
        if self.show:
            window = Window(source.name, None if source.live else source.fps)
            stack.callback(window.close)
            sinks.append(window)
        for file in self._files_of_actors(source, clock):
            add(ActorSink(file, in_silence=False), file.close)
        if self.record is not None:
            folder, coded = self.record.folder, FilmFormat(self.record.coding, source.fps, source.live)
            recording = Recording.open(folder, self.record.slate(origin), clock, coded)
            stack.callback(lambda: log(f"{folder}: {recording.counted}"))
            add(RecordingSink(recording), recording.close)
            stack.push(lambda kind, *_: recording.cut_short() if kind else None)  # another output or the source failed
        return sinks

    def _files_of_actors(self, source: FrameSource, clock: TakeClock) -> Iterator[FaceSink]:
        if self.curves is not None:
            yield CurvesSink.open(self.curves, clock)
        if self.bvh is not None:
            yield BvhSink.open(self.bvh, Fraction(source.fps))

    def _clock_of(self, source: FrameSource, log: Callable[[str], None]) -> TakeClock:
        try:
            return self._clock(source.fps, live=source.live, label=source.timecode)
        except MisuseError as error:
            if self.timecode is not None:
                raise
            log(f"timecode starts at 00:00:00:00, since that of {source.name} does not fit its rate: {error}")
            return self._clock(source.fps, live=False)

    def _clock(self, fps: float, *, live: bool, label: str = "") -> TakeClock:
        """Timecode of a source: of a camera the time of day, of a film its label or 0, or as the options have it."""
        rate = nearest_rate(fps) if self.rate is None else rate_of(self.rate)
        if self.timecode is None and not live:
            rate = RATES.get(f"{rate.name}df", rate) if ";" in label and self.rate is None else rate
            return TakeClock.from_label(label, rate) if label else TakeClock(rate)
        if self.timecode in {None, WALL_CLOCK}:
            return TakeClock.from_wall(datetime.now().astimezone().time(), rate)
        return TakeClock.from_label(str(self.timecode), rate)


def check_outputs(files: Mapping[str, Path | None], sources: Sequence[Path]) -> None:
    """Checks before a command's work that files can be written. None of them is changed.

    Args:
        files: The files, by the options that name them; None where an option is not given.
        sources: Files that must not be written over.

    Raises:
        MisuseError: One cannot be written, is a source itself, or is named by two options.
        UserError: Another process writes it.
    """
    options: dict[Path, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        _check_folder(option, path)
        if path.is_dir() or any(path.exists() and one.exists() and path.samefile(one) for one in sources):
            message = f"{option} {path} is {'a folder' if path.is_dir() else 'the source itself'}: name another file"
            raise MisuseError(message)
        if (first := options.setdefault(path.resolve(), option)) != option:
            message = f"{first} and {option} both name {path}: name another file for one of them"
            raise MisuseError(message)
        check_free(option, path)


def _check_folder(option: str, path: Path) -> None:
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        why = "cannot be written to" if path.parent.is_dir() else "does not exist"
        message = f"{option} {path}: the folder {path.parent} {why}"
        raise MisuseError(message)


def path_of(text: str) -> Path:
    """Path from user input, with `~` expanded."""
    return Path(text).expanduser()
