"""A script in Fountain: its title page, and what a storyboard wants of each scene.

screenplain parses (of the parsers tried it alone takes out notes and boneyard, knows dual dialogue and every form of
heading, and strips emphasis); `_prepared` mends the text where it would go wrong. Syntax: fountain.io/syntax.
"""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes.errors import NothingFitsError, RushesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE_LINES = 55
MAX_ACTION = 240  # signs; a paragraph of action is one line of Fountain
MAX_TITLE = 100  # signs of a chapter's
MAX_LEVEL = 6  # that the parser knows
EIGHTHS = 8
MAX_BYTES = 4 << 20  # a whole film is a quarter of one MB
# Columns of a formatted screenplay in 12-point Courier, ten to the inch.
ACTION, DIALOGUE, PARENTHETICAL, DUAL, DUAL_PARENTHETICAL = 60, 35, 25, 28, 22

_KEY = re.compile(
    r"(?:title|credit|authors?|written by|source|based on|notes?|(?:draft )?date|contact(?: info)?|copyright|revision"
    r"|version|draft|format|episode|series|language|font|header|footer|watermark)[ \t]*:",
    re.IGNORECASE,
)
_HEADING = re.compile(r"[ \t]*((?:(?:INT|EXT)\.?[ \t]*/[ \t]*(?:INT|EXT)|I/E|INT|EXT|EST)[. \t].*)", re.IGNORECASE)
# Closed, even after an empty line; or open, up to one.
_NOTE = re.compile(r"\[\[(?:(?!\[\[).)*?\]\]|\[\[.*?(?=\n[ \t]*\n|\Z)", re.DOTALL)
_NUMBER = re.compile(r"\d+")

# Of screenplain, which has no types.
Screenplay = Any
Paragraph = Any
RichText = Any


@dataclass(frozen=True)
class Chapter:
    """A section of the script that has scenes: `Act One`. The script's outermost have level 1, those inside them 2."""

    level: int
    title: str


@dataclass(frozen=True)
class Scene:
    """One scene: its number as printed, its heading, its first line of action, who speaks, and how long it is.

    `chapters` are those that begin with it, the outermost first.
    """

    number: str
    heading: str
    action: str
    speakers: tuple[str, ...]
    eighths: int
    chapters: tuple[Chapter, ...] = ()


@dataclass(frozen=True)
class Script:
    """A script: what its title page says, and its scenes. A title may have several lines."""

    title: tuple[str, ...]
    byline: str
    scenes: tuple[Scene, ...]


def read_script(path: Path, say: Callable[[str], None] = lambda _: None) -> Script:
    """Reads a script.

    Raises:
        NothingFitsError: It is empty, or no scene in it has a heading.
        RushesError: It cannot be read, is no text, or no Fountain.
    """
    text = _prepared(path, decoded(path, say))
    paragraphs = _parsed(text)
    groups = _by_scene(paragraphs)
    if not groups:
        message = f"{path} has no scene heading: one starts with INT. or EXT. after an empty line, or with a full stop "
        raise NothingFitsError(message + "where it is another (.THE CAVE)")
    numbers = _numbers([_text(slug.scene_number) if slug.scene_number else "" for _, slug, _ in groups])
    chapters = _chapters([above for above, _, _ in groups])
    scenes = [
        _scene(number, slug, inside, opened)
        for number, (_, slug, inside), opened in zip(numbers, groups, chapters, strict=True)
    ]
    title = _plain(paragraphs.title_page.get("Title", [])) or [path.stem]
    return Script(tuple(title), _byline(paragraphs.title_page), tuple(scenes))


def _byline(title_page: dict[str, list[str]]) -> str:
    """`written by Ana and Bo`; empty where nobody is named."""
    authors = [name for key in ("Author", "Authors", "Written by") for name in _plain(title_page.get(key, []))]
    credit = " ".join(_plain(title_page.get("Credit", []))) or "by"
    return f"{credit} {', '.join(authors)}" if authors else ""


