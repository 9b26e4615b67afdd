"""The search: candidates are made once, students learn from the teacher, and lossy candidates are not shipped."""

import math
import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from compression.methods import networks
from compression.prove import parity
from compression.search import search as search_module
from compression.search.candidates import OverBudgetError
from compression.search.sealed_json import read_sealed, write_sealed
from compression.search.search import JUDGED, CompressionSearch, tidy
from compression.search.uncertainty import standard_error
from curation.store.sample_set import SampleSet
from models.expression.params import CompressParams, ExpressionParams, TrainParams
from models.family import BudgetParams, Prune, QuantisationAware
from rushes.bundle.manifest import read_bundle
from tests.support.exported import SMALL, no_asset
from tests.support.outliers import with_loud_channel
from tests.support.sets import small_set
from tests.support.trained import quickly_trained
from training.monitoring.divergence import DivergedError, NotFiniteError

TRAIN = TrainParams(
    widths=(16, 32), depths=(1, 1), epochs=6, batch_size=32, precision="32-true", learning_rate=0.05, dropout=0.0
)
COMPRESS = CompressParams(
    calibration_samples=48, calibrations=("minmax", "percentile"), students=((8, 8),), teacher_weight=1.0
)
WEAK = "student 8-8"
NAMES = [
    f"{network}, {quantisation}"
    for network in ("teacher", "student 8-8")
    for quantisation in ("float", "static int8 minmax", "static int8 percentile")
]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """There is no test split, so nothing opens it. All training labels are wrong, in sequence."""
    samples = small_set(tmp_path_factory.mktemp("search") / "set", {"train": 64, "validation": 32})
    table = samples.table
    table.loc[table["split"] == "train", "label"] = np.resize(samples.labels, 3 * 64)
    table.to_parquet(samples.folder / "samples.parquet")
    return SampleSet(samples.folder)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A network trained on the right labels."""
    return quickly_trained(small_set(tmp_path_factory.mktemp("teacher") / "set", {"train": 64, "validation": 32}))


@pytest.fixture(scope="module")
def made(samples, teacher, tmp_path_factory):
    """A search and its result."""
    search = search_of(samples, tmp_path_factory.mktemp("cache"))
    return search, search.run(teacher)


def search_of(samples, cache, **changes):
    """A search with the small config."""
    params = ExpressionParams(train=TRAIN, compress=COMPRESS, budget=BudgetParams(max_objective_drop=0.3))
    return replace(CompressionSearch(SMALL, params, samples, samples, no_asset, cache), **changes)


def by_name(result):
    """Its candidates."""
    return {candidate.name: candidate for candidate in result.candidates}


def test_every_candidate_is_made_and_judged(made):
    """For both networks: int8 and the student are smaller, and each is scored on validation."""
    candidates = by_name(made[1])

    assert list(candidates) == NAMES
    assert candidates["teacher, float"].objective > 0.9
    assert candidates["teacher, static int8 minmax"].size_bytes < 0.6 * candidates["teacher, float"].size_bytes
    assert candidates["student 8-8, float"].size_bytes < 0.4 * candidates["teacher, float"].size_bytes
    assert all(candidate.latency_ms > 0 for candidate in candidates.values())


def test_a_drop_has_its_standard_error(samples, teacher, tmp_path):
    """Planted: a student of the wrong labels alone. Its standard error is that of a bootstrap over the same faces."""
    wrong = COMPRESS.model_copy(update={"teacher_weight": 0.0, "calibrations": ("minmax",)})
    params = ExpressionParams(train=TRAIN, compress=wrong, budget=BudgetParams(max_objective_drop=0.3))
    candidates = by_name(search_of(samples, tmp_path, params=params).run(teacher))
    rows = [
        pd.read_parquet(tmp_path / candidates[f"{name}, float"].folder / "rows.parquet") for name in ("teacher", WEAK)
    ]

    assert candidates["teacher, float"].standard_error == 0.0
    assert candidates[f"{WEAK}, float"].standard_error == standard_error(SMALL.objective, *rows) > 0.01
    assert len(rows[0]) == len(samples.kept("validation"))


def test_a_student_learns_from_its_teacher(made):
    """Planted: every training label is wrong at random, so that all of the student's accuracy is the teacher's."""
    assert by_name(made[1])["student 8-8, float"].objective > 0.8


def test_a_student_learns_from_pictures_without_a_label(teacher, tmp_path):
    """Planted: the sad ones are unlabelled. The teacher labels them, so a student that sees them learns them."""
    samples = small_set(tmp_path / "set", {"train": 64, "validation": 32})
    table = samples.table
    gone = (table["split"] == "train") & (table["label"] == "sad")
    table.loc[gone, ["label", "kept", "reason"]] = ["", False, "unlabelled"]
    np.save(samples.folder / "apart.npy", samples.array("train")[table.loc[gone, "row"]])
    np.save(samples.folder / "train.npy", samples.array("train")[: -gone.sum()].copy())
    table.loc[gone, "row"] = np.arange(gone.sum())
    table.to_parquet(samples.folder / "samples.parquet")
    samples = SampleSet(samples.folder)
    search = search_of(samples, tmp_path / "cache")
    blind = replace(SMALL, distillation=replace(SMALL.distillation, unlabelled=False))
    found = [by_name(one.run(teacher))["student 8-8, float"].objective for one in (
        search, replace(search, family=blind, cache=tmp_path / "blind")
    )]  # fmt: skip

    assert found[0] > 0.8 > found[1]


def test_the_pick_is_laid_out(made, tmp_path):
    """As a bundle, without the cache's own files; next to it the outputs of its own network."""
    search, result = made
    pick = search.install(result, tmp_path / "candidate", tmp_path / "source")
    bundle = read_bundle(tmp_path / "candidate")

    assert pick == result.pick(search.params.budget)
    assert set(bundle.manifest.files) == {"expression.onnx", "detector.tflite"}
    assert sorted(path.name for path in bundle.folder.iterdir()) == sorted([*bundle.manifest.files, "manifest.json"])
    assert (tmp_path / "source" / "parity.npz").is_file()


