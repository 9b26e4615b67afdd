"""Every family trains, resumes and is exported through the code for a GPU: here on the CPU, and where CUDA is on it."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from compression.methods.export import export
from models.expression.definition import family as expression
from models.scene.definition import family as scene
from models.script.definition import family as script
from models.tracking.definition import family as tracking
from tests.support.gpu_code import devices_of
from tests.training.monitoring.test_divergence import set_of
from tests.training.test_fit import CPU, DieAt, KilledError
from training.fit import Devices, fit

FAMILIES = pytest.mark.parametrize("family", [expression, scene, script, tracking], ids=lambda family: family.name)
DEVICES = pytest.mark.parametrize("accelerator", ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
OPTIONS = [
    {"fused": "on"},
    {"channels_last": "off"},
    {"resident_share": 0.0},
    pytest.param({"compile": "on"}, marks=pytest.mark.slow),
    pytest.param({"cuda_graphs": "on"}, marks=[pytest.mark.slow, pytest.mark.gpu]),  # without CUDA the one before
]

LONGER = {
    "expression": {"epochs": 40},
    "scene": {"epochs": 6, "epoch_samples": 1024, "learning_rate": 2e-3, "flip": False},
    "script": {"epochs": 8, "epoch_characters": 0},
    "tracking": {"epochs": 40},
}


def prepared(family, folder, monkeypatch, **changes):
    """The set of a family, and its params."""
    samples, config = set_of(family, folder, monkeypatch)
    return samples, family.params.model_validate({"train": config | changes}).train


def weights(family, fitted) -> dict[str, torch.Tensor]:
    return {name: value.cpu() for name, value in family.network(fitted.module).state_dict().items()}


def apart(family, first, second) -> float:
    """Length of the difference of all weights, as a share of that of the second ones."""
    ours, theirs = (
        torch.cat([value.flatten().float() for value in weights(family, fitted).values()]) for fitted in (first, second)
    )
    return float((ours - theirs).norm() / theirs.norm())


def assert_ends_alike(first, second, tolerance: float) -> None:
    """The figures of the last epoch agree; that epoch's weights need not be those that are kept."""
    last, wanted = (torch.tensor(list(fitted.history[-1].values())) for fitted in (first, second))
    torch.testing.assert_close(last, wanted, rtol=tolerance, atol=tolerance / 10)


@DEVICES
@FAMILIES
def test_a_stopped_training_goes_on(family, accelerator, tmp_path, monkeypatch):
    """Its best and its last weights are those of an undisturbed one; on CUDA up to the order of sums."""
    samples, params = prepared(family, tmp_path, monkeypatch, epochs=3)
    devices = devices_of(accelerator, monkeypatch, fused="on", resident_share=0.0)
    whole = fit(family, params, samples, tmp_path / "whole", devices=devices)
    with pytest.raises(KilledError):
        fit(family, params, samples, tmp_path / "broken", devices=devices, callbacks=[DieAt(2)])
    resumed = fit(family, params, samples, tmp_path / "broken", devices=devices)

    assert resumed.resumed_at == 2
    assert apart(family, resumed, whole) <= (0.0 if accelerator == "cpu" else 2e-2)
    assert_ends_alike(resumed, whole, 0.0 if accelerator == "cpu" else 0.1)


@DEVICES
@FAMILIES
def test_a_training_goes_on_in_another_profile(family, accelerator, tmp_path, monkeypatch):
    """Moments in the other memory format are laid out again; a fused update would refuse or misread them."""
    samples, params = prepared(family, tmp_path, monkeypatch, epochs=3)
    first, second = (
        devices_of(accelerator, monkeypatch, fused="on", channels_last=value, resident_share=1.0)
        for value in ("on", "off")
    )
    with pytest.raises(KilledError):
        fit(family, params, samples, tmp_path / "ck", devices=first, callbacks=[DieAt(1)])
    with pytest.raises(KilledError):
        fit(family, params, samples, tmp_path / "ck", devices=second, callbacks=[DieAt(2)])
    back = fit(family, params, samples, tmp_path / "ck", devices=first)
    whole = fit(family, params, samples, tmp_path / "whole", devices=first)

    assert back.resumed_at == 2
    assert_ends_alike(back, whole, 1e-2 if accelerator == "cpu" else 0.1)


