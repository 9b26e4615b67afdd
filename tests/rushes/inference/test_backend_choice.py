"""The fastest backend is found by a clock that each run moves, and is remembered."""

import numpy as np
import pytest

from rushes.errors import UserError
from rushes.inference import backend_choice
from rushes.inference.backend_choice import ROUNDS, time_once

GIVEN = np.zeros((1, 4), np.float32)


class Machine:
    """A clock, and networks that move it."""

    def __init__(self, **ms):
        self.ms, self.now_s, self.runs = ms, 0.0, []

    def clock(self):
        """The time."""
        return self.now_s

    def open(self, backend):
        """Opens a network."""
        if self.ms[backend] is None:
            message = f"{backend} cannot load it"
            raise UserError(message)
        machine = self

        class Network:
            def run(self, _given):
                machine.now_s += machine.ms[backend] / 1000 * (1 if backend in machine.runs else 20)
                machine.runs.append(backend)

        return Network()


@pytest.fixture
def timed(monkeypatch, tmp_path):
    """Chooses on a machine: returns the timing, and how often each backend ran."""
    monkeypatch.setenv("RUSHES_MACHINE_STATE", str(tmp_path))
    monkeypatch.setattr(backend_choice, "backends", lambda: ("litert", "onnx", "opencv"))

    def on(machine, sha256="1" * 64):
        monkeypatch.setattr(backend_choice, "clock", machine.clock)
        timing = time_once(sha256, GIVEN, machine.open)
        return timing, {backend: machine.runs.count(backend) for backend in machine.ms}

    return on


@pytest.mark.parametrize(
    ("ms", "text", "slow"),
    [
        ((5.4, 4.8, 14.0), "ONNX Runtime (4.8 CPU-ms; LiteRT 5.4; OpenCV 14.0)", ["opencv"]),
        ((3.0, 8.0, 9.0), "LiteRT (3.0 CPU-ms; ONNX Runtime 8.0; OpenCV 9.0)", ["onnx", "opencv"]),
        ((None, 8.0, 7.0), "OpenCV (7.0 CPU-ms; ONNX Runtime 8.0)", []),
    ],
)
def test_the_fastest_is_chosen(timed, ms, text, slow):
    """One that cannot load the network is left out, and one that takes twice as long runs once more."""
    machine = Machine(**dict(zip(("litert", "onnx", "opencv"), ms, strict=True)))
    timing, runs = timed(machine)

    assert str(timing) == text
    for backend, ran in runs.items():
        assert ran == (0 if machine.ms[backend] is None else 2 if backend in slow else 1 + ROUNDS)


def test_it_is_remembered_for_this_machine(timed, monkeypatch):
    """Nothing runs at the next start, until network, processor or a backend is another one."""
    first, _ = timed(Machine(litert=5.0, onnx=4.0, opencv=9.0))
    other = {"litert": 1.0, "onnx": 2.0, "opencv": 3.0}

    timing, runs = timed(Machine(**other))
    assert (timing, sum(runs.values())) == (first, 0)
    assert timed(Machine(**other), "2" * 64)[0].fastest == "litert"
    for change in (
        lambda: monkeypatch.setattr(backend_choice, "processor", lambda: "another"),
        lambda: monkeypatch.setattr(backend_choice.onnxruntime, "__version__", "9.9"),
        lambda: monkeypatch.setattr(backend_choice.importlib.metadata, "version", lambda _: "9.9"),
    ):
        change()
        assert timed(Machine(**other))[0].fastest == "litert"
        assert sum(timed(Machine(**other))[1].values()) == 0


def test_a_network_that_nothing_runs_is_refused(timed):
    """With OpenCV's reason."""
    with pytest.raises(UserError, match="opencv cannot load it"):
        timed(Machine(litert=None, onnx=None, opencv=None))
