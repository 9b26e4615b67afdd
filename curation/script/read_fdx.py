"""Final Draft's own format (.fdx, XML) turned into elements.

Nothing outside the file is ever looked at: a document type or an entity, which a file of Final Draft never has, is
refused before it is read. Styles are left out, and so are notes and what scenes are tagged with.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from curation.errors import RefusedError
from curation.script.text_encoding import EXPORT, decode
from rushes.screenplay.elements import SPOKEN, Element, canonical, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element as Node

    from rushes.screenplay.elements import Kind

KINDS: dict[str, Kind] = {
    "Scene Heading": "heading",
    "Character": "character",
    "Parenthetical": "parenthetical",
    "Dialogue": "dialogue",
    "Transition": "transition",
    "Lyrics": "lyrics",
    "Singing": "lyrics",
    "New Act": "section",
    "End of Act": "centered",
}  # all else is action


_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
_APART = frozenset({"Paragraph", "ScriptNote", "DualDialogue", "SceneProperties"})  # hold paragraphs of their own
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def read_fdx(data: bytes) -> tuple[list[Element], int]:
    """The elements of a script of Final Draft, and how many of its lines were in another encoding and are repaired.

    Raises:
        RefusedError: It is no such file, is damaged, or names what lies outside of it.
    """
    try:
        root, repaired = _parsed(data)
    except DefusedXmlException as error:
        reason = "names an entity or a document type, by which it could reach outside of itself"
        raise RefusedError(reason, "export it again from Final Draft, which writes neither") from error
    except (ParseError, ValueError, LookupError) as error:  # broken, cut short, in an encoding that nobody knows
        reason = "is no whole file of Final Draft"
        raise RefusedError(reason, EXPORT) from error
    content = root.find("Content")
    if root.tag != "FinalDraft" or content is None:
        reason = "is no script of Final Draft"
        raise RefusedError(reason, EXPORT)
    return canonical([*_title(root), *_elements(content)]), repaired


def fdx_text(data: bytes) -> tuple[str, str]:
    """All words of a file that `read_fdx` reads, and those of its notes."""
    root, _ = _parsed(data)
    parts = [*root.findall("TitlePage/Content"), *root.findall("Content")]
    notes = ["".join(note.itertext()) for part in parts for note in part.iter("ScriptNote")]
    return "\n".join(line for part in parts for line in _all_text(part)), "\n".join(notes)


def _all_text(node: Node) -> Iterator[str]:
    """What is in texts, paragraph by paragraph; notes left out."""
    for child in node:
        if child.tag == "Text":
            yield "".join(child.itertext())
        elif child.tag != "ScriptNote":
            yield "".join(_all_text(child)) + "\n"


def _parsed(data: bytes) -> tuple[Node, int]:
    """The tree of a file; one with bytes of another encoding, or with letters that XML cannot hold, is repaired."""
    try:
        return fromstring(data, forbid_dtd=True), 0
    except (ParseError, ValueError, LookupError):
        if b"<!" in data.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
            raise
        decoded = decode(data)
        text = _DECLARATION.sub("", _NOT_XML.sub("", decoded.text), count=1)
        return fromstring(text, forbid_dtd=True), max(decoded.mended, 1)


def _title(root: Node) -> Iterator[Element]:
    """The title page: its first line is the title, the others are notes on it."""
    lines = [text for node in root.iterfind("TitlePage/Content/Paragraph") if (text := " ".join(_text(node).split()))]
    if lines:
        yield Element("title", f"Title: {lines[0]}" + "".join(f"\nNotes: {line}" for line in lines[1:]))


def _elements(nodes: Iterable[Node]) -> Iterator[Element]:
    """Elements in their order; what is sung under a cue is part of its speech."""
    in_speech = False
    for node in nodes:
        beside = node.find("DualDialogue")
        if beside is not None:
            yield from _beside(_element(one) for one in beside if one.tag == "Paragraph")
        elif node.tag == "Paragraph":
            element = _element(node)
            element = replace(element, kind="dialogue") if in_speech and element.kind == "lyrics" else element
            in_speech = element.kind in SPOKEN or element.kind == "character"
            if node.get("StartsNewPage") == "Yes":
                yield Element("page_break", "")
            yield element


def _element(node: Node) -> Element:
    kind = KINDS.get(node.get("Type", ""), "action")
    text = literal(_text(node))
    if kind == "parenthetical":
        text = text.removeprefix("(").removesuffix(")")
    if kind == "action" and node.get("Alignment") == "Center":
        kind = "centered"
    number = node.get("Number", "") if kind == "heading" else ""
    return Element(
        kind, text.upper() if kind in {"heading", "character"} else text, number=number, depth=kind == "section"
    )


def _beside(elements: Iterable[Element]) -> Iterator[Element]:
    """Two speeches at once: the second cue says that it is spoken beside the first."""
    cues = 0
    for element in elements:
        cues += element.kind == "character"
        second = element.kind == "character" and cues == 2  # noqa: PLR2004  the first has nothing beside it yet
        yield Element(element.kind, element.text, dual=second)


def _text(node: Node) -> str:
    """The words of a paragraph alone: a note on it has paragraphs of its own."""
    return "".join(_words(node)).strip()


def _words(node: Node) -> Iterator[str]:
    for child in node:
        if child.tag == "Text":
            yield from child.itertext()
        elif child.tag not in _APART:
            yield from _words(child)
