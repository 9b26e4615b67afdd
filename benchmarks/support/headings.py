"""Unseen scene headings, and the share of pictures for them that show their category."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.scene.metrics.extractor import EXTRACTOR, features_of, load_extractor
from models.scene.metrics.features import training
from models.scene.network import latents_for
from models.scene.texts import open_encoder
from rushes.scene.text_encoder import heading_phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curation.store.sample_set import SampleSet
    from registry.assets import AssetReader

DRAWINGS = 32  # per heading
BATCH = 128

# None has the name of its category in it. Categories outside this list are not tested.
HEADINGS = {
    "buildings": ("EXT. APARTMENT BLOCK - DAY", "EXT. SKYSCRAPER - NIGHT", "EXT. TOWN HALL - MORNING"),
    "forest": ("EXT. WOODS - NIGHT", "EXT. JUNGLE - DAY", "EXT. PINE TREES - DAWN"),
    "glacier": ("EXT. ICE FIELD - DAY", "EXT. ICEBERG - CONTINUOUS", "EXT. ARCTIC - NIGHT"),
    "mountain": ("EXT. ALPS - DAY", "EXT. ROCKY PEAK - SUNSET", "EXT. RIDGE - LATER"),
    "sea": ("EXT. OCEAN - DAY", "EXT. BEACH - SUNSET", "EXT. HARBOUR WAVES - NIGHT"),
    "street": ("EXT. ALLEY - NIGHT", "EXT. CITY ROAD - DAY", "EXT. TRAFFIC CROSSING - CONTINUOUS"),
}
# The first should be nearer to the category than the second.
NEARER, FARTHER, OF = "EXT. WOODS - NIGHT", "INT. OFFICE - DAY", "forest"


def share_as_asked(network: torch.nn.Module, samples: SampleSet, read_asset: AssetReader, name: str) -> float | None:
    """The share of pictures drawn for a heading alone that a classifier of real pictures gives the heading's category.

    Prints to standard error the shares of NEARER and FARTHER that are classified as the category OF.

    Args:
        network: Latents, texts and categories -> pictures of -1 to 1.
        samples: The set that it was trained on; the classifier is fitted to its training pictures.
        read_asset: The extractor's weights and the text encoder.
        name: The network's name in the output.

    Returns:
        0 to 1, or None if the set has none of the categories, or only one, which leaves nothing to classify.
    """
    known = {label: headings for label, headings in HEADINGS.items() if label in samples.labels}
    if not known:
        return None
    extractor = load_extractor(read_asset(EXTRACTOR))
    encoder = open_encoder(read_asset)
    classifier = training(read_asset, samples).classifier
    if classifier is None:
        return None

    def labels_of(headings: Sequence[str]) -> np.ndarray:
        texts_ht = encoder.embed([heading_phrase(heading) for heading in headings])
        drawn_nhwc = _drawn(network, texts_ht.repeat(DRAWINGS, 0), samples)
        return np.asarray(classifier.predict(features_of(extractor, drawn_nhwc))).reshape(len(headings), DRAWINGS)

    shares = {label: float((labels_of(headings) == label).mean()) for label, headings in known.items()}
    listed = ", ".join(f"{label} {share:.2f}" for label, share in shares.items())
    print(f"# {name}: drawn for headings of a category and taken for it: {listed}", file=sys.stderr)
    if OF in known:
        near, far = (labels_of([NEARER, FARTHER]) == OF).mean(1)
        print(f"# {name}: taken for {OF}: {NEARER} {near:.2f}, {FARTHER} {far:.2f}", file=sys.stderr)
    return float(np.mean(list(shares.values())))


def _drawn(network: torch.nn.Module, texts_nt: np.ndarray, samples: SampleSet) -> np.ndarray:
    """A picture for each text, without a category, uint8 N,H,W,3."""
    count, width = len(texts_nt), latents_for(samples.info["size_px"])
    latents_nz = np.random.default_rng(11).standard_normal((count, width), np.float32)
    return pictures(network, latents_nz, texts_nt, np.zeros((count, len(samples.labels)), np.float32))


def pictures(
    network: torch.nn.Module, latents_nz: np.ndarray, texts_nt: np.ndarray, categories_nl: np.ndarray
) -> np.ndarray:
    """Pictures drawn by a network, uint8 N,H,W,3."""
    feeds = [torch.from_numpy(feed.astype(np.float32)) for feed in (latents_nz, texts_nt, categories_nl)]
    with torch.inference_mode():
        parts = zip(*(torch.split(feed, BATCH) for feed in feeds), strict=True)
        drawn_nchw = torch.cat([network(*part) for part in parts])
    levels_nchw = torch.nan_to_num((drawn_nchw + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels_nchw.permute(0, 2, 3, 1).numpy()
