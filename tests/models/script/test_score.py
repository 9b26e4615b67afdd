"""The score: bits that a known network must have, scenes that are none are seen, and a shuffled weight costs."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from compression.search.candidate import compress, reference, seal
from models.script.definition import family
from models.script.params import CompressParams, TrainParams
from models.script.score import BatchedGraph, BitsSaved, ScoredDocument, agreement_of_next, is_scene, score
from rushes.bundle.manifest import read_bundle
from rushes.script.request import Request
from rushes.script.writer import ScriptWriter
from training.fit import fit

SMALL = TrainParams(
    width=32,
    embedding=16,
    epochs=2,
    epoch_characters=16_000,
    batch_size=8,
    learning_rate=2e-2,
    warmup_steps=5,
)


def nothing(_asset):
    """No asset travels along."""
    return b""


def bundles(samples, folder, module):
    """FOLDER/reference and FOLDER/candidate of a trained module."""
    params, network = CompressParams(calibration_samples=16), family.network(module).eval()
    graphs = reference(family, network, samples, params, folder / "reference", nothing)
    compress(family, samples, params, graphs, folder / "reference", folder / "candidate")
    seal(family, samples, graphs, nothing, folder / "candidate")
    return read_bundle(folder / "reference"), read_bundle(folder / "candidate")


@pytest.fixture
def trained(samples, tmp_path):
    """A module that was trained for seconds."""
    return fit(family, SMALL, samples, tmp_path / "checkpoints").module


@pytest.fixture
def bundle(samples, tmp_path):
    """The float graph of weights that have learned nothing, in a bundle."""
    return bundles(samples, tmp_path, family.module(samples.info, SMALL))[0]


def test_a_bundle_is_scored_and_its_scenes_are_scenes(clean, samples, trained, tmp_path):
    """Better than chance after seconds; int8 is near; what is written is valid; shuffled weights are seen."""
    fp32, int8 = (score(one, clean, "test", nothing) for one in bundles(samples, tmp_path, trained))
    with torch.no_grad():
        weight = trained.network.narrow.weight
        weight.copy_(weight.flatten()[torch.randperm(weight.numel())].view_as(weight))
    shuffled = score(bundles(samples, tmp_path / "shuffled", trained)[0], clean, "test", nothing)
    bits = [-one.metrics[BitsSaved.name] for one in (fp32, int8, shuffled)]

    assert bits[0] < math.log2(len(samples.info["vocabulary"])) - 1
    assert abs(bits[0] - bits[1]) < 0.1
    assert bits[2] > bits[0] + 0.2
    assert fp32.metrics["valid"] == int8.metrics["valid"] == 1.0
    assert set(fp32.rows["group"]) == {"tower", "quay"}
    assert fp32.texts


def test_a_network_that_knows_nothing_costs_the_vocabulary(samples, tmp_path):
    """All weights nothing: each character costs log2 of the vocabulary, one that it lacks 8 bits."""
    module = family.module(samples.info, SMALL)
    for weight in module.parameters():
        torch.nn.init.zeros_(weight)
    bundle = bundles(samples, tmp_path, module)[0]
    given = {name: value for name, value in bundle.manifest.input.items() if name != "cache"}
    reader = BatchedGraph(bundle.path("graph"), given)
    documents = [ScoredDocument("a", "own", "comedies", "Anna went out. " * 200)]
    usual = math.log2(len(samples.info["vocabulary"]))
    bits, count = reader.windows(documents)
    strange = reader.carried([ScoredDocument("b", "own", "comedies", "\u6d77" * 8 + "Anna went out. " * 200)])

    assert -BitsSaved()(reader.carried(documents)) == pytest.approx(usual, abs=1e-4)
    assert bits / count == pytest.approx(usual, abs=1e-4)
    assert strange["unspelled"].sum() == 8


def test_bits_are_those_that_the_writer_draws_by(bundle):
    """Fed a document token by token, network and cache of the writer give each next one the share that is scored."""
    text = "ANNA and MARK go out. ANNA comes back, MARK does not. " * 4
    writer = ScriptWriter.from_bundle(bundle)
    network, tokens = writer.network_for(Request(heading="SEA")), writer.spelling.tokens(text)
    network.reset()
    bits = []
    for token, after in pairwise(tokens):
        logits_v = network.feed(token).astype(np.float64)
        bits.append((np.logaddexp.reduce(logits_v) - logits_v[after]) / math.log(2))
    rows = BatchedGraph(bundle.path("graph"), bundle.manifest.input).carried(
        [ScoredDocument("a", "own", "comedies", text)]
    )

    assert rows["characters"].sum() == len(bits)
    assert rows["bits"].sum() == pytest.approx(sum(bits), rel=1e-4)


def test_repeated_text_costs_less(bundle):
    """A repeated text costs less than half with its cache; the windows see nothing of what was before."""
    documents = [ScoredDocument("a", "own", "comedies", "Quoth ZEBULON: vex not my lynx. " * 60)]
    given = bundle.manifest.input
    plain = BatchedGraph(bundle.path("graph"), {name: value for name, value in given.items() if name != "cache"})
    reader = BatchedGraph(bundle.path("graph"), given)

    assert reader.carried(documents)["bits"].sum() < 0.5 * plain.carried(documents)["bits"].sum()
    assert reader.windows(documents)[0] > 0.6 * plain.windows(documents)[0]


def test_invalid_scenes_are_detected():
    """Planted: a cue without words, no heading, two headings, a note, and text that is written otherwise."""
    good = "INT. HALL - DAY\n\nANNA\nGo.\n"
    bad = ["ANNA\nGo.\n", f"{good}\nEXT. SEA - DAY\n\nWind.\n", f"{good}\n[[a note]]\n", f"{good}\n\n\n", ""]

    assert is_scene(good)
    assert not any(is_scene(text) for text in bad)


def test_agreement_sees_another_answer():
    """The same logits agree in all; other ones diverge by so many bits."""
    logits = np.random.default_rng(0).standard_normal((40, 9)).astype(np.float32)

    same, other = agreement_of_next(logits, logits), agreement_of_next(logits, logits[:, ::-1])
    assert same == {"compressed_bits": pytest.approx(0.0, abs=1e-6), "compressed_agreement": 1.0}
    assert other["compressed_bits"] > 0.5
    assert other["compressed_agreement"] < 0.5
