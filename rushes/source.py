"""Where pictures come from: a camera, a clip, or a folder of pictures."""

from __future__ import annotations

import math
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from rushes.errors import MisuseError, RushesError

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES = {".bmp", ".jpeg", ".jpg", ".jp2", ".png", ".tif", ".tiff", ".webp"}
FPS = 24.0  # of a folder of pictures, and of a camera or clip that does not say
MAX_FPS = 1000.0
LONGEST_S = 10.0  # that a frame of a clip may stand
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # that Matroska and WebM begin with, and where all lies
_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}  # that an MP4 or MOV may begin with


@dataclass(frozen=True)
class Frame:
    """One picture: its number from 0, when it stands in the source, and its pixels (None where they can't be read)."""

    number: int
    time_s: float
    picture_bgr: np.ndarray | None
    file: str = ""


class Source(Protocol):
    """Something that gives frames.

    Attributes:
        name: What the user calls it.
        fps: Frames a second.
        total: How many frames there are, None where nobody knows.
        live: Whether time passes while it is looked at.
    """

    name: str
    fps: float
    total: int | None
    live: bool

    def frames(self) -> Iterator[Frame]:
        """The frames, in order."""
        ...

    def close(self) -> None:
        """Lets go of the camera or file."""
        ...


def open_source(text: str) -> Source:
    """Opens a camera by its number or stream URL, a clip, a picture or a folder of pictures.

    Raises:
        MisuseError: There is no such file, or the folder has no picture.
        RushesError: The camera or the clip gives no picture.
    """
    if text.isdecimal():
        return Camera(int(text))
    if "://" in text:
        return Camera(text)
    path = Path(text).expanduser()
    if path.is_dir():
        return Folder.of(path)
    if not path.is_file():
        message = f"there is no {path}: --source takes a clip, a folder of pictures, or the number of a camera (0)"
        raise MisuseError(message)
    return Folder(text, [path]) if path.suffix.lower() in PICTURES else Clip(path)


class Folder:
    """Pictures of a folder, in the order that a person counts: 2.jpg before 10.jpg."""

    live = False
    fps = FPS

    def __init__(self, name: str, paths: list[Path]) -> None:
        self.name, self._paths = name, paths
        self.total: int | None = len(paths)

    @classmethod
    def of(cls, folder: Path) -> Folder:
        """The pictures that lie in a folder.

        Raises:
            MisuseError: There is none.
        """
        paths = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith(".")]
        if not paths:
            message = f"{folder} has no picture ({', '.join(sorted(PICTURES))})"
            raise MisuseError(message)
        return cls(str(folder), sorted(paths, key=_counting))

    def frames(self) -> Iterator[Frame]:
        """Each picture; one that cannot be decoded comes without pixels."""
        for number, path in enumerate(self._paths):
            yield Frame(number, number / self.fps, _decode(path), path.name)

    def close(self) -> None:
        """Nothing is open."""


class Clip:
    """A film file."""

    live = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._video = cv2.VideoCapture(str(path))
        if not self._video.isOpened():
            why = cut_short(path) or "it is no film, or in a format that OpenCV does not read"
            message = f"{path} cannot be opened: {why}"
            raise RushesError(message)
        self.fps = _fps(self._video)
        count = self._video.get(cv2.CAP_PROP_FRAME_COUNT)
        self.total = int(count) if 0 < count < 1 << 31 else None

    def frames(self) -> Iterator[Frame]:
        """Each frame.

        Raises:
            RushesError: After the last frame that can be read, if the file promises more.
        """
        number, time_s = -1, 0.0
        for number, picture_bgr in enumerate(_pictures(self._video)):
            time_s = self._time_s(number, time_s)
            yield Frame(number, time_s, picture_bgr)
        self._check_end(number + 1)

    def _time_s(self, number: int, before_s: float) -> float:
        """When the frame stands in the film by its own clock: phones film at no fixed rate."""
        told_s = self._video.get(cv2.CAP_PROP_POS_MSEC) / 1000
        is_likely = before_s < told_s < before_s + LONGEST_S  # a clock may also stand still, or leap
        return told_s if is_likely else max(before_s, number / self.fps)

    def _check_end(self, read: int) -> None:
        why = cut_short(self._path)
        if read == 0:
            message = f"{self._path} has no frame that can be read: {why or 'copy it again'}"
            raise RushesError(message)
        if why:
            of = f" of {self.total}" if self.total else ""
            message = f"{self._path} ends at frame {read}{of}: {why}"
            raise RushesError(message)

    def close(self) -> None:
        """Closes the file."""
        self._video.release()


