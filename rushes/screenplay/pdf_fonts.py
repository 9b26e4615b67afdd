"""Fonts for the PDF that have every character of a text: those of this system, or those bundled with reportlab."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import MisuseError, RushesError

# Regular and bold; the first pair that has all characters is used.
_SYSTEM = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("arial.ttf", "arialbd.ttf"),
    ("Arial.ttf", "Arial Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
    ("Arial Unicode.ttf", "Arial Unicode.ttf"),
)
# Monospaced, for text in columns.
_FIXED = (
    ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
    ("LiberationMono-Regular.ttf", "LiberationMono-Bold.ttf"),
    ("cour.ttf", "courbd.ttf"),
    ("Courier New.ttf", "Courier New Bold.ttf"),
)
_FOLDERS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts", "/Library/Fonts",
    "/System/Library/Fonts/Supplemental", "~/Library/Fonts", "C:/Windows/Fonts",
    "~/AppData/Local/Microsoft/Windows/Fonts",
)  # fmt: skip
_BROUGHT = ("Vera.ttf", "VeraBd.ttf")  # in reportlab's own folder; Western Europe
_NEEDS_SHAPING = (range(0x0900, 0x0E00), range(0x0F00, 0x1100), range(0x1780, 0x1800))  # Indic and similar scripts


@dataclass(frozen=True)
class Fonts:
    """Names of two registered fonts."""

    regular: str
    bold: str


def fonts_for(text: str, chosen: Path | None = None, *, fixed: bool = False) -> Fonts:
    """Registers the first pair of fonts that has every character of a text.

    Args:
        text: All text that is to be printed.
        chosen: A font file that is tried first.
        fixed: True to try monospaced fonts before the others.

    Raises:
        MisuseError: The chosen file is not a font.
        RushesError: The script of the text needs shaping, or no font has all of its characters.
    """
    signs = {char for char in text if not char.isspace()}
    _check_shaping(signs)
    missing = signs
    for pair in _candidates(chosen, fixed=fixed):
        fonts, known = _registered(pair, is_chosen=pair[0] == str(chosen))
        lacking = {char for char in signs if ord(char) not in known}
        if fonts and not lacking:
            return fonts
        missing = min(missing, lacking, key=len)
    message = f"no font found here has {' '.join(sorted(missing)[:12])}: name one that has, by --font FILE.ttf, "
    raise RushesError(message + "or write HTML (--out FILE.html) and print that")


def _check_shaping(signs: set[str]) -> None:
    odd = [
        char
        for char in sorted(signs)
        if unicodedata.bidirectional(char) in {"R", "AL"} or any(ord(char) in block for block in _NEEDS_SHAPING)
    ]
    if odd:
        message = f"the PDF cannot set this script: {' '.join(odd[:6])}. Write HTML (--out FILE.html) and print that"
        raise RushesError(message)


def _candidates(chosen: Path | None, *, fixed: bool) -> list[tuple[str, str]]:
    pairs = [(str(chosen), str(chosen))] if chosen else []
    named = (*_FIXED, *_SYSTEM) if fixed else _SYSTEM
    found = _font_files({name for pair in named for name in pair})
    pairs += [(found[regular], found[bold]) for regular, bold in named if regular in found and bold in found]
    return [*pairs, _BROUGHT]


def _font_files(names: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for top in _FOLDERS:
        for folder, _, files in os.walk(Path(top).expanduser()):
            found |= {name: str(Path(folder, name)) for name in files if name in names and name not in found}
    return found


def _registered(pair: tuple[str, str], *, is_chosen: bool) -> tuple[Fonts | None, set[int]]:
    """Names of the registered pair, and the characters that both have; None for a file that is not a TrueType font."""
    from reportlab.pdfbase import pdfmetrics, ttfonts  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, without types

    try:
        faces = [ttfonts.TTFont(f"{Path(path).stem}-{weight}", path) for path, weight in zip(pair, "rb", strict=True)]
    except Exception as error:  # of many types, since a file may contain anything
        if is_chosen:
            message = f"--font {pair[0]} is not a TrueType font: {error}"
            raise MisuseError(message) from error
        return None, set()
    for face in faces:
        pdfmetrics.registerFont(face)
    known = set(faces[0].face.charToGlyph) & set(faces[1].face.charToGlyph)
    return Fonts(faces[0].fontName, faces[1].fontName), known
