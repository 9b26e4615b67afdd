"""Draws images with a bundle's own files, and composes sheets of the drawn images."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.family import Sheet
from rushes.inference.session import open_graph
from rushes.scene.generator import INPUTS, OUTPUT
from rushes.scene.text_encoder import TEMPLATES, TextEncoder, heading_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnxruntime

    from curation.store.sample_set import SampleSet
    from models.family import Scores
    from rushes.bundle.manifest import Bundle

log = logging.getLogger(__name__)

BATCH = 32
SEED = 0  # of all drawings that are scored or shown, so that all bundles use the same random numbers
SHEET_COLUMNS = 8
PER_CATEGORY = 16
STEPS = 8  # of an interpolation
PATHS = 3  # interpolations of each kind
PAIRS = 24  # drawings beside their nearest training pictures
# Keys of Scores.arrays; the part after the colon is the caption.
CATEGORY, LATENTS, TEXTS, SAMPLES = "category:", "latents:", "texts:", "samples"


@dataclass(frozen=True)
class Drawer:
    """Generator of a bundle and the properties of its input.

    If the graph fails at run time, the images are black, which no promotion floor accepts, and the log has the reason.
    """

    session: onnxruntime.InferenceSession
    encoder: TextEncoder
    labels: tuple[str, ...]
    templates: tuple[str, ...]
    size_px: int
    latents: int

    @classmethod
    def open(cls, bundle: Bundle) -> Drawer:
        """Opens any bundle of the family, including older ones with other sizes or categories."""
        given, manifest = bundle.manifest.input, bundle.manifest
        templates = tuple(manifest.settings.get("templates") or TEMPLATES)
        session, encoder = open_graph(bundle.path("graph"), threads=0), TextEncoder.from_bundle(bundle)
        return cls(session, encoder, tuple(manifest.labels), templates, given["size_px"], given["latents"])

    def latents_nz(self, count: int, *skip: int) -> np.ndarray:
        """Standard normal numbers from a fixed seed; `skip` has additional seeds for independent numbers."""
        return np.random.default_rng([SEED, *skip]).standard_normal((count, self.latents), np.float32)

    def text_of(self, label: str, place: int = 0) -> str:
        """Text of a category from the bundle's templates, used in turn."""
        return self.templates[place % len(self.templates)].format(label)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeds texts, float32 N,384; encodes equal texts once."""
        known = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        embedded = self.encoder.embed([heading_phrase(text) for text in known])
        return np.asarray(embedded[[known[text] for text in texts]])

    def one_hot(self, labels: Sequence[str]) -> np.ndarray:
        """One-hot categories float32 N,L; zeros for an unknown category, so that only the text is used."""
        rows = [[float(label == own) for own in self.labels] for label in labels]
        return np.array(rows, np.float32).reshape(len(labels), len(self.labels))

    def draw(self, latents_nz: np.ndarray, texts_nt: np.ndarray, categories_nl: np.ndarray) -> np.ndarray:
        """Draws images, uint8 N,S,S,3."""
        feed = dict(zip(INPUTS, (latents_nz, texts_nt, categories_nl), strict=True))
        try:
            return np.concatenate([self._run(feed, start) for start in range(0, len(latents_nz), BATCH)])
        except Exception as error:  # noqa: BLE001  ONNX Runtime's errors share no base class
            log.warning("the generator cannot be run, so its pictures count as black: %s", error)
            return np.zeros((len(latents_nz), self.size_px, self.size_px, 3), np.uint8)

    def _run(self, feed: Mapping[str, np.ndarray], start: int) -> np.ndarray:
        return np.asarray(
            self.session.run([OUTPUT], {name: part[start : start + BATCH] for name, part in feed.items()})[0]
        )


def shown(drawer: Drawer) -> dict[str, np.ndarray]:
    """Images of a generator for the report: each category, and interpolations between two."""
    arrays = {f"{CATEGORY}{label}": _of_category(drawer, label) for label in drawer.labels}
    pairs = list(zip(drawer.labels, drawer.labels[1:] + drawer.labels[:1], strict=True))[:PATHS]
    for number, (label, other) in enumerate(pairs):
        arrays[f"{LATENTS}{label}"] = _between_latents(drawer, label, number)
        if other != label:
            arrays[f"{TEXTS}{label} > {other}"] = _between_texts(drawer, label, other, number)
    return arrays


def _of_category(drawer: Drawer, label: str) -> np.ndarray:
    """Images of a category, drawn from the same latents as for every other category."""
    texts = [drawer.text_of(label, place) for place in range(PER_CATEGORY)]
    return drawer.draw(drawer.latents_nz(PER_CATEGORY, 1), drawer.embed(texts), drawer.one_hot([label] * PER_CATEGORY))


def _between_latents(drawer: Drawer, label: str, number: int) -> np.ndarray:
    first_z, last_z = drawer.latents_nz(2, 2, number)
    latents_nz = np.stack([slerp(first_z, last_z, share) for share in np.linspace(0.0, 1.0, STEPS)])
    return drawer.draw(latents_nz, drawer.embed([drawer.text_of(label)] * STEPS), drawer.one_hot([label] * STEPS))


def _between_texts(drawer: Drawer, label: str, other: str, number: int) -> np.ndarray:
    """Interpolation between two texts without categories, as for a heading that fits no category."""
    latents_nz = drawer.latents_nz(1, 3, number).repeat(STEPS, 0)
    first_t, last_t = drawer.embed([drawer.text_of(label), drawer.text_of(other)])
    texts_nt = np.stack([slerp(first_t, last_t, share) for share in np.linspace(0.0, 1.0, STEPS)])
    return drawer.draw(latents_nz, texts_nt, np.zeros((STEPS, len(drawer.labels)), np.float32))


def slerp(first: np.ndarray, last: np.ndarray, share: float) -> np.ndarray:
    """Spherical interpolation between two vectors, which keeps their length (White 2016, arXiv 1609.04468)."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(last))
    angle = float(np.arccos(np.clip(first @ last / lengths, -1.0, 1.0))) if lengths else 0.0
    if np.sin(angle) < 1e-6:  # noqa: PLR2004  parallel: linear interpolation is equal
        return np.asarray((1.0 - share) * first + share * last, np.float32)
    turned = np.sin((1.0 - share) * angle) * first + np.sin(share * angle) * last
    return np.asarray(turned / np.sin(angle), np.float32)


