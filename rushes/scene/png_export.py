"""Writes generated pictures as PNG files into a folder, each with title, origin and credits.

Each PNG contains these texts; CREDITS.txt in the same folder also has the credits.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import MisuseError, UserError
from rushes.output_files import save
from rushes.scene.contact_sheet import MAX_PX, best_scale, encode_picture, enlarge, slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

CREDITS = "CREDITS.txt"
DIGITS = 4  # of the number of a picture, whatever the count
HEAD_BYTES = 8 + 25  # of a PNG: signature and IHDR chunk, which must come first


@dataclass(frozen=True)
class PictureRequest:
    """Request for pictures: a text, a seed, and optionally a category."""

    text: str
    seed: int
    category: str | None = None

    @property
    def about(self) -> str:
        """Seed and category, as text."""
        return f"seed {self.seed}" + (f", category {self.category}" if self.category else "")

    def name(self, number: int) -> str:
        """File name of a picture by its number, from 1."""
        of_category = f"-{slug(self.category)}" if self.category else ""
        return f"{slug(self.text) or 'scene'}-{self.seed}{of_category}-{number:0{DIGITS}}.png"


def is_folder(out: str) -> bool:
    """True if --out is a folder: by its ending, or because a folder of that name exists."""
    ends = tuple(filter(None, (os.sep, os.altsep, "/")))
    return out.endswith(ends) or (bool(out) and Path(out).expanduser().is_dir())


def check_folder(folder: Path, asked: PictureRequest, count: int) -> None:
    """Checks before generation that the folder can be written; creates nothing.

    Raises:
        MisuseError: The folder cannot be created or written to, or a folder has the name of a picture.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists() or place.is_symlink())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "cannot be written to" if there.is_dir() else "is not a folder"
        message = f"--out {folder}: {there} {why}; name another folder"
        raise MisuseError(message)
    for name in (CREDITS, *(asked.name(number) for number in range(1, count + 1))):
        if (folder / name).is_dir():
            message = f"--out {folder}: {name} in it is a folder; move that, or name another folder"
            raise MisuseError(message)


def save_singles(
    pictures_nhwc: np.ndarray, folder: Path, asked: PictureRequest, *, model: str, credit: str, scale: int
) -> list[Path]:
    """Writes the credits, then each picture as a PNG, in this order so that no picture is without credits.

    Args:
        pictures_nhwc: uint8 N,S,S,3 RGB.
        folder: Created if missing. A picture of the same name is replaced.
        asked: The request.
        model: Name of the model.
        credit: Credits in one line; empty if there are none.
        scale: File pixels per picture pixel; 0 chooses about 256 px per picture.

    Raises:
        MisuseError: The pictures would be too large for viewers.
        UserError: The folder cannot be created, or a file cannot be written.
    """
    scale = scale or best_scale(pictures_nhwc.shape[1])
    _check_size(pictures_nhwc.shape[1] * scale)
    _make(folder)
    if credit:
        save(folder / CREDITS, _with_line(folder / CREDITS, f"Pictures drawn by rushes {model}: {credit}"))
    paths = []
    for number, picture_hwc in enumerate(pictures_nhwc, 1):
        large_bgr = enlarge(picture_hwc[None], scale)[0][..., ::-1]
        about = f"picture {number}, drawn by rushes {model}, {asked.about}"
        words = {"Title": asked.text, "Description": about, "Copyright": credit}
        paths.append(folder / asked.name(number))
        save(paths[-1], with_words(encode_picture(large_bgr, ".png"), words))
    return paths


def _check_size(size_px: int) -> None:
    if size_px > MAX_PX:
        message = f"a picture of {size_px} px is larger than {MAX_PX} px: take a smaller --scale"
        raise MisuseError(message)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder {folder} cannot be created: {error.strerror}; name another one with --out"
        raise UserError(message) from error


def _with_line(path: Path, line: str) -> bytes:
    """Content of a file with a line added, unless the file already has it."""
    there = path.read_bytes() if path.exists() else b""
    added = line.encode("utf-8", "replace")
    if added in there.splitlines():
        return there
    return there + (b"" if not there or there.endswith(b"\n") else b"\n") + added + b"\n"


def with_words(png: bytes, words: Mapping[str, str]) -> bytes:
    """Adds texts to a PNG (iTXt chunks: PNG specification, third edition, 11.3.3.4).

    Args:
        png: Content of the file.
        words: Texts by keyword, such as Title and Copyright; empty texts are omitted.
    """
    chunks = [
        _chunk(
            b"iTXt", keyword.encode("latin-1") + bytes(5) + text.encode("utf-8", "replace")
        )  # uncompressed, no language
        for keyword, text in words.items()
        if text
    ]
    return b"".join([png[:HEAD_BYTES], *chunks, png[HEAD_BYTES:]])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
