"""Reference outputs: measured where a model is certified, and far from a changed graph's outputs."""

import shutil

import numpy as np
import pytest

from compression.measure.outputs import read_parity
from compression.measure.reference_outputs import LEAST, MOST, references, tolerated
from rushes.bundle.manifest import read_bundle
from rushes.inference.reference_outputs import Drift, drift, drift_of, unpack
from tests.support.exported import export_all, shuffle_convolutions
from tests.support.sets import small_set


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The int8 graph of a small trained network, and its sources."""
    folder = tmp_path_factory.mktemp("references")
    export_all(small_set(folder / "set", {"train": 64, "validation": 48, "test": 32}), folder)
    return read_bundle(folder / "candidate").path("graph"), folder / "search" / "source"


def test_the_same_machine_holds_them(built):
    """32 validation samples: every output is within the effect of other threads and unfused kernels."""
    graph, source = built
    made = references(graph, source)
    inputs, outputs = unpack(made)

    assert made.samples == len(inputs["pictures"]) == len(outputs["probabilities"]) == 32
    assert np.array_equal(inputs["pictures"], read_parity(source)[0]["pictures"][:32])
    assert all(drift_of(graph, made)[name].max <= most.max for name, most in made.tolerance.items())


def test_changed_weights_are_beyond_them(built, tmp_path):
    """Planted: the weights of one convolution shuffled."""
    graph, source = built
    made = references(graph, source)
    shutil.copy(graph, tmp_path / "changed.onnx")
    shuffle_convolutions(tmp_path / "changed.onnx", most=1)
    found = drift_of(tmp_path / "changed.onnx", made)["probabilities"]

    assert found.max > made.tolerance["probabilities"].max
    assert found.rms > made.tolerance["probabilities"].rms


@pytest.mark.parametrize(("measured", "most"), [(0.0, LEAST.max), (0.01, 0.04), (0.9, MOST.max)])
def test_the_tolerance_is_four_times_what_was_measured(measured, most):
    """It is bounded below by the rounding of float32, and above by a limit that no rounding reaches."""
    assert tolerated(Drift(measured, 0.0)).max == pytest.approx(most)


def test_drift_of_bytes_does_not_wrap():
    """|3 - 5| is 2; NaN and another shape are infinitely far."""
    assert drift(np.array([3, 10], np.uint8), np.array([5, 10], np.uint8)).max == pytest.approx(0.2)
    assert drift(np.array([np.nan]), np.array([1.0])).max == np.inf
    assert drift(np.zeros(2), np.zeros(3)).max == np.inf
