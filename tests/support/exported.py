"""A trained network as the files that compress writes, with a dummy detector."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from common.assets import Asset
from compression.measure.outputs import OUTPUTS, write_outputs
from compression.search.candidate import compress, reference, seal
from compression.search.candidates import MeasuredCandidate, SearchResult
from models.expression.definition import family
from models.expression.params import CompressParams
from models.family import BudgetParams
from rushes.bundle.manifest import read_bundle, read_head, sha256_file, write_manifest
from tests.support.trained import quickly_trained

if TYPE_CHECKING:
    from pathlib import Path

    from curation.store.sample_set import SampleSet

DETECTOR = b"not a real detector"
SMALL = replace(
    family,
    assets=(Asset("detector", "p", "m", "detector.tflite", hashlib.sha256(DETECTOR).hexdigest(), "Apache-2.0"),),
)
PARAMS = CompressParams(calibration_samples=48)


def no_asset(_asset: Asset) -> bytes:
    """Stand-in for the packages."""
    return DETECTOR


def export_all(samples: SampleSet, folder: Path) -> None:
    """FOLDER/reference, FOLDER/candidate and FOLDER/search/source."""
    graphs = reference(SMALL, quickly_trained(samples), samples, PARAMS, folder / "reference", no_asset)
    compress(SMALL, samples, PARAMS, graphs, folder / "reference", folder / "candidate")
    seal(SMALL, samples, graphs, no_asset, folder / "candidate")
    shutil.copytree(folder / "reference", folder / "search" / "source")
    candidates = tuple(
        MeasuredCandidate(f"teacher, {one}", 0.9, 1.0, 1, 1.0, one) for one in ("float", "static int8 minmax")
    )
    SearchResult("macro_f1", {}, candidates).write(folder / "search", BudgetParams())
    bundle = read_bundle(folder / "candidate")
    write_outputs(bundle, folder / "search" / "source")
    (bundle.folder / OUTPUTS).rename(folder / "search" / "source" / OUTPUTS)


def reseal(folder: Path, name: str = "expression.onnx") -> None:
    """Updates the hash of a changed file in the manifest, as a fault in the project's own code would."""
    manifest = read_head(folder).manifest
    changes = {"sha256": sha256_file(folder / name), "size_bytes": (folder / name).stat().st_size}
    files = {**manifest.files, name: manifest.files[name].model_copy(update=changes)}
    write_manifest(folder, manifest.model_copy(update={"files": files}))


def shuffle_convolutions(path: Path, most: int | None = None) -> None:
    """Shuffles the weights of each convolution in a file, float or int8, or of the first `most` convolutions."""
    model = onnx.load(path)
    for weight in [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4][:most]:
        values = numpy_helper.to_array(weight)
        shuffled = np.random.default_rng(0).permutation(values.ravel()).reshape(values.shape)
        weight.CopyFrom(numpy_helper.from_array(shuffled, weight.name))
    onnx.save(model, path)