def test_what_is_there_is_not_made_again(made, teacher, samples, monkeypatch):
    """Another search over the same cache trains, quantises, scores and measures nothing: the same pick."""
    monkeypatch.setattr(search_module, "interleaved_percentiles_ms", None)
    monkeypatch.setattr(networks, "fit", None)
    monkeypatch.setattr(search_module, "compress", None)
    monkeypatch.setattr(search_module, "reference", None)
    search = search_of(samples, made[0].cache)

    assert search.run(teacher).candidates == made[1].candidates


def test_one_more_candidate_remakes_no_other(made, teacher, samples, monkeypatch):
    """Another student and another calibration are made, and all existing ones are kept."""
    fits, fit = [], networks.fit
    monkeypatch.setattr(networks, "fit", lambda *given, **named: fits.append(given[1].widths) or fit(*given, **named))
    made_now, compress = [], search_module.compress
    monkeypatch.setattr(search_module, "compress", lambda *given: made_now.append(given[5].name) or compress(*given))
    more = {"students": ((8, 8), (8, 16)), "calibrations": ("minmax", "percentile", "entropy"), "float_layers": (1,)}
    params = made[0].params.model_copy(update={"compress": COMPRESS.model_copy(update=more)})
    candidates = by_name(search_of(samples, made[0].cache, params=params).run(teacher))

    assert fits == [(8, 16)]
    assert len(candidates) == 3 * 5
    assert len(made_now) == 3 * 4 - 4
    assert [candidates[name].folder for name in NAMES] == [by_name(made[1])[name].folder for name in NAMES]


def test_another_config_of_a_student_is_another_student(made, teacher, samples, monkeypatch):
    """The config of its training belongs to it; the trained network's own candidates are kept."""
    made_now, compress = [], search_module.compress
    monkeypatch.setattr(search_module, "compress", lambda *given: made_now.append(given[5].name) or compress(*given))
    params = made[0].params.model_copy(update={"compress": COMPRESS.model_copy(update={"temperature": 4.0})})
    candidates = by_name(search_of(samples, made[0].cache, params=params).run(teacher))

    assert len(made_now) == 2
    assert all(name.startswith("student-8-8") for name in made_now)
    assert candidates["student 8-8, float"].folder != by_name(made[1])["student 8-8, float"].folder


def test_a_student_that_diverges_is_left_out(teacher, samples, tmp_path, monkeypatch):
    """Planted: its training ends in NaN. The others are scored, and the reason for its absence is listed."""

    def diverges(*_given, **_named):
        figure = "val/loss"
        raise DivergedError(figure, 0)

    monkeypatch.setattr(networks, "fit", diverges)
    result = search_of(samples, tmp_path).run(teacher)

    assert list(by_name(result)) == NAMES[:3]
    reason = "training diverged in epoch 1: val/loss became NaN or infinite: lower train.learning_rate in params.yaml"
    assert result.failed == {"student 8-8": reason}


def test_before_nothing_is_shipped_it_is_measured_again(made, teacher, samples, monkeypatch):
    """Planted: milliseconds of a busy hour. They are not reused."""
    search = search_of(samples, made[0].cache)
    tight = search.params.model_copy(update={"budget": BudgetParams(max_objective_drop=0.3, max_latency_ms=50.0)})
    search = replace(search, params=tight)
    known = read_sealed(search.cache / search_module.LATENCIES)
    busy = known | {"ms": dict.fromkeys(known["ms"], 1e3)}
    write_sealed(search.cache / search_module.LATENCIES, busy)

    assert search.run(teacher).pick(tight.budget) is not None
    monkeypatch.setattr(search_module, "interleaved_percentiles_ms", None)
    assert search.run(teacher).pick(tight.budget) is not None


