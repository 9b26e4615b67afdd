"""Analyser of a capture that follows an alias: what of it changes with a new version, and what stays."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rushes.bundle.manifest import GRAPH
from rushes.calibration.performers import PerformerTracker
from rushes.calibration.store import find_calibration, hint, networks_of
from rushes.capture.analysis import LabelAnalyser, TrackingAnalyser, open_analyser
from rushes.capture.frames import Frame
from rushes.capture.label_faces import SteadyLabels
from rushes.errors import NothingFitsError
from rushes.loading import open_model
from rushes.model_updates.follower import POLL_S, Follower
from rushes.model_updates.swapping import SwappingAnalyser
from rushes.store.store import model_name
from rushes.tracking.face import LANDMARKS, HeadPose
from rushes.tracking.landmarks import check_landmarks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rushes.bundle.manifest import Bundle
    from rushes.calibration.performers import Performer
    from rushes.capture.analysis import Analyser, Tracking
    from rushes.expression.model import ExpressionModel
    from rushes.model_updates.choice import Chosen
    from rushes.model_updates.follower import Change
    from rushes.tracking.units_network import UnitsNetwork

WARM_UPS = 3  # the first runs of a network allocate
BLANK = Frame(0, 0.0, np.zeros((480, 640, 3), np.uint8))


@contextmanager
def following(
    chosen: Sequence[Chosen],
    analyser: Analyser,
    tracking: Tracking | None,
    performers: Sequence[Performer],
    log: Callable[[str], None],
    *,
    interval_s: float = POLL_S,
) -> Iterator[Analyser]:
    """Analyser that follows the chosen aliases until the end of the block; the given one if all versions are fixed.

    Args:
        chosen: The models of the analyser, one of each family, and their aliases.
        analyser: Analyser of these models.
        tracking: With which it was opened.
        performers: With whom it was opened.
        log: Called with a line at each swap, and for what goes wrong.
        interval_s: Time between two looks at the registry.
    """
    if not any(one.followed for one in chosen):
        yield analyser
        return

    def prepare(bundle: Bundle, running: Bundle) -> Change:
        frame, others = swapping.latest or BLANK, swapping.running
        if bundle.manifest.family == "tracking":
            return prepare_units(bundle, others["expression"], performers)
        return prepare_change(bundle, running, frame, tracking, performers, others.get("tracking"))

    def beside(family: str) -> object:
        if family == "tracking":  # depends on the landmarks, and an expression network does not
            return networks_of(swapping.running["expression"])
        units = swapping.running.get("tracking")
        return None if units is None else units.digest

    followers = [
        Follower(
            one.followed, one.bundle, prepare, log, fault=one.fault, beside=partial(beside, one.bundle.manifest.family)
        )
        for one in chosen
        if one.followed is not None
    ]
    fixed = [one.bundle for one in chosen if one.followed is None]
    swapping = SwappingAnalyser(analyser, followers, log, fixed=fixed)
    try:
        for follower in followers:
            follower.start(interval_s)
        yield swapping
    finally:
        for follower in followers:
            follower.close()


def prepare_units(bundle: Bundle, expression: Bundle, performers: Sequence[Performer]) -> Change:
    """Opens and warms up a version of the network that reads units, head and gaze; what is known of actors is kept.

    Args:
        bundle: The version.
        expression: Bundle whose landmark network runs.
        performers: Performers, whose calibrations are applied.

    Raises:
        NothingFitsError: It has learned from other landmarks, or a calibration does not hold for it.
        BundleError: The graph cannot be opened.
    """
    check_landmarks(bundle, expression)
    held = [_calibrated_for(performer, bundle, expression, bundle) for performer in performers]
    network = open_model(bundle).network
    face_px = np.zeros((LANDMARKS, 3), np.float32)
    for _ in range(WARM_UPS):
        network.read(face_px, HeadPose(0.0, 0.0, 0.0, np.zeros(3)), np.zeros((2, 2)), network.start())
    return lambda analyser: _with_units(analyser, network, held)


def prepare_change(
    bundle: Bundle,
    running: Bundle,
    frame: Frame,
    tracking: Tracking | None,
    performers: Sequence[Performer],
    units: Bundle | None = None,
) -> Change:
    """Opens and warms up a version.

    Where only the expression network differs, what the detector or the tracker knows is kept: numbers of actors,
    smoothing, and how long a lost face is held. Otherwise both start again.

    Args:
        bundle: The version.
        running: Version that runs.
        frame: Frame for warming up.
        tracking: Options of tracking; None for the label alone.
        performers: Performers, whose calibrations are applied.
        units: Model of the family tracking that runs; None where MediaPipe's network reads the units.

    Raises:
        NothingFitsError: A calibration does not hold for its landmark networks, or the model of the units has learned
            from others.
        BundleError: A graph or network cannot be opened.
    """
    model: ExpressionModel = open_model(bundle)
    if _files_beside_the_graph(bundle) == _files_beside_the_graph(running):
        if frame.picture_bgr is not None:
            for _ in range(WARM_UPS):
                model.classifier.classify([frame.picture_bgr])
        return lambda analyser: _with_classifier(analyser, model)
    if units is not None:
        check_landmarks(units, bundle)
    held = [_calibrated_for(performer, bundle, bundle, units) for performer in performers]
    fresh = open_analyser(model, tracking, held)
    for _ in range(WARM_UPS):
        fresh.analyse(frame)

    def change(analyser: Analyser) -> Analyser:
        running = analyser.tracker.units if isinstance(analyser, TrackingAnalyser) else None
        return _with_units(fresh, running, ())

    return change


def _files_beside_the_graph(bundle: Bundle) -> dict[str, str]:
    return {name: file.sha256 for name, file in bundle.manifest.files.items() if file.role != GRAPH}


def _calibrated_for(performer: Performer, new: Bundle, bundle: Bundle, units: Bundle | None) -> Performer:
    """The performer with the calibration that holds for these networks: the same one, or computed again."""
    networks, before = networks_of(bundle, units), performer.calibration
    if before is None or before.networks == networks:
        return performer
    found = find_calibration(performer.name, bundle, lambda _: None, units)
    if found is None or found.networks != networks:
        message = f"{performer.name} is not calibrated with the networks of {model_name(new)}: {hint(performer.name)}"
        raise NothingFitsError(message)
    return replace(performer, calibration=found)


def _with_units(analyser: Analyser, network: UnitsNetwork | None, performers: Sequence[Performer]) -> Analyser:
    """The analyser with another network for the units, and the calibrations for it; those it has if there are none."""
    if not isinstance(analyser, TrackingAnalyser):
        return analyser
    tracker = analyser.tracker.with_units(network)
    if performers and isinstance(tracker, PerformerTracker):
        tracker = tracker.with_performers(performers)
    return replace(analyser, tracker=tracker)


def _with_classifier(analyser: Analyser, model: ExpressionModel) -> Analyser:
    if not isinstance(analyser, TrackingAnalyser | LabelAnalyser):
        raise TypeError(type(analyser))
    same = analyser.classifier.labels == model.labels  # labels are held by their index
    return replace(analyser, classifier=model.classifier, labels=analyser.labels if same else SteadyLabels())
