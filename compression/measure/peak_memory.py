"""Peak memory of a graph, in a process that holds nothing else."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

# On Linux VmHWM, the peak since the process became this program: ru_maxrss there begins with what the parent held as
# it forked, which of a run is more than any graph. Elsewhere ru_maxrss, in KiB (bytes on macOS).
_CHILD = """
import sys
import numpy as np
from rushes.inference.session import open_graph

def peak_bytes():
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

graph, feed = sys.argv[1:]
with np.load(feed) as stored:
    given = {name: stored[name] for name in stored}
if graph:
    from pathlib import Path
    open_graph(Path(graph)).run(None, given)
print(peak_bytes())
"""


def peak_bytes(path: Path, feed: Mapping[str, np.ndarray]) -> int:
    """Bytes that loading a graph and running it once, on one thread, adds to the peak of a process.

    Two children are started: one imports ONNX Runtime and reads the feed, the other opens and runs the graph besides.
    The figure is the difference of their peaks of resident memory: weights, their copies packed for the processor,
    activations and what opening the file takes for a moment. It differs by some hundred KiB from time to time.

    Raises:
        RuntimeError: A child failed; the message has its last line.
    """
    with tempfile.TemporaryDirectory(prefix="rushes-peak-") as folder:
        stored = Path(folder) / "feed.npz"
        np.savez(stored, allow_pickle=False, **feed)
        bare, running = _peak("", stored), _peak(str(path.resolve()), stored)
    return max(0, running - bare)


def _peak(graph: str, feed: Path) -> int:
    done = subprocess.run([sys.executable, "-c", _CHILD, graph, feed], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        message = f"measuring the memory of {graph or 'ONNX Runtime'} failed: {lines[-1] if lines else done.returncode}"
        raise RuntimeError(message)
    return int(done.stdout)