class Camera:
    """A camera by its number, or a stream by its URL."""

    live = True
    total: int | None = None

    def __init__(self, place: int | str) -> None:
        self.name = f"camera {place}" if isinstance(place, int) else place
        self._video = cv2.VideoCapture(place)
        if not self._video.isOpened():
            message = f"{self.name} cannot be opened: is it plugged in, free and allowed? Others: --source 1, or a file"
            if Path(str(place)).exists():  # a day's folder is often called by its date
                message += f". For what is called so in this folder: --source ./{place}"
            raise RushesError(message)
        self.fps = _fps(self._video)

    def frames(self) -> Iterator[Frame]:
        """Frames as they come.

        Raises:
            RushesError: There are no more.
        """
        begun_s = time.monotonic()
        number = -1
        for number, picture_bgr in enumerate(_pictures(self._video)):
            yield Frame(number, time.monotonic() - begun_s, picture_bgr)
        message = f"{self.name} gives no picture after frame {number + 1}: look at its cable, and who else uses it"
        raise RushesError(message)

    def close(self) -> None:
        """Frees the camera."""
        self._video.release()


def _pictures(video: Any) -> Iterator[np.ndarray]:  # noqa: ANN401  # cv2's stub of VideoCapture knows no iterator
    while True:
        there, picture_bgr = video.read()
        if not there:
            return
        yield picture_bgr


def _fps(video: cv2.VideoCapture) -> float:
    fps = float(video.get(cv2.CAP_PROP_FPS))
    return fps if math.isfinite(fps) and 1 <= fps <= MAX_FPS else FPS


def _decode(path: Path) -> np.ndarray | None:
    try:
        # By bytes: OpenCV on Windows cannot open every name.
        return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, OSError):
        return None


def _counting(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name.casefold())]


def cut_short(path: Path) -> str:
    """Why a file is known to be cut short, or "". Its own sizes say so; frame counts are estimates in many formats."""
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        return "it is empty; copy it again"
    with path.open("rb") as file:
        head = file.read(12)
    promised = int.from_bytes(head[4:8], "little") + 8 if head[:4] == b"RIFF" else 0
    if head[:4] == _EBML:
        promised = _matroska_bytes(path)
    if head[4:8] in _BOXES:
        promised, index = _mp4_bytes(path, size_bytes)
        if not index and promised <= size_bytes:
            return "it has no index, as when a recording was not ended properly; copy it again, or repair it"
    if promised > size_bytes:
        return f"it is cut short ({size_bytes:,} of {promised:,} bytes); copy it again"
    return ""


def _mp4_bytes(path: Path, size_bytes: int) -> tuple[int, bool]:
    """How many bytes the boxes of an MP4 promise, and whether the index (moov) is among them. ISO/IEC 14496-12, 4.2."""
    offset, index = 0, False
    with path.open("rb") as file:
        while offset + 8 <= size_bytes:
            file.seek(offset)
            head = file.read(16)
            index |= head[4:8] == b"moov"
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length or size_bytes - offset
            if length < 8:  # noqa: PLR2004  # a box is its head at least
                break
            offset += length
    return offset, index


def _matroska_bytes(path: Path) -> int:
    """How many bytes a Matroska file promises; 0 where it was written without knowing. RFC 8794, 4 to 6."""
    with path.open("rb") as file:
        file.seek(len(_EBML))
        file.seek(_ebml_size(file) or 0, os.SEEK_CUR)
        if file.read(len(_SEGMENT)) != _SEGMENT:
            return 0
        size_bytes = _ebml_size(file)
        return 0 if size_bytes is None else file.tell() + size_bytes


def _ebml_size(file: IO[bytes]) -> int | None:
    """A number whose first byte says by its leading zeros how long it is; None for `unknown`, all ones."""
    first = file.read(1)
    length = 9 - (first[0] if first else 0).bit_length()
    value = int.from_bytes(first + file.read(length - 1), "big") & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else value
