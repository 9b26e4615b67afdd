"""Evaluate scores the exported files, and nothing else."""

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from compression.measure.outputs import OutputsError
from compression.prove import ParityError
from curation.store.sample_set import DROPPED, SampleSet, write_set
from flows.nightly.params import lay, parse, read_params
from models.families import by_name
from models.family import Scores, Sheet
from rushes.bundle.manifest import read_bundle, read_head, write_manifest
from rushes.inference.cpu import processor
from steps import evaluate
from tests.support.exported import export_all, reseal, shuffle_convolutions
from tests.support.sets import small_set
from training.monitoring.divergence import NotFiniteError

ROOT = Path(__file__).parents[2]
COUNTS = {"train": 64, "validation": 32, "test": 32}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The outputs of earlier stages, with one test sample that clean has dropped."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "params.yaml", root)
    samples = small_set(root / "build" / "clean" / "faces", COUNTS)
    table, pictures = samples.table, {split: samples.array(split).copy() for split in COUNTS}
    extra = table[table["split"] == "test"].head(1).assign(id="dropped", kept=False, reason="constant", row=0)
    pictures[DROPPED] = pictures["test"][:1]
    table = type(table)(table.to_dict("records") + extra.to_dict("records"))
    write_set(samples.folder, table, pictures, samples.info)
    export_all(samples, root / "build" / "expression")
    return root


