"""The set and its batches: what is a target and what is none, who teaches, and how processes share takes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from curation.face_networks import LANDMARKER
from curation.store.take_fields import FIELDS, WIDTH
from models.tracking.components import fit_components
from models.tracking.data import VALIDATION_BATCH, ShuffledTakes, TrackingTakes, WholeTakes
from models.tracking.encode import (
    TAUGHT,
    Takes,
    encode,
    landmarks_of,
    read_components,
    runs_of,
    takes_of,
    targets_of,
    taught_frames,
)
from models.tracking.geometry import ANGLE_SCALE_DEG
from models.tracking.params import AugmentParams
from rushes.errors import MisuseError
from rushes.tracking.face import UNITS
from rushes.tracking.head_pose import canonical_face
from rushes.tracking.tracker import FaceTracker
from tests.rushes.tracking.test_tracker import Counting
from tests.support.tracked_stage import FIRST, FPS, Stage
from tests.support.tracked_takes import ABSENT, MIRROR_N, PITCH_DEG, SMALL, pack_takes, read_geometry, take_frames

COUNT = len(UNITS)
LENGTHS = (20, 9, 14, 11, 30, 7)
TAUGHT_COLUMNS = [UNITS.index(name) for name in TAUGHT]
UNTAUGHT_COLUMNS = [column for column in range(COUNT) if column not in TAUGHT_COLUMNS]


def counted(lengths=LENGTHS) -> Takes:
    """Takes whose inputs and targets are the number of the take and of the frame."""
    rows = [(take, frame) for take, length in enumerate(lengths) for frame in range(length)]
    values = np.array(rows, np.float32)
    starts = np.cumsum(lengths) - lengths
    return Takes(values, values.copy(), starts, np.array(lengths))


def test_the_set_has_inputs_and_targets_of_each_frame(clean, samples):
    """Nothing of the test split; components of the training split alone."""
    learned = takes_of(samples, "train")
    components = read_components(samples)

    lengths = clean.kept("train")["length"].to_numpy() - (np.arange(6) == ABSENT[0])  # without the frame without a face

    assert set(samples.table["split"]) == {"train", "validation"}
    assert learned.inputs_ti.shape == (lengths.sum(), len(components.signs_k) + 7)
    assert learned.targets_tc.shape == (lengths.sum(), COUNT + 7)
    assert learned.lengths.tolist() == lengths.tolist()
    assert np.isfinite(learned.inputs_ti).all()  # NaN would end the state of a take
    assert learned.targets_tc[-1, COUNT + 1] == pytest.approx(PITCH_DEG / ANGLE_SCALE_DEG)
    assert json.loads((samples.folder / "set.json").read_text())["deviation"][COUNT] == pytest.approx(0.02)


def test_inputs_of_a_mirrored_picture_are_the_inputs_with_other_signs(clean, samples):
    """Of landmarks as a camera sees them, turned and small: the components that change their sign are known."""
    components = read_components(samples)
    frames_tw = np.array(clean.frames("train")[-20:])
    image_tw = frames_tw.copy()
    landmarks_tp3 = frames_tw[:, FIELDS["landmarks_px"]].reshape(20, -1, 3)[:, MIRROR_N]
    landmarks_tp3[..., 0] = 640 - landmarks_tp3[..., 0]
    image_tw[:, FIELDS["landmarks_px"]] = landmarks_tp3.reshape(20, -1)
    ours, theirs = (components.of(landmarks_of(one)) for one in (frames_tw, image_tw))
    np.testing.assert_allclose(theirs, ours * components.signs_k, atol=2e-2)
    assert np.abs(ours).max() > 5


def test_the_teacher_fills_takes_without_truth_only_and_units_that_it_reads(clean):
    """A unit that MediaPipe's network cannot read stays unknown; known truth is never replaced."""
    frames_tw = np.array(clean.frames("train"))
    known_t = ~np.isnan(frames_tw[:, FIELDS["units"]]).all(1)
    taught, alone = (targets_of(frames_tw, teacher=teacher) for teacher in (True, False))

    assert 0 < known_t.mean() < 1
    np.testing.assert_array_equal(taught[known_t, :COUNT], frames_tw[known_t, FIELDS["units"]])
    np.testing.assert_array_equal(
        taught[~known_t][:, TAUGHT_COLUMNS], frames_tw[~known_t, FIELDS["network_units"]][:, TAUGHT_COLUMNS]
    )
    assert np.isnan(taught[~known_t][:, UNTAUGHT_COLUMNS]).all()
    assert np.isnan(alone[~known_t, :COUNT]).all()
    np.testing.assert_array_equal(alone[known_t], taught[known_t])
    assert {"cheekPuff", "jawForward", "mouthClose", "noseSneerLeft", "tongueOut"}.isdisjoint(TAUGHT)