def test_what_was_laid_out_before_gives_way(made, tmp_path):
    """Twice by hand, without DVC: the second result equals the first."""
    search, result = made
    for _ in range(2):
        search.install(result, tmp_path / "candidate", tmp_path / "source")
        (tmp_path / "candidate" / "stray").write_text("of a run before")

    assert (tmp_path / "source" / "outputs.npz").is_file()
    search.install(result, tmp_path / "candidate", tmp_path / "source")
    assert not (tmp_path / "candidate" / "stray").exists()


def test_on_another_machine_it_is_measured_again(made, teacher, samples, monkeypatch):
    """Nothing is made again, but milliseconds are valid for one machine only."""
    monkeypatch.setattr(search_module, "compress", None)
    monkeypatch.setattr(search_module, "machine", lambda: {"processor": "Abacus"})
    result = search_of(samples, made[0].cache).run(teacher)

    assert result.machine == {"processor": "Abacus"}
    assert [candidate.latency_ms for candidate in result.candidates] != [
        candidate.latency_ms for candidate in made[1].candidates
    ]


def test_a_damaged_candidate_is_made_again(made, teacher, samples, monkeypatch):
    """Planted: a byte of one file. Only that candidate is made again, without training the student."""
    monkeypatch.setattr(networks, "fit", None)
    name, made_again = "student 8-8, static int8 minmax", []
    path = made[0].cache / by_name(made[1])[name].folder / "expression.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    compress = search_module.compress
    monkeypatch.setattr(search_module, "compress", lambda *given: made_again.append(given[5].name) or compress(*given))
    candidates = by_name(search_of(samples, made[0].cache).run(teacher))

    assert made_again == [path.parent.name]
    assert candidates[name].objective == by_name(made[1])[name].objective


def test_a_calibration_of_constants_is_not_shipped(samples, teacher, tmp_path):
    """Planted: ranges measured on black pictures. int8 loses its accuracy, and float is shipped."""
    black = replace(
        SMALL, calibration=lambda *_: [{"pictures": np.zeros((16, *samples.array("train").shape[1:]), np.uint8)}]
    )
    params = ExpressionParams(
        train=TRAIN,
        compress=CompressParams(calibration_samples=16, quantisation_aware=QuantisationAware(epochs=0)),
        budget=BudgetParams(max_objective_drop=0.1),
    )
    search = search_of(samples, tmp_path / "cache", family=black, params=params)
    result = search.run(teacher)

    assert by_name(result)["teacher, static int8 minmax"].objective < 0.8
    assert search.install(result, tmp_path / "candidate", tmp_path / "source").name == "teacher, float"


def test_a_trained_network_that_gives_nan_is_named(samples, teacher, tmp_path):
    """The error is not the missed budget, whose remedy is to raise it."""

    def score(*given):
        scores = SMALL.score(*given)
        return replace(scores, rows=scores.rows.assign(**{"p:happy": math.nan}))

    search = search_of(samples, tmp_path / "cache", family=replace(SMALL, score=score))
    with pytest.raises(NotFiniteError, match="macro_f1 of the trained network on the validation split") as caught:
        search.run(teacher)

    assert "expression.train.learning_rate" in caught.value.remedy


def test_narrower_and_spared_networks_are_candidates(samples, teacher, tmp_path, monkeypatch):
    """A pruned network beside the trained one, and int8 with its two most sensitive layers in float, and named."""
    compress = CompressParams(calibration_samples=48, float_layers=(2,), prune=Prune(shares=(0.5,), epochs=2, rounds=1))
    params = ExpressionParams(train=TRAIN, compress=compress, budget=BudgetParams(max_objective_drop=1.0))
    search = search_of(samples, tmp_path / "cache", params=params)
    candidates = by_name(search.run(teacher))
    spared = candidates["teacher, static int8 save 2 layers"]

    assert len(candidates) == 6
    assert re.fullmatch(r"float: /network/\S+, /network/\S+", spared.note)
    assert spared.size_bytes > candidates["teacher, static int8 minmax"].size_bytes
    assert candidates["teacher pruned by 50%, float"].size_bytes < 0.6 * candidates["teacher, float"].size_bytes
    assert candidates["teacher pruned by 50%, float"].objective > 0.7

    (search.cache / candidates["teacher pruned by 50%, float"].folder / JUDGED).unlink()
    monkeypatch.setattr(networks, "fit", None)
    assert by_name(search.run(teacher))["teacher pruned by 50%, float"].size_bytes < spared.size_bytes * 2


