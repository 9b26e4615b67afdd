"""Sharded weights: two processes learn what they learn with ddp, and either resumes where the other has stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from models.script.encode import encode
from models.script.params import AugmentParams
from tests.models.script.conftest import packed
from tests.support.repos import ROOT
from tests.support.sets import small_set
from tests.support.tracked_takes import LEARNING as TAKES
from tests.support.tracked_takes import learned_takes

FACES = {"batch_size": 32, "norm_samples": 16, "widths": [8, 16], "depths": [1, 1], "mixup": 0.0}
TEXTS = {"batch_size": 4, "sequence_length": 32, "epoch_characters": 1024, "width": 32, "embedding": 16}


@pytest.mark.slow
def test_it_learns_what_ddp_learns_and_resumes_where_the_other_has_stopped(tmp_path):
    """The same gradients, figures and averaged weights, by half of the numbers in each process."""
    texts = encode(packed(tmp_path / "clean"), AugmentParams(), tmp_path / "texts", lambda _asset: b"")
    faces = small_set(tmp_path / "faces", {"train": 48, "validation": 16})
    takes = learned_takes(tmp_path / "takes")
    both = {"epochs": 2, "precision": "32-true", "ema_decay": 0.9}
    sets = [("expression", faces, FACES), ("script", texts, TEXTS), ("tracking", takes, TAKES)]
    jobs = [(family, str(samples.folder), params | both) for family, samples, params in sets]
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "tests.support.sharded"]
    done = subprocess.run(
        [sys.executable, *words, json.dumps(jobs), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    for family, *_ in jobs:
        runs = {run: torch.load(tmp_path / f"{family}-{run}.pt") for run in ("ddp", "fsdp", "to-ddp", "to-fsdp")}
        whole = runs.pop("ddp")
        assert {run: found["resumed"] for run, found in runs.items()} == {"fsdp": 0, "to-ddp": 1, "to-fsdp": 1}
        shares = [share / all_of for share, all_of in zip(runs["fsdp"]["kept"], whole["kept"], strict=True)]
        assert shares == pytest.approx([0.5] * 3, abs=0.1)
        for found in runs.values():
            steps = whole["steps"][-len(found["steps"]) :]
            torch.testing.assert_close(found["steps"], steps, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(found["weights"], whole["weights"], rtol=1e-4, atol=1e-6)
            assert found["figures"] == pytest.approx(whole["figures"], rel=1e-4)
