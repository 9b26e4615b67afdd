"""The candidate and its proof: exported files with the network's outputs, and detectable faults."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from onnx import numpy_helper

from common.assets import Asset
from compression.measure.outputs import OUTPUTS, PARITY, write_outputs
from compression.methods.quantise import quantise_static
from compression.prove import ParityError, certificate, parity
from compression.search.candidate import compress, reference, seal
from curation.store.sample_set import SampleSet
from models.expression.definition import family
from models.family import Scores
from models.scene.metrics.measures import agreement_of_pictures
from rushes.bundle.manifest import Budget, BundleError, read_bundle
from tests.support.drawn import LATENTS, TEXT, scene_bundle
from tests.support.exported import PARAMS, SMALL, export_all, no_asset, shuffle_convolutions
from tests.support.sets import small_set
from tests.support.trained import quickly_trained


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A set, and the reference and candidate of a network trained on it."""
    folder = tmp_path_factory.mktemp("compress")
    samples = small_set(folder / "set", {"train": 64, "validation": 32, "test": 32})
    export_all(samples, folder)
    return samples, folder


def test_the_files_answer_as_the_network_did(built):
    """Float differs by rounding only; int8 classifies nearly every sample alike."""
    _, folder = built

    found = parity(SMALL, read_bundle(folder / "reference"), read_bundle(folder / "candidate"))

    assert found["fp32_max"] < 1e-4
    assert found["compressed_agreement"] > 0.9


def test_shuffled_weights_show_in_the_parity(built, tmp_path):
    """With shuffled convolutions in the exported file, parity is lost."""
    _, folder = built
    shutil.copytree(folder / "reference", tmp_path / "reference")
    path = tmp_path / "reference" / "expression.onnx"
    shuffle_convolutions(path)

    with pytest.raises(BundleError, match="sha256"):
        read_bundle(tmp_path / "reference")
    broken = replace(read_bundle(folder / "reference"), folder=tmp_path / "reference")
    candidate, scores = read_bundle(folder / "candidate"), Scores(pd.DataFrame(), {})
    assert parity(SMALL, broken, candidate)["fp32_max"] > 0.005
    with pytest.raises(ParityError, match=r"differs from its network by [\d.]+, where rounding gives 0\.001 at most"):
        certificate(SMALL, read_bundle(folder / "reference"), broken, candidate, scores, scores)


def test_batch_norms_and_pixels_are_within_the_graph(built):
    """The input is raw bytes, and no normalisation is left to the caller."""
    model = onnx.load(built[1] / "reference" / "expression.onnx")
    entry = model.graph.input[0].type.tensor_type

    assert entry.elem_type == onnx.TensorProto.UINT8
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


def test_ranges_are_measured_on_training_samples(built, tmp_path):
    """Parity is measured on others, so that int8 is not fitted to its own test."""
    samples, folder = built
    asked = []
    watched = replace(SMALL, calibration=lambda *given: asked.append(given[1:4]) or SMALL.calibration(*given))
    graphs = reference(watched, quickly_trained(samples), samples, PARAMS, tmp_path / "reference", no_asset)
    compress(watched, samples, PARAMS, graphs, folder / "reference", tmp_path / "candidate")

    assert asked == [("validation", 48, 1), ("train", 48, 0)]


def test_int8_is_really_int8_and_smaller(built):
    """Weights of the convolutions are int8 with a scale per channel, and the file is less than half as large."""
    _, folder = built
    model = onnx.load(folder / "candidate" / "expression.onnx")
    int8 = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4]
    scales = {t.name: t for t in model.graph.initializer}

    assert len(int8) >= 4
    assert all(len(numpy_helper.to_array(scales[t.name.replace("_quantized", "_scale")])) == t.dims[0] for t in int8)
    sizes = [(folder / name / "expression.onnx").stat().st_size for name in ("candidate", "reference")]
    assert sizes[0] < 0.55 * sizes[1]


def test_what_is_kept_float_stays_float(built, tmp_path):
    """Nodes are given by name prefix; one that the graph lacks is an error in the family."""
    samples, folder = built
    source = folder / "reference" / "expression.onnx"
    graph = SMALL.graphs(quickly_trained(samples), samples)[0]
    feeds = SMALL.calibration(samples, "train", 16, 0, graph)
    first = next(node.name for node in onnx.load(source).graph.node if node.op_type == "Conv")
    kept = onnx.load(quantise_static(source, tmp_path / "kept.onnx", feeds, (first,)))
    all_of_it = onnx.load(quantise_static(source, tmp_path / "all.onnx", feeds))
    int8 = [
        sum(t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4 for t in m.graph.initializer)
        for m in (kept, all_of_it)
    ]

    assert int8[0] == int8[1] - 1
    with pytest.raises(ValueError, match="no such"):
        quantise_static(source, tmp_path / "x.onnx", feeds, ("/no such",))


