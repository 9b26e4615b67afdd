"""Analyser of a capture that follows an alias: what of it changes with a new version, and what stays."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rushes.bundle.manifest import GRAPH
from rushes.calibration.store import hint, networks_of
from rushes.capture.analysis import LabelAnalyser, TrackingAnalyser, open_analyser
from rushes.capture.frames import Frame
from rushes.capture.label_faces import SteadyLabels
from rushes.errors import NothingFitsError
from rushes.loading import open_model
from rushes.model_updates.follower import POLL_S, Follower
from rushes.model_updates.swapping import SwappingAnalyser
from rushes.store.store import model_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rushes.bundle.manifest import Bundle
    from rushes.calibration.calibration import Calibration
    from rushes.capture.analysis import Analyser, Tracking
    from rushes.expression.model import ExpressionModel
    from rushes.model_updates.choice import Chosen
    from rushes.model_updates.follower import Change

WARM_UPS = 3  # the first runs of a network allocate
BLANK = Frame(0, 0.0, np.zeros((480, 640, 3), np.uint8))


@contextmanager
def following(
    chosen: Chosen,
    analyser: Analyser,
    tracking: Tracking | None,
    calibration: Calibration | None,
    log: Callable[[str], None],
    *,
    interval_s: float = POLL_S,
) -> Iterator[Analyser]:
    """Analyser that follows the chosen alias until the end of the block; the given one if the version is fixed.

    Args:
        chosen: The model of the analyser, and the alias.
        analyser: Analyser of that model.
        tracking: With which it was opened.
        calibration: With which it was opened.
        log: Called with a line at each swap, and for what goes wrong.
        interval_s: Time between two looks at the registry.
    """
    if chosen.followed is None:
        yield analyser
        return

    def prepare(bundle: Bundle, running: Bundle) -> Change:
        return prepare_change(bundle, running, swapping.latest or BLANK, tracking, calibration)

    follower = Follower(chosen.followed, chosen.bundle, prepare, log, fault=chosen.fault)
    swapping = SwappingAnalyser(analyser, follower, log)
    follower.start(interval_s)
    try:
        yield swapping
    finally:
        follower.close()


def prepare_change(
    bundle: Bundle, running: Bundle, frame: Frame, tracking: Tracking | None, calibration: Calibration | None
) -> Change:
    """Opens and warms up a version.

    Where only the expression network differs, what the detector or the tracker knows is kept: numbers of actors,
    smoothing, and how long a lost face is held. Otherwise both start again.

    Args:
        bundle: The version.
        running: Version that runs.
        frame: Frame for warming up.
        tracking: Options of tracking; None for the label alone.
        calibration: Calibration that is applied; None for none.

    Raises:
        NothingFitsError: The calibration does not hold for its landmark networks.
        BundleError: A graph or network cannot be opened.
    """
    model: ExpressionModel = open_model(bundle)
    if _files_beside_the_graph(bundle) == _files_beside_the_graph(running):
        if frame.picture_bgr is not None:
            for _ in range(WARM_UPS):
                model.classifier.classify([frame.picture_bgr])
        return lambda analyser: _with_classifier(analyser, model)
    if calibration is not None and calibration.networks != networks_of(bundle):
        performer = calibration.performer
        message = f"{performer} is not calibrated with the landmark networks of {model_name(bundle)}: {hint(performer)}"
        raise NothingFitsError(message)
    fresh = open_analyser(model, tracking, calibration)
    for _ in range(WARM_UPS):
        fresh.analyse(frame)
    return lambda _: fresh


def _files_beside_the_graph(bundle: Bundle) -> dict[str, str]:
    return {name: file.sha256 for name, file in bundle.manifest.files.items() if file.role != GRAPH}


def _with_classifier(analyser: Analyser, model: ExpressionModel) -> Analyser:
    if isinstance(analyser, TrackingAnalyser):
        same = analyser.classifier.labels == model.labels  # labels are held by their index
        return replace(analyser, classifier=model.classifier, labels=analyser.labels if same else SteadyLabels())
    if isinstance(analyser, LabelAnalyser):
        return replace(analyser, classifier=model.classifier)
    raise TypeError(type(analyser))
