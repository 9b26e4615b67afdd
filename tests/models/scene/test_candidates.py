"""A smaller generator as a candidate: made, quantised and proved as those of any other family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from compression.measure.outputs import read_parity
from compression.prove import certificate
from compression.search.candidate import reference
from compression.search.search import CompressionSearch
from models.family import BudgetParams, Scores
from models.scene.definition import family, students
from models.scene.network import build
from models.scene.params import AugmentParams, CompressParams, SceneParams, TrainParams
from rushes.bundle.manifest import read_bundle
from rushes.inference.reference_outputs import drift_of
from rushes.inference.session import open_graph
from tests.support.places import TRAIN, place_set

PARAMS = SceneParams(
    train=TrainParams(**TRAIN),
    compress=CompressParams(calibration_samples=16, students=((8, 4),), student_epochs=3),
    budget=BudgetParams(max_objective_drop=100.0),
)


class Nearness:
    """Similarity of a candidate's drawings to the trained generator's, without the real score's dependencies."""

    name = "nearness"

    def __call__(self, rows, _weights=None):
        """Higher is nearer."""
        return float(rows["near"].mean())


def test_candidates_of_a_generator_are_made_judged_and_proved(tmp_path, monkeypatch):
    """int8 and the student are smaller; the student has learned; the pick has the outputs that the search stored."""
    samples = place_set(tmp_path, params=AugmentParams(), monkeypatch=monkeypatch)
    teacher = build(samples.info, TrainParams(**TRAIN, seed=7))[0].eval()
    asked, drawn = {}, {}

    def near(bundle, *_given):
        feeds = asked or read_parity(bundle.folder)[0]
        asked.update(feeds)
        pictures = open_graph(bundle.path("graph")).run(None, feeds)[0].astype(float)
        truth = drawn.setdefault("first", pictures)  # the trained one in float comes first
        return Scores(pd.DataFrame({"near": [-np.abs(pictures - truth).mean()]}), {})

    small = replace(family, assets=(), score=near, objective=Nearness())
    search = CompressionSearch(small, PARAMS, samples, samples, lambda _: b"", tmp_path / "cache")
    search.cache.mkdir()
    result = search.run(teacher)
    candidates = {candidate.name: candidate for candidate in result.candidates}
    search.install(result, tmp_path / "candidate", tmp_path / "source")
    folders = (search.cache / result.teacher.folder, tmp_path / "source", tmp_path / "candidate")
    proof = certificate(small, *map(read_bundle, folders), Scores(pd.DataFrame(), {}), Scores(pd.DataFrame(), {}))

    begun = family.network(family.module(samples.info, students(PARAMS)["student 8-4"])).eval()
    reference(small, begun, samples, PARAMS.compress, tmp_path / "untaught", lambda _: b"")
    untaught = read_bundle(tmp_path / "untaught")

    networks, quantisations = ("teacher", "student 8-4"), ("float", "static int8 minmax")
    assert list(candidates) == [f"{network}, {quantisation}" for network in networks for quantisation in quantisations]
    assert candidates["student 8-4, float"].size_bytes < candidates["teacher, float"].size_bytes
    assert candidates["teacher, static int8 minmax"].objective > -8.0  # levels of 255
    assert candidates["student 8-4, float"].objective > 0.6 * Nearness()(near(untaught).rows)
    assert proof.parity["fp32_max"] <= 1.0
    drifts = drift_of(read_bundle(folders[-1]).path("graph"), proof.references)
    assert {name: one.max <= proof.references.tolerance[name].max for name, one in drifts.items()} == {"pictures": True}
