"""Reads a film file frame by frame with its own time stamps: upright, square pixels, progressive, SDR.

Ingest and capture use the same reader. It decodes with PyAV (the wheel's extra [film]; installed in a checkout). Times
are the stream's presentation time stamps minus the first one, so a film may start at any time, contain an edit list, or
change its rate. Packets and frames that cannot be decoded are counted. Without PyAV, `rushes.capture.video_source`
uses OpenCV, and refuses films that OpenCV decodes incorrectly.

- Interlaced frames: deinterlaced (`rushes.media.deinterlacing`).
- HEVC coded by fields: FFmpeg returns every field as a frame of half the height; each is a picture of its own time, and
  its lines are doubled.
- Pixels that are not square: the width is scaled, as in a player.
- HLG and PQ: tone-mapped (`rushes.media.tone_mapping`).
- Transparency: composed on white, as in pictures.
"""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import cv2
import numpy as np

from rushes.errors import UserError
from rushes.media.deinterlacing import deinterlaced
from rushes.media.image import on_background
from rushes.media.orientation import orientation_of
from rushes.media.tone_mapping import HLG, PQ, tone_mapped

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MAX_SIDE_PX = 8192
MAX_FPS, USUAL_FPS = 1000.0, 25.0
HEVC, H264 = "hevc", "h264"  # FFmpeg's names
PROBED = 5  # frames
BT2020 = 9  # colour primaries, ITU-T H.273 table 2
UNSPECIFIED = {0, 2}
LONGEST_S = 3600.0  # between two frames; a larger step means that the clock was set during the recording
REORDERED = 64  # frames that a decoder may still return after broken data
GAP_FRAMES = 1.5  # multiple of the usual interval; a longer interval is a gap if decoding failed there


class FilmError(UserError):
    """Film that cannot be opened or decoded; the message continues its name, such as `is empty`."""


class FilmFrame(NamedTuple):
    """Frame with its number from 0, its time in seconds from the first frame, and its pixels, uint8 H,W,3, BGR."""

    number: int
    time_s: float
    picture_bgr: np.ndarray


@dataclass
class Film:
    """Opened film.

    Attributes:
        path: The file.
        codec: FFmpeg's name of the codec, such as `h264`.
        fps: Average frames per second.
        total: Number of frames according to the header; 0 if unknown. If the file has no count it is estimated
            from the duration.
        duration_s: Duration in the header; 0 if there is none.
        faults: Number of packets and frames so far that could not be decoded.
        lost_s: Seconds so far in which frames are missing: gaps near faults.
        end_s: End time of the last frame that was read.
        timecode: SMPTE timecode of the first frame, such as `10:00:00:00`; empty if the file has none.
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
    timecode: str = ""
    _fault_at: int = -1000  # number of the frame after which decoding failed
    _faults_seen: int = 0

    def frames(self, wanted: Container[int] | None = None) -> Iterator[FilmFrame]:
        """Yields every frame that can be decoded, in presentation order.

        Args:
            wanted: Numbers of the frames to yield; all frames are decoded, but only these are converted to pictures.
        """
        first: float | None = None
        last_s, number = 0.0, -1
        for frame in self._decoded() if self.codec == HEVC else deinterlaced(self._decoded()):
            number += 1
            stamp = self._stamp_s(frame)
            next_s = last_s + 1 / self.fps if number else 0.0
            if stamp is not None and (first is None or abs(stamp - first - last_s) > LONGEST_S):
                first = stamp - next_s
            time_s = next_s if stamp is None or first is None else stamp - first
            # A time stamp that is missing or runs backwards is replaced by the end of the previous frame.
            time_s = next_s if number and time_s <= last_s else time_s
            self._note(number, time_s - last_s)
            last_s = time_s
            self.end_s = time_s + 1 / self.fps
            if wanted is None or number in wanted:
                is_field = self.codec == HEVC and frame.interlaced_frame
                yield FilmFrame(number, time_s, picture_of(frame, self._aspect, is_field=is_field))

    def _note(self, number: int, step_s: float) -> None:
        """Counts a gap: a step that is longer than usual, near a failure to decode."""
        if self.faults > self._faults_seen:
            self._fault_at, self._faults_seen = number, self.faults
        if number and step_s > GAP_FRAMES / self.fps and number - self._fault_at <= REORDERED:
            self.lost_s += step_s - 1 / self.fps

    @property
    def lacking_s(self) -> float:
        """Seconds that could not be decoded, known after the last frame: gaps, and the missing end."""
        return self.lost_s + max(0.0, self.duration_s - self.end_s)

    def _stamp_s(self, frame: VideoFrame) -> float | None:
        """Time stamp of a frame; None if its number gives a better time.

        MXF and AVI have a constant rate. In MXF, FFmpeg stamps frames in decoding order; in AVI it counts H.264 by
        fields, and the last field comes half a frame early, but dropped frames leave a gap.
        """
        form = str(self._container.format.name)
        if form == "mxf" or frame.time is None:
            return None
        return math.floor(frame.time * self.fps + 0.5) / self.fps if form == "avi" else float(frame.time)

    @property
    def _aspect(self) -> float:
        """Width of a pixel divided by its height."""
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
            except av.FFmpegError:  # the container is damaged here, and the demuxer cannot continue
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
        FilmError: The file contains no video, is too large, or its codec has no decoder here.
        ImportError: PyAV is not installed.
    """
    import av  # noqa: PLC0415 - an extra
    import av.logging  # noqa: PLC0415  # likewise

    if path.stat().st_size == 0:
        message = "is empty"
        raise FilmError(message)
    av.logging.set_level(None)  # faults of a damaged film are counted and reported in one message
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    try:
        with _container(path) as container:
            film = _film(path, container)
            if film.codec == H264 and _counts_fields(path, film.fps):
                film.fps /= 2
                film.total = film.total // 2
            yield film
    except av.FFmpegError as error:
        message = "holds no moving pictures that can be read"
        raise FilmError(message) from error


