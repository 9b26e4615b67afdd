"""Drafts: conversion of the network's elements to printed ones, an existing draft, and the note at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rushes.bundle.manifest import DIGEST_CHARS
from rushes.errors import NothingFitsError
from rushes.screenplay.elements import SPOKEN, Element, speaker_of
from rushes.screenplay.fountain import write
from rushes.script.markup import learned
from rushes.script.memorization import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rushes.script.markup import Mode
    from rushes.script.memorization import Found


class Form:
    """Converts written elements to printed ones, and releases each as soon as it is final.

    A scene is printed unchanged, a cue together with the first words below it. A beat of an outline becomes a section
    with its number and heading, and a synopsis with the speakers in brackets. A profile is a section of synopses.
    """

    def __init__(self, mode: Mode) -> None:
        self._held: list[Element] = []
        self._mode, self._beats = mode, 0

    def push(self, element: Element) -> list[Element]:
        """Elements that are final after one more element."""
        if self._mode == "outline":
            finished = self.end() if element.kind == "heading" else []
            self._held.append(element)
            return finished
        if self._mode == "profile":
            is_name = element.kind == "character"
            return [Element("section", element.text, depth=1) if is_name else Element("synopsis", element.text)]
        self._held.append(element)
        return [] if element.kind == "character" else self._taken()

    def end(self) -> list[Element]:
        """Elements that are final at the end of a scene."""
        held = self._taken()
        if self._mode != "outline" or not held:
            return []
        self._beats += 1
        heading = Element("section", f"{self._beats}. {held[0].text}", depth=1)
        speakers = [f"({one.text})" for one in held[1:] if one.kind == "character"]
        return [heading, Element("synopsis", " ".join([*(one.text for one in held[1:2]), *speakers]))]

    def _taken(self) -> list[Element]:
        held, self._held = self._held, []
        return held


class SceneDraft:
    """Writes elements one by one; the texts, joined, are the Fountain of all elements.

    Args:
        is_first: True if nothing precedes the first element.
    """

    def __init__(self, *, is_first: bool) -> None:
        self._elements: list[Element] = []
        self._text, self._is_first = "", is_first

    def more(self, element: Element) -> str:
        """Text added by one more element; a cue is added together with the first words below it."""
        if element.kind not in SPOKEN:
            self._is_first = self._is_first and not self._text
            self._elements, self._text = [], ""
        self._elements.append(element)
        if element.kind == "character":
            return ""
        block, before = write(self._elements), len(self._text)
        self._text = block if self._is_first else "\n" + block.lstrip("\n")
        return self._text[before:]


@dataclass(frozen=True)
class Draft:
    """An existing script: its Fountain, which is the file's own text if it is in Fountain, and its elements."""

    text: str
    elements: tuple[Element, ...]


def draft_of(path: Path, elements: Sequence[Element], fountain: str = "") -> Draft:
    """A draft to be continued, of the elements of a file; `fountain` is its text if it is in Fountain.

    Raises:
        NothingFitsError: Nothing in it would be printed.
    """
    if not learned(elements):
        message = f"{path} has no scene to go on from: it needs a heading, action or dialogue"
        raise NothingFitsError(message)
    return Draft((fountain or write(elements)).rstrip() + "\n", tuple(elements))


def last_scene(elements: Iterable[Element]) -> list[Element]:
    """The last scene of a draft, as a network learns it."""
    scene: list[Element] = []
    for element in learned(elements):
        if element.kind == "heading":
            scene = []
        scene.append(element)
    return scene


def speakers(elements: Iterable[Element]) -> list[str]:
    """Speakers in order of their first words, without extensions of their names."""
    names = (speaker_of(element.text) for element in elements if element.kind == "character")
    return list(dict.fromkeys(filter(None, names)))


def provenance_note(model: str, digest: str, seed: int, runtime: str, found: Found) -> Element:
    """The note at the end of a draft, which does not print: the model, and the share of copied words."""
    share = (
        f"{100 * found.share:.1f} % of its words stand word for word in the training text, in runs of {WORDS} or more"
    )
    longest = f", the longest of {found.longest}" if found.longest else ""
    text = f"Written by rushes: {model}, digest {digest[:DIGEST_CHARS]}, seed {seed}, ONNX Runtime {runtime}. "
    return Element("note", f"{text}{share}{longest}.")


def words(elements: Iterable[Element]) -> str:
    """Text of a draft that could be copied: action, dialogue, and the beats of an outline."""
    return "\n".join(one.text for one in elements if one.kind in {"action", "dialogue", "synopsis"})
