"""Decodes the bytes of a script: UTF-8, UTF-16 or UTF-32 with a byte order mark, else Windows-1252; fixes mixtures.

A file in which nearly all letters would be accented is Cyrillic, in Windows-1251 or KOI8-R. One with Õ inside words is
from an old Macintosh, whose apostrophe has that byte.

Two concatenated files are often one in UTF-8 and one in Windows-1252, so each line is decoded separately. UTF-8 that
was read as Windows-1252 and written as UTF-8 again (`donâ€™t`) is restored by ftfy, which distinguishes such
sequences from real text. What no rule explains stays, as one replacement character a byte, and is found by the checks.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass, replace

from rushes.errors import RefusedError

CYRILLIC_SHARE = 0.5  # minimum share of non-ASCII letters in Cyrillic text
LOST = "\N{REPLACEMENT CHARACTER}"
UNDECODABLE = "is undecodable: its bytes are not text in UTF-8, in UTF-16 with its mark, or in Windows-1252"
EXPORT = "export it again from the program that it was written with, as UTF-8"
MAX_ODD, MAX_ODD_SHARE = 3, 0.01  # characters; text has none, damaged text a few
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HIGH = 0x80  # first byte beyond ASCII
_MAC_APOSTROPHE = re.compile(rb"(?<=[a-z])\xd5(?=[a-z])")
_APOSTROPHE = re.compile(rb"(?<=[a-z])\x92(?=[a-z])")
_ODD = re.compile("[\x01-\x08\x0e-\x1b\x7f\ufffd]")
_CONTROLS = re.compile("[\x80-\x84\x86-\x9f]")  # C1 controls: halves of characters in another encoding


@dataclass(frozen=True)
class Decoded:
    """A text.

    Attributes:
        text: The text, repaired and in composed form (NFC).
        original: The text before that.
        repaired: Number of its lines that were in a second or a mixed encoding and are fixed.
        guessed: Encoding of the lines that are not UTF-8; empty if there are none.
    """

    text: str
    original: str
    repaired: int = 0
    guessed: str = ""


def decode(data: bytes) -> Decoded:
    """Decodes a file to text in composed form (NFC).

    Raises:
        RefusedError: It contains a null byte, or is not text.
    """
    coding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if coding is None and b"\0" in data:
        reason = "contains a null byte: it is not text, or is damaged"
        raise RefusedError(reason, EXPORT)
    lines = _strictly(data, coding) if coding else _by_line(data.removeprefix(codecs.BOM_UTF8))
    text, fixed = _repaired(lines.original)
    text = _CONTROLS.sub(LOST, text)
    if len(_ODD.findall(text)) > max(MAX_ODD, MAX_ODD_SHARE * len(text)) or "\0" in text:
        raise RefusedError(UNDECODABLE, EXPORT)
    return replace(lines, text=unicodedata.normalize("NFC", text), repaired=lines.repaired + fixed)


def is_mixed(text: str) -> bool:
    """True if a text contains sequences that only a wrong encoding produces."""
    if text.isascii():
        return False
    from ftfy.badness import is_bad  # noqa: PLC0415  # most scripts do without it, and it takes 0.1 s to import

    return is_bad(text)


def _strictly(data: bytes, coding: str) -> Decoded:
    try:
        return _as_is(data.decode(coding))
    except UnicodeDecodeError as error:
        raise RefusedError(UNDECODABLE, EXPORT) from error


def _by_line(data: bytes) -> Decoded:
    """Decodes each line in its own encoding, and counts the lines of the rarer one."""
    try:
        return _as_is(data.decode())
    except UnicodeDecodeError:
        single = _single_bytes(data)
        lines = [_line(line, single) for line in data.split(b"\n")]
    counts = [sum(coding == name for _, coding in lines) for name in ("utf-8", single)]
    text = "\n".join(text for text, _ in lines)
    return Decoded(text, text, min(counts), single)


def _as_is(text: str) -> Decoded:
    return Decoded(text, text)


def _single_bytes(data: bytes) -> str:
    """Single-byte encoding of a file that is not entirely UTF-8."""
    letters = [byte for byte in data if byte >= HIGH]
    ascii_letters = sum(chr(byte).isalpha() for byte in data if byte < HIGH)
    if len(letters) > CYRILLIC_SHARE * (len(letters) + ascii_letters):
        # Most letters are lower case, which is the upper half of Windows-1251 but the lower half of KOI8-R.
        for coding, small in (("cp1251", range(0xE0, 0x100)), ("koi8-r", range(0xC0, 0xE0))):
            if sum(byte in small for byte in letters) > len(letters) / 2:
                return coding
    return "mac_roman" if len(_MAC_APOSTROPHE.findall(data)) > len(_APOSTROPHE.findall(data)) else "cp1252"


def _line(line: bytes, single: str) -> tuple[str, str]:
    """A line and its encoding; the encoding is empty if the line is ASCII."""
    try:
        return line.decode(), "" if line.isascii() else "utf-8"
    except UnicodeDecodeError:
        return line.decode(single, "replace"), single


def _repaired(text: str) -> tuple[str, int]:
    if not is_mixed(text):
        return text, 0
    lines = text.split("\n")
    fixed = [_repaired_line(line) for line in lines]
    return "\n".join(fixed), sum(new != old for new, old in zip(fixed, lines, strict=True))


def _repaired_line(line: str) -> str:
    if not is_mixed(line):
        return line
    import ftfy  # noqa: PLC0415  # most scripts do without it, and it takes 0.1 s to import

    # What is lost stays lost: a guess at it would become training data.
    fixed = ftfy.fix_encoding(line, ftfy.TextFixerConfig(replace_lossy_sequences=False, unescape_html=False))
    return line if is_mixed(fixed) or LOST in fixed else fixed
