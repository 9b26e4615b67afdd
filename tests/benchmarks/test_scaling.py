"""Figures of distributed training."""

from __future__ import annotations

import pytest

from benchmarks import scaling
from benchmarks.scaling import efficiency


@pytest.mark.slow
def test_scaling_runs(capsys):
    """Each figure has its line, whatever its value after so short a time, and each network its model."""
    scaling.main(["--quick"])

    printed = capsys.readouterr()
    lines = [line.split("\t") for line in printed.out.splitlines()]
    assert [len(line) for line in lines] == [6, 6, 6]
    assert all(float(line[1]) > 0 for line in lines)
    assert printed.err.count("# model, network") == 2


def test_model_of_more_nodes():
    """A step of 100 ms and 2 MB of gradients: 1 Gbit/s and no latency, by hand; alone, nothing is lost."""
    network = {"latency_s": 0.0, "bytes_per_s": 1e9 / 8}

    assert efficiency(1, 0.1, 2e6, **network) == 1.0
    # Two nodes: 50 ms of work, and two messages of 1 MB, 8 ms each.
    assert efficiency(2, 0.1, 2e6, **network) == pytest.approx(50 / 66)
    assert efficiency(8, 0.1, 2e6, latency_s=1e-3, bytes_per_s=1e9) < efficiency(4, 0.1, 2e6, 1e-3, 1e9)
