"""Encoding of a scene for the network: a control token before each element names its kind, with nothing between.

The tokens are control characters that do not occur in texts. A scene, on several lines here:

    CONTROL theme: betrayal, court LF mood: dark LF characters: ANNA, MARK LF
    HEADING INT. HALL - NIGHT ACTION A door. CHARACTER ANNA PARENTHETICAL softly DIALOGUE Go. LF Now. END
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from rushes.screenplay.fountain import Element, Kind, canonical, unstyled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONTROL = "\x01"
HEADING = "\x02"
ACTION = "\x03"
CHARACTER = "\x04"
PARENTHETICAL = "\x05"
DIALOGUE = "\x06"
TRANSITION = "\x07"
END = "\x0e"

Mode = Literal["scene", "outline", "profile"]

SIGNS: dict[Kind, str] = {
    "heading": HEADING,
    "action": ACTION,
    "character": CHARACTER,
    "parenthetical": PARENTHETICAL,
    "dialogue": DIALOGUE,
    "transition": TRANSITION,
}
KINDS: dict[str, Kind] = {sign: kind for kind, sign in SIGNS.items()}
ALL = CONTROL + "".join(KINDS) + END
ASKED = ("theme", "mood", "characters")  # keys of the lines of the control text
_LIKE_ACTION = frozenset({"centered", "lyrics"})  # their layout carries no information for a network
_SIGNED = re.compile(f"([{''.join(KINDS)}])([^{ALL}]*)")


def control(
    *, theme: str | Sequence[str] = (), mood: str = "", characters: str | Sequence[str] = (), mode: Mode = "scene"
) -> str:
    """The request as control text, which the network is fed first. Lines without content are left out.

    Args:
        theme: Words for the subject; a single text is used unchanged.
        mood: A word, such as `dark`.
        characters: Names of those who may speak.
        mode: A scene, the outline of several, or the profile of a character.
    """
    lines: list[str] = [] if mode == "scene" else [mode]
    for key, given in zip(ASKED, (theme, mood, characters), strict=True):
        value = _in_a_line(given if isinstance(given, str) else ", ".join(given))
        lines += [f"{key}: {value}"] if value else []
    return CONTROL + "".join(f"{line}\n" for line in lines)


def learned(elements: Iterable[Element]) -> list[Element]:
    """Elements as the network learns them.

    Title page, sections, synopses, notes, boneyard and page breaks are left out; lyrics and centred text are action;
    emphasis, scene numbers and dual dialogue are lost.
    """
    known = [element for element in canonical(elements) if element.kind in SIGNS or element.kind in _LIKE_ACTION]
    plain = (Element("action" if one.kind in _LIKE_ACTION else one.kind, unstyled(one.text)) for one in known)
    return [Element(element.kind, element.text) for element in canonical(plain)]


def encoded(elements: Iterable[Element], *, ended: bool = True) -> str:
    """Elements of one scene as the network reads them, in their `learned` form.

    Args:
        elements: Elements of any kind.
        ended: True to append the end token; without it the scene may continue.
    """
    return "".join(SIGNS[element.kind] + element.text for element in learned(elements)) + (END if ended else "")


def decoded(text: str) -> list[Element]:
    """Elements after control tokens, up to the end of the scene, without the control text."""
    return [Element(KINDS[sign], words) for sign, words in _SIGNED.findall(text.partition(END)[0]) if words]


def _in_a_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
