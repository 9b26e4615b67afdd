"""Time and memory of reading films.

    python -m benchmarks.films [--quick]

Films of moving waves are encoded here; each reading is a separate process, in turns.

- CPU per frame in 4K (H.264, 8 bit): `rushes.media.film`, over the fallback reader without PyAV (OpenCV).
- Peak memory of the process in 4K: the same two.
- Peak memory of a film four times as long, over that of the short one: frames are not retained.
- CPU per frame in 1080p (H.265, 10 bit): HLG and PQ, over SDR.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import av
import numpy as np

from benchmarks.support.command import new_parser
from benchmarks.support.figures import Figure, interleave, report
from rushes.capture.video_source import OpenCvClip
from rushes.media.film import open_film

if TYPE_CHECKING:
    from collections.abc import Sequence

CPU, MEMORY, LONGER, HDR = 1.6, 1.5, 1.1, 3.0
RATE = 25
TRANSFERS = {"sdr": 1, "hlg": 18, "pq": 16}


def write_film(path: Path, size: tuple[int, int], count: int, *, transfer: str = "") -> Path:
    """Writes a film of moving waves; with a transfer it is H.265 in 10 bit, else H.264 in 8."""
    width_px, height_px = size
    y, x = np.mgrid[:height_px, : width_px + count * 8]
    waves = np.stack([127 + 90 * np.sin(x / 90), 127 + 90 * np.sin((x + y) / 150), 127 + 80 * np.cos(y / 70)], 2)
    waves = waves.astype(np.uint8)
    options = {"preset": "ultrafast"} | ({"x265-params": "log-level=none"} if transfer else {})
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265" if transfer else "libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p10le" if transfer else "yuv420p"
        if transfer:
            stream.codec_context.color_trc = TRANSFERS[transfer]
        for number in range(count):
            picture = np.ascontiguousarray(waves[:, 8 * number : 8 * number + width_px])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(reader: str, path: Path) -> dict[str, float]:
    """Reads a film in this process: CPU milliseconds per frame, and the peak of its memory in MB."""
    begun = time.process_time()
    count = 0
    if reader == "film":
        with open_film(path) as film:
            for _ in film.frames():
                count += 1
    else:
        for _ in OpenCvClip(path).frames():
            count += 1
    cpu_ms = 1000 * (time.process_time() - begun) / count
    return {"cpu_ms": cpu_ms, "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    """The peak of this process's memory.

    Linux's getrusage is not used: its peak begins with the parent's, and adds the parent's memory to every reading.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # in bytes on macOS


def measured(reader: str, path: Path, what: str) -> float:
    """The same, in a separate process."""
    command = [sys.executable, "-m", "benchmarks.films", "--read", reader, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])[what])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark.

    Returns:
        1 if a goal is missed.
    """
    parser = new_parser("films", __doc__)
    parser.add_argument("--read", nargs=2, metavar=("READER", "FILM"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.read:
        print(json.dumps(read(chosen.read[0], Path(chosen.read[1]))))
        return 0
    with TemporaryDirectory() as folder:
        return report(_figures(Path(folder), quick=chosen.quick))


def _figures(folder: Path, *, quick: bool) -> list[Figure]:
    large, medium, count, rounds = ((320, 180), (320, 180), 8, 1) if quick else ((3840, 2160), (1920, 1080), 24, 5)
    short = write_film(folder / "short.mp4", large, count)
    long = write_film(folder / "long.mp4", large, 4 * count)
    deep = {name: write_film(folder / f"{name}.mkv", medium, count, transfer=name) for name in TRANSFERS}
    sdr = partial(measured, "film", deep["sdr"], "cpu_ms")
    pairs = {
        ("CPU ms a frame in 4K, over OpenCV's", CPU): (
            partial(measured, "film", short, "cpu_ms"),
            partial(measured, "opencv", short, "cpu_ms"),
        ),
        ("peak MB in 4K, over OpenCV's", MEMORY): (
            partial(measured, "film", short, "peak_mb"),
            partial(measured, "opencv", short, "peak_mb"),
        ),
        (f"peak MB of {4 * count} frames, over {count}", LONGER): (
            partial(measured, "film", long, "peak_mb"),
            partial(measured, "film", short, "peak_mb"),
        ),
        ("CPU ms a frame of HLG in 1080p, over SDR", HDR): (partial(measured, "film", deep["hlg"], "cpu_ms"), sdr),
        ("CPU ms a frame of PQ in 1080p, over SDR", HDR): (partial(measured, "film", deep["pq"], "cpu_ms"), sdr),
    }
    return [
        Figure(name, *interleave(ours, peer, rounds, name), goal, at_most=True)
        for (name, goal), (ours, peer) in pairs.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
