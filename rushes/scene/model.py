"""The scene family, ready to run: images of a place from a scene heading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.scene.generator import SceneGenerator, credits_of

if TYPE_CHECKING:
    import numpy as np

    from rushes.bundle.manifest import Bundle


class SceneModel:
    """Generates images of a place.

    Attributes:
        bundle: The verified files of the model, with manifest, certificate and digest.
        generator: The generator network with its text encoder.
        credits: Lines that must be shown with every image.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.generator = SceneGenerator.from_bundle(bundle)
        self.credits = credits_of(bundle)

    @property
    def labels(self) -> tuple[str, ...]:
        """Categories of the model."""
        return self.generator.labels

    def generate(self, text: str, *, count: int = 1, seed: int = 1, category: str | None = None) -> np.ndarray:
        """Generates images of a place.

        >>> import rushes
        >>> images_nhwc = rushes.load("scene").generate("EXT. FOREST - DAY", count=8, seed=7)
        >>> images_nhwc.shape, images_nhwc.dtype.name
        ((8, 16, 16, 3), 'uint8')

        Args:
            text: A scene heading, or a description of the image.
            count: Number of images; a larger count with the same seed begins with the same images.
            seed: Seed of the random numbers. The same text, seed and bundle give the same images.
            category: One of `labels`; by default only the text is used.

        Returns:
            uint8 N,S,S,3 RGB.

        Raises:
            MisuseError: The model has no such category.
        """
        return self.generator.generate(text, count, seed, category)


def open_model(bundle: Bundle) -> SceneModel:
    """Opens the model of a bundle.

    Raises:
        BundleError: The manifest or a graph is not one of this family.
        UserError: The extra `[scene]` of the wheel is not installed.
    """
    return SceneModel(bundle)
