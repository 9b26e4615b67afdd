"""The request to a writer, and the interface of the network behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rushes.screenplay.document import PAGE_LINES
from rushes.script.length import Length

if TYPE_CHECKING:
    import numpy as np

    from rushes.screenplay.elements import Element
    from rushes.script.markup import Mode

TEMPERATURE, TOP_P = 0.8, 0.95


@dataclass(frozen=True)
class Request:
    """A request for a draft.

    Attributes:
        theme: Words that say what it is about.
        mood: A word, such as `dark`.
        characters: Who may speak, as printed; anybody where it is empty. Of a profile, whose it is.
        heading: Where it plays; the network finds a place where it is empty.
        mode: A scene, an outline or a profile.
        length: Of each scene, at most; it does not end before half of that.
        scenes: How many.
        seed: The same seed, request and bundle give the same text on one machine.
        temperature: Of the logits; 0 always takes the likeliest sign.
        top_p: The likeliest signs are drawn from that have this share of all together (Holtzman et al. 2020).
        before: What the draft holds so far. Without a heading the last scene of it goes on.
    """

    theme: str = ""
    mood: str = ""
    characters: tuple[str, ...] = ()
    heading: str = ""
    mode: Mode = "scene"
    length: Length = field(default_factory=lambda: Length(PAGE_LINES, "lines"))
    scenes: int = 1
    seed: int = 1
    temperature: float = TEMPERATURE
    top_p: float = TOP_P
    before: tuple[Element, ...] = ()


class Network(Protocol):
    """A network that is fed a token and gives the logits of the next."""

    def reset(self) -> None:
        """Forgets all."""

    def feed(self, token: int, *, is_own: bool = False) -> np.ndarray:
        """The logits after one more token, float32 V; `is_own` where the network has written it, and not been given."""
