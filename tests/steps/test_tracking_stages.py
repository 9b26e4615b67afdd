"""The stages of the family tracking, run by DVC in a tiny copy of the project, on a clean set of made-up takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from curation.face_networks import LANDMARKER
from curation.store.take_fields import FIELDS
from registry.subprocesses import dvc_environment
from rushes.bundle.manifest import read_bundle
from rushes.tracking.face import UNITS, HeadPose
from rushes.tracking.units_network import UnitsNetwork
from tests.support.project import PARAMS, WIDE, make_project
from tests.support.tracked_takes import LEARNING, made_up_takes, read_geometry, take_frames

if TYPE_CHECKING:
    from pathlib import Path

PERFORMER, FRAMES = 5, 35  # of the training split
STAGES = [f"{stage}@tracking" for stage in ("augment", "train", "compress", "evaluate")]
TRACKING = {
    "augment": {"components": 48},
    "train": LEARNING | {"epochs": 40, "patience": 40, "learning_rate": 1e-2, "identity_mix": 0.0},
    "compress": {"calibration_samples": 32},
    "budget": WIDE | {"max_bytes": 200_000},  # below the size of the float graph, so that int8 is shipped
}
TAKES = {"medium": "take", "needs": "datasets/takes", "labels": []}


@pytest.fixture
def project(tmp_path):
    """The copy, with one family and its clean set."""
    params = PARAMS | {
        "families": {"tracking": "takes"},
        "collections": PARAMS["collections"] | {"takes": TAKES},
        "expression": {},
        "tracking": TRACKING,
    }
    made = make_project(tmp_path, params, contents={one: read_geometry(one) for one in LANDMARKER})
    made_up_takes(made.root / "build/clean/takes")
    return made


def reproduce(project):
    """Runs the stages that have changed; clean is left out."""
    return project.run("dvc", "repro", "--single-item", *STAGES, PATH=dvc_environment(project.env)["PATH"])


def read_take(folder: Path) -> np.ndarray:
    """Units T,52 that the runtime reads in a take, with the network of a bundle."""
    network, units = UnitsNetwork.from_bundle(read_bundle(folder)), []
    state_1h = network.start()
    for frame_w in take_frames(PERFORMER, FRAMES):
        head = HeadPose(*map(float, frame_w[FIELDS["fitted_head_deg"]]), np.zeros(3))
        gaze_deg = frame_w[FIELDS["fitted_gaze_deg"]].reshape(2, 2)
        reading = network.read(frame_w[FIELDS["landmarks_px"]].reshape(-1, 3), head, gaze_deg, state_1h)
        state_1h = reading.state_1h
        units.append(reading.units)
    return np.array(units)


@pytest.mark.slow
def test_stages_make_a_bundle_that_the_runtime_reads_and_are_skipped_the_second_time(project):
    """Its 52 units follow a performer that it has learned from; the certificate and the report's pictures are there."""
    first = reproduce(project)
    assert first.returncode == 0, first.stdout + first.stderr
    build = project.root / "build/tracking"
    read_tu, truth_tu = read_take(build / "bundle"), take_frames(PERFORMER, FRAMES)[:, FIELDS["units"]]
    r_u = [np.corrcoef(read_tu[:, unit], truth_tu[:, unit])[0, 1] for unit in range(len(UNITS))]
    scores = json.loads((build / "scores/metrics.json").read_text())

    assert read_tu.shape == (FRAMES, 52)
    assert (read_tu.min() >= 0, read_tu.max() <= 1) == (True, True)
    assert np.mean(r_u) > 0.4
    assert (scores["objective"], scores["samples"]) == ("mean_r", 2)
    assert read_bundle(build / "bundle").certificate.digest == read_bundle(build / "candidate").digest
    assert {"curves.jpg", "strips.jpg"} <= {path.name for path in (build / "scores").iterdir()}

    made = {path: path.stat().st_mtime_ns for path in build.rglob("*")}
    second = reproduce(project)
    assert [f"Stage '{stage}' didn't change, skipping" in second.stdout for stage in STAGES] == [True] * len(STAGES)
    assert {path: path.stat().st_mtime_ns for path in build.rglob("*")} == made
