"""Drawing a place: a text in, pictures out, from the bundle alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from rushes.bundle import BundleError
from rushes.errors import MisuseError
from rushes.expression import open_session
from rushes.text import TextEncoder, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rushes.bundle import Bundle

FAMILY = "scene"
INPUTS, OUTPUT = ("latents", "texts", "categories"), "pictures"
BATCH = 16
MANY = 64  # pictures, from which on a bar is worth its line


class SceneDrawer:
    """The generator of a bundle and what turns a text into its input, ready to run."""

    def __init__(self, graph: Path, encoder: TextEncoder, labels: Sequence[str], *, size_px: int, latents: int) -> None:
        self.labels, self.size_px = tuple(labels), size_px
        self._encoder, self._latents = encoder, latents
        self._session = open_session(graph, threads=0)  # as many as there are: one picture keeps them all at work
        self._check(graph)

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> SceneDrawer:
        """The drawer that a bundle's manifest describes.

        Raises:
            BundleError: The manifest lacks the input, or a graph is another than it says.
            RushesError: The package that reads text is not installed.
        """
        given = bundle.manifest.input
        try:
            size_px, latents = int(given["size_px"]), int(given["latents"])
        except (KeyError, TypeError, ValueError) as error:
            message = f"{bundle.folder}: the manifest lacks a usable input ({error})"
            raise BundleError(message) from error
        encoder = TextEncoder.from_bundle(bundle)
        return cls(bundle.path("graph"), encoder, bundle.manifest.labels, size_px=size_px, latents=latents)

    def _check(self, graph: Path) -> None:
        inputs = {one.name for one in self._session.get_inputs()}
        outputs = {one.name for one in self._session.get_outputs()}
        if inputs != set(INPUTS) or OUTPUT not in outputs:
            message = f"{graph} takes {', '.join(sorted(inputs))} and gives {', '.join(sorted(outputs))}, "
            raise BundleError(message + f"not {', '.join(INPUTS)} and {OUTPUT}")
        try:
            found = self._run(np.zeros((2, self._latents), np.float32), self._encoder.embed([""]), self._one_hot(None))
        except Exception as error:  # ONNX Runtime's errors share no base class
            message = f"{graph} does not take what the manifest says: {' '.join(str(error).split())[:200]}"
            raise BundleError(message) from error
        if found.shape != (2, self.size_px, self.size_px, 3) or found.dtype != np.uint8:
            message = f"{graph} gives {found.dtype} of {found.shape[1:]}, not uint8 of {self.size_px} px in RGB"
            raise BundleError(message)

    def draw(self, text: str, count: int, seed: int, category: str | None = None) -> np.ndarray:
        """Pictures of a place, uint8 N,S,S,3 RGB. A seed gives the same pictures wherever the bundle is the same.

        Args:
            text: A scene heading, or what is to be seen.
            count: How many.
            seed: Where the random numbers start; the first pictures of more are the pictures of fewer.
            category: One of `labels`; without it the text alone decides.

        Raises:
            MisuseError: The bundle knows no such category.
        """
        one_hot_1l = self._one_hot(category)
        text_1w = self._encoder.embed([plain(text)])
        latents_nz = np.random.default_rng(seed).standard_normal((count, self._latents), np.float32)
        starts = tqdm(range(0, count, BATCH), unit=" batches", leave=False, disable=None if count > MANY else True)
        drawn = [self._run(latents_nz[start : start + BATCH], text_1w, one_hot_1l) for start in starts]
        return np.concatenate([np.zeros((0, self.size_px, self.size_px, 3), np.uint8), *drawn])

    def _run(self, latents_nz: np.ndarray, text_1w: np.ndarray, one_hot_1l: np.ndarray) -> np.ndarray:
        rows = len(latents_nz)
        feed = {"latents": latents_nz, "texts": text_1w.repeat(rows, 0), "categories": one_hot_1l.repeat(rows, 0)}
        return np.asarray(self._session.run([OUTPUT], feed)[0])

    def _one_hot(self, category: str | None) -> np.ndarray:
        if category is not None and category not in self.labels:
            message = f"--category {category}: this model knows {', '.join(self.labels) or 'none'}"
            raise MisuseError(message)
        return np.array([[label == category for label in self.labels]], np.float32).reshape(1, len(self.labels))


def credits_of(bundle: Bundle) -> list[str]:
    """Who must be named wherever a picture is shown, a line each.

    Raises:
        BundleError: The manifest's credits are none.
    """
    given: Any = bundle.manifest.settings.get("credits", {})
    if not isinstance(given, dict) or not all(isinstance(line, str) for line in given.values()):
        message = f"{bundle.folder}: the credits of the manifest are no lines of text by source"
        raise BundleError(message)
    return list(dict.fromkeys(line.strip() for line in given.values() if line.strip()))


def credit_line(sources: Sequence[str]) -> str:
    """What a drawn picture owes, in a line; empty where nobody is to be named."""
    return f"The model learned from {'; '.join(sources)}" if sources else ""
