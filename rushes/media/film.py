"""A film file, read frame by frame with its own time stamps: upright, in square pixels, progressive, in SDR.

One reader for ingest and capture. It decodes with PyAV (the wheel's extra [film]; a checkout has it): times are the
stream's presentation time stamps less the first one, so a film may start at any time, hold an edit list, or change its
rate. What cannot be decoded is counted, not passed over. Without PyAV `rushes.expression.video_source` reads with
OpenCV, and refuses
what that would get wrong.

- Interlaced frames: made progressive (`rushes.media.deinterlacing`).
- Pixels that are not square: the frame is widened, as a player shows it.
- HLG and PQ: tone-mapped (`rushes.media.tone_mapping`).
- Transparency: on white, as in pictures.
"""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from rushes.errors import UserError
from rushes.media.deinterlacing import deinterlaced
from rushes.media.image import on_background
from rushes.media.tone_mapping import HLG, PQ, tone_mapped

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

MAX_SIDE_PX = 8192
MAX_FPS, USUAL_FPS = 1000.0, 25.0
BT2020 = 9  # colour primaries, ITU-T H.273 table 2
UNSPECIFIED = {0, 2}
LONGEST_S = 3600.0  # between two frames; a larger step is a clock that was set during the recording
REORDERED = 64  # frames that a decoder may still return after broken data
GAP_FRAMES = 1.5  # times the usual distance; a longer one is a lost frame, if decoding failed there


class FilmError(UserError):
    """A film that cannot be opened or decoded; the message continues its name, such as `is empty`."""


class FilmFrame(NamedTuple):
    """One frame: its number from 0, when it is shown in seconds from the first, and its pixels, uint8 H,W,3, BGR."""

    number: int
    time_s: float
    picture_bgr: np.ndarray


@dataclass
class Film:
    """An opened film.

    Attributes:
        path: The file.
        codec: As FFmpeg calls it: `h264`.
        fps: Frames a second on average.
        total: Number of frames by the header; 0 if unknown. If the file has no count it is estimated
            from the duration.
        duration_s: Duration in its header; 0 if it has none.
        faults: Packets and frames that could not be decoded, so far.
        lost_s: Seconds in which frames are missing, so far: holes beside faults.
        end_s: When the last frame that was read ends.
    """

    path: Path
    codec: str
    fps: float
    total: int
    duration_s: float
    _container: Any
    _stream: Any
    faults: int = 0
    lost_s: float = 0.0
    end_s: float = 0.0
    _fault_at: int = -1000  # number of the frame after which something could not be decoded
    _faults_seen: int = 0

    def frames(self, wanted: Container[int] | None = None) -> Iterator[FilmFrame]:
        """Every frame that can be decoded, in the order in which they are shown.

        Args:
            wanted: Numbers of the frames to yield; all are decoded, but only these are turned into pictures.
        """
        first: float | None = None
        last_s, number = 0.0, -1
        for frame in deinterlaced(self._decoded()):
            number += 1
            stamp = self._stamp_s(frame)
            next_s = last_s + 1 / self.fps if number else 0.0
            if stamp is not None and (first is None or abs(stamp - first - last_s) > LONGEST_S):
                first = stamp - next_s
            time_s = next_s if stamp is None or first is None else stamp - first
            # A stamp that is missing or runs back is that of the frame before, and a frame's time.
            time_s = next_s if number and time_s <= last_s else time_s
            self._note(number, time_s - last_s)
            last_s = time_s
            self.end_s = time_s + 1 / self.fps
            if wanted is None or number in wanted:
                yield FilmFrame(number, time_s, picture_of(frame, self._aspect))

    def _note(self, number: int, step_s: float) -> None:
        """Counts a hole: a step that is longer than usual, near to something that could not be decoded."""
        if self.faults > self._faults_seen:
            self._fault_at, self._faults_seen = number, self.faults
        if number and step_s > GAP_FRAMES / self.fps and number - self._fault_at <= REORDERED:
            self.lost_s += step_s - 1 / self.fps

    @property
    def lacking_s(self) -> float:
        """Seconds that could not be decoded, after the last frame: gaps, and the missing end."""
        return self.lost_s + max(0.0, self.duration_s - self.end_s)

    def _stamp_s(self, frame: Any) -> float | None:  # noqa: ANN401 - PyAV's types are an extra's
        """Time stamp of a frame; None if its number gives a better time.

        MXF and AVI have one rate. In MXF, FFmpeg stamps frames in the order of decoding; in AVI it counts H.264 by
        fields, and the last one comes half a frame early, but frames that were dropped leave a gap.
        """
        form = str(self._container.format.name)
        if form == "mxf" or frame.time is None:
            return None
        return math.floor(frame.time * self.fps + 0.5) / self.fps if form == "avi" else float(frame.time)

    @property
    def _aspect(self) -> float:
        """The width of a pixel over its height."""
        aspect = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        return float(aspect) if aspect else 1.0

    def _decoded(self) -> Iterator[Any]:
        import av  # noqa: PLC0415 - an extra

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:  # the container is broken here; the demuxer finds no way on
                self.faults += 1
                return
            self.faults += bool(packet.is_corrupt)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.faults += 1
                continue
            for frame in frames:
                self.faults += bool(frame.is_corrupt)
                yield frame


