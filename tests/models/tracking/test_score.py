"""Scores: every frame goes through the graph with its state, and a unit that follows nobody shows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from curation.store.take_fields import FIELDS
from models.tracking.definition import family
from models.tracking.encode import inputs_of, read_components
from models.tracking.geometry import ANGLE_SCALE_DEG
from models.tracking.moments import SUMS, sums_of
from models.tracking.score import MeanCorrelation, agreement_of_units, read_takes, score, sums_in
from rushes.inference.session import open_graph
from rushes.tracking.face import UNITS
from tests.support.tracked_takes import PITCH_DEG, pack_takes, read_geometry, take_frames

BAD = UNITS.index("jawOpen")


@pytest.fixture(scope="module")
def scores(bundles, clean):
    """Of the float graph on the test split."""
    return score(bundles[0], clean, "test", read_geometry)


def test_a_take_is_read_frame_by_frame_with_its_state(bundles, tmp_path):
    """Without the frames without a face; after few of them the state goes on, after 0.3 s it begins again."""
    absent = {30: [3, 4, *range(20, 30)], 31: []}
    parts = [take_frames(person, 40, absent=numbers) for person, numbers in absent.items()]
    takes = read_takes(bundles[0], pack_takes(tmp_path, {"test": parts}), "test")
    session, width = open_graph(bundles[0].path("graph")), bundles[0].manifest.input["state"]
    for take, part, numbers in zip(takes, parts, absent.values(), strict=True):
        frames_tw = np.delete(part, numbers, axis=0)
        for frame, frame_w in enumerate(frames_tw):
            if frame in {0, 18 if numbers else 0}:
                state_1s = np.zeros((1, width), np.float32)
            landmarks, angles = frame_w[FIELDS["landmarks_px"]].reshape(1, 478, 3), frame_w[None, _angles()]
            feed = {"landmarks": landmarks, "angles": angles, "state": state_1s}
            units_1u, corrected_1a, state_1s = session.run(["units", "corrected", "next_state"], feed)
            np.testing.assert_array_equal(take.units_tu[frame], units_1u[0])
            np.testing.assert_array_equal(take.angles_ta[frame], corrected_1a[0])
        assert len(take.units_tu) == len(frames_tw)
        np.testing.assert_array_equal(take.frames_tw, frames_tw)


def _angles() -> slice:
    return slice(FIELDS["fitted_head_deg"].start, FIELDS["fitted_gaze_deg"].stop)


def test_figures_are_those_of_the_outputs(scores, bundles, clean):
    """By hand over the frames of all takes: correlations, errors, jitter; MediaPipe's own units lie on the truth."""
    takes = read_takes(bundles[0], clean, "test")
    units_tu = np.concatenate([take.units_tu for take in takes])
    truth_tu = np.concatenate([take.truth_tu() for take in takes])
    r_u = np.array([np.corrcoef(units_tu[:, unit], truth_tu[:, unit])[0, 1] for unit in range(len(UNITS))])
    pitch_t = np.concatenate([take.angles_ta[:, 1] - take.frames_tw[:, FIELDS["head_deg"].start + 1] for take in takes])
    jitter = sum(np.abs(np.diff(take.units_tu, 2, axis=0)).sum() for take in takes)
    theirs = sum(np.abs(np.diff(take.truth_tu() / 2, 2, axis=0)).sum() for take in takes)

    assert scores.metrics["mean_r"] == pytest.approx(r_u.mean(), abs=1e-5)
    assert scores.metrics["least_r"] == pytest.approx(r_u.min(), abs=1e-5)
    assert scores.metrics["units_below_03"] == (r_u < 0.3).sum()
    assert scores.metrics["network_mean_r"] == pytest.approx(1.0, abs=1e-5)
    assert scores.metrics["fitted_pitch_error_deg"] == pytest.approx(PITCH_DEG, abs=1e-4)
    assert scores.metrics["pitch_error_deg"] == pytest.approx(np.abs(pitch_t).mean(), abs=1e-4)
    assert scores.metrics["pitch_error_deg"] < 0.7 * PITCH_DEG
    assert scores.metrics["jitter_ratio"] == pytest.approx(jitter / theirs, rel=1e-4)
    assert scores.arrays["curves"].dtype == np.uint8
    assert family.objective(scores.rows) == scores.metrics[family.objective.name]


def test_a_trained_network_reads_its_own_performers(bundles, clean):
    """In float far above chance, and in int8 within 0.05 of that."""
    fp32, int8 = (score(one, clean, "train", read_geometry).metrics for one in bundles)

    assert fp32["mean_r"] > 0.7
    assert int8["mean_r"] == pytest.approx(fp32["mean_r"], abs=0.05)
    assert int8["pitch_error_deg"] < 1.5
    assert bundles[1].path("graph").stat().st_size < 0.5 * bundles[0].path("graph").stat().st_size


def test_the_graph_scores_what_the_network_scores(bundles, trained, samples, clean):
    """Outputs over a whole take by the network that was trained."""
    take = read_takes(bundles[0], clean, "test")[1]
    given = torch.from_numpy(inputs_of(take.frames_tw, read_components(samples)))[None]
    with torch.no_grad():
        units, corrections, _ = trained.network(given, torch.zeros(1, trained.network.state_width))
    angles_ta = take.frames_tw[:, _angles()] + ANGLE_SCALE_DEG * corrections[0].numpy()

    np.testing.assert_allclose(take.units_tu, units[0].clamp(0, 1), atol=1e-2)
    np.testing.assert_allclose(take.angles_ta, angles_ta, atol=0.2)


