"""Runs the models on one frame: the label of each face alone, or with the units and pose of tracked actors."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from rushes.calibration.performers import NOT_CALIBRATED, PerformerTracker, note_of
from rushes.capture.drawing.mesh import edges_of
from rushes.capture.label_faces import FaceNumbers, SteadyLabels, label_face
from rushes.expression.classifier import classify_faces
from rushes.faces.face_search import open_finder
from rushes.tracking.landmarks import check_landmarks, open_landmarks
from rushes.tracking.one_euro import LIVE
from rushes.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rushes.calibration.calibration import Tracker
    from rushes.calibration.performers import Performer
    from rushes.capture.frames import Frame
    from rushes.expression.classifier import Classifier, FaceExpression
    from rushes.expression.model import ExpressionModel
    from rushes.faces.detector import Detector
    from rushes.inference.tflite_network import Backend
    from rushes.tracking.face import TrackedFace
    from rushes.tracking.landmarks import LandmarkNetworks
    from rushes.tracking.model import TrackingModel
    from rushes.tracking.one_euro import Smoothing


@dataclass(frozen=True)
class RunningModel:
    """Model that made an analysis, where it may change during a capture.

    Attributes:
        origin: Family, version and digest.
        note: What whoever watches should know, such as the age of a model whose registry is away.
    """

    origin: Mapping[str, str | int | None]
    note: str = ""


@dataclass(frozen=True)
class Analysis:
    """A frame and what was found in it.

    Attributes:
        frame: The frame.
        expressions: Expression of each face, the largest face first.
        numbers: Number of the actor of each of these faces, if actors are tracked.
        actors: Tracked actors, by number; those that were lost a moment ago have no expression.
        detect_ms: Time for finding the faces.
        classify_ms: Time for classifying them.
        model: Model that made it; None for the one with which the capture began.
    """

    frame: Frame
    expressions: Sequence[FaceExpression] = ()
    numbers: Sequence[int] = ()
    actors: Sequence[TrackedFace] = ()
    detect_ms: float = 0.0
    classify_ms: float = 0.0
    model: RunningModel | None = None


class Analyser(Protocol):
    """Interface of what runs the models on each frame.

    Attributes:
        edges: Edges of the mesh of landmarks (N, 2), for drawing; none if actors are not tracked.
        note: What whoever watches should know, such as `not calibrated`; empty if there is nothing.
    """

    @property
    def edges(self) -> np.ndarray:
        """See above."""
        ...

    @property
    def note(self) -> str:
        """See above."""
        ...

    def analyse(self, frame: Frame) -> Analysis:
        """Finds and classifies the faces of a frame; a frame without pixels has none."""
        ...


@dataclass(frozen=True)
class LabelAnalyser:
    """Classifies each face; of a camera, labels do not flicker.

    Attributes:
        detector: Finds faces, and follows them from frame to frame.
        classifier: The expression network.
        labels: Labels of a camera's faces.
        faces: Numbers of a camera's faces.
    """

    detector: Detector
    classifier: Classifier
    edges: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), int))
    note: str = ""
    labels: SteadyLabels = field(default_factory=SteadyLabels)
    faces: FaceNumbers = field(default_factory=FaceNumbers)

    def analyse(self, frame: Frame) -> Analysis:
        """See `Analyser`."""
        if frame.picture_bgr is None:
            return Analysis(frame)
        started_s = time.perf_counter()
        faces = self.detector.detect(frame.picture_bgr)
        found_s = time.perf_counter()
        # Of a photograph, whose file has no other, there is the time to read it mirrored too.
        expressions = classify_faces(frame.picture_bgr, faces, self.classifier, mirrored=bool(frame.file))
        if frame.arrived_s is not None:  # from a camera
            expressions = self.labels.steady_all(self.faces.of(expressions, frame.time_s), expressions, frame.time_s)
        ended_s = time.perf_counter()
        return Analysis(frame, expressions, (), (), 1000 * (found_s - started_s), 1000 * (ended_s - found_s))


@dataclass(frozen=True)
class TrackingAnalyser:
    """Tracks actors, and classifies the face of each from its landmarks; of a camera, labels do not flicker.

    Attributes:
        tracker: Tracks landmarks, units, head and gaze.
        classifier: The expression network.
        edges: Edges of the mesh of landmarks (N, 2).
        note: Who is not calibrated, or nothing.
        labels: Labels of a camera's actors.
    """

    tracker: Tracker
    classifier: Classifier
    edges: np.ndarray
    note: str = NOT_CALIBRATED
    labels: SteadyLabels = field(default_factory=SteadyLabels)

    def analyse(self, frame: Frame) -> Analysis:
        """See `Analyser`. While a camera gives no picture, actors are held and then ease to neutral."""
        if frame.picture_bgr is None:
            return Analysis(frame, actors=self.tracker.wait(frame.time_s))
        started_s = time.perf_counter()
        actors = self.tracker.track(frame.picture_bgr, frame.time_s)
        found_s = time.perf_counter()
        seen = {actor.actor: label_face(actor) for actor in actors if actor.state == "tracked"}
        numbers = sorted(seen, key=lambda number: -seen[number].box_xywh_px[2])
        found = [seen[number] for number in numbers]
        expressions = classify_faces(frame.picture_bgr, found, self.classifier, mirrored=bool(frame.file))
        if frame.arrived_s is not None:  # from a camera
            expressions = self.labels.steady_all(numbers, expressions, frame.time_s)
        ended_s = time.perf_counter()
        times_ms = 1000 * (found_s - started_s), 1000 * (ended_s - found_s)
        return Analysis(frame, expressions, numbers, actors, *times_ms)


@dataclass(frozen=True)
class Tracking:
    """Options of tracking.

    Attributes:
        actors: Maximum number of actors.
        fov_deg: Vertical field of view of the camera.
        backend: Library that runs the landmark networks; `auto` for the fastest one on this machine.
        model: Model that reads units, head and gaze; None for MediaPipe's network.
    """

    actors: int = 1
    fov_deg: float = 45.0
    backend: Backend | Literal["auto"] = "auto"
    model: TrackingModel | None = None


def open_analyser(
    model: ExpressionModel,
    tracking: Tracking | None = None,
    performers: Sequence[Performer] = (),
    log: Callable[[str], None] = lambda _: None,
) -> Analyser:
    """Opens what a capture runs: the label alone, or with tracking, corrected by the calibrations of performers.

    Raises:
        UserError: The bundle is older than the landmark networks.
        MisuseError: The library of the backend is not installed.
    """
    if tracking is None:
        return LabelAnalyser(model.detector(), model.classifier)
    networks = open_landmarks(model.bundle, tracking.backend, log)
    edges, tracker = edges_of(networks.face.triangles), _tracker(model, tracking, networks)
    if performers:
        tracker = PerformerTracker(tracker, performers, tracking.actors)
    return TrackingAnalyser(tracker, model.classifier, edges, note_of(performers, tracking.actors))


def open_tracker(model: ExpressionModel, tracking: Tracking, log: Callable[[str], None]) -> tuple[Tracker, np.ndarray]:
    """Opens the tracker of a calibration, and gives the edges of its mesh.

    Its values are not smoothed: a network that reads the landmarks again, as they are recorded, has to find the same.

    Raises:
        UserError: The bundle is older than the landmark networks.
        MisuseError: The library of the backend is not installed.
    """
    networks = open_landmarks(model.bundle, tracking.backend, log)
    return _tracker(model, tracking, networks, smoothing=None), edges_of(networks.face.triangles)


def _tracker(
    model: ExpressionModel, tracking: Tracking, networks: LandmarkNetworks, *, smoothing: Smoothing | None = LIVE
) -> Tracker:
    if tracking.model is not None:
        check_landmarks(tracking.model.bundle, model.bundle)
    units = None if tracking.model is None else tracking.model.network
    return FaceTracker(
        open_finder(model.bundle),
        networks,
        actors=tracking.actors,
        fov_deg=tracking.fov_deg,
        smoothing=smoothing,
        units=units,
    )