def decoded(path: Path, say: Callable[[str], None]) -> str:
    """The text of a script's file; of one that is not UTF-8 it is said what it was read as.

    Raises:
        NothingFitsError: It is empty.
        RushesError: It is too large, of another program, or no text.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES or content.startswith((b"%PDF", b"PK\x03\x04", b"<?xml")):
        what = "is too large" if len(content) > MAX_BYTES else "is a file of another program"
        message = f"{path} {what}: a script is plain text; export it as Fountain (.fountain)"
        raise RushesError(message)
    if not content.strip():
        message = f"{path} is empty: there is no scene in it"
        raise NothingFitsError(message)
    for coding in ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = content.decode(coding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        if coding in {"cp1252", "latin-1"}:
            say(f"{path} is not UTF-8; read as {coding}. If accents are wrong, save it as UTF-8")
        return text
    message = f"{path} is no text: save the script as Fountain, in UTF-8"
    raise RushesError(message)


def _prepared(path: Path, text: str) -> str:
    """The text as screenplain reads it rightly; what each line here mends is said beside it."""
    text = re.sub("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", "\n", text)
    text = re.sub("[\ue700-\ue705]", "", text)  # its own signs for styles
    text = without_boneyard(path, text)
    text = _NOTE.sub("", text).strip("\n")  # it knows no note over an empty line, and prints one that is not closed
    head, _, body = text.partition("\n\n") if _KEY.match(text) else ("", "", text)
    # A value beside its key that goes on below would undo the whole title page.
    head = re.sub(r"^(\S[^:\n]*):[ \t]*(\S.*)$", r"\1:\n    \2", head, flags=re.MULTILINE)
    # Without the empty line it takes a first line such as `INT. HOUSE: HALL` for a title page.
    return f"{head}\n\n{_body(body)}\n"


def without_boneyard(path: Path, text: str) -> str:
    """The text without what is struck by /* and */; the parser would print what nothing closes.

    Raises:
        RushesError: A /* is never closed; the line is named.
    """
    kept, position = [], 0
    while (start := text.find("/*", position)) >= 0:
        end = text.find("*/", start + 2)
        if end < 0:
            message = f"{path}, line {text.count(chr(10), 0, start) + 1}: this /* is never closed by */"
            raise RushesError(message)
        kept.append(text[position:start])
        position = end + 2
    return "".join([*kept, text[position:]])


def _body(body: str) -> str:
    lines = re.sub(r"[ \t]{3,}", "  ", body).split("\n")  # over many blanks its patterns take for ever
    lines = [re.sub(r"^[ \t]*~", "", line) for line in lines]  # it leaves the sign of lyrics in
    lines = ["" if re.match(r"=(?!==)", line) else line for line in lines]  # beside other lines it prints synopses
    kept: list[str] = []
    for line in lines:
        if line.startswith("#"):
            kept += ["", _section(line), ""]  # beside other lines it is none to it
            continue
        match = _HEADING.fullmatch(line)
        is_heading = match is not None and not (kept and kept[-1].strip())
        # It knows neither EXT./INT. nor a heading without an empty line below, which it takes for somebody who speaks.
        kept += [f".{match[1]}", ""] if match and is_heading else [line]
    return "\n".join(kept)


def _section(line: str) -> str:
    """A section with the levels that the parser knows; nothing where it has no title."""
    title = line.lstrip("#")
    level = min(len(line) - len(title), MAX_LEVEL)
    return f"{'#' * level} {title.strip()}" if title.strip() else ""


def _parsed(text: str) -> Screenplay:
    try:
        from screenplain.parsers import fountain  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, without types
    except ImportError as error:
        message = "reading a script wants the package screenplain: pip install screenplain "
        raise RushesError(message + "(the wheel's extra [scene] brings it)") from error
    return fountain.parse(io.StringIO(text))


def _by_scene(paragraphs: Screenplay) -> list[tuple[list[Paragraph], Paragraph, list[Paragraph]]]:
    """The sections that begin with a scene, its heading, and what follows it.

    What comes before the first heading, such as FADE IN:, belongs to no scene.
    """
    groups: list[tuple[list[Paragraph], Paragraph, list[Paragraph]]] = []
    above: list[Paragraph] = []
    for paragraph in paragraphs:
        if _kind(paragraph) == "Section" and _text(paragraph.text):
            # One that ends here before it had a scene is no chapter.
            above = [section for section in above if section.level < paragraph.level] + [paragraph]
        elif _kind(paragraph) == "Slug" and _text(paragraph.line):
            groups.append((above, paragraph, []))
            above = []
        elif groups:
            groups[-1][2].append(paragraph)
    return groups


