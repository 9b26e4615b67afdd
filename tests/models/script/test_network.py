"""The network: the step that is exported is the network that was trained, and what was read before is carried on."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from compression.methods.export import export
from models.script.definition import graphs, module
from models.script.network import ScriptNetwork
from models.script.params import TrainParams

SMALL = TrainParams(width=16, embedding=8, layers=2)
INFO = {"vocabulary": ["", *"abcdefgh"]}


@pytest.fixture
def network():
    """A small one."""
    return module(INFO, SMALL).network.eval()


def tokens(count: int, steps: int) -> torch.Tensor:
    """Random ids, none of them nothing."""
    return torch.randint(1, 9, (count, steps), generator=torch.Generator().manual_seed(1))


def test_a_state_carries_what_was_read(network):
    """Read in two parts with the state between them, a text gives what it gives in one; without it, something else."""
    ids = tokens(3, 12)
    whole, _ = network(ids, network.start(3))
    _, state = network(ids[:, :5], network.start(3))
    rest, _ = network(ids[:, 5:], state)
    fresh, _ = network(ids[:, 5:], network.start(3))

    assert torch.allclose(whole[:, 5:], rest, atol=1e-5)
    assert not torch.allclose(whole[:, 5:], fresh, atol=1e-3)


def test_the_exported_step_reads_as_the_network_does(network, tmp_path):
    """Character by character through ONNX Runtime: the same logits; with shuffled weights others."""
    session = onnxruntime.InferenceSession(export(graphs(network, None)[0], tmp_path))
    ids = tokens(2, 9)
    wanted = network(ids, network.start(2))[0].detach().numpy()
    state, found = np.zeros((2, network.state_size), np.float32), []
    for step in range(9):
        feed = {"window": ids[:, step : step + 1].numpy(), "state": state}
        logits, state = session.run(None, feed)
        found.append(logits)
    torch.nn.init.normal_(network.narrow.weight)

    assert np.allclose(np.stack(found, 1), wanted, atol=1e-4)
    assert not np.allclose(network(ids, network.start(2))[0].detach().numpy(), wanted, atol=1e-2)


def test_forget_gates_are_open_at_first(network):
    """Of both layers, and no other gate: a gate's bias, averaged, is about 1 there and 0 elsewhere."""
    for layer in range(SMALL.layers):
        rest = getattr(network.recurrent, f"bias_ih_l{layer}") + getattr(network.recurrent, f"bias_hh_l{layer}")
        gates = rest.detach().view(4, SMALL.width).mean(1)

        assert [round(float(gate)) for gate in gates] == [0, 1, 0, 0]


def test_dropout_does_not_depend_on_the_number_of_processes():
    """The mask of a process is its part of the mask of all places."""
    network = ScriptNetwork(5, TrainParams(width=8, embedding=4, dropout=0.5)).train()
    ids_nt = torch.arange(12).reshape(6, 2) % 5
    outputs = []
    for share in ((0, 6), (0, 6), (4, 6)):
        torch.manual_seed(0)
        network.share = share
        part = ids_nt[share[0] :]
        outputs.append(network(part, network.start(len(part)))[0])

    assert torch.equal(outputs[0], outputs[1])
    torch.testing.assert_close(outputs[2], outputs[0][4:])
