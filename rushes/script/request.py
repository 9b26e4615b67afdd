"""Request to a writer, and interface of its network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rushes.screenplay.breakdown import PAGE_LINES
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
        theme: Words for the subject.
        mood: A word, such as `dark`.
        characters: Names of those who may speak, as printed; anybody if empty. For a profile, the one name it is about.
        heading: Scene heading; chosen by the network if empty.
        mode: A scene, an outline or a profile.
        length: Upper limit of each scene; a scene does not end before half of that.
        scenes: Number of scenes.
        seed: The same seed, request and bundle give the same text on one machine.
        temperature: Divides the logits; 0 always takes the most likely character.
        top_p: Share of the most likely characters that are drawn from (Holtzman et al. 2020).
        before: Elements of the draft so far. Without a heading its last scene continues.
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
    """A network that is fed a token and returns the logits of the next."""

    def reset(self) -> None:
        """Resets the state."""

    def feed(self, token: int, *, is_own: bool = False) -> np.ndarray:
        """Logits after one more token, float32 V; `is_own` is True if the network has written the token itself."""
