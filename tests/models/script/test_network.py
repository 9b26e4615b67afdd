"""The network: the step that is exported is the network that was trained, and what was read before is carried on."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from compression.export import export
from models.script.definition import graphs, module
from models.script.network import runs
from models.script.params import TrainParams

SMALL = TrainParams(width=16, embedding=8, buckets=64, layers=2)
INFO = {"vocabulary": ["", *"abcdefgh"]}


@pytest.fixture
def network():
    """A small one, with votes of runs that are not all nothing."""
    made = module(INFO, SMALL).network.eval()
    for table in made.runs_out:
        torch.nn.init.normal_(table.weight)
    return made


def tokens(count: int, steps: int) -> torch.Tensor:
    """Random ids, none of them nothing."""
    return torch.randint(1, 9, (count, steps), generator=torch.Generator().manual_seed(1))


def test_a_state_carries_what_was_read(network):
    """Read in two parts with the state between them, a text gives what it gives in one; without it, something else."""
    ids = torch.cat([torch.zeros(3, network.window - 1, dtype=torch.int64), tokens(3, 12)], 1)
    before = network.window - 1
    whole, _ = network(ids, network.start(3))
    _, state = network(ids[:, : before + 5], network.start(3))
    rest, _ = network(ids[:, 5:], state)
    fresh, _ = network(ids[:, 5:], network.start(3))

    assert torch.allclose(whole[:, 5:], rest, atol=1e-5)
    assert not torch.allclose(whole[:, 5:], fresh, atol=1e-3)


def test_the_exported_step_reads_as_the_network_does(network, tmp_path):
    """Character by character through ONNX Runtime: the same logits; with shuffled weights others."""
    session = onnxruntime.InferenceSession(export(graphs(network, None)[0], tmp_path))
    ids = torch.cat([torch.zeros(2, network.window - 1, dtype=torch.int64), tokens(2, 9)], 1)
    wanted = network(ids, network.start(2))[0].detach().numpy()
    state, found = np.zeros((2, network.state_size), np.float32), []
    for step in range(9):
        feed = {"window": ids[:, step : step + network.window].numpy(), "state": state}
        logits, state = session.run(None, feed)
        found.append(logits)
    torch.nn.init.normal_(network.narrow.weight)

    assert np.allclose(np.stack(found, 1), wanted, atol=1e-4)
    assert not np.allclose(network(ids, network.start(2))[0].detach().numpy(), wanted, atol=1e-2)


def test_a_run_has_one_row_wherever_it_stands():
    """The same last characters give the same row; one other character, as a rule, another."""
    ids = torch.tensor([[0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 5, 2, 3]])
    twos, threes, fours = runs(ids, 4, 4, 4096)

    assert twos.shape == (1, 10)
    assert twos[0, 2] == twos[0, 6] == twos[0, 9]  # "23"
    assert threes[0, 2] == threes[0, 6] != threes[0, 9]  # "123", and "523"
    assert fours[0, 2] != fours[0, 6]  # "0123", and "4123"
