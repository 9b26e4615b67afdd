"""The typed params of a collection: the section `collections.C` of params.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from common.yaml_numbers import read_yaml
from curation.store.taxonomy import resolve

if TYPE_CHECKING:
    from pathlib import Path

# The media: each is a package of curation/, see curation/medium.py.
MEDIA = ("image", "film", "script")
Crop = Literal["centre", "attention"]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy, PyTorch and scikit-learn all take


class Section(BaseModel):
    """A section of params.yaml: frozen, and a key that it does not know is refused.

    What stands below a param says what it does, in Prefect's form as well. A number is finite: `.nan` passes every
    comparison that says "at most", and nothing ends at `.inf`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class SplitParams(Section):
    """How samples that came without a split are dealt out, once.

    Attributes:
        seed: Of the order in which groups are dealt out.
        validation_share: Share of the samples that goes to the validation split.
        test_share: Share of the samples that goes to the test split.
    """

    seed: Seed = 0
    validation_share: Share = 0.1
    test_share: Share = 0.15

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Self:
        if self.validation_share + self.test_share >= 1.0:
            message = f"validation_share {self.validation_share:g} and test_share {self.test_share:g} leave nothing"
            raise ValueError(message)
        return self


class CleanParams(Section):
    """Thresholds of the checks that every picture goes through, in the order in which they are made.

    Grey levels are 0 to 255. What is judged against a picture's source is judged only where the source is large
    enough to say what is usual.

    Attributes:
        max_dropped_share: A source that loses a larger share of its samples stops the stage.
        min_size_px: The shorter side, at least.
        max_aspect: The longer side over the shorter, at most; the centre square is what is learned from.
        min_contrast: Standard deviation of the grey levels, at least; below it the picture is constant.
        min_p95_brightness: The 95th percentile of the grey levels, at least; below it the picture is underexposed.
        max_p5_brightness: The 5th percentile of the grey levels, at most; above it the picture is overexposed.
        min_sharpness: Variance of the Laplacian over the mean square of the gradient, both at native size, as a share
            of the median of the source, at least; times the square of the scale where a picture is scaled down.
        near_distance: Bits of 64 in which the perceptual hashes of near duplicates differ, at most.
        near_correlation: Correlation of near duplicates at 32 px, at least; faces that only share pose and light
            have like hashes, but do not correlate.
        min_agreement: The share of the votes that settles a picture which came under several labels; without
            votes, or below it, all its copies go.
        max_outlier_z: Robust z-score of the distance of a picture's edges and tones from those usual in its source, on
            a logarithmic scale, at most.
    """

    max_dropped_share: Share = 0.2
    min_size_px: int = Field(default=32, ge=1, le=4096)
    max_aspect: float = Field(default=3.0, ge=1.0, le=100.0)
    min_contrast: float = Field(default=2.0, ge=0.0, le=128.0)
    min_p95_brightness: float = Field(default=40.0, ge=0.0, le=255.0)
    max_p5_brightness: float = Field(default=200.0, ge=0.0, le=255.0)
    min_sharpness: Share = 0.2
    near_distance: int = Field(default=6, ge=0, le=16)
    near_correlation: float = Field(default=0.9, ge=0.0, le=1.0)
    min_agreement: float = Field(default=0.5, gt=0.0, le=1.0)
    max_outlier_z: float = Field(default=4.5, gt=0.0)


class ShotParams(Section):
    """How a film is cut into shots, and which of their frames are looked at.

    Attributes:
        min_cut_ratio: How many times as much as its neighbours a frame must differ from the one before to be a cut.
        min_change: How much it must differ at least, in levels of hue, saturation and value, 0 to 255.
        min_s: A shot is at least so long, in seconds; what is shorter belongs to the one before.
        sample_every_s: Seconds from one frame that is looked at to the next.
        max_frames: Frames of one shot, at most; of a longer one they lie further apart.
        margin_s: So far away from both ends of a shot, in seconds: cuts are often a frame or two soft.
    """

    min_cut_ratio: float = Field(default=3.0, gt=1.0)
    min_change: float = Field(default=15.0, gt=0.0, le=255.0)
    min_s: float = Field(default=0.6, ge=0.0)
    sample_every_s: float = Field(default=0.5, gt=0.0)
    max_frames: int = Field(default=12, ge=1, le=10_000)
    margin_s: float = Field(default=0.25, ge=0.0)


class FrameParams(Section):
    """Thresholds of the checks that only frames of a film go through; grey levels are 0 to 255.

    Attributes:
        max_black: The 95th percentile of the grey levels, at most, of a black frame.
        min_motion: Mean difference from the frame looked at before in the same shot, in grey levels, at least;
            below it the film stands still, and the frame is frozen.
        min_letters: Letters in lines, at least, of a title card.
        min_plain_share: The share of a frame that is plain, at least, where half as many letters make a title card.
        min_fade: Mean change over half a second, in grey levels, at least, of a fade or a dissolve.
        max_fade_residual: What the mean of both ends of that half second leaves unexplained of its middle, as a share
            of the change, at most, of a fade or a dissolve: it is a mixture of two pictures, and motion is none.
    """

    max_black: float = Field(default=24.0, ge=0.0, le=255.0)
    min_motion: float = Field(default=0.5, ge=0.0, le=255.0)
    min_plain_share: Share = 0.8
    min_letters: int = Field(default=18, ge=1)
    min_fade: float = Field(default=8.0, ge=0.0, le=255.0)
    max_fade_residual: Share = 0.15


