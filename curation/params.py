"""Typed params of a collection: the section `collections.C` of params.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from common.yaml_numbers import read_params_file
from curation.store.taxonomy import resolve
from rushes.errors import MisuseError

if TYPE_CHECKING:
    from pathlib import Path

# The media: each is a package of curation/, see curation/medium.py.
MEDIA = ("image", "film", "script", "take")
Crop = Literal["centre", "attention"]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # range that NumPy, PyTorch and scikit-learn all accept


class Section(BaseModel):
    """A section of params.yaml: frozen, and unknown keys are refused.

    The docstring of a param is its description, in Prefect's UI as well. Numbers must be finite: `.nan` passes every
    comparison with a maximum, and `.inf` sets no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class SplitParams(Section):
    """Assignment of samples that came without a split; done once.

    Attributes:
        seed: Seed of the order in which groups are assigned.
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
    """Thresholds of the checks that every picture goes through, in the order of the checks.

    Grey levels are 0 to 255. Checks relative to a picture's source apply only if the source is large enough to give
    typical values.

    Attributes:
        max_dropped_share: A source that loses a larger share of its samples stops the stage.
        min_size_px: Minimum length of the shorter side.
        max_aspect: Maximum ratio of the longer side to the shorter; the centre square is used for training.
        min_contrast: Minimum standard deviation of the grey levels; below it the picture is constant.
        min_p95_brightness: Minimum 95th percentile of the grey levels; below it the picture is underexposed.
        max_p5_brightness: Maximum 5th percentile of the grey levels; above it the picture is overexposed.
        min_sharpness: Minimum variance of the Laplacian over the mean square of the gradient, both at native size, as a
            share of the median of the source; times the square of the scale if a picture is scaled down.
        near_distance: Maximum number of bits of 64 in which the perceptual hashes of near duplicates differ.
        near_correlation: Minimum correlation of near duplicates at 32 px; faces that share only pose and light have
            similar hashes, but do not correlate.
        min_agreement: Minimum share of the votes for one label of a picture that came under several; without votes, or
            below it, all its copies are dropped.
        max_outlier_z: Maximum robust z-score of the distance of a picture's edges and tones from those typical of its
            source, on a logarithmic scale.
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
    """Detection of shots in a film, and sampling of their frames.

    Attributes:
        min_cut_ratio: Minimum ratio of a frame's difference from the previous one to its neighbours' for a cut.
        min_change: Minimum difference for a cut, in levels of hue, saturation and value, 0 to 255.
        min_s: Minimum length of a shot in seconds; a shorter one is merged into the previous one.
        sample_every_s: Seconds between sampled frames.
        max_frames: Maximum number of frames of one shot; those of a longer shot are spaced further apart.
        margin_s: Distance of sampled frames from both ends of a shot, in seconds: cuts are often soft for a frame or
            two.
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
        max_black: Maximum 95th percentile of the grey levels of a black frame.
        min_motion: Minimum mean difference from the previous sampled frame of the same shot, in grey levels; below it
            the frame is frozen.
        min_letters: Minimum number of letters in lines of a title card.
        min_plain_share: Minimum share of plain area in a frame for which half as many letters make a title card.
        min_fade: Minimum mean change over half a second, in grey levels, of a fade or a dissolve.
        max_fade_residual: Maximum residual of a fade or a dissolve: the part of the middle of that half second that the
            mean of both ends does not explain, as a share of the change. A fade is a mixture of two pictures; motion is
            not.
    """

    max_black: float = Field(default=24.0, ge=0.0, le=255.0)
    min_motion: float = Field(default=0.5, ge=0.0, le=255.0)
    min_plain_share: Share = 0.8
    min_letters: int = Field(default=18, ge=1)
    min_fade: float = Field(default=8.0, ge=0.0, le=255.0)
    max_fade_residual: Share = 0.15


