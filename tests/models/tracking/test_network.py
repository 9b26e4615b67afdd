"""The network: frame by frame it is what it is over a take, and the exported graph is the network on landmarks."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from compression.methods.export import export
from curation.store.take_fields import FIELDS
from models.tracking.definition import calibration, family, graphs, module
from models.tracking.encode import inputs_of, read_components
from models.tracking.geometry import ANGLE_SCALE_DEG, ANGLES, upright
from models.tracking.params import TrackingParams
from rushes.tracking.face import UNITS
from tests.support.tracked_takes import SMALL, take_frames

INPUTS = {"signs": [1.0] * 9, "deviation": [1.0] * (len(UNITS) + ANGLES)}


@pytest.fixture
def network():
    """A small one whose corrections are not nothing."""
    made = module(INPUTS, SMALL).network.eval()
    torch.nn.init.normal_(made.corrections.weight, generator=torch.Generator().manual_seed(0))
    return made


def inputs(takes: int = 3, frames: int = 12) -> torch.Tensor:
    """Random ones."""
    return torch.randn(takes, frames, 9 + ANGLES, generator=torch.Generator().manual_seed(1))


def test_frame_by_frame_it_gives_what_it_gives_over_a_take(network):
    """Units, corrections and the state, to rounding."""
    inputs_nti = inputs()
    state_ns = torch.zeros(3, network.state_width)
    *whole, last_ns = network(inputs_nti, state_ns)
    found = []
    for inputs_ni in inputs_nti.unbind(1):
        *outputs, state_ns = network.step(inputs_ni, state_ns)
        found.append(outputs)

    for one, parts in zip(whole, zip(*found, strict=True), strict=True):
        torch.testing.assert_close(torch.stack(parts, 1), one, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(state_ns, last_ns, atol=1e-5, rtol=1e-4)
    assert (last_ns[:, -1] == 12).all()


def test_a_state_carries_what_was_seen(network):
    """Read in two parts with the state between them, a take gives what it gives in one; without it, something else."""
    inputs_nti = inputs()
    start_ns = torch.zeros(3, network.state_width)
    whole = network(inputs_nti, start_ns)[0]
    state_ns = network(inputs_nti[:, :5], start_ns)[2]
    rest, fresh = (network(inputs_nti[:, 5:], state)[0] for state in (state_ns, start_ns))

    torch.testing.assert_close(whole[:, 5:], rest, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(whole[:, 5:], fresh, atol=1e-2)


def test_corrections_begin_with_nothing():
    """An untrained network leaves the fitted angles as they are."""
    made = module(INPUTS, SMALL).network.eval()

    assert not made(inputs(), torch.zeros(3, made.state_width))[1].any()


def test_weights_are_few():
    """With the params that the nightly run has: under 0.3 million."""
    info = {"signs": [1.0] * TrackingParams().augment.components, "deviation": INPUTS["deviation"]}
    made = module(info, TrackingParams().train).network

    assert sum(parameter.numel() for parameter in made.parameters()) < 300_000


def run_over(session, landmarks_tp3, angles_ta, width):
    """Units, angles and states of the graph over a take."""
    state_1s, found = np.zeros((1, width), np.float32), []
    for landmarks_p3, angles_a in zip(landmarks_tp3, angles_ta, strict=True):
        feed = {"landmarks": landmarks_p3[None], "angles": angles_a[None], "state": state_1s}
        units_1u, corrected_1a, state_1s = session.run(["units", "corrected", "next_state"], feed)
        found.append((units_1u[0], corrected_1a[0], state_1s[0]))
    return [np.stack(part) for part in zip(*found, strict=True)]


def test_the_exported_graph_is_the_network_over_components(samples, trained, tmp_path):
    """From landmarks in pixels of a turned head and degrees; with shuffled weights it is another one."""
    [graph] = graphs(trained.network, samples)
    session = onnxruntime.InferenceSession(export(graph, tmp_path))
    frames_tw = take_frames(7, 15)
    landmarks_tp3 = frames_tw[:, FIELDS["landmarks_px"]].reshape(15, -1, 3)
    angles_ta = frames_tw[:, FIELDS["fitted_head_deg"].start : FIELDS["fitted_gaze_deg"].stop]
    units_tu, corrected_ta, states_ts = run_over(session, landmarks_tp3, angles_ta, trained.network.state_width)
    given = torch.from_numpy(inputs_of(frames_tw, read_components(samples)))[None]

    def wanted():
        return trained.network(given, torch.zeros(1, trained.network.state_width))

    with torch.no_grad():
        units, corrections, state = wanted()
        np.testing.assert_allclose(units_tu, units[0].clamp(0, 1), atol=2e-3)
        np.testing.assert_allclose(corrected_ta, angles_ta + ANGLE_SCALE_DEG * corrections[0].numpy(), atol=5e-2)
        np.testing.assert_allclose(states_ts[-1], state[0], atol=2e-2)
        kept = trained.network.read.weight.clone()
        trained.network.read.weight.copy_(kept.flip(1))
        other = wanted()[0][0].clamp(0, 1)
        trained.network.read.weight.copy_(kept)
    assert not np.allclose(units_tu, other, atol=0.1)


def test_the_example_of_the_graph_is_a_face(samples, trained):
    """Of batch 2, so that every first axis can be dynamic; the manifest has the width of the state."""
    [graph] = graphs(trained.network, samples)
    settings = family.settings(samples.info, [graph])

    assert [tuple(one.shape) for one in graph.example] == [(2, 478, 3), (2, ANGLES), (2, trained.network.state_width)]
    assert settings["input"] == {"landmarks": 478, "state": trained.network.state_width}
    assert settings["settings"]["units"] == list(UNITS)
    assert settings["settings"]["taught_frames"] == samples.info["taught"]
    assert all(output.isfinite().all() for output in graph.module.eval()(*graph.example))


def test_calibration_is_takes_with_their_states(samples, trained):
    """Landmarks that give the inputs of the set again; each state is what the graph gave for the frame before."""
    [graph] = graphs(trained.network, samples)
    feeds = calibration(samples, "validation", 20, 0, graph)
    first, second = ({name: torch.from_numpy(value) for name, value in feed.items()} for feed in feeds[:2])
    with torch.no_grad():
        *_, state_ns = graph.module(*(first[name] for name in graph.input_names))

    assert len(feeds) == 10  # of both takes
    assert not first["state"].any()
    torch.testing.assert_close(second["state"], state_ns)
    frames = np.load(samples.folder / "inputs-validation.npy")[:1]
    components = read_components(samples)
    found_np = components.of(upright(first["landmarks"]).flatten(1).numpy())
    np.testing.assert_allclose(found_np[0], frames[0, :-ANGLES], atol=5e-2)
