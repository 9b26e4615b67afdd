"""A smaller writer as a candidate: it learns from the trained one, and its state and its sample have their own size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compression.measure.outputs import one_sample
from compression.prove import certificate
from compression.search.search import CompressionSearch
from models.family import BudgetParams
from models.script.definition import family
from models.script.params import CompressParams, ScriptParams, TrainParams
from rushes.bundle.manifest import read_bundle
from rushes.inference.reference_outputs import drift_of
from training.fit import fit

TRAIN = TrainParams(
    width=32, embedding=16, epochs=2, epoch_characters=16_000, batch_size=8, learning_rate=2e-2, warmup_steps=5
)
PARAMS = ScriptParams(
    train=TRAIN,
    compress=CompressParams(calibration_samples=16, students=(16,)),
    budget=BudgetParams(max_objective_drop=100.0),
)


def nothing(_asset):
    """No asset travels along."""
    return b""


@pytest.mark.slow
def test_a_student_is_made_picked_and_proved(samples, clean, tmp_path):
    """Planted: a budget of bytes that only its int8 candidate holds. Both sides of the certificate are measured."""
    trained = family.network(fit(family, TRAIN, samples, tmp_path / "checkpoints").module).eval()
    search = CompressionSearch(family, PARAMS, samples, clean, nothing, tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    result = search.run(trained)
    smallest = min(candidate.size_bytes for candidate in result.candidates)
    tight = PARAMS.model_copy(update={"budget": BudgetParams(max_objective_drop=100.0, max_bytes=smallest)})
    pick = replace(search, params=tight).install(result, tmp_path / "candidate", tmp_path / "source")
    teacher = search.cache / result.teacher.folder
    reference, source, candidate = (read_bundle(one) for one in (teacher, tmp_path / "source", tmp_path / "candidate"))
    scores = family.score(candidate, clean, "validation", nothing)
    proof = certificate(family, reference, source, candidate, scores, scores)

    names = [
        f"{network}, {quantisation}"
        for network in ("teacher", "student 16")
        for quantisation in ("float", "dynamic int8")
    ]
    assert [candidate.name for candidate in result.candidates] == names
    assert pick.name == "student 16, dynamic int8"
    assert one_sample(source.folder)["state"].shape[1] < one_sample(reference.folder)["state"].shape[1]
    assert proof.size_bytes["compressed"] < proof.size_bytes["fp32"]
    assert set(proof.percentiles_ms) == set(proof.peak_bytes) == {"fp32", "compressed"}
    assert proof.parity["fp32_max"] < 1e-3
    drifts = drift_of(candidate.path("graph"), proof.references)
    assert set(drifts) == set(proof.references.tolerance) == {"logits", "next_state"}
    assert all(one.max <= proof.references.tolerance[name].max for name, one in drifts.items())