class ScriptCheckParams(Section):
    """Thresholds of the checks that scripts and their scenes go through.

    Attributes:
        max_size_mb: Maximum size of one file; a feature film is a quarter of one MB, and larger files are not opened.
        language: Documents in another language are kept apart (ISO 639-1); empty: none is.
        min_headings: Minimum number of scenes of a document that have a heading; below it the text is not a script.
        min_cues: Minimum number of speeches of a document.
        min_speakers: Minimum number of speakers of a document.
        max_broken_lines: Maximum share of paragraphs that continue in the next one in the middle of a sentence; scans
            break lines in this way.
        min_text_length: Minimum number of characters of action and dialogue in a scene.
        near_document_overlap: Minimum share of common five-word runs for two documents to be drafts of one.
        near_scene_overlap: The same for two scenes to be near copies.
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


class TakeParams(Section):
    """Thresholds of the checks that takes go through (films of one face, with or without curves), and their starter.

    Attributes:
        min_frames: Minimum number of frames of a take.
        min_face_share: Minimum share of frames with a face.
        min_motion: Minimum standard deviation, over the frames, of the unit that moves most: of the curves, or of the
            units that the network sees in a take without curves. Units are 0 to 1.
        min_fit: Minimum correlation of the curves of jaw and lids with those that the network sees; below it the curves
            do not fit the film if it has 10 s or more, or if they would fit better earlier or later.
        max_lag_s: Maximum shift of the curves, in seconds, that is tried for a better fit.
        max_length_difference_s: Maximum difference of the lengths of film and curves, in seconds; ingest refuses
            curves beyond it.
        starter_performers: Number of people in the starter, when it is rendered; each has a take of 48 frames.
    """

    min_frames: int = Field(default=30, ge=2)
    min_face_share: Share = 0.5
    min_motion: float = Field(default=0.02, ge=0.0, le=1.0)
    min_fit: float = Field(default=0.4, ge=-1.0, le=1.0)
    max_lag_s: float = Field(default=1.0, ge=0.0, le=10.0)
    max_length_difference_s: float = Field(default=0.5, ge=0.0)
    starter_performers: int = Field(default=300, ge=8)


class StyleClusterParams(Section):
    """Clusters of colour and light, the categories of pictures without one.

    Attributes:
        count: Maximum number of clusters; 0: pictures without a category are left out.
        seed: Seed of the clustering.
    """

    count: int = Field(default=6, ge=0, le=100)
    seed: Seed = 0


class CollectionParams(Section):
    """One collection: its medium, its sources, its taxonomy, its size.

    Attributes:
        medium: Medium of its samples: image, film, script or take.
        parent: Another collection whose kept samples are included.
        needs: Path that clean reads first, for DVC: `datasets/C`, or `build/clean/PARENT` if there is a parent.
        sources: Patterns of the sources that are used for training.
        starter_share: Maximum share of starter samples in the training split, where real ones with a label lie beside
            them; validation and test are then of real samples alone. 0: real data replace the starter. Pictures only.
        labels: The taxonomy; ingest refuses a label that is not in it.
        size_px: Side of the squares that are used for training; ignored for scripts and takes, as are channels and
            crop.
        channels: 1 for grey, 3 for colour.
        crop: Square that is cut from a picture: its centre, or the region with the most edges.
        split: Assignment of samples that came without a split.
        clean: The checks that every picture and frame goes through.
        shots: Detection of shots; films only.
        frames: The checks of frames; films only.
        script: The checks of documents and scenes; scripts only.
        take: The checks of takes; takes only.
        style_clusters: Categories for pictures without one; collections with a parent only.
    """

    medium: str = "image"
    parent: str | None = None
    needs: str | None = None
    sources: list[str] = ["*"]
    starter_share: Share = 0.0
    labels: list[str]
    size_px: int = Field(48, ge=16, le=1024)
    channels: Literal[1, 3] = 1
    crop: Crop = "centre"
    split: SplitParams = SplitParams()
    clean: CleanParams = CleanParams()
    shots: ShotParams = ShotParams()
    frames: FrameParams = FrameParams()
    script: ScriptCheckParams = ScriptCheckParams()
    take: TakeParams = TakeParams()
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
    def _has_distinct_labels(cls, labels: list[str]) -> list[str]:
        """Labels that differ only in case, or are synonyms, are the same to ingest but two classes to a network."""
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
        """DVC reads `needs` and does not know `parent`, so the two must agree."""
        if self.parent is not None and self.needs != f"build/clean/{self.parent}":
            message = f"a collection with parent: {self.parent} needs: build/clean/{self.parent}, not {self.needs}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _has_pictures_of_its_own(self) -> Self:
        if self.starter_share and (self.medium != "image" or self.parent is not None):
            message = "starter_share is for pictures, in a collection without a parent"
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
        MisuseError: params.yaml has no such collection.
        pydantic.ValidationError: A key is unknown, or a value is out of range.
    """
    sections = read_params_file(path)["collections"]
    if name not in sections:
        message = f"params.yaml has no collection {name!r}"
        raise MisuseError(message, f"name one of {', '.join(sections)}, or add it under collections")
    return CollectionParams.model_validate(sections[name])