@pytest.fixture
def evaluated(tree, tmp_path, monkeypatch):
    """Runs the step in a copy of the tree, and returns its figures."""
    shutil.copytree(tree, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def run():
        evaluate.run("expression")
        return json.loads(Path("build/expression/scores/metrics.json").read_text())

    return run


def test_every_figure_is_over_the_samples_that_it_counts(evaluated):
    """The confusion covers kept samples, `as_given` the dropped ones as well."""
    figures = evaluated()

    assert figures["samples"] == sum(map(sum, figures["confusion"])) == 96
    assert figures["as_given"]["samples"] == 97
    assert {name: part["samples"] for name, part in figures["sources"].items()} == {"one": 64, "two": 32}
    assert figures["fp32"]["accuracy"] > 0.9


def test_bundle_is_the_candidate_with_its_certificate(evaluated):
    """It has pictures of the confusion and of the most confident mistakes."""
    evaluated()
    bundle = read_bundle(Path("build/expression/bundle"))

    assert bundle.digest == read_bundle(Path("build/expression/candidate")).digest == bundle.certificate.digest
    drawn = {path.name for path in Path("build/expression/scores").iterdir()}
    assert {"confusion.png", "reliability.png", "surest_mistakes.jpg", "readings.jpg"} <= drawn


@pytest.mark.parametrize(
    ("folder", "error", "message"),
    [
        ("candidate", OutputsError, r"candidate: probabilities differs by [\d.]+% of its largest value"),
        ("search/source", ParityError, "source: probabilities of the exported graph differs from its network"),
        ("reference", ParityError, "reference: probabilities of the exported graph differs from its network"),
    ],
)
def test_one_shuffled_layer_gets_no_certificate(evaluated, folder, error, message):
    """Planted after the export, with the hash updated: one layer of the shipped file, its source or the reference."""
    path = Path("build/expression") / folder
    shuffle_convolutions(path / "expression.onnx", most=1)
    reseal(path)

    with pytest.raises(error, match=message):
        evaluated()
    assert not Path("build/expression/bundle/certificate.json").exists()


def test_the_certificate_names_the_machine_that_the_budget_means(evaluated, monkeypatch):
    """That of the settings; without one, the machine that has measured."""
    evaluated()
    own = read_bundle(Path("build/expression/bundle")).certificate
    monkeypatch.setenv("RUSHES_BUDGET__PROCESSOR", "Abacus")
    evaluated()
    named = read_bundle(Path("build/expression/bundle")).certificate

    assert (own.budget_machine, named.budget_machine) == (processor(), "Abacus")
    assert (own.candidate, own.objective_drop) == ("teacher, float", 0.0)
    assert named.budget.max_latency_ms


def test_dropped_samples_are_scored_only_where_the_family_compares_them(evaluated, monkeypatch):
    """A family whose drawings are compared with the split ignores samples that clean dropped."""
    family = replace(evaluate.by_name("expression"), scores_as_given=False)
    monkeypatch.setattr(evaluate, "by_name", lambda _: family)

    figures = evaluated()

    assert figures["as_given"]["samples"] == figures["samples"] == 96


def test_whom_pictures_are_owed_to_stands_on_the_sheets(evaluated, monkeypatch):
    """The manifest's `credits` are drawn onto each of them."""
    folder, feet = Path("build/expression/candidate"), []
    settings = {"credits": {"films": "A film, CC BY 3.0"}}
    write_manifest(folder, read_head(folder).manifest.model_copy(update={"settings": settings}))
    monkeypatch.setattr(evaluate, "sheet", lambda *_, foot, **__: feet.append(foot))

    evaluated()

    assert feet == ["Made from: A film, CC BY 3.0"] * 2


def test_scores_that_are_nan_are_refused(evaluated, monkeypatch):
    """Planted: a compressed model that outputs NaN. There is no certificate, and the figure is named."""
    score = evaluate.by_name("expression").score

    def nan(bundle, *given):
        scores = score(bundle, *given)
        nothing = dict.fromkeys(scores.metrics, math.nan)
        return replace(scores, metrics=nothing) if bundle.folder.name == "candidate" else scores

    monkeypatch.setattr(evaluate, "by_name", lambda name: replace(by_name(name), score=nan))
    with pytest.raises(NotFiniteError, match="of the compressed model on the test split became NaN"):
        evaluated()
    assert not Path("build/expression/bundle/certificate.json").exists()


def test_a_probability_that_is_none_is_named_though_the_figures_are_finite():
    """Planted: one NaN among the probabilities of both models. Its label counts as the first one, and F1 is finite."""
    family = by_name("expression")
    rows = pd.DataFrame({"label": ["happy"], "predicted": ["angry"], "p:angry": [math.nan], "p:happy": [0.5]})
    scores = Scores(rows, {"macro_f1": 0.5, "nll": math.nan})

    with pytest.raises(NotFiniteError, match="p:angry of the fp32 model on the test split") as caught:
        evaluate.check_scores(family, {"fp32": scores, "compressed": scores})
    values, path = read_params(Path(__file__).parents[2]), re.search(r"lower (\S+) in params", caught.value.remedy)[1]
    assert lay(values, parse(values, [f"{path}=1e-5"]))


def test_labels_without_samples_are_named(tree):
    """A label that never occurs is neither learned nor scored, and is not visible in any figure."""
    samples = SampleSet(tree / "build" / "clean" / "faces")
    lines = evaluate.lines_of_absent(samples, [*samples.labels, "contempt"])

    assert lines == [
        "no sample of contempt in train: it is not learned\n",
        "no sample of contempt in test: no figure measures how well it is read\n",
    ]
    assert evaluate.lines_of_absent(samples, samples.labels) == []


def test_a_figure_that_is_defined_for_neither_model_is_accepted():
    """A small split leaves some undefined; the objective must be finite."""
    family = by_name("expression")
    scores = Scores(pd.DataFrame(), {"macro_f1": 0.5, "ece": math.nan})

    evaluate.check_scores(family, {"fp32": scores, "compressed": scores})
    with pytest.raises(NotFiniteError, match="macro_f1 of the fp32 model"):
        evaluate.check_scores(family, {"fp32": replace(scores, metrics={"macro_f1": math.nan})})


def test_a_sheet_is_drawn_in_the_size_that_its_family_names(tmp_path):
    """Curves and strips are read at their own width, samples as thumbnails."""
    wide = np.zeros((30, 500, 3), np.uint8)
    drawn = [Sheet("curves", "Curves", [wide], [""], columns=1, cell_px=500), Sheet("samples", "Samples", [wide], [""])]
    family = SimpleNamespace(draw=lambda *_given: drawn)
    evaluate._draw(family, Scores(pd.DataFrame(), {}), None, tmp_path, "")
    sizes = {name: cv2.imread(str(tmp_path / f"{name}.jpg")).shape[:2] for name in ("curves", "samples")}

    assert sizes["curves"][1] == 540
    assert sizes["samples"][1] < 200
    assert json.loads((tmp_path / "captions.json").read_text()) == {"curves.jpg": "Curves", "samples.jpg": "Samples"}
