"""A motion excites every unit over its whole range, smoothly, as faces can."""

import numpy as np
import pytest

from curation.synthetic_faces.motion import (
    BLINK_S,
    MOST_GAZE_RAD,
    MOST_SHIFT_CM,
    MOST_TURN_DEG,
    OPEN,
    draw_motion,
)
from rushes.tracking.face import UNITS

SIDED = [name.removesuffix("Left") for name in UNITS if name.endswith("Left") and name[:-4] + "Right" in UNITS]
MOVED, FAR = 0.1, 0.5  # a unit that moves, and one that moves far


def motions(count, seconds=4, fps=8):
    """Motions of many takes."""
    times_s = np.arange(seconds * fps) / fps
    return [draw_motion(times_s, np.random.default_rng([5, number])) for number in range(count)]


@pytest.fixture(scope="module")
def units_tk():
    """Units of 200 takes, one row a frame."""
    return np.concatenate([motion.units_tk for motion in motions(200)])


def curve(units_tk, name):
    """Curve of one unit."""
    return units_tk[:, UNITS.index(name)]


@pytest.mark.parametrize("name", UNITS)
def test_every_unit_moves_about_as_often_and_over_its_whole_range(units_tk, name):
    """Rest, half and whole: none is a twentieth of the time only, none always."""
    unit_t = curve(units_tk, name)
    filled, _ = np.histogram(unit_t[unit_t > MOVED], bins=6, range=(MOVED, 1))

    assert (unit_t < MOVED).mean() > 0.5
    assert 0.06 < (unit_t > MOVED).mean() < 0.45
    assert 0.02 < (unit_t > FAR).mean() < 0.2
    assert filled.min() > 0.05 * filled.sum() / 6
    assert unit_t.max() > 0.97
    assert unit_t.std() > 0.12


@pytest.mark.parametrize("stem", [stem for stem in SIDED if not stem.startswith(("eyeLook", "jaw", "mouth"))])
def test_both_sides_move_together_and_each_alone(units_tk, stem):
    """From data in which they always move together no network learns the difference."""
    left_t, right_t = (curve(units_tk, stem + side) for side in ("Left", "Right"))

    assert ((left_t > FAR) & (right_t > FAR)).mean() > 0.01
    assert ((left_t > FAR) & (right_t < MOVED)).mean() > 0.0015
    assert ((right_t > FAR) & (left_t < MOVED)).mean() > 0.0015
    assert left_t.mean() == pytest.approx(right_t.mean(), rel=0.15)


def test_units_come_alone_in_pairs_and_more(units_tk):
    """Not counting the gaze, which always moves."""
    columns = [number for number, name in enumerate(UNITS) if "eyeLook" not in name]
    stems = np.array([UNITS[number].removesuffix("Left").removesuffix("Right") for number in columns])
    moved_tk = np.stack([(units_tk[:, columns][:, stems == stem] > 0.2).any(1) for stem in np.unique(stems)], axis=1)
    counts = np.bincount(moved_tk.sum(axis=1), minlength=8) / len(moved_tk)

    assert counts[:6].min() > 0.04


def test_curves_stay_within_their_limits(units_tk):
    """Units, head, eyes and place."""
    taken = motions(100)

    assert units_tk.min() >= 0
    assert units_tk.max() <= 1
    for part, most in (("gaze_rad_t2", MOST_GAZE_RAD), ("shift_cm_t3", MOST_SHIFT_CM)):
        curves_tn = np.concatenate([getattr(motion, part) for motion in taken])
        assert (np.abs(curves_tn) <= most).all()
        assert (np.abs(curves_tn).max(axis=0) > 0.9 * most).all()
    heads_deg = np.degrees(np.concatenate([motion.head_rad_t3 for motion in taken]))
    assert (np.abs(heads_deg) <= MOST_TURN_DEG + 1e-9).all()
    assert (heads_deg.std(axis=0) > 0.3 * np.array([35, 20, 15])).all()