def test_the_set_counts_what_teaches_it(clean, samples):
    """For the manifest: frames with curves, and those that MediaPipe's network teaches; none without a face."""
    frames_tw = np.array(clean.frames("train"))
    seen_t = frames_tw[:, FIELDS["presence"]][:, 0] > 0
    known_t = seen_t & ~np.isnan(frames_tw[:, FIELDS["units"]]).all(1)
    counted_frames = {"curves": known_t.sum(), "MediaPipe's network": (seen_t & ~known_t).sum()}

    assert samples.info["taught"] == counted_frames
    assert all(counted_frames.values())
    assert seen_t.sum() < len(seen_t)
    assert taught_frames(frames_tw, teacher=False) == {**counted_frames, "MediaPipe's network": 0}


def test_a_unit_that_curves_lack_is_not_taught():
    """Planted: curves without one column are the truth of the others."""
    frames_tw = take_frames(1, 10)
    jaw = FIELDS["units"].start + UNITS.index("jawOpen")
    frames_tw[:, jaw] = np.nan

    assert np.isnan(targets_of(frames_tw, teacher=True)[:, UNITS.index("jawOpen")]).all()


@pytest.mark.parametrize("stall_s", [0.0, 1.0])
def test_a_state_lasts_as_long_as_in_the_tracker(stall_s):
    """Faces lost for 1 to 30 frames: the tracker begins again in the first frame of each run, and in no other one."""
    hidden = [range(20 * gap, 20 * gap + lost) for gap, lost in enumerate((1, 6, 7, 8, 9, 30), 1)]
    times_s = np.arange(200) / FPS + stall_s * (
        np.arange(200) > hidden[0][0]
    )  # a clock that jumps while a face is lost
    is_hidden_t = np.isin(np.arange(200), np.concatenate(hidden))
    stage = Stage(canonical_face(read_geometry(LANDMARKER[-1])))
    tracker = FaceTracker(stage, stage, smoothing=None, units=Counting())
    frames_tw, counts_t = np.full((200, WIDTH), np.nan, np.float32), np.zeros(200, int)
    for number, time_s in enumerate(times_s):
        stage.faces = [] if is_hidden_t[number] else [FIRST]
        stage.searches.append([])
        [face] = tracker.track(np.zeros((480, 640, 3), np.uint8), time_s) or [None]
        is_seen = face is not None and face.state == "tracked"
        frames_tw[number, :2] = time_s, is_seen
        counts_t[number] = round(1000 * face.units[0]) if is_seen else 0
    runs = runs_of(frames_tw)

    assert [run[0] for run in runs] == np.flatnonzero(counts_t == 1).tolist()
    assert [counts_t[run].tolist() for run in runs] == [list(range(1, len(run) + 1)) for run in runs]
    assert len(runs) == 4
    assert runs_of(frames_tw[hidden[-1]]) == []


