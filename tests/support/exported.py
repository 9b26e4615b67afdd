"""A trained network as the files that compress writes, with a detector that is none."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from compression.candidate import compress, reference, seal
from models.expression import family
from models.expression.params import CompressParams
from models.family import Asset
from tests.support.trained import quickly_trained

if TYPE_CHECKING:
    from pathlib import Path

    from curation.sampleset import SampleSet

DETECTOR = b"not a real detector"
SMALL = replace(
    family,
    assets=(Asset("detector", "p", "m", "detector.tflite", hashlib.sha256(DETECTOR).hexdigest(), "Apache-2.0"),),
)
PARAMS = CompressParams(calibration_samples=48)


def no_asset(_asset: Asset) -> bytes:
    """What stands in for the packages."""
    return DETECTOR


def export_all(samples: SampleSet, folder: Path) -> None:
    """FOLDER/reference, FOLDER/candidate and FOLDER/ladder/source."""
    graphs = reference(SMALL, quickly_trained(samples), samples, PARAMS, folder / "reference", no_asset)
    compress(SMALL, samples, PARAMS, graphs, folder / "reference", folder / "candidate")
    seal(SMALL, samples, graphs, no_asset, folder / "candidate")
    shutil.copytree(folder / "reference", folder / "ladder" / "source")


def shuffle_convolutions(path: Path) -> None:
    """Shuffles the weights of each convolution in a file, float or int8."""
    model = onnx.load(path)
    for weight in [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4]:
        values = numpy_helper.to_array(weight)
        shuffled = np.random.default_rng(0).permutation(values.ravel()).reshape(values.shape)
        weight.CopyFrom(numpy_helper.from_array(shuffled, weight.name))
    onnx.save(model, path)