def test_what_rounding_costs_too_much_is_tuned_to_bear_it(samples, teacher, tmp_path):
    """Planted: a channel so loud that int8 loses all others. Fine-tuned with fake quantisation, int8 passes."""
    compress = CompressParams(
        calibration_samples=48,
        teacher_weight=1.0,
        quantisation_aware=QuantisationAware(epochs=6, learning_rate_share=1.0),
    )
    params = ExpressionParams(train=TRAIN, compress=compress, budget=BudgetParams(max_objective_drop=0.1))
    search = search_of(samples, tmp_path / "cache", params=params)
    result = search.run(with_loud_channel(teacher))
    candidates = by_name(result)

    assert candidates["teacher, float"].objective > 0.9
    assert candidates["teacher, static int8 minmax"].objective < 0.8
    assert candidates["teacher quantisation-aware, static int8 minmax"].objective > 0.85
    assert search.install(result, tmp_path / "candidate", tmp_path / "source").name.startswith("teacher quant")
    assert parity(SMALL, read_bundle(tmp_path / "source"), read_bundle(tmp_path / "candidate"))["fp32_max"] < 1e-3


def test_nothing_is_laid_out_where_no_candidate_holds(made, tmp_path):
    """With a budget of a hundred bytes the error names the nearest, and there is no candidate."""
    search, result = made
    poor = search.params.model_copy(update={"budget": BudgetParams(max_bytes=100)})

    with pytest.raises(
        OverBudgetError, match=r"no candidate of expression holds its budget\. The nearest: student 8-8"
    ):
        replace(search, params=poor).install(result, tmp_path / "candidate", tmp_path / "source")
    assert not list(tmp_path.iterdir())


def test_a_figure_that_is_cut_off_counts_as_none(made, teacher, samples):
    """Planted: a run killed while writing. The candidate is made again."""
    path = made[0].cache / by_name(made[1])["teacher, float"].folder / JUDGED
    path.write_text(path.read_text()[:9])
    search_of(samples, made[0].cache).run(teacher)

    assert read_sealed(path)["objective"] > 0.9


def test_a_candidate_of_an_earlier_version_is_judged_again(made, teacher, samples, monkeypatch):
    """Planted: figures and outputs under their earlier names. The student is not trained again, and none is left."""
    monkeypatch.setattr(networks, "fit", None)
    name = "student 8-8, float"
    folder = made[0].cache / by_name(made[1])[name].folder
    figures = read_sealed(folder / JUDGED)
    (folder / "outputs.npz").rename(folder / "answers.npz")
    earlier = {"doubt" if key == "standard_error" else key: value for key, value in figures.items()}
    write_sealed(folder / JUDGED, earlier, ("answers.npz",))
    candidates = by_name(search_of(samples, made[0].cache).run(teacher))

    assert candidates[name].standard_error == by_name(made[1])[name].standard_error
    assert not (folder / "answers.npz").exists()
    assert (folder / "outputs.npz").is_file()


def flip_a_bit(path):
    """Flips a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [JUDGED, "rows.parquet", "outputs.npz", "parity.npz", "manifest.json"])
def test_a_flipped_bit_beside_a_candidate_is_seen(made, teacher, samples, name, capsys):
    """In figures, scored rows or reference outputs: it is reported by name, and the same file is made again."""
    folder = made[0].cache / by_name(made[1])["teacher, float"].folder
    flip_a_bit(folder / name)
    candidates = by_name(search_of(samples, made[0].cache).run(teacher))

    assert f"kept from an earlier run: {folder / name} is damaged" in capsys.readouterr().out
    assert candidates["teacher, float"].objective == by_name(made[1])["teacher, float"].objective
    assert read_sealed(folder / JUDGED)["objective"] == candidates["teacher, float"].objective


def test_a_flipped_bit_in_a_students_weights_is_seen(made, teacher, samples, monkeypatch, capsys):
    """Planted, without its candidates: it is trained again, and the damaged weights are not exported."""
    folder = made[0].cache / by_name(made[1])["student 8-8, float"].folder
    (folder / JUDGED).unlink()
    flip_a_bit(folder / networks.WEIGHTS)
    fits, fit = [], networks.fit
    monkeypatch.setattr(networks, "fit", lambda *given, **named: fits.append(given[1].widths) or fit(*given, **named))
    candidates = by_name(search_of(samples, made[0].cache).run(teacher))

    assert fits == [(8, 8)]
    assert f"{folder / networks.WEIGHTS} is damaged" in capsys.readouterr().out
    assert candidates["student 8-8, float"].objective == by_name(made[1])["student 8-8, float"].objective


def test_old_caches_are_removed(tmp_path):
    """The last three trainings stay."""
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        os.utime(tmp_path / str(number), (number, number))
    tidy(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3", "4"]