def test_a_face_that_was_lost_begins_a_run_in_the_set(tmp_path):
    """Frames without a face are in none; in this set each run is a take of its own."""
    takes = [take_frames(1, 40, absent=(5, *range(20, 30))), take_frames(2, 12)]
    learned = takes_of(encoded(tmp_path, takes), "train")
    frames_tw = np.concatenate(takes)
    seen_t = frames_tw[:, FIELDS["presence"]][:, 0] > 0

    assert learned.starts.tolist() == [0, 19, 29]
    assert learned.lengths.tolist() == [19, 10, 12]
    np.testing.assert_array_equal(learned.targets_tc[:, :COUNT], frames_tw[seen_t, FIELDS["units"]])


def test_without_a_teacher_takes_without_curves_are_left_out(tmp_path):
    """A piece of one teaches nothing; where no take has curves, the remedy helps."""
    known, unknown = take_frames(1, 20), take_frames(2, 30, known=False)
    learned = takes_of(encoded(tmp_path / "some", [unknown, known], teacher=False), "train")
    with pytest.raises(MisuseError, match="no take in train has curves") as refused:
        encoded(tmp_path / "none", [unknown], teacher=False)

    assert learned.lengths.tolist() == [20]
    assert "tracking.augment.teacher in params.yaml to true" in refused.value.remedy
    assert takes_of(encoded(tmp_path / "taught", [unknown], teacher=True), "train").lengths.tolist() == [30]


def encoded(folder, takes, **params):
    """The set of takes of the training split."""
    clean = pack_takes(folder / "clean", {"train": takes, "validation": [take_frames(9, 10)]})
    return encode(clean, AugmentParams(components=8, **params), folder / "set", read_geometry)


