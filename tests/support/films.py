"""Tiny films, written by OpenCV, and their defects, as from a phone or a bad copy."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np

from curation.params import CollectionParams
from tests.support.raw import photo

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WIDTH_PX, HEIGHT_PX, RATE = 64, 48, 24
PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
TURNED = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # by a quarter, clockwise


def film_params(**changes: object) -> CollectionParams:
    """A collection of films, at 32 px."""
    shown = {"medium": "film", "labels": ["forest", "sea"], "size_px": 32, "channels": 3}
    clean = {"min_size_px": 16, "max_dropped_share": 0.95, "near_correlation": 0.99}
    return CollectionParams.model_validate({**shown, "clean": clean, **changes})


def scene(seed: int, length: int = 30, speed_px: int = 2) -> list[np.ndarray]:
    """One shot: a camera that moves over its own picture; uint8 H,W,3."""
    wide_hw = photo(seed, 64 + speed_px * length)
    tint = np.random.default_rng(seed).uniform(0.4, 1.0, 3)
    frames = (wide_hw[:HEIGHT_PX, speed_px * n : speed_px * n + WIDTH_PX] for n in range(length))
    return [(frame[..., None] * tint).astype(np.uint8) for frame in frames]


def shots(count: int, first: int = 0, **changes: int) -> list[np.ndarray]:
    """As many shots, with a hard cut between each pair."""
    return [frame for number in range(count) for frame in scene(first + number, **changes)]


def write_film(file: Path, frames: Iterable[np.ndarray], code: str = "mp4v") -> Path:
    """Writes frames as a film; the suffix sets the container."""
    file.parent.mkdir(parents=True, exist_ok=True)
    frames = list(frames)
    size = frames[0].shape[1::-1] if frames else (WIDTH_PX, HEIGHT_PX)
    writer = cv2.VideoWriter(str(file), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), RATE, size)
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return file


def cut_off(file: Path, share: float = 0.6) -> Path:
    """The beginning of a film."""
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    return file


def turned(file: Path) -> Path:
    """A film of a phone held upright: its frames lie on their side, and the track declares the rotation."""
    data = bytearray(file.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    data[at : at + len(TURNED)] = TURNED
    file.write_bytes(data)
    return file


def silent_picture(file: Path) -> Path:
    """A picture file whose only track declares itself as sound."""
    file.write_bytes(file.read_bytes().replace(b"vide", b"soun"))
    return file


def slowed(file: Path, after: int, times: int) -> Path:
    """A variable frame rate: from one frame on, each is shown that many times as long."""
    data = file.read_bytes().replace(
        b"edts", b"free"
    )  # without the change, the edit list would end the film at its former end
    at = data.index(b"stts")
    _size, _name, _flags, entries, count, each = struct.unpack(">I4sIIII", data[at - 4 : at + 20])
    assert entries == 1
    table = struct.pack(">I4sIIIIII", 32, b"stts", 0, 2, after, each, count - after, each * times)
    longer = bytearray(data[: at - 4] + table + data[at + 20 :])
    for name in PARENTS:
        place = longer.index(name) - 4
        longer[place : place + 4] = struct.pack(">I", struct.unpack(">I", longer[place : place + 4])[0] + 8)
    file.write_bytes(longer)
    return file
