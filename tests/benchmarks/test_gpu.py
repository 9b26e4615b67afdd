"""The benchmark of training on a GPU: without one it ends with a line; its code runs on a CPU, small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.support.gpu.loaders import Pieces
from benchmarks.support.gpu.loops import Rows
from benchmarks.support.made_up_sets import scripts
from models.script.params import TrainParams
from tests.benchmarks.test_compression import faces
from tests.support import cuda

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("call", "status"), [(lambda: gpu.main([]), 2), (cuda.main, 1)], ids=["benchmark", "make"])
def test_without_a_device_it_ends_with_a_line(call, status, monkeypatch, capsys):
    """The benchmark, and what `make test-gpu` runs first."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        call()
    line = capsys.readouterr().err or str(ended.value.code)

    assert ended.value.code in {status, line}  # a text is printed by Python, with status 1
    assert len(line.splitlines()) == 1
    assert "needs a CUDA device" in line


def test_only_make_test_gpu_runs_tests_that_need_a_device():
    """In CI a skipped test is a failure, so these are not selected there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    selected = re.findall(r"pytest -m (\"[^\"]*\"|\w+)", makefile)

    assert selected == ['"not slow and not gpu"', '"slow and not gpu"', "gpu"]


@pytest.mark.slow
def test_it_runs(capsys):
    """Each family against both peers, six fields a figure."""
    gpu.main(["--quick"])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]

    assert [len(line) for line in lines] == [6] * 6
    assert [line[0].partition(":")[0] for line in lines] == ["expression"] * 2 + ["scene"] * 2 + ["script"] * 2
    assert all(float(value) > 0 for line in lines for value in line[1:3])


@pytest.mark.slow
def test_faces_are_learned_in_a_given_time(tmp_path, capsys):
    """One figure, a share; what is kept is not trained again."""
    asked = ["--data", str(faces(tmp_path / "faces")), "--quick", "--keep", str(tmp_path / "kept")]
    gpu.main(asked)
    first = capsys.readouterr()
    gpu.main(asked)
    second = capsys.readouterr()

    [line] = first.out.splitlines()
    assert 0.0 < float(line.split("\t")[1]) <= 1.0
    assert second.out == first.out
    assert "epoch 1 of" in first.err
    assert "epoch 1 of" not in second.err


def test_stock_batches_carry_the_text_on(tmp_path):
    """Each place of a batch goes on where the same place of the one before ended, as in the product's own."""
    params = TrainParams(batch_size=4, sequence_length=8)
    pieces = Pieces(scripts(tmp_path, 4096), params)
    first, second = (torch.stack([pieces[step * 4 + place] for place in range(4)]) for step in (0, 1))

    assert torch.equal(first[:, -1], second[:, 0])
    assert len(pieces) == 4 * ((pieces.lanes_nl.shape[1] - 1) // 8)


def test_a_pass_by_hand_takes_each_row_once():
    """Then a new order begins."""
    rows = Rows(10, 5, torch.device("cpu"))
    passes = [torch.cat([rows.next(), rows.next()]) for _ in range(2)]

    assert all(sorted(one.tolist()) == list(range(10)) for one in passes)
