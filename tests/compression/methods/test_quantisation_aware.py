"""Fake quantisation in training: it rounds as the int8 graph does, reaches the weights, and is removed afterwards."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from onnxruntime import quantization
from torch import nn

from compression.methods.quantisation_aware import Rounded, made_aware, rounded_weight
from tests.support.sets import small_set
from tests.support.trained import quickly_trained


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A small network trained on stripes."""
    return quickly_trained(small_set(tmp_path_factory.mktemp("aware") / "set", {"train": 64, "validation": 32}))


def test_weights_are_rounded_as_the_int8_graph_rounds_them():
    """The outputs are those of ONNX Runtime's own quantisation."""
    weight = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 1, 5).view(
        -1, 1, 1, 1
    )
    rounded = rounded_weight(weight).numpy()

    for own, ours in zip(weight.numpy(), rounded, strict=True):
        zero, scale, levels = quantization.quant_utils.quantize_data(
            own.ravel(), quantization.quant_utils.onnx_proto.TensorProto.INT8, symmetric=True, reduce_range=True
        )
        np.testing.assert_allclose(ours.ravel(), (levels.astype(np.float32) - zero) * scale, rtol=1e-5, atol=1e-7)


def test_an_input_is_rounded_in_the_range_that_was_seen():
    """255 steps between lowest and highest; values outside are clipped, zero stays zero."""
    layer = Rounded(nn.Conv2d(1, 1, 1, bias=False))
    with torch.no_grad():
        layer.layer.weight.fill_(1.0)
    layer.train()(torch.tensor([-1.0, 0.0, 4.0]).view(1, 1, 1, 3))
    rounded = layer.eval()(torch.tensor([-3.0, -0.5, 0.0, 1.234, 9.0]).view(1, 1, 1, 5)).flatten().detach()
    step = 5.0 / 255

    np.testing.assert_allclose(rounded, [-1.0, -0.5, 0.0, 1.234, 4.0], atol=step / 2 + 1e-6)
    assert rounded[2] == 0.0
    assert float((rounded / step - (rounded / step).round()).abs().max()) < 1e-3


def test_gradients_pass_through_rounding():
    """Only the forward pass rounds; the gradient is that of the identity."""
    layer = Rounded(nn.Linear(3, 2))
    layer.train()(torch.tensor([[-1.0, 0.25, 2.0]])).sum().backward()

    np.testing.assert_allclose(layer.layer.weight.grad, [[-1.0, 0.25, 2.0]] * 2, atol=0.02)


def test_nothing_of_it_stays(network):
    """The layers and their names are the same; every layer rounds during the fine-tuning."""
    aware, seen = copy.deepcopy(network), []
    keys = list(aware.state_dict())

    def tune(tuned):
        seen.extend(type(layer) for layer in tuned.modules() if isinstance(layer, Rounded))
        tuned.train()(torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)))

    assert made_aware(aware, tune) is aware
    assert len(seen) == sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules())
    assert list(aware.state_dict()) == keys
    assert not aware.training
