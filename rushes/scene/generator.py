"""Generates pictures of a place from a text, with the networks of a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, Field
from tqdm import tqdm

from rushes.bundle.manifest import BundleError
from rushes.errors import MisuseError
from rushes.inference.session import open_graph, run_graph
from rushes.scene.text_encoder import TextEncoder, heading_phrase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rushes.bundle.manifest import Bundle

FAMILY = "scene"
INPUTS, OUTPUT = ("latents", "texts", "categories"), "pictures"
BATCH = 16
MANY = 64  # pictures above which a progress bar is shown


class GeneratorInput(BaseModel):
    """`input` of the manifest: side of an image in pixels, and number of latents."""

    size_px: int = Field(gt=0)
    latents: int = Field(gt=0)


class SceneGenerator:
    """Generator network of a bundle with its text encoder, ready to run."""

    def __init__(self, graph: Path, encoder: TextEncoder, labels: Sequence[str], *, size_px: int, latents: int) -> None:
        self.labels, self.size_px = tuple(labels), size_px
        self._encoder, self._latents = encoder, latents
        # 0 threads means all cores: one picture uses all of them.
        self._graph, self._session = graph, open_graph(graph, threads=0)
        self._check()

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> SceneGenerator:
        """Creates the generator described by a bundle's manifest.

        Raises:
            BundleError: The manifest has no valid input, or does not match a graph.
            UserError: The package `tokenizers` is not installed.
        """
        given = bundle.input_as(GeneratorInput)
        encoder = TextEncoder.from_bundle(bundle)
        return cls(bundle.path("graph"), encoder, bundle.manifest.labels, size_px=given.size_px, latents=given.latents)

    def _check(self) -> None:
        graph = self._graph
        inputs = {one.name for one in self._session.get_inputs()}
        outputs = {one.name for one in self._session.get_outputs()}
        if inputs != set(INPUTS) or OUTPUT not in outputs:
            message = f"{graph} takes {', '.join(sorted(inputs))} and gives {', '.join(sorted(outputs))}, "
            raise BundleError(message + f"not {', '.join(INPUTS)} and {OUTPUT}")
        found = self._run(np.zeros((2, self._latents), np.float32), self._encoder.embed([""]), self._one_hot(None))
        if found.shape != (2, self.size_px, self.size_px, 3) or found.dtype != np.uint8:
            message = f"{graph} gives {found.dtype} of {found.shape[1:]}, not uint8 of {self.size_px} px in RGB"
            raise BundleError(message)

    def generate(self, text: str, count: int, seed: int, category: str | None = None) -> np.ndarray:
        """Generates pictures of a place, uint8 N,S,S,3 RGB. The same seed and bundle give the same pictures.

        Args:
            text: A scene heading, or a description.
            count: Number of pictures.
            seed: Seed of the random numbers; a larger count with the same seed begins with the same pictures.
            category: One of `labels`; by default only the text is used.

        Raises:
            MisuseError: The bundle has no such category.
        """
        # Compute the condition: the category as one-hot vector (zeros for none) and the embedding of the text.
        one_hot_1l = self._one_hot(category)
        text_1w = self._encoder.embed([heading_phrase(text)])
        # Sample one latent vector per picture; they make pictures of the same text differ.
        latents_nz = np.random.default_rng(seed).standard_normal((count, self._latents), np.float32)
        # Run the network in batches.
        starts = tqdm(range(0, count, BATCH), unit=" batches", leave=False, disable=None if count > MANY else True)
        drawn = [self._run(latents_nz[start : start + BATCH], text_1w, one_hot_1l) for start in starts]
        return np.concatenate([np.zeros((0, self.size_px, self.size_px, 3), np.uint8), *drawn])

    def _run(self, latents_nz: np.ndarray, text_1w: np.ndarray, one_hot_1l: np.ndarray) -> np.ndarray:
        rows = len(latents_nz)
        feed = {"latents": latents_nz, "texts": text_1w.repeat(rows, 0), "categories": one_hot_1l.repeat(rows, 0)}
        return np.asarray(run_graph(self._session, [OUTPUT], feed, self._graph)[0])

    def _one_hot(self, category: str | None) -> np.ndarray:
        if category is not None and category not in self.labels:
            message = f"--category {category}: this model knows {', '.join(self.labels) or 'none'}"
            raise MisuseError(message)
        return np.array([[label == category for label in self.labels]], np.float32).reshape(1, len(self.labels))


def credits_of(bundle: Bundle) -> list[str]:
    """Credits that must be shown with every picture, one line each.

    Raises:
        BundleError: The credits of the manifest are malformed.
    """
    given: Any = bundle.manifest.settings.get("credits", {})
    if not isinstance(given, dict) or not all(isinstance(line, str) for line in given.values()):
        message = f"{bundle.folder}: the credits of the manifest are not lines of text by source: pull the bundle again"
        raise BundleError(message)
    return list(dict.fromkeys(line.strip() for line in given.values() if line.strip()))


def credit_line(sources: Sequence[str]) -> str:
    """Credits of a picture in one line; empty if there are none."""
    return f"The model learned from {'; '.join(sources)}" if sources else ""
