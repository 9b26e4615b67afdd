"""Bytes of a script as text: UTF-8, UTF-16 or UTF-32 with a mark, else Windows-1252; what is mixed is mended.

Where nearly all letters of a file would be accented ones it is Cyrillic, in Windows-1251 or KOI8-R. Where Õ would stand
inside words it is an old Macintosh's, whose apostrophe has that byte.

Two files pasted together are often one in UTF-8 and one in Windows-1252: each line is read for itself. What was read as
the one, written as the other and is UTF-8 again by now (`donâ€™t`) is turned back by ftfy, which knows such runs of
letters from real ones. What no rule explains stays, a replacement character for a byte, and is found by the checks.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

import ftfy
from ftfy.badness import is_bad

from curation.errors import RefusedError

CYRILLIC_SHARE = 0.5  # of the letters, at least, are not ASCII in a file in Cyrillic
LOST = "\N{REPLACEMENT CHARACTER}"
UNDECODABLE = "is undecodable: its bytes are not text in UTF-8, in UTF-16 with its mark, or in Windows-1252"
EXPORT = "export it again from the program that it was written with, as UTF-8"
MAX_ODD_SHARE = 0.01  # of the signs; text has none at all, and a damaged one a few
# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HIGH = 0x80  # the first byte that is not ASCII
_MAC_APOSTROPHE = re.compile(rb"(?<=[a-z])\xd5(?=[a-z])")
_APOSTROPHE = re.compile(rb"(?<=[a-z])\x92(?=[a-z])")
_ODD = re.compile("[\x01-\x08\x0e-\x1b\x7f\ufffd]")
_CONTROLS = re.compile("[\x80-\x84\x86-\x9f]")  # no text has them: they are halves of letters in another encoding
# What is lost stays lost: a guess at it would be learned from.
_SAFELY = ftfy.TextFixerConfig(replace_lossy_sequences=False, unescape_html=False)


@dataclass(frozen=True)
class Decoded:
    """A text, and how many of its lines were in another encoding than the rest, or in several, and are mended."""

    text: str
    mended: int = 0


def decode(data: bytes) -> Decoded:
    """The text of a file, its letters in their composed form (NFC).

    Raises:
        RefusedError: It holds a null byte, or is not text.
    """
    coding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if coding is None and b"\0" in data:
        reason = "holds a null byte: it is not text, or is damaged"
        raise RefusedError(reason, EXPORT)
    lines = _strictly(data, coding) if coding else _by_line(data.removeprefix(codecs.BOM_UTF8))
    text, mended = _mended(lines.text)
    text = _CONTROLS.sub(LOST, text)
    if len(_ODD.findall(text)) > MAX_ODD_SHARE * len(text) or "\0" in text:
        raise RefusedError(UNDECODABLE, EXPORT)
    return Decoded(unicodedata.normalize("NFC", text), lines.mended + mended)


def is_mixed(text: str) -> bool:
    """True if runs of letters stand in a text that only a wrong encoding makes."""
    return not text.isascii() and is_bad(text)


def _strictly(data: bytes, coding: str) -> Decoded:
    try:
        return Decoded(data.decode(coding))
    except UnicodeDecodeError as error:
        raise RefusedError(UNDECODABLE, EXPORT) from error


def _by_line(data: bytes) -> Decoded:
    """Each line in the encoding that it is in; those of the rarer one are counted."""
    try:
        return Decoded(data.decode())
    except UnicodeDecodeError:
        single = _single_bytes(data)
        lines = [_line(line, single) for line in data.split(b"\n")]
    counts = [sum(coding == name for _, coding in lines) for name in ("utf-8", single)]
    return Decoded("\n".join(text for text, _ in lines), min(counts))


def _single_bytes(data: bytes) -> str:
    """The encoding of a byte a letter that a file that is not all UTF-8 is in."""
    letters = [byte for byte in data if byte >= HIGH]
    ascii_letters = sum(chr(byte).isalpha() for byte in data if byte < HIGH)
    if len(letters) > CYRILLIC_SHARE * (len(letters) + ascii_letters):
        # Most letters are small ones, which stand in the upper half of the one and in the lower half of the other.
        for coding, small in (("cp1251", range(0xE0, 0x100)), ("koi8-r", range(0xC0, 0xE0))):
            if sum(byte in small for byte in letters) > len(letters) / 2:
                return coding
    return "mac_roman" if len(_MAC_APOSTROPHE.findall(data)) > len(_APOSTROPHE.findall(data)) else "cp1252"


def _line(line: bytes, single: str) -> tuple[str, str]:
    """A line and its encoding; none where it has no letter outside ASCII."""
    try:
        return line.decode(), "" if line.isascii() else "utf-8"
    except UnicodeDecodeError:
        return line.decode(single, "replace"), single


def _mended(text: str) -> tuple[str, int]:
    if not is_mixed(text):
        return text, 0
    lines = text.split("\n")
    mended = [_mended_line(line) for line in lines]
    return "\n".join(mended), sum(new != old for new, old in zip(mended, lines, strict=True))


def _mended_line(line: str) -> str:
    if not is_mixed(line):
        return line
    mended = ftfy.fix_encoding(line, _SAFELY)
    return line if is_mixed(mended) or LOST in mended else mended
