"""Sources of frames: a camera, a clip, or a folder of pictures."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

import cv2
import numpy as np

from rushes.capture.camera import Camera
from rushes.capture.frames import FPS, Frame, rate_of
from rushes.errors import MisuseError, UserError
from rushes.media.film import LONGEST_S, FilmError, open_film, squared
from rushes.media.film_headers import edited_s, frame_fields, is_hdr, is_interlaced, is_mirrored, timecode_of
from rushes.media.image import SUFFIXES, decode_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rushes.capture.frames import FrameSource

PICTURES = SUFFIXES
LACKING_SHARE, LACKING_S = 0.02, 1.0  # of the duration that may be missing, because some containers only estimate it
WITH_PYAV = "PyAV reads more formats: pip install av (the wheel's extra [film])"
# Matroska and WebM: identifiers of the header and of the segment that contains everything else.
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}  # possible first boxes of an MP4 or MOV


def open_source(text: str, log: Callable[[str], None] = lambda _: None) -> FrameSource:
    """Opens a camera by its number or stream URL, a clip, a picture or a folder of pictures.

    Args:
        text: What the user named.
        log: Called with a line when a camera is lost, and when it is back.

    Raises:
        MisuseError: There is no such file, the folder has no picture, or the URL is that of a film.
        UserError: The camera or the clip gives no picture.
    """
    if text.isdecimal():
        return Camera(int(text), log)
    if "://" in text:
        return Camera(text, log)
    path = Path(text).expanduser()
    if text.strip() and path.is_dir():
        return Folder.of(path)
    if not path.is_file():
        named = text if text.strip() else "source of that name"
        message = f"there is no {named}: --source takes a clip, a folder of pictures, or the number of a camera (0)"
        raise MisuseError(message)
    if path.suffix.lower() in PICTURES:
        return Folder(text, [path])
    return Clip(path) if find_spec("av") is not None else OpenCvClip(path)


class Folder:
    """Pictures of a folder in natural order: 2.jpg before 10.jpg."""

    live = False
    dropped = losses = damaged = 0
    fps, timecode = FPS, ""

    def __init__(self, name: str, paths: list[Path]) -> None:
        self.name, self._paths = name, paths
        self.total: int | None = len(paths)

    @classmethod
    def of(cls, folder: Path) -> Folder:
        """Lists the pictures of a folder.

        Raises:
            MisuseError: The folder has no picture.
        """
        paths = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith(".")]
        if not paths:
            message = f"{folder} has no picture ({', '.join(sorted(PICTURES))})"
            raise MisuseError(message)
        return cls(str(folder), sorted(paths, key=_counting))

    def frames(self) -> Iterator[Frame]:
        """Yields each picture; one that cannot be decoded has no pixels."""
        for number, path in enumerate(self._paths):
            yield Frame(number, number / self.fps, _decode(path), path.name)

    def close(self) -> None:
        """Does nothing: no file is kept open."""


class Clip:
    """Film file read by `rushes.media.film`: original times, upright, square pixels, progressive, SDR."""

    live = False
    dropped = losses = damaged = 0

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), path
        self._open = ExitStack()
        try:
            self._film = self._open.enter_context(open_film(path))
        except FilmError as error:
            message = f"{path} cannot be opened: {cut_short(path) or f'it {error}'}"
            raise UserError(message) from error
        self.fps = self._film.fps
        self.total: int | None = self._film.total or None
        self.timecode = self._film.timecode

    def frames(self) -> Iterator[Frame]:
        """Yields each frame that can be decoded; missing parts are skipped and reported at the end.

        Raises:
            RushesError: After the last readable frame, if some frames could not be read.
        """
        read = 0
        for number, time_s, picture_bgr in self._film.frames():
            read = number + 1
            yield Frame(number, time_s, picture_bgr)
        self._check_end(read)

    def _check_end(self, read: int) -> None:
        film, why = self._film, cut_short(self._path)
        if read == 0:
            why = why or f"its codec is {film.codec}; copy it again, or convert it to H.264"
            message = f"{self._path} has no frame that can be read: {why}"
            raise UserError(message)
        if why:
            of = f" of {self.total}" if self.total else ""
            message = f"{self._path} ends at frame {read}{of}: {why}"
            raise UserError(message)
        if film.lacking_s > max(LACKING_SHARE * film.duration_s, LACKING_S):
            lacking = f"{film.lacking_s:.1f} s of its {film.duration_s:.1f} s cannot be decoded"
            message = f"{self._path} is damaged: {lacking}; the rest was read. Copy it again"
            raise UserError(message)

    def close(self) -> None:
        """Closes the file."""
        self._open.close()


class OpenCvClip:
    """Film file read by OpenCV if PyAV is not installed; refuses films that OpenCV decodes incorrectly.

    OpenCV decodes interlaced films to black or to earlier pictures, HDR without contrast, and mirrored films rotated.
    """

    live = False
    dropped = losses = damaged = 0

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), path
        # The backend is given: the one that OpenCV chooses takes a % in the path for a series of pictures.
        self._video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._video.isOpened():
            why = cut_short(path) or f"it is not a film, or in a format that OpenCV does not read. {WITH_PYAV}"
            message = f"{path} cannot be opened: {why}"
            raise UserError(message)
        self._refuse()
        fields = frame_fields(path)
        self.fps = rate_of(self._video) / fields
        self.total: int | None = self._count() // fields or None
        self.timecode = timecode_of(path)

    def _refuse(self) -> None:
        misread = {is_interlaced: "is interlaced", is_hdr: "is in HDR (HLG or PQ)", is_mirrored: "is shown mirrored"}
        for test, why in misread.items():
            if test(self._path):
                message = f"{self._path} {why}, which OpenCV alone does not read right. {WITH_PYAV}"
                raise UserError(message)

    def _count(self) -> int:
        """Number of frames according to the header; 0 if unknown."""
        count = self._video.get(cv2.CAP_PROP_FRAME_COUNT)
        count = int(count) if 0 < count < 1 << 31 else 0
        edited = edited_s(self._path)  # an edit list removes some of the frames that OpenCV counts
        return count if edited is None else min(count, round(edited * rate_of(self._video)))

    def frames(self) -> Iterator[Frame]:
        """Yields each frame.

        Raises:
            RushesError: After the last readable frame, if the header declares more.
        """
        wide, high = self._video.get(cv2.CAP_PROP_SAR_NUM), self._video.get(cv2.CAP_PROP_SAR_DEN)
        aspect = wide / high if wide > 0 and high > 0 else 1.0
        number, time_s = -1, 0.0
        for number, picture_bgr in enumerate(_pictures(self._video)):
            time_s = self._time_s(number, time_s)
            yield Frame(number, time_s, squared(picture_bgr, aspect))
        self._check_end(number + 1)

    def _time_s(self, number: int, before_s: float) -> float:
        """Time of the frame from the film's timestamps, because phones film at a varying rate."""
        stamp_s = float(self._video.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        is_likely = before_s < stamp_s < before_s + LONGEST_S  # timestamps may also stall or jump
        return stamp_s if is_likely else before_s + (1 / self.fps if number else 0.0)

    def _check_end(self, read: int) -> None:
        why = cut_short(self._path)
        if read == 0:
            fourcc = int(self._video.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1").strip("\0 ")
            message = f"{self._path} has no frame that can be read: {why or f'its codec is {fourcc}. {WITH_PYAV}'}"
            raise UserError(message)
        lacking = (self.total or 0) - read
        if not why and lacking > max(LACKING_SHARE * (self.total or 0), LACKING_S * self.fps):
            why = f"the others cannot be decoded; copy it again. {WITH_PYAV}"
        if why:
            of = f" of {self.total}" if self.total else ""
            message = f"{self._path} ends at frame {read}{of}: {why}"
            raise UserError(message)

    def close(self) -> None:
        """Closes the file."""
        self._video.release()


def _pictures(video: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        there, picture_bgr = video.read()
        if not there:
            return
        yield picture_bgr


def _decode(path: Path) -> np.ndarray | None:
    if not path.is_file():  # opening a named pipe would block
        return None
    try:
        # Decode from bytes: OpenCV on Windows cannot open every file name.
        return decode_picture(np.fromfile(path, np.uint8))
    except OSError:
        return None


def _counting(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name.casefold())]


def cut_short(path: Path) -> str:
    """Reason why a file is truncated, or "". Uses the sizes in the file: frame counts are estimates in many formats."""
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
    """Size that the boxes of an MP4 declare, and True if they include the index (moov). ISO/IEC 14496-12, 4.2."""
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
    """Size that a Matroska file declares; 0 if it was unknown when the file was written. RFC 8794, 4 to 6."""
    with path.open("rb") as file:
        file.seek(len(_EBML))
        file.seek(_ebml_size(file) or 0, os.SEEK_CUR)
        if file.read(len(_SEGMENT)) != _SEGMENT:
            return 0
        size_bytes = _ebml_size(file)
        return 0 if size_bytes is None else file.tell() + size_bytes


def _ebml_size(file: IO[bytes]) -> int | None:
    """Reads a number whose length is given by the leading zeros of its first byte; None for `unknown`, all ones."""
    first = file.read(1)
    length = 9 - (first[0] if first else 0).bit_length()
    value = int.from_bytes(first + file.read(length - 1), "big") & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else value
