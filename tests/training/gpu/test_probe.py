"""The probe: what it picks from the times that it is given, and that it leaves a training as it was."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from common.settings import GpuSettings
from models.expression.definition import family
from models.expression.params import TrainParams
from tests.support.gpu_code import devices_of
from tests.support.sets import small_set
from tests.training.test_fit import CPU, SMALL, same, weights
from training.fit import Devices, fit
from training.gpu import probe
from training.gpu.probe import Measured, chosen, kept_randomness
from training.gpu.profile import GpuProfile

LONG = 1000  # epochs of 100 steps
AUTO = dict.fromkeys(("channels_last", "fused", "compile", "cuda_graphs"), "auto")


def times(milliseconds, ready_s=30.0):
    """A device on which a profile takes the product of its options' factors; an error stands for one it cannot run."""

    def measure(profile):
        step_ms = 10.0
        for name, factor in milliseconds.items():
            if getattr(profile, name) != getattr(GpuProfile(), name):
                if isinstance(factor, Exception):
                    raise factor
                step_ms *= factor
        return Measured(step_ms, ready_s, 100)

    return measure


@pytest.mark.parametrize(
    ("factors", "picked"),
    [
        ({}, {}),
        ({"compile": 0.5}, {"compile": True}),
        ({"compile": 0.5, "cuda_graphs": 0.5}, {"compile": True, "cuda_graphs": True}),
        ({"compile": 1.2, "cuda_graphs": 0.5}, {"cuda_graphs": True}),
        ({"channels_last": 0.8, "fused": 0.9}, {"channels_last": False, "fused": False}),
        ({"compile": 0.99}, {}),  # less than is worth a change
        ({"compile": RuntimeError("cannot find Triton")}, {}),
    ],
)
def test_what_is_faster_is_picked(factors, picked):
    """Options add up, and one that the device cannot run is left out."""
    assert chosen(GpuSettings(), times(factors), LONG)[0] == replace(GpuProfile(), **picked)


def test_the_line_has_each_time_and_each_reason():
    """So that a reader sees why."""
    factors = {"compile": RuntimeError("cannot find Triton\nmore"), "cuda_graphs": 0.5}
    why = chosen(GpuSettings(), times(factors), LONG)[1]

    assert why == (
        "CUDA graphs, channels-last, fused optimiser; a step took: "
        "eager, channels-last, fused optimiser 10.00 ms; "
        "eager, contiguous, fused optimiser 10.00 ms, ready after 30 s; "
        "eager, channels-last, unfused optimiser 10.00 ms, ready after 30 s; "
        "compiled, channels-last, fused optimiser fails: cannot find Triton; "
        "CUDA graphs, channels-last, fused optimiser 5.00 ms, ready after 30 s"
    )


def test_a_short_training_is_not_compiled():
    """It is not tried in a training of seconds, nor picked where compiling takes longer than it saves."""
    seconds = chosen(GpuSettings(), times({"compile": 0.5}), 1)
    minutes = chosen(GpuSettings(), times({"compile": 0.5}, ready_s=600.0), LONG)

    assert seconds[0] == minutes[0] == GpuProfile()
    assert "not tried, since only 1 s are left" in seconds[1]


@pytest.mark.parametrize(
    ("settings", "tried"),
    [
        ({"channels_last": "off", "fused": "on", "compile": "on", "cuda_graphs": "off"}, 0),
        ({"compile": "off"}, 3),  # nor are CUDA graphs, which would compile
        ({"cuda_graphs": "on", "compile": "on"}, 3),
    ],
)
def test_what_is_set_is_not_tried(settings, tried):
    """`on` and `off` are kept in every profile that is measured."""
    seen = []
    given = GpuSettings(**settings)
    fixed = {name: value == "on" for name, value in settings.items()}
    best, _why = chosen(given, lambda profile: seen.append(profile) or Measured(10.0, 1.0, 100), LONG)

    assert len(seen) == tried
    assert all(getattr(one, name) == value for one in [*seen, best] for name, value in fixed.items())


def test_a_training_is_the_same_with_and_without_the_probe(tmp_path, monkeypatch, capsys):
    """Bit for bit, and random generators go on where they were. Nothing but the plain profile pays here."""
    monkeypatch.setattr(probe, "WORTH", 0.0)
    samples, params = small_set(tmp_path / "set", {"train": 48, "validation": 16}), TrainParams(**SMALL)
    states = {}
    for name, options in (("without", {"fused": "on"}), ("with", AUTO)):
        devices = devices_of("cpu", monkeypatch, **options)
        states[name] = weights(fit(family, params, samples, tmp_path / name, devices=devices))
        states[f"{name}, random"] = torch.get_rng_state()

    assert "a step took" in capsys.readouterr().out
    assert same(states["with"], states["without"])
    assert torch.equal(states["with, random"], states["without, random"])


def test_random_generators_go_on_where_they_were():
    """Those of Python, NumPy and PyTorch."""
    first, second = (after_seeds(draws) for draws in (0, 5))

    assert first == second


def after_seeds(draws):
    """The next numbers of the global generators, after so many draws within."""
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    with kept_randomness():
        for _ in range(draws):
            numbers()
    return numbers()


def numbers():
    return random.random(), np.random.rand(), float(torch.rand(()))  # noqa: S311, NPY002  # the global ones


@pytest.mark.parametrize(("launched", "to_start"), [("4", 1), ("1", 2)])
def test_one_of_several_processes_probes_nothing(launched, to_start, tmp_path, monkeypatch, capsys):
    """Each would measure while the others do; what pays on every GPU is on."""
    monkeypatch.setenv("WORLD_SIZE", launched)
    module = family.module(small_set(tmp_path / "set", {"train": 8}).info, TrainParams(**SMALL))
    profile = probe.profile_for(GpuSettings(), module, None, None, LONG, processes=to_start)

    assert profile == GpuProfile()
    assert "as set" in capsys.readouterr().out


def test_a_training_on_the_cpu_is_as_before(tmp_path, monkeypatch, capsys):
    """Settings of the GPU change no bit of it, and nothing of the GPU's code is used."""
    for name in ("training.fit.profile_for", "training.fit.DeviceAveraging", "models.components.placement.Prefetched"):
        monkeypatch.setattr(name, None)
    samples, params = small_set(tmp_path / "set", {"train": 48, "validation": 16}), TrainParams(**SMALL)
    options = {"resident_share": 0.0, "channels_last": "off", "fused": "on", "compile": "on", "cuda_graphs": "on"}
    given = Devices("cpu", threads=1, gpu=GpuSettings(**options))
    first, second = (
        weights(fit(family, params, samples, tmp_path / name, devices=devices))
        for name, devices in (("default", CPU), ("given", given))
    )

    assert same(first, second)
    assert "a step took" not in capsys.readouterr().out
