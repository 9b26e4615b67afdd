"""Drawn pictures as files of their own, in a folder: each says what it shows, how it was drawn and who must be named.

A PNG carries that in itself, and CREDITS.txt says it to whoever looks into the folder.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import MisuseError, RushesError
from rushes.sheet import MAX_PX, best_scale, encoded, enlarge, save, slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

CREDITS = "CREDITS.txt"
DIGITS = 4  # of a picture's number: its name does not hang on how many are drawn with it
HEAD_BYTES = 8 + 25  # of a PNG: its signature and its first chunk, which has to stay the first


@dataclass(frozen=True)
class Asked:
    """What is drawn: a text, from a seed, of a category or of none."""

    text: str
    seed: int
    category: str | None = None

    @property
    def about(self) -> str:
        """What beside the text and the model decides how the pictures look."""
        return f"seed {self.seed}" + (f", category {self.category}" if self.category else "")

    def name(self, number: int) -> str:
        """The file of the picture of this number, counted from 1."""
        of_category = f"-{slug(self.category)}" if self.category else ""
        return f"{slug(self.text) or 'scene'}-{self.seed}{of_category}-{number:0{DIGITS}}.png"


def is_folder(out: str) -> bool:
    """Whether --out names a folder: it ends as one, or is one."""
    ends = tuple(filter(None, (os.sep, os.altsep, "/")))
    return out.endswith(ends) or (bool(out) and Path(out).expanduser().is_dir())


def check_folder(folder: Path, asked: Asked, count: int) -> None:
    """Finds out before the work what would fail after it. Nothing is made.

    Raises:
        MisuseError: The folder cannot be there or be written to, or a folder lies where a picture goes.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists() or place.is_symlink())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "cannot be written to" if there.is_dir() else "is no folder"
        message = f"--out {folder}: {there} {why}; name a folder of yours, or one that can be made"
        raise MisuseError(message)
    for name in (CREDITS, *(asked.name(number) for number in range(1, count + 1))):
        if (folder / name).is_dir():
            message = f"--out {folder}: {name} in it is a folder; move that, or name another folder"
            raise MisuseError(message)


def save_singles(
    pictures_nhwc: np.ndarray, folder: Path, asked: Asked, *, model: str, credit: str, scale: int
) -> list[Path]:
    """Writes each picture as a PNG, and the credits first, so that no picture ever lies there without them.

    Args:
        pictures_nhwc: uint8 N,S,S,3 RGB.
        folder: Where to; it is made where it is not there. A picture of the same name is replaced.
        asked: What was drawn.
        model: What people call the model.
        credit: Who must be named, in a line; empty where nobody is.
        scale: How many pixels of the file a pixel of a picture is wide; 0 for what looks well.

    Raises:
        MisuseError: The pictures would be too large to be opened.
        RushesError: The folder cannot be made, or a file in it not be written.
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
        save(paths[-1], with_words(encoded(large_bgr, ".png"), words))
    return paths


def _check_size(size_px: int) -> None:
    if size_px > MAX_PX:
        message = f"a picture of {size_px} px is larger than {MAX_PX} px: take a smaller --scale"
        raise MisuseError(message)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder {folder} cannot be made: {error.strerror}; name another one with --out"
        raise RushesError(message) from error


def _with_line(path: Path, line: str) -> bytes:
    """A file's content with a line more; one that it has is not said twice, and what it names stays named."""
    there = path.read_bytes() if path.exists() else b""
    said = line.encode("utf-8", "replace")
    if said in there.splitlines():
        return there
    return there + (b"" if not there or there.endswith(b"\n") else b"\n") + said + b"\n"


def with_words(png: bytes, words: Mapping[str, str]) -> bytes:
    """A PNG that says more of itself, in chunks of text (iTXt: PNG specification, third edition, 11.3.3.4).

    Args:
        png: The file.
        words: Texts by their keywords, such as Title and Copyright; an empty one is left out.
    """
    chunks = [
        _chunk(b"iTXt", keyword.encode("latin-1") + bytes(5) + text.encode("utf-8", "replace"))  # as it is, no language
        for keyword, text in words.items()
        if text
    ]
    return b"".join([png[:HEAD_BYTES], *chunks, png[HEAD_BYTES:]])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