def _chapters(sections: list[list[Paragraph]]) -> list[tuple[Chapter, ...]]:
    """The chapters of each scene. A level that no section of the script has is not counted."""
    levels = sorted({section.level for above in sections for section in above})
    return [
        tuple(Chapter(levels.index(section.level) + 1, _shortened(_text(section.text))) for section in above)
        for above in sections
    ]


def _shortened(title: str) -> str:
    return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1].rstrip()}\u2026"


def _scene(number: str, slug: Paragraph, inside: list[Paragraph], chapters: tuple[Chapter, ...]) -> Scene:
    heading = _text(slug.line)
    lines = 2 + height(heading, ACTION) + sum(_lines(paragraph) for paragraph in inside)
    eighths = max(1, round(EIGHTHS * lines / PAGE_LINES))
    names = (_speaker(dialog) for paragraph in inside for dialog in _dialogs(paragraph))
    speakers = tuple(dict.fromkeys(filter(None, names)))
    return Scene(number, heading, _first_action(inside), speakers, eighths, chapters)


def _first_action(inside: list[Paragraph]) -> str:
    for paragraph in inside:
        if _kind(paragraph) == "Action" and not paragraph.centered:
            for line in paragraph.lines:
                if _text(line):
                    return textwrap.shorten(_text(line), MAX_ACTION, placeholder=" \u2026")
    return ""


def _speaker(dialog: Paragraph) -> str:
    """The name alone: without (V.O.), (CONT'D) and the mark of dual dialogue. `CUT TO:` over a line is no name."""
    name = re.sub(r"\([^)]*\)?", " ", _text(dialog.character)).replace("^", " ")
    name = " ".join(name.split()).lstrip("@ ")
    return "" if name.endswith(":") else name


def _dialogs(paragraph: Paragraph) -> Iterator[Paragraph]:
    if _kind(paragraph) == "DualDialog":
        yield from (*_dialogs(paragraph.left), *_dialogs(paragraph.right))
    elif _kind(paragraph) == "Dialog":
        yield paragraph


def _lines(paragraph: Paragraph) -> int:
    """How many lines of a page it takes, the empty one above it counted; a page break takes none of its own."""
    kind = _kind(paragraph)
    if kind == "DualDialog":
        sides = (paragraph.left, paragraph.right)
        return 1 + max(_spoken(dialog, DUAL, DUAL_PARENTHETICAL) for side in sides for dialog in _dialogs(side))
    if kind == "Dialog":
        return 1 + _spoken(paragraph, DIALOGUE, PARENTHETICAL)
    return 1 + sum(height(_text(line), ACTION) for line in paragraph.lines) if kind in {"Action", "Transition"} else 0


def _spoken(dialog: Paragraph, width: int, parenthetical: int) -> int:
    return 1 + sum(height(_text(text), parenthetical if aside else width) for aside, text in dialog.blocks)


def height(text: str, width: int) -> int:
    """How many lines a text takes in a column that is so many letters wide."""
    return max(1, len(textwrap.wrap(text, width)))


def _numbers(forced: list[str]) -> list[str]:
    """The numbers that the script gives, and for the other scenes the next that is free."""
    numbers: list[str] = []
    taken, last = {number.upper() for number in forced}, 0
    for given in forced:
        if given:
            found = _NUMBER.search(given)
            last = int(found[0][:9]) if found else last
        else:
            last = next(number for number in range(last + 1, last + len(forced) + 2) if str(number) not in taken)
        taken.add(given.upper() or str(last))
        numbers.append(given or str(last))
    return numbers


def _kind(paragraph: Paragraph) -> str:
    return type(paragraph).__name__


def _text(rich: RichText) -> str:
    """A line without its emphasis, on one line, without what cannot be printed."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(rich)).split())


def _plain(lines: list[str]) -> list[str]:
    """Lines of the title page without their emphasis."""
    from screenplain.richstring import parse_emphasis  # type: ignore[import-untyped]  # noqa: PLC0415  # there by now, without types

    return [text for text in (_text(parse_emphasis(line)) for line in lines) if text]


def pages(eighths: int) -> str:
    """A length as film people write it: `1 3/8`."""
    whole, rest = divmod(eighths, EIGHTHS)
    return " ".join(([str(whole)] if whole else []) + ([f"{rest}/8"] if rest or not whole else []))
