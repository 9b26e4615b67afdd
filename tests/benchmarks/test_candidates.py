"""The benchmark of candidates covers every candidate of a trained network, and changes no other file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import save_file

from benchmarks import candidates as bench
from compression.search.candidates import MeasuredCandidate, SearchResult
from models.components.load import load_params
from tests.support.exported import SMALL, no_asset
from tests.support.sets import small_set

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout after a nightly run, with an untrained network."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    small_set(tmp_path / "build/clean/faces", {"train": 32, "validation": 32})
    samples = small_set(tmp_path / "build/expression/set", {"train": 32, "validation": 32})
    _, params = load_params(ROOT / "params.yaml", SMALL)
    network = SMALL.network(SMALL.module(samples.info, params.train))
    (tmp_path / "build/expression/train").mkdir()
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, tmp_path / "build/expression/train/weights.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "by_name", lambda _: SMALL)
    monkeypatch.setattr(bench, "read_asset", no_asset)
    return tmp_path


def test_every_candidate_has_its_line(checkout, capsys):
    """Three figures for int8 of each network; candidates are in the requested folder, and nothing else is written."""
    before = {path for path in checkout.rglob("*") if path.is_file()}
    words = ["--family", "expression", "--students", "[]", "--quick", "--keep", str(checkout / "kept")]
    bench.main(words)
    output = capsys.readouterr()
    written = {path for path in checkout.rglob("*") if path.is_file()} - before

    lines = [line.split("\t") for line in output.out.splitlines()]
    assert [line[0].partition(",")[0] for line in lines] == ["macro_f1 lost", "ms", "bytes"]
    assert float(lines[2][3]) < bench.SMALLER
    rows = [line.split("\t") for line in output.err.splitlines() if line.count("\t") == len(bench.COLUMNS) - 1]
    assert [row[0] for row in rows[1:]] == [
        f"# teacher, {quantisation}" for quantisation in ("float", "static int8 minmax", "static int8 save 2 layers")
    ]
    assert written
    assert all(path.is_relative_to(checkout / "kept") for path in written)


def test_what_loses_more_than_is_allowed_is_a_goal_missed():
    """The better one of two calibrations counts; a float candidate is not compared."""
    result = SearchResult(
        "macro_f1",
        {},
        (
            MeasuredCandidate("teacher, float", 0.9, 8.0, 4000, 1.0, "a"),
            MeasuredCandidate("student, float", 0.88, 2.0, 800, 1.0, "b"),
            MeasuredCandidate("student, static int8 minmax", 0.8, 1.0, 300, 1.0, "c"),
            MeasuredCandidate("student, static int8 entropy", 0.87, 1.0, 300, 1.0, "d"),
        ),
    )
    taken_ms = {candidate.name: [[candidate.latency_ms] * 3] * 2 for candidate in result.candidates}
    figures = bench.figures_of(result, 0.01, taken_ms)

    assert [figure.held for figure in figures] == [False, True, True]
    assert "student, static int8 entropy" in figures[0].name


def test_students_are_checked_before_anything_starts(checkout, capsys):
    """An impossible width is named; without a run, its command is."""
    with pytest.raises(SystemExit):
        bench.main(["--family", "expression", "--students", '["wide"]'])
    assert "--students: " in capsys.readouterr().err
    (checkout / "build/expression/train/weights.safetensors").unlink()
    with pytest.raises(SystemExit):
        bench.main(["--family", "expression"])
    assert "run make nightly first" in capsys.readouterr().err