def test_only_what_was_learned_is_compressed_and_counted(built, tmp_path):
    """A bundled graph, such as a text encoder, is unchanged, and counts neither in size nor in latency."""
    samples, folder = built
    encoder = (folder / "reference" / "expression.onnx").read_bytes()
    asset = Asset("text_encoder", "p", "m", "encoder.onnx", hashlib.sha256(encoder).hexdigest(), "Apache-2.0")
    travelling = replace(SMALL, assets=(asset,))
    network = quickly_trained(samples)
    graphs = reference(travelling, network, samples, PARAMS, tmp_path / "reference", lambda _: encoder)
    compress(travelling, samples, PARAMS, graphs, tmp_path / "reference", tmp_path / "candidate")
    seal(travelling, samples, graphs, lambda _: encoder, tmp_path / "candidate")
    bundles = [read_bundle(tmp_path / name) for name in ("reference", "candidate")]
    write_outputs(bundles[1], tmp_path / "reference")
    (tmp_path / "candidate" / OUTPUTS).rename(tmp_path / "reference" / OUTPUTS)

    assert (bundles[1].folder / "encoder.onnx").read_bytes() == encoder
    assert [list(bundle.graphs) for bundle in bundles] == [["expression.onnx"]] * 2
    scores = Scores(pd.DataFrame(), {})
    sizes = certificate(travelling, bundles[0], *bundles, scores, scores).size_bytes
    assert sizes["compressed"] == (folder / "candidate" / "expression.onnx").stat().st_size


def test_bytes_are_compared_without_wrapping_around(tmp_path):
    """A generator's pictures are bytes: 3 minus 5 is 2, not 254; and the family defines how pictures agree."""
    bundle = scene_bundle(tmp_path / "bundle")
    drawer_inputs = {"latents": (8, LATENTS), "texts": (8, TEXT), "categories": (8, 3)}
    inputs = {name: np.zeros(shape, np.float32) for name, shape in drawer_inputs.items()}
    session = onnxruntime.InferenceSession(bundle.path("graph"))
    drawn = session.run(None, inputs)[0]
    recorded = {f"in:{name}": value for name, value in inputs.items()} | {"out:pictures": drawn + np.uint8(2)}
    np.savez(bundle.folder / PARITY, **recorded)

    found = parity(replace(SMALL, agreement=agreement_of_pictures), bundle, bundle)

    assert found["fp32_max"] == found["compressed_mean"] == 2.0
    assert found["psnr_db"] > 40


def test_the_digest_is_a_function_of_its_inputs(built, tmp_path):
    """The same data, params and code give a candidate with the same digest."""
    samples, folder = built
    export_all(samples, tmp_path)

    assert read_bundle(tmp_path / "candidate").digest == read_bundle(folder / "candidate").digest


def test_an_asset_with_another_hash_is_refused(built, tmp_path):
    """Only the family's named assets are bundled."""
    samples, folder = built
    graphs = family.graphs(quickly_trained(samples), samples)
    shutil.copytree(folder / "candidate", tmp_path / "candidate")

    with pytest.raises(BundleError, match="sha256"):
        seal(SMALL, samples, graphs, lambda _: b"tampered", tmp_path / "candidate")


def test_the_test_split_stays_shut(built, tmp_path):
    """Compression works without the test split."""
    samples, _ = built
    blind = small_set(tmp_path / "set", {"train": 64, "validation": 32, "test": 32})
    (blind.folder / "test.npy").unlink()

    export_all(blind, tmp_path)

    assert read_bundle(tmp_path / "candidate").manifest.labels == samples.labels


def test_the_certificate_speaks_of_this_bundle(built):
    """Digest, both sets of metrics, bytes and latency of both, and the machine."""
    samples, folder = built
    bundles = [read_bundle(folder / name) for name in ("search/source", "candidate")]

    scores = [SMALL.score(bundle, samples, "test", no_asset) for bundle in bundles]
    proof = certificate(SMALL, bundles[0], *bundles, *scores)

    assert proof.digest == bundles[1].digest
    assert set(proof.metrics) == set(proof.latency_ms) == set(proof.size_bytes) == {"fp32", "compressed"}
    assert proof.metrics["compressed"]["accuracy"] > 0.6
    assert proof.machine["onnxruntime"]


def test_the_certificate_has_the_costs(built):
    """Percentiles on one and two threads, multiply-adds, memory; the budget and its machine, if there is one."""
    _, folder = built
    bundles = [read_bundle(folder / name) for name in ("search/source", "candidate")]
    scores = Scores(pd.DataFrame(), {})
    budget = Budget(max_latency_ms=1.0)

    proof, plain = (certificate(SMALL, bundles[0], *bundles, scores, scores, budget=given) for given in (budget, None))

    assert {side: set(spread) for side, spread in proof.percentiles_ms.items()} == {
        "fp32": {"1", "2"},
        "compressed": {"1", "2"},
    }
    assert proof.latency_ms["compressed"] == proof.percentiles_ms["compressed"]["1"]["p50"]
    assert proof.multiply_adds["fp32"] == proof.multiply_adds["compressed"] > 100_000
    assert proof.peak_bytes["fp32"] > 0
    assert (proof.budget, proof.budget_machine) == (budget, proof.machine["processor"])
    assert (plain.budget, plain.budget_machine) == (None, "")


def test_temperature_makes_confidence_honest(tmp_path):
    """With a third of the labels wrong, an overconfident network is calibrated."""
    samples = small_set(tmp_path / "set", {"train": 64, "validation": 30})
    network = quickly_trained(samples)
    table = samples.table
    table.loc[(table["split"] == "validation") & (table["row"] % 3 == 0), "label"] = "sad"
    table.to_parquet(samples.folder / "samples.parquet")
    doubtful = SampleSet(samples.folder)

    quiet, calmed = (
        family.graphs(torch.nn.Sequential(network, Times(factor)), doubtful)[0].module.temperature
        for factor in (0.2, 0.4)
    )

    assert calmed == pytest.approx(2.0 * quiet, rel=0.1)


class Times(torch.nn.Module):
    """Multiplies its input."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        """X -> factor x."""
        return self.factor * x
