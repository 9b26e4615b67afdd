"""From the source to a character that moves: the wheel alone in a new environment, as on a laptop on set."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pythonosc.osc_packet import OscPacket

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
FOREIGN = {"PYTHONPATH", "DISPLAY", "WAYLAND_DISPLAY", "RUSHES_MODELS"}
LONGEST_S = 500
BUILD, SECOND = "build of the wheel", "second start to the first packet"
MOVED = 0.1  # change of a unit since the first packet


def run_clean(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program without the variables of this process that lead to its packages, models and screen."""
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, env=_clean(environment), timeout=LONGEST_S
    )


def _clean(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | environment


def build_wheel(folder: Path) -> Path:
    """Builds the wheel from the source; returns its path."""
    _succeeded(run_clean(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT))
    [wheel] = folder.glob("rushes-*.whl")
    return wheel


def new_environment(folder: Path) -> Path:
    """Makes a virtual environment; returns the folder of its programs."""
    _succeeded(run_clean(sys.executable, "-m", "venv", folder))
    return folder / ("Scripts" if os.name == "nt" else "bin")


def install(programs: Path, wheel: Path) -> None:
    """Installs a wheel and its dependencies, by the configuration that pip has on this machine."""
    _succeeded(run_clean(programs / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel))


def _succeeded(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        message = f"{' '.join(map(str, done.args))} failed:\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)


def first_use_s(bundle: Path, clip: Path, folder: Path) -> dict[str, float]:
    """Seconds of each step from the source to the first unit that moves, and of a second start to its first packet."""
    home = {"RUSHES_MODELS": str(folder / "models"), "RUSHES_MACHINE_STATE": str(folder / "state")}
    at_s = [time.perf_counter()]
    wheel = build_wheel(folder)
    at_s.append(time.perf_counter())
    programs = new_environment(folder / "venv")
    at_s.append(time.perf_counter())
    install(programs, wheel)
    at_s.append(time.perf_counter())
    _succeeded(run_clean(programs / "rushes", "pull", "expression", "--registry", bundle, **home))
    at_s.append(time.perf_counter())
    first, second = drive(programs, clip, **home), drive(programs, clip, **home)
    steps = (BUILD, "new environment", "installation by pip", "pull of the models")
    return dict(zip(steps, (after_s - before_s for before_s, after_s in pairwise(at_s)), strict=True)) | {
        "first start to the first packet": first.first_packet_s,
        f"first packet to {first.unit}": first.moved_s - first.first_packet_s,
        SECOND: second.first_packet_s,
    }


@dataclass(frozen=True)
class Moved:
    """Seconds from the start of a capture, and the unit that moved first."""

    first_packet_s: float
    moved_s: float
    unit: str


def drive(programs: Path, clip: Path, **environment: str) -> Moved:
    """Captures a clip, as installed, until a unit has moved that a UDP socket of this machine receives.

    Raises:
        RuntimeError: None moves within a minute.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        address = f"vmc://127.0.0.1:{receiver.getsockname()[1]}"
        words = [str(programs / "rushes"), "capture", "--source", str(clip), "--json", os.devnull, "--drive", address]
        begun_s, first_s, at_first = time.perf_counter(), 0.0, dict[str, float]()
        with subprocess.Popen(words, env=_clean(environment), stderr=subprocess.PIPE, text=True) as process:
            try:
                while True:
                    for unit, value in _units(receiver.recv(65536)):
                        now_s = time.perf_counter() - begun_s
                        first_s = first_s or now_s
                        if abs(value - at_first.setdefault(unit, value)) > MOVED:
                            return Moved(first_s, now_s, unit)
            except TimeoutError as error:
                process.kill()
                message = f"no unit has moved within a minute: {process.communicate()[1]}"
                raise RuntimeError(message) from error
            finally:
                process.kill()


def _units(packet: bytes) -> Iterator[tuple[str, float]]:
    for timed in OscPacket(packet).messages:
        if timed.message.address == "/VMC/Ext/Blend/Val":
            unit, value = timed.message.params
            yield unit, value
