"""Runs the peers on frames of a mapped file, in an environment of their own: one line of JSON asked, one answered.

    PYTHON_OF_THE_PEERS peer_worker.py

Only the calls of the peer count: pictures are converted to its colours before. CPU time is that of all threads.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

cv2: Any = importlib.import_module("cv2")
PADDING_PX, OFFSET_PX, SIDE_PX = 40, 10, 64  # fer/fer.py


def landmarker(asked: dict[str, Any]) -> tuple[Callable[[np.ndarray, int], int], Callable[[], None]]:
    """FaceLandmarker in VIDEO mode: landmarks, 52 units and the pose of each face."""
    mediapipe: Any = importlib.import_module("mediapipe")
    python = importlib.import_module("mediapipe.tasks.python")
    vision = python.vision
    options = vision.FaceLandmarkerOptions(
        base_options=python.BaseOptions(model_asset_path=asked["model"]),
        running_mode=vision.RunningMode.VIDEO,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
        num_faces=asked["faces"],
    )
    opened = vision.FaceLandmarker.create_from_options(options)

    def run(picture_rgb: np.ndarray, time_ms: int) -> int:
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture_rgb)
        return len(opened.detect_for_video(picture, time_ms).face_blendshapes)

    return run, opened.close


def detector(_asked: dict[str, Any]) -> tuple[Callable[[np.ndarray, int], int], Callable[[], None]]:
    """FaceDetection of the full range."""
    mediapipe: Any = importlib.import_module("mediapipe")
    opened = mediapipe.solutions.face_detection.FaceDetection(model_selection=1)

    def run(picture_rgb: np.ndarray, _time_ms: int) -> int:
        return len(opened.process(picture_rgb).detections or ())

    return run, opened.close


def fer(asked: dict[str, Any]) -> tuple[Callable[[np.ndarray, int], int], Callable[[], None]]:
    """`FER.detect_emotions`: the Haar cascade on the whole frame, and the network on each face."""
    litert = importlib.import_module("ai_edge_litert.interpreter")
    network = litert.Interpreter(model_path=asked["model"], num_threads=1)
    network.allocate_tensors()
    [given], [found] = network.get_input_details(), network.get_output_details()
    cascade = cv2.CascadeClassifier(asked["cascade"])
    flags = {"scaleFactor": 1.1, "minNeighbors": 5, "flags": cv2.CASCADE_SCALE_IMAGE, "minSize": (50, 50)}

    def run(picture_rgb: np.ndarray, _time_ms: int) -> int:
        grey_hw = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY)
        boxes = cascade.detectMultiScale(grey_hw, **flags)
        mean = cv2.mean(grey_hw[-2:])[0]
        padded_hw = cv2.copyMakeBorder(grey_hw, *[PADDING_PX] * 4, cv2.BORDER_CONSTANT, value=[mean] * 3)
        margin = PADDING_PX - OFFSET_PX
        for x, y, side, _ in boxes:
            part_hw = padded_hw[y + margin :, x + margin :][: side + 2 * OFFSET_PX, : side + 2 * OFFSET_PX]
            face_hw = cv2.resize(part_hw, (SIDE_PX, SIDE_PX)).astype(np.float32)
            network.set_tensor(given["index"], (face_hw[None, ..., None] / 255 - 0.5) * 2)
            network.invoke()
            network.get_tensor(found["index"])
        return len(boxes)

    return run, lambda: None


PEERS = {"landmarker": landmarker, "detector": detector, "fer": fer}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """CPU-ms and faces of each frame, wall-clock milliseconds of all, and the number of threads."""
    run, close = PEERS[asked["peer"]](asked)
    cpu_ms, faces, wall_s = [], [], 0.0
    for number, picture_rgb in enumerate(_pictures(asked)):
        begun_s, before_s = time.perf_counter(), time.process_time()
        faces.append(run(picture_rgb, round(1000 * number / asked["fps"])))
        cpu_ms.append(1000 * (time.process_time() - before_s))
        wall_s += time.perf_counter() - begun_s
    threads = len(list(Path("/proc/self/task").iterdir())) if sys.platform == "linux" else None
    close()
    return {"cpu_ms": cpu_ms, "faces": faces, "wall_ms": 1000 * wall_s, "threads": threads}


def _pictures(asked: dict[str, Any]) -> Iterator[np.ndarray]:
    frames = np.load(asked["frames"], mmap_mode="r")
    for number in range(0, asked["count"], asked["step"]):
        yield cv2.cvtColor(np.asarray(frames[number]), cv2.COLOR_BGR2RGB)


def main() -> None:
    """Answers until there are no more questions."""
    cv2.setNumThreads(1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of a peer itself does not mix with the answers
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
