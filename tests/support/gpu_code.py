"""The code of a training on a GPU, on a CPU: the same functions, without CUDA's streams, pinned memory and graphs."""

from __future__ import annotations

import torch

from training.fit import Devices

ALL_OFF = {"channels_last": "on", "fused": "off", "compile": "off", "cuda_graphs": "off"}  # as the families are written
FREE_BYTES = 2**30


def devices_of(accelerator: str, monkeypatch, **settings) -> Devices:
    """Devices of a training through the code for a GPU; `cpu` runs it there. Options not given are off, not probed."""
    if accelerator == "cpu":
        monkeypatch.setattr("training.fit.uses_gpu", lambda _accelerator: True)
        monkeypatch.setattr("models.components.placement.is_gpu", lambda _device: True)
        monkeypatch.setattr("models.components.placement.free_bytes", lambda _device: FREE_BYTES)
        monkeypatch.setattr("training.gpu.profile.compiled", captured)
    devices = Devices(accelerator=accelerator, threads=1)
    return Devices(accelerator, threads=1, gpu=devices.gpu.model_validate(ALL_OFF | settings))


def captured(forward, *, cuda_graphs: bool):
    """The function as torch.compile captures it, forward and backward, run without kernels made for a minute each."""
    del cuda_graphs
    return torch.compile(forward, dynamic=False, backend="aot_eager")