def test_blinks_close_the_eyes_and_close_wide_ones_too():
    """Most blinks reach 1, none lasts a frame at 24 frames/s only, and an eye is never wide and closed."""
    depths, lengths_s = [], []
    for motion in motions(60, seconds=8, fps=120):
        blink_t = curve(motion.units_tk, "eyeBlinkLeft")
        assert (curve(motion.units_tk, "eyeWideLeft") <= 1 - blink_t + 1e-9).all()
        closed = np.flatnonzero(np.diff(np.concatenate([[0], blink_t > MOVED, [0]]).astype(int)))
        depths += [blink_t[start:end].max() for start, end in closed.reshape(-1, 2)]
        lengths_s += [(end - start) / 120 for start, end in closed.reshape(-1, 2)]

    assert np.mean(np.array(depths) > 0.99) > 0.4
    assert len(depths) > 60
    assert np.median(lengths_s) > 0.5 * BLINK_S


@pytest.mark.parametrize("fps", [24, 60])
def test_curves_are_smooth_between_frames(fps):
    """No unit jumps, and none is bent sharply: a blink closes within 70 ms, the fastest that there is."""
    for motion in motions(60, fps=fps):
        plain = [number for number, name in enumerate(UNITS) if "eyeLook" not in name]
        speed_tk = np.diff(motion.units_tk[:, plain], axis=0) * fps
        assert np.abs(speed_tk).max() < 26  # 1.5 / 0.06 s
        turn_deg_s = np.abs(np.diff(np.degrees(motion.head_rad_t3), axis=0)).max() * fps
        assert turn_deg_s < 1.5 * 80 / 0.5


def test_more_frames_a_second_show_the_same_motion():
    """A motion is a function of time, sampled."""
    coarse, fine = (draw_motion(np.arange(4 * fps + 1) / fps, np.random.default_rng(3)) for fps in (12, 48))

    assert np.array_equal(coarse.head_rad_t3, fine.head_rad_t3[::4])


def test_the_jaw_is_open_where_a_unit_needs_it(units_tk):
    """Lips that close before an open jaw, and a tongue that is out."""
    for name, share in OPEN.items():
        assert (curve(units_tk, "jawOpen") >= share * curve(units_tk, name) - 1e-9).all()


def test_looks_follow_the_gaze():
    """To the actor's left is out for the left eye and in for the right one."""
    for motion in motions(20):
        left_t, up_t = motion.gaze_rad_t2.T
        looks = {name: curve(motion.units_tk, f"eyeLook{name}") for name in ("OutLeft", "InLeft", "UpLeft", "DownLeft")}
        assert np.allclose(looks["OutLeft"] - looks["InLeft"], left_t / MOST_GAZE_RAD[0])
        assert np.allclose(looks["UpLeft"] - looks["DownLeft"], up_t / MOST_GAZE_RAD[1])
        assert np.array_equal(looks["OutLeft"], curve(motion.units_tk, "eyeLookInRight"))


def test_the_mesh_closes_its_eyes_by_the_performers_own_weight():
    """And takes its looks from the gaze."""
    motion = motions(1)[0]
    frame = int(curve(motion.units_tk, "eyeBlinkLeft").argmax())
    weights = motion.weights(frame, 0.5)

    assert weights["eyeBlinkLeft"] == 0.5 * curve(motion.units_tk, "eyeBlinkLeft")[frame] > 0.1
    assert set(weights) == {name for name in UNITS if "eyeLook" not in name}


def test_a_motion_is_drawn_from_its_seed_alone():
    """The same seed gives the same one, another seed another."""
    times_s = np.arange(16) / 8
    first, again, other = (draw_motion(times_s, np.random.default_rng(seed)) for seed in (1, 1, 2))

    for name, curves_tn in vars(first).items():
        assert np.array_equal(curves_tn, getattr(again, name))
        assert not np.array_equal(curves_tn, getattr(other, name))
