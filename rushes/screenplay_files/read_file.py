"""Reads a script file of any format; the suffix of its name determines the format.

    .fountain .spmd   Fountain
    .fdx              Final Draft
    .md               a play in Markdown, else Fountain
    .txt              a screenplay in columns, a play in plain text, else one without columns, or Fountain

`read_source` reads bytes, for a corpus; `read_path` and `read_breakdown` read a file that a user names, with errors
that name it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rushes.errors import MisuseError, NothingFitsError, RefusedError, RushesError
from rushes.screenplay.breakdown import break_down
from rushes.screenplay.fountain import parse
from rushes.screenplay_files.read_columns import is_indented, read_screenplay
from rushes.screenplay_files.read_fdx import fdx_text, read_fdx
from rushes.screenplay_files.read_play import is_plain_play, is_play, read_play
from rushes.screenplay_files.text_encoding import decode
from rushes.screenplay_files.typed.flush_text import as_fountain
from rushes.screenplay_files.typed.headings import heading_of
from rushes.screenplay_files.typed.lines import without_markup
from rushes.screenplay_files.typed.page_artifacts import tidy, without_page_marks
from rushes.screenplay_files.typed.place_headings import with_marked_places

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rushes.screenplay.breakdown import Breakdown
    from rushes.screenplay.elements import Element

SUFFIXES = frozenset({".fountain", ".spmd", ".fdx", ".txt", ".md"})
FOUNTAIN = frozenset({".fountain", ".spmd"})
READS = "a script is Fountain (.fountain), Final Draft (.fdx), plain text (.txt) or a play in Markdown (.md)"
RE_ENCODED = "lines in another encoding"
MAX_BYTES = 16 << 20  # a feature film is a quarter of one MB as text, and a few MB in Final Draft


@dataclass(frozen=True)
class Source:
    """Result of reading a file.

    Attributes:
        elements: Its elements.
        found: Removed lines, counted by kind.
        text: All words of the file.
        bare: The text without page marks.
        notes: Remarks that are stored apart from the script.
        original: For a text file, its text with line feeds, before characters in a wrong encoding are repaired.
        guessed: Encoding of the lines that are not UTF-8; empty if there are none.
    """

    elements: list[Element]
    found: Counter[str]
    text: str
    bare: str
    notes: str = ""
    original: str = ""
    guessed: str = ""


def read_source(data: bytes, suffix: str) -> Source:
    """Elements of a script, with its page marks in cues and speeches, which `tidy` removes.

    Args:
        data: Content of its file, which is not empty.
        suffix: Suffix of the file's name, in lower case; one of `SUFFIXES`.

    Raises:
        RefusedError: It cannot be read; gives the reason.
    """
    return _from_fdx(data) if suffix == ".fdx" else _from_text(data, suffix)


def read_path(path: Path, report: Callable[[str], None] = lambda _: None) -> Source:
    """Elements of the script in a file; those of other formats than Fountain are without page marks.

    Args:
        path: The file.
        report: Is called with a line about an encoding that was guessed.

    Raises:
        MisuseError: The suffix of its name is none of `SUFFIXES`.
        NothingFitsError: It is empty.
        RushesError: It is too large, belongs to another program, or cannot be read.
    """
    suffix = path.suffix.lower()
    data = _content(path, suffix)
    try:
        source = read_source(data, suffix)
    except RefusedError as error:
        message = f"{path} {error.reason}: {error.remedy}"
        raise RushesError(message) from error
    if source.guessed:
        report(f"{path} is not UTF-8; read as {source.guessed}. If accents are wrong, save it as UTF-8")
    if suffix in FOUNTAIN:
        return source
    return replace(source, elements=tidy(source.elements, paged=suffix == ".txt")[0])


def read_breakdown(path: Path, report: Callable[[str], None] = lambda _: None) -> Breakdown:
    """Breaks down a script in any format.

    Raises:
        NothingFitsError: It is empty, or no scene in it has a heading.
        RushesError: As for `read_path`.
    """
    return break_down(read_path(path, report).elements, path)


def _content(path: Path, suffix: str) -> bytes:
    if suffix not in SUFFIXES:
        message = f"{path}: {READS}; export it as one of these, or name it after its format"
        raise MisuseError(message)
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        message = f"{path} is larger than {MAX_BYTES >> 20} MB: {READS}, and none is so large"
        raise RushesError(message)
    # Common formats of other programs get a message of their own.
    if data.startswith((b"%PDF", b"PK\x03\x04")) or (data.startswith(b"<?xml") and suffix != ".fdx"):
        is_final_draft = b"<FinalDraft" in data[:1000]
        remedy = "rename it to .fdx" if is_final_draft else "export it as Fountain (.fountain)"
        message = f"{path} is a file of another program: {remedy}"
        raise RushesError(message)
    if not data.strip():
        message = f"{path} is empty: there is no scene in it"
        raise NothingFitsError(message)
    return data


def _from_fdx(data: bytes) -> Source:
    elements, fixed = read_fdx(data)
    text, notes = fdx_text(data)
    return Source(elements, Counter({RE_ENCODED: fixed}), text, text, notes)


def _from_text(data: bytes, suffix: str) -> Source:
    decoded = decode(data)
    text = _with_line_feeds(decoded.text)
    text = text.strip("\n \t") if suffix in FOUNTAIN else without_markup(_from_first_line(text))
    found, original = Counter({RE_ENCODED: decoded.repaired}), _with_line_feeds(decoded.original)
    # Fountain has no pages, so none of its lines is a page mark. A single line has neither pages nor columns.
    if suffix in FOUNTAIN or "\n" not in text:
        return Source(parse(text), found, text, text, original=original, guessed=decoded.guessed)
    text = with_marked_places(text)
    bare, marks = without_page_marks(text.split("\n"))
    return Source(_typed(bare), found + marks, text, bare, original=original, guessed=decoded.guessed)


def _with_line_feeds(text: str) -> str:
    return re.sub(r"\r\n?", "\n", text)


def _from_first_line(text: str) -> str:
    """Text from its first non-empty line, whose indentation is kept."""
    return re.sub(r"\A(?:[^\S\n]*\n)+", "", text).rstrip()


def _typed(text: str) -> list[Element]:
    """Elements of a text without page marks: a play, a screenplay in columns, or one without."""
    indented = is_indented(text)
    # A play has scenes, but no headings of a screenplay.
    is_prose = not indented and not any(heading_of(line.strip()) for line in text.split("\n"))
    if is_play(text) or (is_prose and is_plain_play(text)):
        return read_play(text)
    return read_screenplay(text) if indented else parse(as_fountain(text))
