"""Final Draft's own format (.fdx, XML) turned into elements.

Nothing outside the file is ever looked at: a document type or an entity, which a file of Final Draft never has, is
refused before it is read. Styles are left out, and so are notes and what scenes are tagged with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from curation.decoding import EXPORT
from curation.pictures import RefusedError
from rushes.elements import Element, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element as Node

    from rushes.elements import Kind

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


def read_fdx(data: bytes) -> list[Element]:
    """The elements of a script of Final Draft.

    Raises:
        RefusedError: It is no such file, is damaged, or names what lies outside of it.
    """
    try:
        root = fromstring(data, forbid_dtd=True)
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
    return canonical([*_title(root), *_elements(content)])


def _title(root: Node) -> Iterator[Element]:
    """The first line of the title page."""
    lines = (_text(node) for node in root.iterfind("TitlePage/Content/Paragraph"))
    first = next(filter(None, lines), "")
    if first:
        yield Element("title", f"Title: {first}")


def _elements(nodes: Iterable[Node]) -> Iterator[Element]:
    for node in nodes:
        beside = node.find("DualDialogue")
        if beside is not None:
            yield from _beside(_element(one) for one in beside if one.tag == "Paragraph")
        elif node.tag == "Paragraph":
            yield _element(node)


def _element(node: Node) -> Element:
    kind = KINDS.get(node.get("Type", ""), "action")
    text = _text(node)
    if kind == "parenthetical":
        text = text.removeprefix("(").removesuffix(")")
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
    return "".join(text.text or "" for text in node.iterfind("Text")).strip()