@DEVICES
def test_a_training_on_a_gpu_goes_on_on_the_cpu(accelerator, tmp_path, monkeypatch, recwarn):
    """From the checkpoint of a profile with another memory format, update and average."""
    samples, params = prepared(expression, tmp_path, monkeypatch, epochs=3)
    with monkeypatch.context() as patch:
        first = devices_of(accelerator, patch, fused="on", channels_last="off")
        with pytest.raises(KilledError):
            fit(expression, params, samples, tmp_path / "ck", devices=first, callbacks=[DieAt(2)])
    resumed, whole = (fit(expression, params, samples, tmp_path / name, devices=CPU) for name in ("ck", "whole"))

    assert resumed.resumed_at == 2
    assert_ends_alike(resumed, whole, 2e-2 if accelerator == "cpu" else 2.0)  # CUDA has other random numbers
    assert not [warning for warning in recwarn if "callbacks used to create the checkpoint" in str(warning.message)]


@DEVICES
@FAMILIES
def test_the_exported_graph_computes_the_same(family, accelerator, tmp_path, monkeypatch):
    """ONNX Runtime on the CPU, compared with the trained network there."""
    samples, params = prepared(family, tmp_path, monkeypatch)
    devices = devices_of(accelerator, monkeypatch, fused="on", channels_last="off")
    fitted = fit(family, params, samples, tmp_path / "ck", devices=devices)
    [graph, *_] = family.graphs(family.network(fitted.module).cpu().eval(), samples)
    session = onnxruntime.InferenceSession(export(graph, tmp_path), providers=["CPUExecutionProvider"])
    [feed, *_] = family.calibration(samples, "validation", 16, 0, graph)
    with torch.no_grad():
        wanted = graph.module(*(torch.from_numpy(feed[name]) for name in graph.input_names))
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)

    for ours, theirs in zip(session.run(None, feed), wanted, strict=True):
        np.testing.assert_allclose(
            ours.astype(float), theirs.numpy().astype(float), rtol=1e-3, atol=1e-4 + is_pixel(ours)
        )


def is_pixel(output: np.ndarray) -> int:
    """1 for pixels, which may be rounded to the next level; else 0."""
    return int(output.dtype == np.uint8)


@DEVICES
@FAMILIES
@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_an_option_changes_rounding_only(family, accelerator, option, tmp_path, monkeypatch):
    """After an epoch the weights are those without it, nearly, and the network is as it was made."""
    samples, params = prepared(family, tmp_path, monkeypatch, epochs=1)
    plain, changed = (
        fit(family, params, samples, tmp_path / name, devices=devices_of(accelerator, monkeypatch, **settings))
        for name, settings in (("plain", {}), ("changed", option))
    )

    assert apart(family, changed, plain) < 1e-2
    for layer in changed.module.modules():
        assert "forward" not in vars(layer)
        assert not layer._forward_pre_hooks


@pytest.mark.slow
@DEVICES
@FAMILIES
def test_auto_tries_all_and_logs_the_choice(family, accelerator, tmp_path, monkeypatch, capsys):
    """Each option by itself, compiled ones too where the training is long; one line has the times and the choice."""
    monkeypatch.setattr("training.gpu.probe.LEAST_S", 0.0)
    auto = dict.fromkeys(("channels_last", "fused", "compile", "cuda_graphs"), "auto")
    samples, params = prepared(family, tmp_path, monkeypatch, epochs=1)
    fitted = fit(family, params, samples, tmp_path / "ck", devices=devices_of(accelerator, monkeypatch, **auto))
    [line] = [line for line in capsys.readouterr().out.splitlines() if "a step took" in line]

    assert line.count(" ms") == (4 if family in (script, tracking) else 5)  # which have no convolutions
    assert "fails" not in line
    assert "CUDA graphs, " in line
    assert fitted.history


@pytest.mark.gpu
@FAMILIES
def test_it_learns_on_a_gpu(family, tmp_path, monkeypatch):
    """As long as a minute, in bf16 where the device has it, with all options chosen by the probe."""
    samples, params = prepared(family, tmp_path, monkeypatch, precision="auto", **LONGER[family.name])
    monkeypatch.setattr("training.gpu.probe.LEAST_S", 0.0)
    fitted = fit(family, params, samples, tmp_path / "ck", devices=Devices(accelerator="gpu"))
    figure = {"expression": "val/loss", "scene": "val/distance", "script": "val/bits", "tracking": "train/loss"}[
        family.name
    ]

    assert fitted.history[-1][figure] < 0.8 * fitted.history[0][figure]
