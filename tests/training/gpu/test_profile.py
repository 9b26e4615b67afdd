"""Effects of a profile on networks and optimisers, of which nothing stays."""

from __future__ import annotations

import copy
import os

import pytest
import torch
from torch import nn
from torch._dynamo.exc import TorchDynamoException

from models.components.placement import PlacedData
from models.expression.definition import family
from models.expression.params import TrainParams
from steps.runtime.failures import describe
from tests.support.gpu_code import devices_of
from tests.support.sets import small_set
from tests.training.test_fit import SMALL
from training import fit as fitting
from training.fit import averaging, fit, precision_for
from training.gpu.profile import (
    CACHE,
    CompileError,
    GpuProfile,
    UseProfile,
    compile_training,
    exact_products,
    keep_compiled,
    lay_out_state,
    make_contiguous,
    networks_of,
    set_fused,
)

INPUT = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).contiguous(
    memory_format=torch.channels_last
)


@pytest.fixture
def network():
    """Two convolutions with dropout between, channels-last as families make theirs."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Conv2d(8, 4, 3))
    return layers.to(memory_format=torch.channels_last)


def is_channels_last(tensor):
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def test_convolutions_get_contiguous_tensors_until_it_is_undone(network):
    """Between layers too, though the input is channels-last."""
    undo = make_contiguous(network)
    assert network[0](INPUT).is_contiguous()
    assert network(INPUT).is_contiguous()
    for call in undo:
        call()

    assert is_channels_last(network[0](INPUT))


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_an_optimiser_goes_on_fused_and_back(kind):
    """With the state that it has: the weights are those of one that was never switched, up to rounding."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Tanh(), nn.Linear(8, 1))
    plain = copy.deepcopy(network)
    switched_to, always = (kind(one.parameters(), lr=0.01, weight_decay=0.1) for one in (network, plain))
    seen = []
    for fused in (None, True, False, True):
        if fused is not None:
            set_fused(switched_to, fused=fused)
        seen.append(switched_to.param_groups[0]["fused"])
        for one, optimiser in ((network, switched_to), (plain, always)):
            one(INPUT).square().mean().backward()
            optimiser.step()
            optimiser.zero_grad()

    assert seen == [None, True, None, True]
    torch.testing.assert_close(network.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-6)


def test_moments_get_the_memory_format_of_their_weights(network):
    """Values stay; what has the format already is not copied."""
    optimiser = torch.optim.Adam(network.parameters())
    network(INPUT).sum().backward()
    optimiser.step()
    weight, bias = network[0].weight, network[0].bias
    before, same_object = optimiser.state[weight]["exp_avg"].clone(), optimiser.state[bias]["exp_avg"]
    make_contiguous(network)
    lay_out_state(optimiser)

    assert optimiser.state[weight]["exp_avg"].stride() == weight.stride()
    assert torch.equal(optimiser.state[weight]["exp_avg"], before)
    assert optimiser.state[bias]["exp_avg"] is same_object