def test_takes_without_truth_are_read_and_count_for_nothing(bundles, tmp_path):
    """Beside a known one they change no figure but the jitter; alone they have no figures of angles."""
    known, unknown = take_frames(40, 12), take_frames(41, 12, known=False)
    one, both, none = (
        score(bundles[0], pack_takes(tmp_path / name, {"test": takes}), "test", read_geometry).metrics
        for name, takes in (("one", [known]), ("both", [known, unknown]), ("none", [unknown]))
    )

    assert {name: both[name] for name in one if name != "jitter_ratio"} == {
        name: pytest.approx(value) for name, value in one.items() if name != "jitter_ratio"
    }
    assert none["mean_r"] == none["least_r"] == none["units_below_03"] == 0.0
    assert not [name for name in none if name.endswith("_error_deg")]
    assert np.isfinite(list(none.values())).all()


def test_a_take_without_any_face_is_scored(bundles, tmp_path):
    """Its row has nothing in it."""
    takes = {"test": [take_frames(40, 12), take_frames(41, 8, absent=range(8))]}
    found = score(bundles[0], pack_takes(tmp_path, takes), "test", read_geometry)

    assert found.rows["count:jawOpen"].tolist() == [12, 0]
    assert np.isfinite(found.metrics["mean_r"])


def rows(takes: int = 6, frames: int = 50, bad: int = -1) -> tuple[pd.DataFrame, list, list]:
    """A table of takes, and the curves that it was made of; unit `bad` is noise."""
    random = np.random.default_rng(2)
    truths = [random.uniform(0, 1, (frames + take, len(UNITS))) for take in range(takes)]
    outputs = [0.5 * truth + 0.1 * random.normal(size=truth.shape) for truth in truths]
    for output in outputs if bad >= 0 else ():
        output[:, bad] = random.uniform(0, 1, len(output))
    columns = [f"{name}:{unit}" for name in SUMS for unit in UNITS]
    parts = zip(outputs, truths, strict=True)
    sums = [sums_of(torch.from_numpy(output), torch.from_numpy(truth)).flatten().tolist() for output, truth in parts]
    table = pd.DataFrame(sums, columns=columns)
    return table, outputs, truths


def test_weights_of_the_bootstrap_repeat_takes():
    """The objective with weights is that over takes written down so many times."""
    table, outputs, truths = rows()
    weights = np.array([2, 0, 1, 3, 0, 0])
    repeated = [np.concatenate([part for part, count in zip(parts, weights, strict=True) for _ in range(count)])
                for parts in (outputs, truths)]  # fmt: skip
    wanted = np.mean([np.corrcoef(*(part[:, unit] for part in repeated))[0, 1] for unit in range(len(UNITS))])

    assert MeanCorrelation()(table, weights) == pytest.approx(wanted, abs=1e-9)
    assert MeanCorrelation()(table) == MeanCorrelation()(table, np.ones(6)) != pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(sums_in(table), sum(sums_in(table.iloc[[take]]) for take in range(6)))


def test_a_bad_unit_shows_among_the_worst():
    """Planted: one unit that follows nothing. No other one gets worse, and the mean falls by its share."""
    good, bad = (MeanCorrelation().worst(rows(bad=unit)[0]) for unit in (-1, BAD))

    assert set(good) == set(UNITS)
    assert min(bad, key=bad.get) == "jawOpen"
    assert bad["jawOpen"] < 0.2
    assert good["jawOpen"] > 0.8
    assert {name: r for name, r in bad.items() if name != "jawOpen"} == {
        name: pytest.approx(r) for name, r in good.items() if name != "jawOpen"
    }
    assert MeanCorrelation()(rows(bad=BAD)[0]) == pytest.approx(np.mean(list(bad.values())))


def test_a_unit_that_the_truth_never_moves_is_not_among_the_worst():
    """It is neither bad nor good."""
    table, _, _ = rows()
    for name in ("yy", "y", "xy"):
        table[f"{name}:tongueOut"] = 0.0

    assert "tongueOut" not in MeanCorrelation().worst(table)
    assert len(MeanCorrelation().worst(table)) == len(UNITS) - 1


def test_models_are_compared_over_the_same_units(scores):
    """All have the 52."""
    first, second = MeanCorrelation().shared(scores.rows, scores.rows.iloc[:1])

    assert len(first) == 2
    assert len(second) == 1


def test_agreement_sees_another_answer():
    """The same outputs agree in all; those of another order do not."""
    units_nu = np.random.default_rng(0).uniform(0, 1, (40, len(UNITS))).astype(np.float32)

    same, other = agreement_of_units(units_nu, units_nu), agreement_of_units(units_nu, units_nu[:, ::-1])
    assert same == {"compressed_mean": 0.0, "compressed_r": pytest.approx(1.0)}
    assert other["compressed_mean"] > 0.2
    assert other["compressed_r"] < 0.3
