"""The script family, ready to run: scenes in Fountain from a theme, characters and a heading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.script.length import parse_length
from rushes.script.request import TEMPERATURE, TOP_P, Request
from rushes.script.writer import ScriptWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.bundle.manifest import Bundle
    from rushes.script.markup import Mode


class ScriptModel:
    """Writes scenes, outlines and profiles.

    Attributes:
        bundle: The checked files of the model, with manifest, certificate and digest.
        writer: The network with its vocabulary; `writer.write` gives a draft piece by piece.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.writer = ScriptWriter.from_bundle(bundle)

    def generate(
        self,
        *,
        theme: str = "",
        characters: Sequence[str] = (),
        heading: str = "",
        mood: str = "",
        mode: Mode = "scene",
        length: str = "1p",
        scenes: int = 1,
        seed: int = 1,
        temperature: float = TEMPERATURE,
        top_p: float = TOP_P,
    ) -> str:
        """Write a draft.

        >>> import rushes
        >>> model = rushes.load("script")
        >>> draft = model.generate(theme="betrayal", heading="INT. HALL - NIGHT", length="40w", seed=3)
        >>> draft.splitlines()[0]
        'INT. HALL - NIGHT'

        Args:
            theme: Words for the subject.
            characters: Names of those who may speak; anybody if empty. In a profile, the one name it is about.
            heading: Scene heading; chosen by the model if empty.
            mood: A word, such as `dark`.
            mode: `scene`, `outline` or `profile`.
            length: Upper limit of a scene: pages (`2p`) or words (`300w`).
            scenes: Number of scenes.
            seed: The same seed, request and bundle give the same text on one machine.
            temperature: Divides the logits; 0 always takes the most likely character.
            top_p: Share of the most likely characters that are drawn from (Holtzman et al. 2020, nucleus sampling).

        Returns:
            A script in Fountain.

        Raises:
            MisuseError: The length, a name or the heading cannot be used.
            BundleError: The vocabulary of the model cannot spell any script.
        """
        request = Request(
            theme=theme, mood=mood, characters=tuple(characters), heading=heading, mode=mode,
            length=parse_length(length), scenes=scenes, seed=seed, temperature=temperature, top_p=top_p,
        )  # fmt: skip
        return "".join(self.writer.write(request))


def open_model(bundle: Bundle) -> ScriptModel:
    """The model of a bundle.

    Raises:
        BundleError: The manifest or a graph is not one of this family.
    """
    return ScriptModel(bundle)
