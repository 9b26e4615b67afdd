"""The latest frame of a capture for those who look at the page: state as JSON, picture as JPEG."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from rushes.bundle.manifest import DIGEST_CHARS
from rushes.capture.drawing.mesh import draw_actors, draw_names
from rushes.redaction import redact
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rushes.capture.analysis import Analysis
    from rushes.capture.frames import FrameSource
    from rushes.expression.classifier import FaceExpression
    from rushes.tracking.face import TrackedFace

WIDTH_PX = 960  # of the picture on the page at most; the mesh is drawn after scaling
JPEG_QUALITY = 80
RATE_FRAMES = 31  # whose arrival gives the frames per second
VIEWER_S = 3.0  # since the latest question for a state, in which the page counts as open: it asks each second


class Dialogue(Protocol):
    """Interface of what the page shows and asks beside a capture, such as the prompts of a calibration."""

    def state(self) -> dict[str, Any]:
        """Things to show, as JSON values."""
        ...

    def answer(self, choice: str) -> bool:
        """Takes the choice of a viewer; returns False if it is not one of those that are offered now."""
        ...


class Feed:
    """Latest frame and its analysis.

    `put` only keeps references, so that a capture loses no time. Pictures are drawn and encoded by whoever asks for
    one, once a frame however many ask.

    Args:
        source: The source, for its name and counts.
        origin: Family, version and digest of the model with which the capture begins.
        edges: Edges of the mesh of landmarks (N, 2).
        calibration: Names of the performers for whom the units are calibrated; None without calibration.
        dialogue: What the page shows and asks beside the frames.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        source: FrameSource,
        origin: Mapping[str, str | int | None] | None,
        edges: np.ndarray,
        *,
        calibration: str | None = None,
        dialogue: Dialogue | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._edges, self._calibration, self._clock = source, edges, calibration, clock
        self._origin, self._dialogue = dict(origin or {}), dialogue
        self._name = redact(source.name)  # the URL of a network camera may have a password
        self._changed = threading.Condition()
        self._latest: Analysis | None = None
        self._seen: Analysis | None = None  # the latest one with a picture
        self._count = 0
        self._taken, self._asked_s = -1, -math.inf  # count of the latest state that a viewer has, and its question
        self._closed = False
        self._arrivals_s: deque[float] = deque(maxlen=RATE_FRAMES)
        self._encoding = threading.Lock()
        self._encoded: tuple[Analysis | None, bytes] = (None, b"")

    def put(self, analysis: Analysis) -> None:
        """Takes a frame in place of the one before."""
        with self._changed:
            self._latest = analysis
            self._count += 1
            if analysis.frame.picture_bgr is not None:
                self._seen = analysis
                self._arrivals_s.append(self._clock())
            self._changed.notify_all()

    def answer(self, choice: str) -> bool:
        """Takes the choice of a viewer; returns False if nothing is asked, or something else."""
        return self._dialogue is not None and self._dialogue.answer(choice)

    def asked(self, after: int) -> None:
        """Notes that a viewer, who has the state of that count, asks for the next one."""
        with self._changed:
            self._taken, self._asked_s = max(self._taken, after), self._clock()
            self._changed.notify_all()

    @property
    def viewed(self) -> bool:
        """True while somebody has the page open."""
        return self._clock() - self._asked_s < VIEWER_S

    def finish(self, timeout_s: float) -> None:
        """Waits until a viewer, if there is one, has the state as it is now."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()
            if self.viewed:
                self._changed.wait_for(lambda: self._taken >= self._count, timeout_s)

    def close(self) -> None:
        """Ends all waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, after: int, timeout_s: float) -> int:
        """Waits until there is another frame than the one of that count; returns the count, which may be the same."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._count != after, timeout_s)
            return self._count

    def state(self) -> dict[str, Any]:
        """State as JSON values.

        Returns:
            count: Number of frames until now, to be given as `after` of the next request.
            frame, time_s: Number and time of the frame; null before the first one.
            age_ms: Time since a camera gave its latest picture; null for a file.
            fps, dropped, losses: Frames per second, frames dropped, and how often the camera was lost.
            silent: True while a camera gives no picture.
            model, model_note: Family, version and digest of the model; what is to be known of it, such as its age.
            dialogue: What is shown and asked beside the frames; null if nothing is.
            calibration: Names of the performers for whom the units are calibrated; null if there is none.
            actors: Each with `actor`, `performer` (may be empty), `calibrated`, `state`, `score`, `units`, `head`,
                `gaze_deg`, and `expression` or null.
        """
        with self._changed:
            latest, seen, count, arrivals_s = self._latest, self._seen, self._count, list(self._arrivals_s)
        source, frame = self._source, latest.frame if latest else None
        model = latest.model if latest else None
        origin = dict(model.origin) if model else self._origin
        arrived_s = seen.frame.arrived_s if seen else None
        spread_s = arrivals_s[-1] - arrivals_s[0] if arrivals_s else 0.0
        return {
            "count": count,
            "frame": frame.number if frame else None,
            "time_s": round(frame.time_s, 3) if frame else None,
            "age_ms": None if arrived_s is None else round(1000 * (self._clock() - arrived_s), 1),
            "fps": round((len(arrivals_s) - 1) / spread_s, 1) if spread_s > 0 else None,
            "dropped": source.dropped,
            "losses": source.losses,
            "silent": bool(source.live and frame and frame.picture_bgr is None),
            "source": {"name": self._name, "live": source.live, "total": source.total},
            "model": {name: _short(name, value) for name, value in origin.items()},
            "model_note": model.note if model else "",
            "calibration": self._calibration,
            "dialogue": self._dialogue and self._dialogue.state(),
            "actors": _actors(latest) if latest else [],
        }

    def picture(self) -> bytes | None:
        """The latest picture with the mesh of each actor, as JPEG; None before the first one."""
        with self._changed:
            seen = self._seen
        if seen is None:
            return None
        with self._encoding:
            if self._encoded[0] is not seen:
                self._encoded = (seen, _jpeg(seen, self._edges))
            return self._encoded[1]


def _actors(analysis: Analysis) -> list[dict[str, Any]]:
    expressions = dict(zip(analysis.numbers, analysis.expressions, strict=False))
    return [_actor(actor, expressions.get(actor.actor)) for actor in analysis.actors]


def _actor(actor: TrackedFace, expression: FaceExpression | None) -> dict[str, Any]:
    left, right = np.round(actor.gaze_deg.astype(np.float64), 1).tolist()
    shares = zip(expression.labels, expression.probabilities, strict=True) if expression else ()
    return {
        "actor": actor.actor,
        "performer": actor.performer,
        "calibrated": actor.calibrated,
        "state": actor.state,
        "score": round(float(actor.score), 3),
        "units": dict(zip(UNITS, np.round(actor.units.astype(np.float64), 3).tolist(), strict=True)),
        "head": {key: round(float(getattr(actor.head, key)), 1) for key in ("yaw_deg", "pitch_deg", "roll_deg")},
        "gaze_deg": {"left": left, "right": right},
        "expression": expression
        and {"label": expression.label, "probabilities": {name: round(float(share), 3) for name, share in shares}},
    }


def _jpeg(analysis: Analysis, edges: np.ndarray) -> bytes:
    picture_bgr = analysis.frame.picture_bgr
    if picture_bgr is None:
        return b""
    height, width = picture_bgr.shape[:2]
    scale = min(1.0, WIDTH_PX / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas_bgr = cv2.resize(picture_bgr, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture_bgr.copy()
    scaled = [replace(actor, landmarks_px=actor.landmarks_px * np.float32(scale)) for actor in analysis.actors]
    draw_actors(canvas_bgr, scaled, edges)
    draw_names(canvas_bgr, scaled)
    return bytes(cv2.imencode(".jpg", canvas_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])


def _short(name: str, value: str | int | None) -> str | int | None:
    """A digest as it is shown, any other value unchanged."""
    return str(value or "")[:DIGEST_CHARS] if name.endswith("digest") else value