class ScriptParams(Section):
    """Thresholds of the checks that scripts and their scenes go through.

    Attributes:
        max_size_mb: Of one file, at most; a whole film is a quarter of one MB, and what is larger is not opened.
        language: Works in another one are kept apart (ISO 639-1); empty: none is.
        min_headings: Scenes of a work that have a heading, at least; below it the text is not a script.
        min_cues: Speeches of a work, at least.
        min_speakers: People who speak in a work, at least.
        max_broken_lines: Paragraphs that go on in the next one in the middle of a sentence, as a share, at most; a
            scan parts lines so.
        min_text_length: Characters of action and dialogue in a scene, at least.
        near_document_overlap: Share of the runs of five words that two works have in common, at least, to be two drafts
            of one.
        near_scene_overlap: The same of two scenes that are near copies.
    """

    max_size_mb: float = Field(default=16.0, gt=0.0, le=1024.0)
    language: Annotated[str, BeforeValidator(lambda value: "" if value is None else value)] = Field(
        default="en", pattern=r"^([a-z]{2,3})?$"
    )
    min_headings: int = Field(default=3, ge=0)
    min_cues: int = Field(default=10, ge=0)
    min_speakers: int = Field(default=2, ge=0)
    max_broken_lines: Share = 0.2
    min_text_length: int = Field(default=20, ge=0)
    near_document_overlap: float = Field(default=0.3, gt=0.0, le=1.0)
    near_scene_overlap: float = Field(default=0.6, gt=0.0, le=1.0)


class StyleClusterParams(Section):
    """The clusters of colour and light that are the categories of pictures without one.

    Attributes:
        count: Clusters, at most; 0: pictures without a category are left out.
        seed: Of the clustering.
    """

    count: int = Field(default=6, ge=0, le=100)
    seed: Seed = 0


class CollectionParams(Section):
    """One collection: its medium, its sources, its taxonomy, its size.

    Attributes:
        medium: What lies in it: pictures, films, or scripts.
        parent: Another collection whose kept samples are taken over.
        needs: What clean reads first, and DVC has to know: `datasets/C`, or `build/clean/PARENT` where there is one.
        sources: Patterns of the sources that are learned from.
        labels: The taxonomy; ingest refuses a label that is not in it.
        size_px: The side of the squares that are learned from; of no meaning to scripts, as channels and crop are.
        channels: 1 for grey, 3 for colours.
        crop: Which square of a picture: its centre, or where its edges are.
        split: How samples that came without a split are dealt out.
        clean: The checks that every picture and frame goes through.
        shots: Films alone: their shots.
        frames: Films alone: the checks of their frames.
        script: Scripts alone: the checks of works and scenes.
        style_clusters: Collections with a parent alone: categories for what has none.
    """

    medium: str = "image"
    parent: str | None = None
    needs: str | None = None
    sources: list[str] = ["*"]
    labels: list[str]
    size_px: int = Field(48, ge=16, le=1024)
    channels: Literal[1, 3] = 1
    crop: Crop = "centre"
    split: SplitParams = SplitParams()
    clean: CleanParams = CleanParams()
    shots: ShotParams = ShotParams()
    frames: FrameParams = FrameParams()
    script: ScriptParams = ScriptParams()
    style_clusters: StyleClusterParams = StyleClusterParams()

    @field_validator("medium")
    @classmethod
    def _is_known(cls, medium: str) -> str:
        if medium not in MEDIA:
            message = f"there is no medium {medium!r}; there are: {', '.join(MEDIA)}"
            raise ValueError(message)
        return medium

    @field_validator("labels")
    @classmethod
    def _tells_labels_apart(cls, labels: list[str]) -> list[str]:
        """A label in another case, or a synonym of one, is the same label to ingest, and two to a network."""
        for number, label in enumerate(labels):
            if not label.strip():
                message = "a label is empty"
                raise ValueError(message)
            if (same := resolve(label, labels[:number])) is not None:
                message = f"{same!r} and {label!r} are one label; keep one of them"
                raise ValueError(message)
        return labels

    @model_validator(mode="after")
    def _names_its_parent(self) -> Self:
        """DVC reads `needs`, and knows nothing of parents: they have to say the same."""
        if self.parent is not None and self.needs != f"build/clean/{self.parent}":
            message = f"a collection with parent: {self.parent} needs: build/clean/{self.parent}, not {self.needs}"
            raise ValueError(message)
        return self

    def value_of(self, path: str) -> Any:  # noqa: ANN401  # whatever the param is
        """The value at a path such as `clean.min_contrast`."""
        value: Any = self
        for name in path.split("."):
            value = getattr(value, name)
        return value


def load_collection(path: Path, name: str) -> CollectionParams:
    """Reads the section of one collection.

    Raises:
        KeyError: params.yaml names no such collection.
        pydantic.ValidationError: A key is unknown, or a value is out of range.
    """
    sections = read_yaml(path.read_text(encoding="utf-8"))["collections"]
    if name not in sections:
        message = f"params.yaml has no collection {name!r}; it has {', '.join(sections)}"
        raise KeyError(message)
    return CollectionParams.model_validate(sections[name])