def test_an_optimiser_without_a_fused_update_stays_as_it_is(network):
    """Such as RMSprop."""
    optimiser = torch.optim.RMSprop(network.parameters())
    set_fused(optimiser, fused=True)

    assert "fused" not in optimiser.param_groups[0]


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_compiled_network_computes_and_drops_the_same(network, device, tmp_path, monkeypatch):
    """Outputs and gradients in training, two passes before the backward one; weights keep their names."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setattr("torch._inductor.config.compile_threads", 1)  # no processes of its own
    network, given = network.to(device), INPUT.to(device)
    plain = copy.deepcopy(network)
    compile_training(network, cuda_graphs=device == "cuda")
    outputs = {}
    with exact_products("32-true"):
        for name, one in (("fast", network), ("plain", plain)):
            for seed in range(4):
                torch.manual_seed(seed)
                torch.compiler.cudagraph_mark_step_begin()
                one.zero_grad()
                outputs[name] = torch.stack([one.train()(given).square().mean(), one(given + 1).square().mean()])
                outputs[name].sum().backward()

    torch.testing.assert_close(outputs["fast"], outputs["plain"], rtol=1e-3, atol=1e-5)
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)
    assert list(network.state_dict()) == list(plain.state_dict())


def test_only_training_is_compiled(network, monkeypatch):
    """Evaluation has other shapes, for which each network would be compiled once more; undone, nothing is."""
    monkeypatch.setattr("training.gpu.profile.compiled", lambda *_given, **_options: lambda *_given: "compiled")
    undo = compile_training(network, cuda_graphs=False)

    assert network.train()(INPUT) == "compiled"
    assert isinstance(network.eval()(INPUT), torch.Tensor)
    undo()
    assert isinstance(network.train()(INPUT), torch.Tensor)
    assert "forward" not in vars(network)


def test_the_profile_of_the_settings_is_used(tmp_path, monkeypatch):
    """In `fit`: fused optimiser, contiguous convolutions, compiled network, the share of memory."""
    used = []

    class Look(fitting.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
            [network] = networks_of(pl_module)
            hooks = sum(len(layer._forward_pre_hooks) for layer in network.modules())
            fused = trainer.optimizers[0].param_groups[0]["fused"]
            used.append((fused, hooks > 0, "forward" in vars(network), trainer.datamodule.resident_share))

    monkeypatch.setattr("training.gpu.profile.compile_training", as_if_compiled)
    options = {"fused": "on", "channels_last": "off", "compile": "on", "resident_share": 0.7}
    samples, params = small_set(tmp_path / "set", {"train": 16, "validation": 8}), TrainParams(**SMALL)
    fit(family, params, samples, tmp_path / "ck", devices=devices_of("cpu", monkeypatch, **options), callbacks=[Look()])

    assert set(used) == {(True, True, True, 0.7)}
    assert PlacedData.resident_share == 0.25


@pytest.mark.parametrize("followed", ["auto", "off"])
def test_a_network_that_cannot_be_compiled_names_the_settings(followed, tmp_path, monkeypatch):
    """Planted: no compiler. With either value of the remedy the training runs; `auto` tries, and leaves it out."""

    def fails(*_given, **_named):
        message = "No working C++ compiler found\nin the path"
        raise TorchDynamoException(message)

    samples, params = small_set(tmp_path / "set", {"train": 16, "validation": 8}), TrainParams(**SMALL)
    asked, remedied = (devices_of("cpu", monkeypatch, compile=value, cuda_graphs=value) for value in ("on", followed))
    monkeypatch.setattr("training.gpu.profile.compiled", lambda *_given, **_named: fails)
    monkeypatch.setattr("training.gpu.probe.LEAST_S", 0.0)
    with pytest.raises(
        CompileError, match=r"cannot compile the network here: No working C\+\+ compiler found$"
    ) as caught:
        fit(family, params, samples, tmp_path / "ck", devices=asked)

    assert describe("train", "expression", caught.value).kind == "user"
    assert 'training.gpu.compile and training.gpu.cuda_graphs to "auto" or "off"' in caught.value.remedy
    assert fit(family, params, samples, tmp_path / "ck", devices=remedied).history


def as_if_compiled(network, **_options):
    network.forward = network.forward
    return lambda: delattr(network, "forward")


def test_products_are_exact_unless_asked():
    """TF32 is a precision: of params, not of the settings; what was set before is set again."""
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before, seen = [flag.allow_tf32 for flag in flags], {}
    for precision in ("auto", "32-true", "tf32", "bf16-mixed"):
        with exact_products(precision):
            seen[precision] = [flag.allow_tf32 for flag in flags]

    assert [flag.allow_tf32 for flag in flags] == before
    assert seen.pop("tf32") == [True, True]
    assert list(seen.values()) == [[False, False]] * 3
    assert precision_for("tf32", "gpu") == "32-true"


def test_the_average_on_the_device_is_that_of_the_cpu(tmp_path, monkeypatch):
    """Up to rounding, resumed too; its counter is in the checkpoint."""
    samples = small_set(tmp_path / "set", {"train": 48, "validation": 16})
    params = TrainParams(**SMALL | {"learning_rate": 1e-3})
    devices = devices_of("cpu", monkeypatch)
    ours = dict(fit(family, params, samples, tmp_path / "gpu", devices=devices).module.network.state_dict())
    monkeypatch.setattr("training.fit.averaging", lambda params, **_gpu: averaging(params))
    theirs = dict(fit(family, params, samples, tmp_path / "cpu", devices=devices).module.network.state_dict())

    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)  # two codes have computed them


def test_compiled_kernels_are_kept_where_no_other_place_is_set(tmp_path, monkeypatch):
    """The next nightly run finds them; a user's own folder goes before."""
    monkeypatch.delenv(CACHE, raising=False)
    keep_compiled(tmp_path / "a")
    keep_compiled(tmp_path / "b")

    assert os.environ[CACHE] == str(tmp_path / "a")
    monkeypatch.delenv(CACHE)


def test_profiles_are_readable():
    """In the stage's log."""
    assert str(GpuProfile(channels_last=False, compile=True)) == "compiled, contiguous, fused optimiser"
    assert UseProfile(GpuProfile()).profile == GpuProfile()
