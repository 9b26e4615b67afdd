"""Chooses the backend of a .tflite network by measurement, once per machine.

Which one is the fastest depends on the processor: on a Xeon with AVX-512 ONNX Runtime runs the landmark network in 4.8
ms, LiteRT in 5.4 and OpenCV in 14. The result is stored by processor, versions of the backends and hash of the network;
later starts read it and run nothing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import statistics
import time
from typing import TYPE_CHECKING

import cv2
import onnxruntime
from pydantic import BaseModel, Field

from rushes.errors import RushesError
from rushes.inference.cpu import processor
from rushes.inference.first_use import once
from rushes.inference.tflite_network import Backend, backends

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from rushes.inference.tflite_network import TfliteNetwork

NAMES: dict[Backend, str] = {"onnx": "ONNX Runtime", "litert": "LiteRT", "opencv": "OpenCV"}
ROUNDS = 5
SLOW = 2.0  # times the fastest: a backend that takes longer is not run again
# Processor time of all threads: other programs do not change it, so that a busy machine chooses the same backend as a
# quiet one. On Windows it counts in steps of 16 ms.
clock = time.perf_counter if os.name == "nt" else time.process_time


class Timing(BaseModel):
    """CPU-ms of a run by each backend that is installed and runs the network."""

    ms: dict[Backend, float] = Field(min_length=1)

    @property
    def fastest(self) -> Backend:
        """The backend to use."""
        return min(self.ms, key=lambda backend: self.ms[backend])

    def __str__(self) -> str:
        """The choice as text."""
        others = [f"{NAMES[backend]} {ms:.1f}" for backend, ms in self.ms.items() if backend != self.fastest]
        return f"{NAMES[self.fastest]} ({'; '.join([f'{self.ms[self.fastest]:.1f} CPU-ms', *others])})"


def time_once(sha256: str, given: np.ndarray, open_network: Callable[[Backend], TfliteNetwork]) -> Timing:
    """Times the installed backends on a network unless that was already done here.

    Args:
        sha256: Hash of the network.
        given: An input of it.
        open_network: Opens it with a backend.

    Raises:
        RushesError: OpenCV, which is always installed, cannot open or run it, and no other backend can.
    """
    return once(f"backends/{_key(sha256)}", Timing, lambda: _measure(given, open_network))


def _key(sha256: str) -> str:
    """Hash of everything that the times depend on."""
    litert = importlib.metadata.version("ai-edge-litert") if "litert" in backends() else ""
    parts = (sha256, processor(), onnxruntime.__version__, cv2.__version__, litert)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _measure(given: np.ndarray, open_network: Callable[[Backend], TfliteNetwork]) -> Timing:
    """Runs the backends in turns, so that another load meets all of them; the first run of each is not counted."""
    networks: dict[Backend, TfliteNetwork] = {}
    for backend in backends():
        try:
            network = open_network(backend)
            network.run(given)
        except RushesError:
            if backend == "opencv" and not networks:  # the last one
                raise
            continue
        networks[backend] = network
    times_ms: dict[Backend, list[float]] = {backend: [] for backend in networks}
    for _ in range(ROUNDS):
        best_ms = min((min(row) for row in times_ms.values() if row), default=0.0)
        for backend, row in times_ms.items():
            if row and min(row) > SLOW * best_ms:
                continue
            begun_s = clock()
            networks[backend].run(given)
            row.append(1000 * (clock() - begun_s))
    return Timing(ms={backend: round(statistics.median(row), 2) for backend, row in times_ms.items()})
