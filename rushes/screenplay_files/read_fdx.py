"""Reads Final Draft files (.fdx, XML) as elements.

Nothing outside the file is ever accessed: a document type or an entity, which Final Draft never writes, is refused
before parsing. Styles, notes and scene tags are left out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from rushes.errors import RefusedError
from rushes.screenplay.elements import SPOKEN, Element, canonical, literal
from rushes.screenplay_files.text_encoding import EXPORT, decode

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
}  # all other types are action


_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
_APART = frozenset({"Paragraph", "ScriptNote", "DualDialogue", "SceneProperties"})  # contain paragraphs of their own
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def read_fdx(data: bytes) -> tuple[list[Element], int]:
    """Elements of a Final Draft script, and the number of its lines that were in another encoding and are fixed.

    Raises:
        RefusedError: It is not such a file, is damaged, or refers to something outside of itself.
    """
    try:
        root, repaired = _parsed(data)
    except DefusedXmlException as error:
        reason = "names an entity or a document type, by which it could reach outside of itself"
        raise RefusedError(reason, "export it again from Final Draft, which writes neither") from error
    except (ParseError, ValueError, LookupError) as error:  # invalid, truncated, or in an unknown encoding
        reason = "is not a complete file of Final Draft"
        raise RefusedError(reason, EXPORT) from error
    content = root.find("Content")
    if root.tag != "FinalDraft" or content is None:
        reason = "is not a script of Final Draft"
        raise RefusedError(reason, EXPORT)
    return canonical([*_title(root), *_elements(content)]), repaired


def fdx_text(data: bytes) -> tuple[str, str]:
    """All words of a file that `read_fdx` reads, and those of its notes."""
    root, _ = _parsed(data)
    parts = [*root.findall("TitlePage/Content"), *root.findall("Content")]
    notes = ["".join(note.itertext()) for part in parts for note in part.iter("ScriptNote")]
    return "\n".join(line for part in parts for line in _all_text(part)), "\n".join(notes)


def _all_text(node: Node) -> Iterator[str]:
    """Text of each paragraph, without notes."""
    for child in node:
        if child.tag == "Text":
            yield "".join(child.itertext())
        elif child.tag != "ScriptNote":
            yield "".join(_all_text(child)) + "\n"


def _parsed(data: bytes) -> tuple[Node, int]:
    """The tree of a file; one with bytes of another encoding, or with characters that XML does not allow, is fixed."""
    try:
        return fromstring(data, forbid_dtd=True), 0
    except (ParseError, ValueError, LookupError):
        # Decoding may reveal a declaration that the parser did not reach, so any file with one is not fixed.
        if b"<!" in data.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
            raise
        decoded = decode(data)
        text = _DECLARATION.sub("", _NOT_XML.sub("", decoded.text), count=1)
        return fromstring(text, forbid_dtd=True), max(decoded.repaired, 1)


def _title(root: Node) -> Iterator[Element]:
    """The title page: its first line is the title, the others are notes."""
    lines = [text for node in root.iterfind("TitlePage/Content/Paragraph") if (text := " ".join(_text(node).split()))]
    if lines:
        yield Element("title", f"Title: {lines[0]}" + "".join(f"\nNotes: {line}" for line in lines[1:]))


def _elements(nodes: Iterable[Node]) -> Iterator[Element]:
    """Elements in order; lyrics below a cue become part of its speech."""
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
    """Two simultaneous speeches: the second cue is marked as dual."""
    cues = 0
    for element in elements:
        cues += element.kind == "character"
        second = element.kind == "character" and cues == 2  # noqa: PLR2004  the first has nothing beside it yet
        yield Element(element.kind, element.text, dual=second)


def _text(node: Node) -> str:
    """The words of a paragraph only; a note on it has paragraphs of its own."""
    return "".join(_words(node)).strip()


def _words(node: Node) -> Iterator[str]:
    for child in node:
        if child.tag == "Text":
            yield from child.itertext()
        elif child.tag not in _APART:
            yield from _words(child)
