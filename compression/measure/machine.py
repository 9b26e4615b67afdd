"""The machine that figures were measured on, as a certificate names it."""

from __future__ import annotations

import platform

import onnxruntime

from rushes.inference.cpu import processor


def machine() -> dict[str, str]:
    """The machine that latencies were measured on; `threads` are those of `latency_ms`."""
    return {
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": onnxruntime.__version__,
        "threads": "1",
    }
