"""Small films encoded with PyAV, in formats that cameras and editors write."""

from __future__ import annotations

import re
import struct
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.filter import Graph
from av.video.reformatter import Colorspace, Interpolation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

RATE = 25
WIDTH_PX, HEIGHT_PX = 160, 120


def pictures(count: int = 75) -> list[np.ndarray]:
    """Bars of saturated colours over which a white block moves; uint8 H,W,3 RGB."""
    bars = np.array([[255, 0, 0], [0, 255, 0], [255, 255, 0], [0, 0, 255], [255, 0, 255]], np.uint8)
    plain = np.repeat(np.repeat(bars[None], HEIGHT_PX, 0), WIDTH_PX // len(bars), 1)
    frames = []
    for number in range(count):
        frame = plain.copy()
        frame[20:50, 2 * (number % 50) : 2 * (number % 50) + 30] = 255
        frames.append(frame)
    return frames


def waves(count: int, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX, speed: float = 6) -> list[np.ndarray]:
    """Moving coloured waves with a bright block and a dark one; uint8 H,W,3 RGB."""
    y, x = np.mgrid[:height_px, :width_px].astype(np.float32)
    frames = []
    for number in range(count):
        at = speed * number
        red = 127 + 90 * np.sin((x + at) / 17) * np.cos(y / 23)
        green = 127 + 90 * np.sin((x + y - at) / 29)
        blue = 127 + 80 * np.cos((y + at) / 19 + x / 41)
        frame = np.stack([red, green, blue], 2)
        left = int(at) % width_px
        frame[height_px // 5 : height_px // 2, left : left + width_px // 4] = (250, 240, 235)
        frame[-height_px // 4 : -height_px // 8, 8 : width_px // 3] = (10, 12, 14)
        frames.append(frame.astype(np.uint8))
    return frames


def encode(
    path: Path,
    frames: Iterable[np.ndarray],
    codec: str = "libx264",
    *,
    pts: Callable[[int], int] = int,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    matrix: int | None = None,
    levels: int | None = None,
    tags: dict[str, int] | None = None,
) -> Path:
    """Writes frames as a film.

    Args:
        path: The file; its suffix sets the container.
        frames: uint8 H,W,3 RGB or H,W,4 RGBA, or uint16 H,W,3 RGB.
        codec: FFmpeg's name of the encoder.
        pts: Maps the number of a frame to its timestamp, in frames.
        pix_fmt: Of the film.
        options: Of the encoder.
        aspect: Of a pixel.
        matrix: From RGB to the signal: 1 for BT.709, 6 for BT.601, 9 for BT.2020; None for FFmpeg's own, untagged.
        levels: 1 for limited range, 2 for full.
        tags: `matrix` and `levels` that the film declares, if they are to differ from the actual ones; `transfer`.
    """
    claimed = {"matrix": matrix, "levels": levels} | (tags or {})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options or {})
        for number, picture in enumerate(frames):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pix_fmt
                _describe(stream.codec_context, aspect, claimed)
            frame = av.VideoFrame.from_ndarray(picture, format=_FORMATS[picture.dtype.name, picture.shape[2]])
            frame = frame.reformat(
                format=pix_fmt, dst_colorspace=_MATRICES.get(matrix), dst_color_range=levels, interpolation=_EXACT
            )
            frame.colorspace, frame.color_range = claimed["matrix"] or 2, claimed["levels"] or 0
            frame.pts, frame.time_base = pts(number), Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


_FORMATS = {("uint8", 3): "rgb24", ("uint8", 4): "rgba", ("uint16", 3): "rgb48le"}
_MATRICES = {1: Colorspace.ITU709, 6: Colorspace.ITU601, 9: Colorspace.BT2020}
_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def _describe(context: Any, aspect: Fraction | None, claimed: dict[str, int | None]) -> None:
    context.time_base = Fraction(1, RATE)
    if aspect is not None:
        context.sample_aspect_ratio = aspect
    if claimed["matrix"]:
        context.colorspace = claimed["matrix"]
    if claimed["levels"]:
        context.color_range = claimed["levels"]
    if claimed.get("transfer"):
        context.color_trc, context.color_primaries = claimed["transfer"], 9


def encode_fields(
    path: Path,
    times: list[np.ndarray],
    codec: str,
    *,
    pix_fmt: str,
    options: dict[str, str],
    top_first: bool,
) -> Path:
    """Writes an interlaced film: each frame is woven from two successive pictures, uint8 H,W,3 RGB."""
    height_px, width_px = times[0].shape[:2]
    first = np.arange(height_px)[:, None, None] % 2 == (0 if top_first else 1)
    graph = Graph()
    buffer = graph.add_buffer(width=width_px, height=height_px, format="rgb24", time_base=Fraction(1, RATE))
    # each field gets its own chroma
    nodes = [buffer, graph.add("setfield", "tff" if top_first else "bff"), graph.add("scale", _BY_FIELDS)]
    nodes += [graph.add("format", pix_fmt), graph.add("buffersink")]
    for above, below in pairwise(nodes):
        above.link_to(below)
    graph.configure()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, pix_fmt
        _describe(stream.codec_context, None, {"matrix": 6, "levels": 1})
        for number in range(len(times) // 2):
            woven = np.where(first, times[2 * number], times[2 * number + 1])
            frame = av.VideoFrame.from_ndarray(woven, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            graph.push(frame)
            container.mux(stream.encode(graph.pull()))
        container.mux(stream.encode(None))
    return path


_BY_FIELDS = "interl=1:out_color_matrix=bt601:out_range=tv:flags=accurate_rnd+full_chroma_int"


def turned_by(path: Path, quarters: int, *, mirrored: bool = False) -> Path:
    """Sets how an MP4 is shown: mirrored left to right, then rotated clockwise. ISO/IEC 14496-12, 8.3.2."""
    a, b, c, d = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))[quarters]
    a, b = (-a, -b) if mirrored else (a, b)
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + len(matrix)] = matrix
    path.write_bytes(data)
    return path


def remuxed(source: Path, path: Path, start_s: float = 0.0) -> Path:
    """The packets of a film in another container, from a time on; earlier packets are kept for the edit list."""
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = read.streams.video[0]
        out = written.add_stream_from_template(stream)
        if start_s:
            read.seek(int(start_s / stream.time_base), stream=stream)
        offset = None
        for packet in read.demux(stream):
            if packet.dts is None:
                continue
            offset = int(start_s / stream.time_base) if offset is None else offset
            packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
            packet.stream = out
            written.mux(packet)
    return path


def h264_in_avi(source: Path, path: Path) -> Path:
    """The H.264 of an MP4 in AVI, as FFmpeg copies it: with start codes, and counted in fields."""
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = read.streams.video[0]
        out = written.add_stream_from_template(stream)
        out.time_base = Fraction(1, 2 * RATE)
        with_start_codes = BitStreamFilterContext("h264_mp4toannexb", stream)
        for read_packet in read.demux(stream):
            for packet in with_start_codes.filter(read_packet if read_packet.dts is not None else None):
                packet.pts = packet.dts = int(packet.pts * stream.time_base / out.time_base)
                packet.time_base, packet.stream, packet.duration = out.time_base, out, 2
                written.mux(packet)
    return path


def with_hole(path: Path, first: float = 0.4, last: float = 0.6) -> Path:
    """Zeros over a part of the file."""
    data = bytearray(path.read_bytes())
    a, b = int(len(data) * first), int(len(data) * last)
    data[a:b] = bytes(b - a)
    path.write_bytes(data)
    return path


def h264_by_fields(path: Path, times: list[np.ndarray]) -> Path:
    """Writes H.264 in which every field is a picture and a packet (PAFF), top field first, as no encoder here does.

    Its macroblocks are not compressed. Syntax: ITU-T H.264, 7.3.

    Args:
        path: The film; its suffix sets the container.
        times: Two pictures a frame, uint8 H,W, of whole macroblocks a field.
    """
    height_px, width_px = times[0].shape
    size = _codes(width_px // 16 - 1, height_px // 32 - 1)
    sequence = _unit(0x67, f"{77 << 16 | 30:024b}" + _codes(0, 0, 2, 1) + "0" + size + "00100")
    picture = _unit(0x68, _codes(0, 0) + "00" + _codes(0, 0, 0) + "000" + _codes(0, 0, 0) + "100")
    fields = [_field(lines_hw[number % 2 :: 2], number) for number, lines_hw in enumerate(times)]
    raw = path.with_suffix(".h264")
    raw.write_bytes(b"".join((b"" if number % 2 else sequence + picture) + one for number, one in enumerate(fields)))
    with av.open(str(raw), options={"framerate": str(2 * RATE)}) as read, av.open(str(path), "w") as written:
        out = written.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(packet for packet in read.demux(video=0) if packet.size):
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.duration = Fraction(1, 2 * RATE), out, 1
            written.mux(packet)
    return path


def _field(lines_hw: np.ndarray, number: int) -> bytes:
    """One slice: the first field of a frame is an IDR picture, the second one an intra picture that refers to none."""
    second = number % 2
    marking = "0" if second else _codes(number // 2 % 2) + "00"
    bits = _codes(0, 7, 0) + "0000" + f"1{second}" + marking + _codes(0, 1)
    for y, x in np.ndindex(lines_hw.shape[0] // 16, lines_hw.shape[1] // 16):
        bits += _codes(25)  # I_PCM: aligned to a byte, then 256 bytes of luma and 128 of chroma
        block = lines_hw[16 * y : 16 * y + 16, 16 * x : 16 * x + 16].tobytes() + bytes([128]) * 128
        bits += "0" * (-len(bits) % 8) + "".join(f"{byte:08b}" for byte in block)
    return _unit(0x61 if second else 0x65, bits)


def _codes(*numbers: int) -> str:
    """Exp-Golomb codes, section 9.1."""
    return "".join("0" * (len(f"{number + 1:b}") - 1) + f"{number + 1:b}" for number in numbers)


def _unit(head: int, bits: str) -> bytes:
    """A NAL unit, with the bytes that keep start codes out of it."""
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return b"\0\0\0\1" + bytes([head]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", data)
