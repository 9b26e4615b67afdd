"""Small random scripts, and the formats of other programs: typed in columns, and Final Draft's."""

from __future__ import annotations

import random
import textwrap
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from curation.params import CollectionParams
from rushes.screenplay.elements import Element
from rushes.screenplay.fountain import write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The most frequent words of a language, by which it is identified.
ENGLISH = (
    "the and of to a in that it was for you with on as have but be they at one all would there their what out about "
    "who get which when make can like time no just him know take people into year your good some could them see other "
    "than then now look only come over think also back after use two how our work first well way even new want because "
    "any these give day most door window street water night never always something nothing mother father letter"
)
FRENCH = (
    "le la les de des et un une dans que qui ce cette pour pas ne je tu il elle nous vous ils avec sur mais ou où donc "
    "être avoir faire dire aller voir savoir pouvoir vouloir venir prendre trouver donner parler aimer jamais toujours "
    "rien quelque chose maison rue porte fenêtre nuit jour eau lettre mère père ami petite grande encore après avant "
    "très bien comme tout toute même aussi peut-être parce quand comment pourquoi leur leurs mon ton son notre votre"
)
NAMES = ("ANNA", "MARK", "THE INSPECTOR", "OLD MAN")
PLACES = ("INT. KITCHEN - NIGHT", "EXT. STREET - DAY", "INT. STATION - DAWN", "EXT. RIVER - DUSK", "INT. ATTIC - NIGHT")
FDX_TYPES = {
    "heading": "Scene Heading", "action": "Action", "character": "Character", "parenthetical": "Parenthetical",
    "dialogue": "Dialogue", "transition": "Transition",
}  # fmt: skip
COLUMNS = {"parenthetical": 18, "dialogue": 12, "character": 24, "transition": 44}
MARGIN, WIDTHS = 4, {"action": 56, "dialogue": 34, "parenthetical": 24}


def script_params(**changes: object) -> CollectionParams:
    """A collection of scripts; sources may lose a large share."""
    shown = {"medium": "script", "labels": ["comedies", "tragedies"], "clean": {"max_dropped_share": 0.9}}
    return CollectionParams.model_validate({**shown, **changes})


def sentence(lot: random.Random, words: str = ENGLISH, length: int = 12) -> str:
    """Random words, with a capital and a full stop."""
    text = " ".join(lot.choices(words.split(), k=length))
    return f"{text[0].upper()}{text[1:]}."


def scene(seed: int, words: str = ENGLISH, speeches: int = 6) -> list[Element]:
    """One scene; the same seed gives the same scene."""
    lot = random.Random(seed)  # noqa: S311  a random script
    elements = [Element("heading", PLACES[seed % len(PLACES)]), Element("action", sentence(lot, words, 20))]
    for number in range(speeches):
        elements += [Element("character", NAMES[number % len(NAMES)]), Element("dialogue", sentence(lot, words))]
    return elements


def script(seed: int, words: str = ENGLISH, scenes: int = 4) -> list[Element]:
    """A whole script; different seeds have no scene in common."""
    return [element for number in range(scenes) for element in scene(100 * seed + number, words)]


def plant(folder: Path, count: int = 6, first: int = 0, words: str = ENGLISH) -> Path:
    """A folder of scripts in Fountain."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        (folder / f"script {seed}.fountain").write_text(write(script(seed, words)), encoding="utf-8")
    return folder


def typed(elements: Iterable[Element]) -> str:
    """The typed form: each element stands in its column."""
    blocks: list[str] = []
    for element in elements:
        text = f"({element.text})" if element.kind == "parenthetical" else element.text
        lines = textwrap.wrap(text, WIDTHS.get(element.kind, 200), break_on_hyphens=False)
        indent = " " * (MARGIN + COLUMNS.get(element.kind, 0))
        block = "\n".join(f"{indent}{line}" for line in lines)
        under = element.kind in {"parenthetical", "dialogue"}
        blocks += [f"\n{block}" if under else f"\n\n{block}"]
    return "".join(blocks).lstrip("\n") + "\n"


def fdx(elements: Iterable[Element]) -> bytes:
    """Final Draft's form."""
    paragraphs = []
    for element in elements:
        text = f"({element.text})" if element.kind == "parenthetical" else element.text
        number = f' Number="{escape(element.number)}"' if element.number else ""
        paragraphs.append(
            f'<Paragraph Type="{FDX_TYPES[element.kind]}"{number}><Text>{escape(text)}</Text></Paragraph>'
        )
    content = f"<Content>{''.join(paragraphs)}</Content>"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>'
    return f'{head}<FinalDraft DocumentType="Script" Version="5">{content}</FinalDraft>'.encode()