@contextmanager
def _container(path: Path) -> Iterator[InputContainer]:
    import av  # noqa: PLC0415 - an extra

    # Opened by Python, so that a name is never taken for an address or a pattern; playlists are not followed.
    with path.open("rb") as file, av.open(file, "r", options={"protocol_whitelist": "file"}) as container:
        yield container


def _film(path: Path, container: InputContainer) -> Film:
    stream = cast("VideoStream | None", container.streams.best("video"))
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
    # AVI counts fields where H.264 gives frames; FFmpeg's guessed rate accounts for this.
    rates = (stream.guessed_rate if container.format.name == "avi" else None, stream.average_rate, stream.base_rate)
    rate = next((float(rate) for rate in rates if rate), 0.0)
    fps = rate if 0 < rate <= MAX_FPS and math.isfinite(rate) else USUAL_FPS
    duration_s = _duration_s(container, stream)
    total, timecode = _total(stream, fps, duration_s), _timecode(container)
    return Film(path, codec, fps, total, duration_s, container, stream, timecode=timecode)


def _timecode(container: InputContainer) -> str:
    """Timecode of the first frame: of a track in MOV and MP4, a tag in Matroska, or a header in MXF."""
    metadata = [*(stream.metadata for stream in container.streams), container.metadata]
    found = (value for named in metadata for name, value in named.items() if name.lower() == "timecode")
    return next(found, "")


def _counts_fields(path: Path, fps: float) -> bool:
    """True if a film has one packet a field and gives their rate as its own: its frames are twice as far apart."""
    import av  # noqa: PLC0415 - an extra

    times_s: list[float] = []
    try:
        with _container(path) as container:
            for frame in container.decode(cast("VideoStream", container.streams.best("video"))):
                if not frame.interlaced_frame or frame.time is None or len(times_s) == PROBED:
                    break
                times_s.append(frame.time)
    except av.FFmpegError:  # damaged here: it is reported when the film is read
        pass
    steps = [(after - before) * fps for before, after in pairwise(times_s)]
    return bool(steps) and all(abs(step - 2) < 0.1 for step in steps)  # noqa: PLR2004 - two fields


def _duration_s(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if not container.duration:
        return 0.0
    start_s = float(container.start_time or 0) / 1e6
    # Matroska gives the end time, and a film may start at any time.
    length_s = float(container.duration) / 1e6
    return length_s - start_s if "matroska" in container.format.name and start_s > 0 else length_s


def _total(stream: VideoStream, fps: float, duration_s: float) -> int:
    by_time = round(duration_s * fps)
    # MP4 counts samples before its edit list removes some; other containers may count fields.
    return min(stream.frames, by_time) if stream.frames and by_time else stream.frames or by_time


def picture_of(frame: VideoFrame, aspect: float = 1.0, *, is_field: bool = False) -> np.ndarray:
    """Converts a progressive frame, or one field, to uint8 H,W,3 BGR: SDR, opaque, square pixels, upright.

    Args:
        frame: As PyAV decodes it.
        aspect: Width of a pixel of a whole frame divided by its height.
        is_field: True if it holds every second line.
    """
    from av.sidedata.sidedata import Type  # noqa: PLC0415 - an extra

    whole_hwc = _sdr(frame)
    if is_field:
        whole_hwc = cv2.resize(whole_hwc, None, fx=1, fy=2, interpolation=cv2.INTER_LINEAR)
    shown_hwc, matrix = squared(whole_hwc, aspect), cast("Any", frame.side_data).get(Type.DISPLAYMATRIX)
    if matrix is None:
        return shown_hwc
    return orientation_of(np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)).upright(shown_hwc)


def _sdr(frame: VideoFrame) -> np.ndarray:
    # HDR: tone-map from 16 bits.
    transfer = int(frame.color_trc or 0)
    if transfer in {HLG, PQ}:
        wide = int(frame.color_primaries or 0) in UNSPECIFIED | {BT2020}
        return tone_mapped(frame.to_ndarray(format="bgr48le"), transfer, wide_gamut=wide)
    # Transparent: compose on white.
    if any(component.is_alpha for component in frame.format.components):
        return on_background(frame.to_ndarray(format="bgra"))
    picture_bgr: np.ndarray = frame.to_ndarray(format="bgr24")
    return picture_bgr


def squared(picture_hwc: np.ndarray, aspect: float) -> np.ndarray:
    """Scales the width of a picture to make its pixels square; `aspect` is the width of a pixel over its height."""
    if not 0.1 < aspect < 10 or abs(aspect - 1) < 0.01:  # noqa: PLR2004  less than a pixel in a hundred
        return picture_hwc
    height, width = picture_hwc.shape[:2]
    return cv2.resize(picture_hwc, (max(1, round(width * aspect)), height), interpolation=cv2.INTER_AREA)
