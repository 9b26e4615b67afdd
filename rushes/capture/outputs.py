"""Outputs of a capture: checked before the first frame, and opened together."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rushes.capture.film_writer import FilmWriter
from rushes.capture.json_lines import JsonLines
from rushes.capture.window import Window, check_window
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    import numpy as np

    from rushes.capture.analysis import Analysis
    from rushes.capture.frames import FrameSource

STDOUT = "-"


class Sink(Protocol):
    """An output for frames, such as a film or a window."""

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:
        """Outputs a frame; returns False to stop the loop."""
        ...


@dataclass(frozen=True)
class Outputs:
    """Selected outputs of a capture.

    Attributes:
        show: True to show the frames in a window.
        save: The film to write, as MP4.
        json_to: The file for the JSON lines, or `-` for standard output.
    """

    show: bool = False
    save: Path | None = None
    json_to: str = STDOUT

    @property
    def drawn(self) -> bool:
        """True if the picture is shown or saved."""
        return self.show or self.save is not None

    def check(self, source: str) -> None:
        """Checks the outputs before the first frame.

        Raises:
            MisuseError: An output cannot be written, or is the source itself.
            UserError: No window can be opened.
        """
        if self.show:
            check_window()
        for option, path in (
            ("--save", self.save),
            ("--json", None if self.json_to == STDOUT else path_of(self.json_to)),
        ):
            if path is not None:
                _check_output(option, path, path_of(source))
        if self.save is not None and self.save.suffix.lower() not in {".mp4", ".m4v"}:
            message = f"--save {self.save}: films are written as MP4; name it {self.save.with_suffix('.mp4')}"
            raise MisuseError(message)

    def open(self, stack: ExitStack, source: FrameSource, origin: Mapping[str, str | int | None] | None) -> list[Sink]:
        """Opens the outputs; the stack closes them."""
        to_stdout = self.json_to == STDOUT
        file = sys.stdout if to_stdout else stack.enter_context(path_of(self.json_to).open("w", encoding="utf-8"))
        sinks: list[Sink] = [JsonLines(file, origin)]
        if self.save is not None:
            film = FilmWriter(self.save, source.fps)
            stack.callback(film.close)
            sinks.append(film)
        if self.show:
            window = Window(source.name, None if source.live else source.fps)
            stack.callback(window.close)
            sinks.append(window)
        return sinks


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