def rows_shown(count: int) -> np.ndarray:
    """Rows of a split whose drawings are shown with their nearest training images."""
    return np.linspace(0, count - 1, min(PAIRS, count)).astype(int)


def draw(scores: Scores, samples: SampleSet, split: str) -> list[Sheet]:
    """Composes sheets: one per category, interpolations, and drawings with their nearest training images."""
    arrays = scores.arrays
    labels = [name.removeprefix(CATEGORY) for name in arrays if name.startswith(CATEGORY)]
    sheets = [_category_sheet(place, label, scores, samples, split) for place, label in enumerate(labels)]
    sheets += _ways("between_latents", "From one draw of latents to another, text and category fixed", LATENTS, scores)
    sheets += _ways("between_texts", "From one text to another, latents fixed and no category given", TEXTS, scores)
    return [*sheets, _nearest_sheet(scores, samples)] if SAMPLES in arrays else sheets


def _category_sheet(place: int, label: str, scores: Scores, samples: SampleSet, split: str) -> Sheet:
    """Sheet of a category: drawn images above evenly spread held-out images of the split."""
    drawn, held_out = list(scores.arrays[f"{CATEGORY}{label}"]), samples.array(split)
    rows = np.flatnonzero((scores.rows["label"] == label).to_numpy())
    rows = rows[np.linspace(0, len(rows) - 1, min(SHEET_COLUMNS, len(rows))).astype(int)]
    captions = [*[""] * len(drawn), *["held-out"] * len(rows)]
    title = f"{label}: drawn, and a row of held-out ones that it never saw" if len(rows) else f"{label}: drawn"
    return Sheet(f"category_{place:02d}", title, [*drawn, *(held_out[row] for row in rows)], captions, SHEET_COLUMNS)


def _ways(name: str, title: str, kind: str, scores: Scores) -> list[Sheet]:
    ways = {key.removeprefix(kind): way for key, way in scores.arrays.items() if key.startswith(kind)}
    if not ways:
        return []
    captions = [caption for key in ways for caption in _ends(key)]
    return [Sheet(name, title, [picture for way in ways.values() for picture in way], captions, STEPS)]


def _ends(key: str) -> list[str]:
    first, _, last = key.partition(" > ")
    return [first, *[""] * (STEPS - 2), last]


def _nearest_sheet(scores: Scores, samples: SampleSet) -> Sheet:
    """Sheet of pairs: a drawing and its nearest training image by the extractor's features."""
    table = samples.kept("train")
    places = dict(zip(table["id"], table["row"], strict=True))
    pictures_nhwc, rows = samples.array("train"), scores.rows.iloc[rows_shown(len(scores.rows))]
    pictures, captions = [], []
    for drawn_hwc, row in zip(scores.arrays[SAMPLES], rows.itertuples(), strict=True):
        pictures += [drawn_hwc, pictures_nhwc[places[row.nearest]]]
        captions += [f"drawn: {row.label}", "near copy" if row.copied else f"nearest, {row.apart:.2f} of usual"]
    title = "Drawn, and beside it the nearest training picture (1 is the usual distance of two training pictures)"
    return Sheet("nearest", title, pictures, captions, SHEET_COLUMNS)
