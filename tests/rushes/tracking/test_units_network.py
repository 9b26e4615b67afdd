"""The network of the family tracking at run time, with a tiny graph."""

import numpy as np
import pytest

from rushes.bundle.manifest import BundleError, read_bundle
from rushes.loading import open_model
from rushes.tracking.face import UNITS, HeadPose
from rushes.tracking.units_network import UnitsInput, UnitsNetwork
from tests.support.units_bundle import STATE, write_units_bundle, write_units_graph

HEAD = HeadPose(10.0, -5.0, 3.0, np.array([0.1, 0.2, 0.6]))


def test_a_frame_is_read_with_the_state_of_the_one_before(tmp_path):
    """Units, the head with its place, the gaze of each eye, and the next state."""
    write_units_bundle(tmp_path, level=0.25)
    network = open_model(read_bundle(tmp_path)).network
    landmarks_px, gaze_deg = np.zeros((478, 3), np.float32), np.array([[1.0, 2.0], [3.0, 4.0]])
    first = network.read(landmarks_px, HEAD, gaze_deg, network.start())
    second = network.read(landmarks_px, HEAD, gaze_deg, first.state_1h)

    assert first.units.shape == (52,)
    assert first.units == pytest.approx(0.25)
    assert second.units == pytest.approx(0.251)
    assert (first.head.yaw_deg, first.head.pitch_deg, first.head.roll_deg) == (11.0, -4.0, 4.0)
    assert first.head.translation_m is HEAD.translation_m
    assert first.gaze_deg.tolist() == [[2.0, 3.0], [4.0, 5.0]]


def test_a_state_that_is_not_finite_begins_again(tmp_path):
    """One frame on which a network overflows does not spoil all later ones of the face."""
    write_units_bundle(tmp_path, level=0.25)
    network = open_model(read_bundle(tmp_path)).network
    landmarks_px, spoiled = np.zeros((478, 3), np.float32), np.full((1, STATE), np.inf, np.float32)
    state_1h = network.read(landmarks_px, HEAD, np.zeros((2, 2)), spoiled).state_1h

    assert network.read(landmarks_px, HEAD, np.zeros((2, 2)), state_1h).units == pytest.approx(0.25)


def test_another_graph_is_refused(tmp_path):
    """By its names, and by its shapes."""
    write_units_graph(tmp_path / "names.onnx", 0.5, outputs=("units", "turned", "next_state"))
    write_units_graph(tmp_path / "shapes.onnx", 0.5)
    with pytest.raises(
        BundleError,
        match="gives next_state, turned, units, not landmarks, angles, state and units, corrected, next_state",
    ):
        UnitsNetwork(tmp_path / "names.onnx", UnitsInput(landmarks=478, state=STATE))
    with pytest.raises(BundleError, match="cannot be run with what the manifest describes"):
        UnitsNetwork(tmp_path / "shapes.onnx", UnitsInput(landmarks=478, state=STATE + 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"units": list(UNITS[1:])}}, "the units of the manifest are not those of this version"),
        ({"settings": {}}, "the units of the manifest are not those of this version"),
        ({"input": {"landmarks": 478}}, "input in manifest.json cannot be used"),
        ({"input": {"landmarks": 0, "state": 3}}, "input in manifest.json cannot be used"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(tmp_path, changes, message):
    """Before any frame."""
    write_units_bundle(tmp_path, **changes)
    with pytest.raises(BundleError, match=message):
        open_model(read_bundle(tmp_path))