def test_many_frames_are_read_in_parts(clean, samples, tmp_path, monkeypatch):
    """Inputs are the same in parts; components are those of every n-th frame, with the takes that these are of."""
    asked = []
    monkeypatch.setattr("models.tracking.encode.FRAMES_AT_ONCE", 50)
    parts = encode(clean, AugmentParams(components=48), tmp_path / "parts", read_geometry)
    monkeypatch.setattr("models.tracking.encode.MOST_FRAMES", 80)
    monkeypatch.setattr(
        "models.tracking.encode.fit_components", lambda *given: asked.append(given) or fit_components(*given)
    )
    encode(clean, AugmentParams(components=8), tmp_path / "few", read_geometry)
    [(landmarks_tp, takes, _, _)] = asked
    seen = landmarks_of(np.delete(clean.frames("train"), 40 + 39 + ABSENT[1], 0))

    for split in ("train", "validation"):
        np.testing.assert_allclose(takes_of(parts, split).inputs_ti, takes_of(samples, split).inputs_ti, atol=1e-5)
    np.testing.assert_array_equal(landmarks_tp, seen[::3])
    ends = np.cumsum([40, 39, 37, 37, 36, 35])
    assert [length for _, length in takes] == [len(range(-(-start // 3), -(-end // 3))) for start, end in
                                               zip([0, *ends[:-1]], ends, strict=True)]  # fmt: skip
    assert sum(length for _, length in takes) == len(landmarks_tp)


def test_beyond_the_end_of_a_take_there_is_no_target():
    """Its last frame is repeated, and none of the next take is seen."""
    inputs_nti, targets_ntc = counted().pieces(np.array([1, 4]), np.array([4, 0]), 8)

    assert inputs_nti[0].tolist() == [[1, frame] for frame in (4, 5, 6, 7, 8, 8, 8, 8)]
    assert targets_ntc[0, :5].tolist() == inputs_nti[0, :5].tolist()
    assert targets_ntc[0, 5:].isnan().all()
    assert targets_ntc[1].tolist() == [[4, frame] for frame in range(8)]
    assert not np.isnan(counted().targets_tc).any()


def shuffled(**changes) -> ShuffledTakes:
    return ShuffledTakes(**({"takes": counted(), "batch_size": 4, "frames": 8, "seed": 0} | changes))


def drawn(batches) -> list[list]:
    return [batch.inputs_nti.tolist() for batch in batches]


def test_an_epoch_has_an_order_of_its_own_and_the_same_seed_the_same():
    """Each take as often as it has pieces; long takes show another part."""
    first = drawn(shuffled())
    np.random.default_rng(9).random()
    pieces = [piece[0] for epoch in range(20) for piece in drawn(shuffled(epoch=lambda e=epoch: e, batch_size=14))[0]]
    counts = np.bincount([int(take) for take, _ in pieces])

    assert counts.tolist() == [20 * math.ceil(length / 8) for length in LENGTHS]
    assert {frame for take, frame in pieces if take == 4} == set(range(23))
    assert [len(batch) for batch in first] == [4, 4, 4]
    assert drawn(shuffled()) == first
    assert drawn(shuffled(epoch=lambda: 1)) != first


def test_a_batch_larger_than_the_split_has_pieces_twice():
    """So that few takes make a batch, too."""
    [batch] = shuffled(batch_size=20)
    takes = batch.inputs_nti[:, 0, 0].int().tolist()

    assert np.bincount(takes[:14]).tolist() == [math.ceil(length / 8) for length in LENGTHS]
    assert len(takes) == 20


def test_an_epoch_can_be_shorter_than_the_split_and_longer():
    """By so many pieces; the shorter ones see other takes each time."""
    seen = {piece[0][0] for epoch in range(10) for piece in drawn(shuffled(samples=4, epoch=lambda e=epoch: e))[0]}

    assert [len(shuffled(samples=samples)) for samples in (0, 1, 4, 60)] == [3, 1, 1, 15]
    assert len(list(shuffled(samples=60))) == 15
    assert seen == set(range(6))


def test_two_processes_share_a_batch():
    """Together, in order, they have what one process would; a batch that cannot be shared is refused."""
    halves = [list(shuffled(rank=rank, world_size=2)) for rank in range(2)]
    whole = drawn(shuffled())

    assert [a + b for a, b in zip(*map(drawn, halves), strict=True)] == whole
    assert [half[0].first for half in halves] == [0, 2]
    with pytest.raises(MisuseError, match="a batch of 4 takes does not divide among 3 processes") as refused:
        shuffled(world_size=3)
    assert refused.value.remedy == "set train.batch_size in params.yaml to a multiple of 3"
    assert [batch.first for batch in shuffled(batch_size=6, rank=2, world_size=3)] == [4, 4]


@pytest.mark.parametrize("count", [1, 3, VALIDATION_BATCH + 1])
def test_validation_is_shared_out_whole(count):
    """Every frame once, in as many batches in every process: they wait for each other at the end."""
    takes = counted([3 + number % 4 for number in range(count)])
    ranks = [list(WholeTakes(takes, rank, 2)) for rank in range(2)]
    seen = torch.cat([batch.targets_ntc.flatten(0, 1) for batches in ranks for batch in batches])
    seen = seen[~seen.isnan().any(1)]

    assert len(ranks[0]) == len(ranks[1]) == len(WholeTakes(takes, 0, 2)) == len(list(WholeTakes(takes)))
    assert sorted(map(tuple, seen.tolist())) == sorted(map(tuple, takes.inputs_ti.tolist()))


def test_a_long_take_does_not_pad_the_short_ones(monkeypatch):
    """So that a batch has no more frames than there is memory for; a longer take has a batch of its own."""
    monkeypatch.setattr("models.tracking.data.VALIDATION_FRAMES", 40)
    sizes = [batch.targets_ntc.shape[:2] for batch in WholeTakes(counted([3, 90, 4, 3, 30, 9, 3, 3, 8]))]

    assert sizes == [(5, 4), (2, 9), (1, 30), (1, 90)]


def test_batches_come_from_the_params(samples):
    """Without a trainer: those of one process."""
    batches = TrackingTakes(samples, SMALL)
    learned, judged = batches.train_dataloader(), batches.val_dataloader()

    assert next(iter(learned)).inputs_nti.shape[:2] == (SMALL.batch_size, SMALL.sequence_length)
    assert next(iter(judged)).inputs_nti.shape[:2] == (2, 40)
