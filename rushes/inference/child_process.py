"""A child process that runs a bundle's graphs for the first time, within limits of time and memory.

A graph of a hundred bytes can loop 2^62 times or allocate a terabyte. Neither ONNX Runtime nor OpenCV, which loads
`networks` (.tflite), limits this, and OpenCV does not validate the offsets in a file. Graphs and networks therefore run
in a process that can be stopped: `rushes.inference.first_use` starts it, sends a request on standard input and reads
the reply on standard output.

    {"graphs": [PATH, ...], "networks": [PATH, ...], "main": PATH, "references": {...} or null, "memory_bytes": N,
     "cpu_s": N}
    {"drift": {OUTPUT: {"max": 0.001, "rms": 0.0002}}}    or    {"error": TEXT}    or    {"bug": TEXT}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from rushes.bundle.manifest import BundleError
from rushes.errors import RushesError, place_of

PAGE_OF_VIRTUAL_MEMORY = 0  # the first number in /proc/self/statm


def main() -> None:
    """Reads the request, runs it and writes the reply."""
    request = json.loads(sys.stdin.read())
    # Import everything before setting the limits, which are for the graphs only.
    from rushes.bundle.manifest import References  # noqa: PLC0415
    from rushes.faces.detector import try_network  # noqa: PLC0415
    from rushes.inference.reference_outputs import drift_of  # noqa: PLC0415
    from rushes.inference.session import example_feed, open_graph, run_graph  # noqa: PLC0415
    from rushes.tracking import landmarks  # noqa: PLC0415

    _limit(request["memory_bytes"], request["cpu_s"])
    try:
        for name in request["graphs"]:
            session = open_graph(Path(name))
            if not (request["references"] and name == request["main"]):
                _check_finite(name, run_graph(session, None, example_feed(session), Path(name)))
        for name in request["networks"]:
            try_network(Path(name))
            landmarks.try_network(Path(name))
        references = request["references"] and References.model_validate(request["references"])
        drift = drift_of(Path(request["main"]), references) if references else {}
        reply: dict[str, Any] = {"drift": {output: vars(one) for output, one in drift.items()}}
    except MemoryError:
        reply = {"error": "it needs more memory than a bundle may have"}
    except RushesError as error:
        reply = {"error": " ".join(str(error).split())[:500]}
    except Exception as error:  # noqa: BLE001  # the parent reports it
        reply = {"bug": " ".join(f"{type(error).__name__}: {error}{place_of(error)}".split())[:500]}
    sys.stdout.write(json.dumps(reply))


def _check_finite(name: str, outputs: list[np.ndarray]) -> None:
    """Refuses NaN and infinity, which a NaN weight produces for any input.

    Raises:
        BundleError: An output contains NaN or infinity.
    """
    for output in outputs:
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            message = f"{Path(name).name} gives NaN or infinity"
            raise BundleError(message)


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """Limits this process if the system can; otherwise the parent process monitors its memory."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # Unix alone

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    if sys.platform == "linux" and memory_bytes:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[PAGE_OF_VIRTUAL_MEMORY])
        most = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
