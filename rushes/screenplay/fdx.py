"""Writes Final Draft files (.fdx) with scene numbers, title page and page breaks.

The paragraphs are those that Final Draft 12 writes: `Number` on a scene heading, `StartsNewPage` on the paragraph after
a page break, `DualDialogue` around two speeches, the title page next to the content.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from rushes.screenplay.elements import SPOKEN, unstyled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rushes.screenplay.elements import Element, Kind

_TYPES: dict[Kind, str] = {
    "heading": "Scene Heading", "action": "Action", "character": "Character", "parenthetical": "Parenthetical",
    "dialogue": "Dialogue", "transition": "Transition", "lyrics": "Lyrics", "centered": "Action",
}  # fmt: skip
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n'
_RUN = re.compile(r"(?<!\\)(\*{1,3}|_)(?=\S)([^*_\n]+)(?<=\S)\1")
_STYLES = {"*": "Italic", "**": "Bold", "***": "Bold+Italic", "_": "Underline"}
_CENTRED = frozenset({"title", "credit", "author", "authors", "written by", "source"})


def fdx_of(elements: Sequence[Element]) -> bytes:
    """Content of the file, UTF-8. Sections, synopses, notes and boneyards do not print, and are left out."""
    root = ET.Element("FinalDraft", DocumentType="Script", Template="No", Version="5")
    content = ET.SubElement(root, "Content")
    breaks = False
    for speech in _speeches(elements):
        # A page break is an attribute of the next paragraph.
        if speech[0].kind == "page_break":
            breaks = True
            continue
        parent = content
        if any(one.dual for one in speech):
            parent = ET.SubElement(ET.SubElement(content, "Paragraph"), "DualDialogue")
        for element in speech:
            _paragraph(parent, element, starts_page=breaks and element is speech[0])
        breaks = False
    _title_page(root, elements)
    ET.indent(root)
    return (_HEAD + ET.tostring(root, encoding="unicode", short_empty_elements=False) + "\n").encode()


def _speeches(elements: Iterable[Element]) -> list[list[Element]]:
    """Groups of elements: each speech with its dual one; every other element alone."""
    groups: list[list[Element]] = []
    for element in elements:
        if groups and (element.kind in SPOKEN or (element.kind == "character" and element.dual)):
            groups[-1].append(element)
        elif element.kind in _TYPES or element.kind == "page_break":
            groups.append([element])
    return groups


def _paragraph(parent: ET.Element, element: Element, *, starts_page: bool) -> None:
    attributes = {"Type": _TYPES[element.kind]}
    if element.number:
        attributes["Number"] = element.number
    if element.kind == "centered":
        attributes["Alignment"] = "Center"
    if starts_page:
        attributes["StartsNewPage"] = "Yes"
    text = f"({element.text})" if element.kind == "parenthetical" else element.text
    _texts(ET.SubElement(parent, "Paragraph", attributes), text)


def _title_page(root: ET.Element, elements: Iterable[Element]) -> None:
    """Title page: centred lines first, by convention, then the others at the left."""
    pairs = [line.partition(": ")[::2] for one in elements if one.kind == "title" for line in one.text.split("\n")]
    if not pairs:
        return
    content = ET.SubElement(ET.SubElement(root, "TitlePage"), "Content")
    ordered = sorted(pairs, key=lambda pair: pair[0].casefold() not in _CENTRED)
    for key, lines in groupby(ordered, lambda pair: pair[0]):
        for _, text in lines:
            at = {"Alignment": "Center" if key.casefold() in _CENTRED else "Left", "Type": "Action"}
            _texts(ET.SubElement(content, "Paragraph", at), text)


def _texts(paragraph: ET.Element, text: str) -> None:
    """Adds the runs of a text, each with its style."""
    for style, run in _runs(text):
        node = ET.SubElement(paragraph, "Text", {"Style": style} if style else {})
        node.text = run


def _runs(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    for found in _RUN.finditer(text):
        if found.start() > at:
            yield "", unstyled(text[at : found.start()])
        yield _STYLES[found[1]], unstyled(found[2])
        at = found.end()
    if at < len(text) or not text:
        yield "", unstyled(text[at:])
