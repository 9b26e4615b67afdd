"""The typed params of a collection: the section `collections.C` of params.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pathlib import Path

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class Section(BaseModel):
    """A section of params.yaml: frozen, and a key that it does not know is refused.

    What stands below a param says what it does, in Prefect's form as well.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SplitParams(Section):
    """How samples that came without a split are dealt out, once."""

    seed: int = 0
    validation_share: Share = 0.1
    test_share: Share = 0.15


class CleanParams(Section):
    """Thresholds of the checks that every picture goes through, in the order in which they are made.

    Grey levels are 0 to 255. What is judged against a picture's source is judged only where the source is large
    enough to say what is usual.

    Attributes:
        max_dropped_share: A source that loses a larger share of its samples stops the stage.
        min_size_px: The shorter side, at least.
        max_aspect: The longer side over the shorter, at most; the centre square is what is learned from.
        min_contrast: Standard deviation of the grey levels, at least; below it the picture is constant.
        min_bright: The 95th percentile of the grey levels, at least; below it the picture is underexposed.
        max_dark: The 5th percentile of the grey levels, at most; above it the picture is overexposed.
        min_sharpness: Variance of the Laplacian over the mean square of the gradient, both at native size, as a share
            of the median of the source, at least; times the square of the scale where a picture is scaled down.
        near_distance: Bits of 64 in which the perceptual hashes of near duplicates differ, at most.
        near_correlation: Correlation of near duplicates at 32 px, at least; faces that only share pose and light
            have like hashes, but do not correlate.
        min_agreement: The share of the votes that settles a picture which came under several labels; without
            votes, or below it, all its copies go.
        max_outlier: Distance of a picture's edges and tones from those usual in its source, in robust standard
            deviations of the logarithm, at most.
    """

    max_dropped_share: Share = 0.2
    min_size_px: int = Field(default=32, ge=1, le=4096)
    max_aspect: float = Field(default=3.0, ge=1.0, le=100.0)
    min_contrast: float = Field(default=2.0, ge=0.0, le=128.0)
    min_bright: float = Field(default=40.0, ge=0.0, le=255.0)
    max_dark: float = Field(default=200.0, ge=0.0, le=255.0)
    min_sharpness: Share = 0.2
    near_distance: int = Field(default=6, ge=0, le=16)
    near_correlation: float = Field(default=0.9, ge=0.0, le=1.0)
    min_agreement: float = Field(default=0.5, gt=0.0, le=1.0)
    max_outlier: float = Field(default=4.5, gt=0.0)


class CollectionParams(Section):
    """One collection: its medium, its sources, its taxonomy, its size."""

    medium: Literal["image"] = "image"
    parent: str | None = None
    sources: list[str] = ["*"]
    labels: list[str]
    size_px: int = Field(48, ge=16, le=1024)
    channels: Literal[1, 3] = 1
    split: SplitParams = SplitParams()
    clean: CleanParams = CleanParams()


def load_collection(path: Path, name: str) -> CollectionParams:
    """Reads the section of one collection.

    Raises:
        KeyError: params.yaml names no such collection.
        pydantic.ValidationError: A key is unknown, or a value is out of range.
    """
    sections = yaml.safe_load(path.read_text(encoding="utf-8"))["collections"]
    if name not in sections:
        message = f"params.yaml has no collection {name!r}; it has {', '.join(sections)}"
        raise KeyError(message)
    return CollectionParams.model_validate(sections[name])