@contextmanager
def open_film(path: Path) -> Iterator[Film]:
    """Opens a film for one reading.

    Raises:
        FilmError: It holds no moving pictures, is too large, or its codec has no decoder here.
        ImportError: PyAV is not installed.
    """
    import av  # noqa: PLC0415 - an extra
    import av.logging  # noqa: PLC0415  # likewise

    if path.stat().st_size == 0:
        message = "is empty"
        raise FilmError(message)
    av.logging.set_level(None)  # faults of a broken film are counted, and reported in one message
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    try:
        # Opened here: a name is never taken for an address or a pattern, and playlists are not followed.
        with path.open("rb") as file, av.open(file, options={"protocol_whitelist": "file"}) as container:
            yield _film(path, container)
    except av.FFmpegError as error:
        message = "holds no moving pictures that can be read"
        raise FilmError(message) from error


def _film(path: Path, container: Any) -> Film:  # noqa: ANN401 - PyAV's types are an extra's
    stream = container.streams.best("video")
    if stream is None:
        message = "holds no moving pictures that can be read"
        raise FilmError(message)
    codec = stream.codec_context.name if stream.codec_context is not None else ""
    if not codec:
        message = "is in a codec that nothing here decodes"
        raise FilmError(message)
    if max(stream.width or 0, stream.height or 0) > MAX_SIDE_PX:
        message = f"is too large to read: {stream.width} x {stream.height} px, and at most {MAX_SIDE_PX:,} a side"
        raise FilmError(message)
    stream.thread_type = "AUTO"
    # AVI counts fields where H.264 gives frames; FFmpeg's guess knows.
    rates = (stream.guessed_rate if container.format.name == "avi" else None, stream.average_rate, stream.base_rate)
    rate = next((float(rate) for rate in rates if rate), 0.0)
    fps = rate if 0 < rate <= MAX_FPS and math.isfinite(rate) else USUAL_FPS
    duration_s = _duration_s(container, stream)
    return Film(path, codec, fps, _total(stream, fps, duration_s), duration_s, container, stream)


def _duration_s(container: Any, stream: Any) -> float:  # noqa: ANN401 - likewise
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if not container.duration:
        return 0.0
    start_s = float(container.start_time or 0) / 1e6
    # Matroska gives the end of the file, and a film may start at any time.
    length_s = float(container.duration) / 1e6
    return length_s - start_s if "matroska" in container.format.name and start_s > 0 else length_s


def _total(stream: Any, fps: float, duration_s: float) -> int:  # noqa: ANN401 - likewise
    by_time = round(duration_s * fps)
    # MP4 counts samples before its edit list takes some away; other containers' counts may be those of fields.
    return min(stream.frames, by_time) if stream.frames and by_time else stream.frames or by_time


def picture_of(frame: Any, aspect: float = 1.0) -> np.ndarray:  # noqa: ANN401 - likewise
    """A progressive frame as uint8 H,W,3 BGR: SDR, opaque, in square pixels, upright; `aspect` is that of a pixel."""
    return turned(squared(_sdr(frame), aspect), frame.rotation)


def _sdr(frame: Any) -> np.ndarray:  # noqa: ANN401 - likewise
    transfer = int(frame.color_trc or 0)
    if transfer in {HLG, PQ}:
        wide = int(frame.color_primaries or 0) in UNSPECIFIED | {BT2020}
        return tone_mapped(frame.to_ndarray(format="bgr48le"), transfer, wide_gamut=wide)
    if any(component.is_alpha for component in frame.format.components):
        return on_background(frame.to_ndarray(format="bgra"))
    picture_bgr: np.ndarray = frame.to_ndarray(format="bgr24")
    return picture_bgr


def squared(picture_hwc: np.ndarray, aspect: float) -> np.ndarray:
    """A picture with pixels that are as wide as high; `aspect` is the width of one over its height."""
    if not 0.1 < aspect < 10 or abs(aspect - 1) < 0.01:  # noqa: PLR2004  less than a pixel in a hundred
        return picture_hwc
    height, width = picture_hwc.shape[:2]
    return cv2.resize(picture_hwc, (max(1, round(width * aspect)), height), interpolation=cv2.INTER_AREA)


def turned(picture_hwc: np.ndarray, degrees: int) -> np.ndarray:
    """A picture turned anticlockwise by its display matrix, to the nearest quarter."""
    quarters = round((degrees or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(picture_hwc, quarters)) if quarters else picture_hwc
