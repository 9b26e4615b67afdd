"""Sheets of the report: a character that units, head and gaze move, beside the actor; and curves against the truth."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from matplotlib.tri import Triangulation

from curation.face_networks import LANDMARKER
from curation.store.packing import THUMBNAILS
from curation.store.sample_set import write_take_set
from curation.store.take_fields import FIELDS, WIDTH
from models.family import Scores
from models.tracking import score
from models.tracking.draw import LINES, TakeCurves, curves_picture, draw
from models.tracking.drawing.head import FOLD, LOWER_LID, LOWER_LIP, OVAL, UPPER_LID, UPPER_LIP, make_head
from models.tracking.drawing.portrait import BROW_LEFT, GROUND, LIPS, Portrait, turn_of
from registry.assets import AssetReader
from rushes.tracking.crop import LEFT_EYE, RIGHT_EYE
from rushes.tracking.face import UNITS
from rushes.tracking.head_pose import FLIP_3, VERTICES, CanonicalFace, HeadFit, canonical_face, pose_of
from tests.support.repos import ROOT

SIDE_PX, FRAMES = 128, 24
REST_U, AHEAD_A = np.zeros(len(UNITS)), np.zeros(7)
BY_GAZE = {f"eyeLook{way}{side}" for way in ("In", "Out") for side in ("Left", "Right")}  # the eyeballs alone


def units_of(**values: float) -> np.ndarray:
    """Units with these values, the others 0."""
    return np.array([values.get(unit, 0.0) for unit in UNITS])


def made_up_face() -> CanonicalFace:
    """A face with lips, lids and brows where a face has them; the other landmarks lie between them."""
    points: dict[int, np.ndarray] = {}
    rings = [
        (OVAL, (0.0, -0.5), (7.6, 8.8), 90, -260), (LIPS, (0.0, -4.4), (2.6, 1.1), 180, 522),
        (UPPER_LIP, (0.0, -4.3), (2.1, 0.3), 180, 0), (LOWER_LIP, (0.0, -4.3), (2.1, 0.3), -180, 0),
    ]  # fmt: skip
    left = [
        (UPPER_LID, (3.1, 2.6), (1.3, 0.4), 0, 180), (LOWER_LID, (3.1, 2.6), (1.3, 0.4), 0, -180),
        (FOLD, (3.1, 2.6), (1.6, 0.9), 20, 160), (BROW_LEFT, (3.6, 4.6), (2.0, 0.4), 0, 324),
    ]  # fmt: skip
    for ring, middle, size, start, stop in (*rings, *left):
        angles = np.radians(np.linspace(start, stop, len(ring)))
        places = np.column_stack([np.cos(angles), np.sin(angles)]) * size + middle
        points.update(zip(ring, places, strict=True))
    sided = list(dict.fromkeys(number for ring, *_ in left for number in ring))
    free = [number for number in range(VERTICES) if number not in {*points, RIGHT_EYE}]
    mirror = [RIGHT_EYE if number == LEFT_EYE else free.pop() for number in sided]
    points.update({other: points[number] * (-1, 1) for number, other in zip(sided, mirror, strict=True)})
    random = np.random.default_rng(0)
    while free:
        place = random.uniform((0.3, -8), (7, 7.5))
        if _is_skin(place) and len(free) > 1:
            points.update({free.pop(): place, free.pop(): place * (-1, 1)})
        elif len(free) == 1:
            points[free.pop()] = np.array([0.0, 1.0])
    flat_p2 = np.array([points[number] for number in range(VERTICES)])
    depth_p = 6 - (flat_p2**2).sum(1) / 16
    return CanonicalFace(np.column_stack([flat_p2, depth_p]), Triangulation(*flat_p2.T).triangles, OVAL, np.ones(36))


def _is_skin(place_2: np.ndarray) -> bool:
    holes = (((0, -4.4), (2.9, 1.5)), ((3.1, 2.6), (1.8, 1.2)), ((3.6, 4.6), (2.2, 0.6)), ((0, -0.5), (7.2, 8.4)))
    *inner, oval = [float((((place_2 - middle) / size) ** 2).sum()) for middle, size in holes]
    return min(inner) > 1 > oval


@pytest.fixture(scope="module")
def face():
    """The made-up face."""
    return made_up_face()


@pytest.fixture(scope="module")
def portrait(face):
    """Draws it."""
    return Portrait(make_head(face), SIDE_PX)


def shown(picture_hw3: np.ndarray, kind: str) -> np.ndarray:
    """Pixels of a kind: the dark of the mouth, the red of the lips, or the white of an eye."""
    red, green, blue = (picture_hw3[..., channel].astype(int) for channel in range(3))
    return {
        "inside": (red < 90) & (red > green + 15) & (red > blue + 15) & (green < 25),
        "lips": (red > 70) & (red > 1.5 * green) & (green > 28),
        "white": (np.minimum(green, blue) > 130) & (np.abs(red - blue) < 30),
    }[kind]


def lowest(is_shown_hw: np.ndarray) -> int:
    """The lowest row in which something is shown."""
    return int(np.flatnonzero(is_shown_hw.any(1)).max())


def test_an_open_jaw_lowers_the_lower_lip_and_shows_the_mouth(portrait):
    """The lip in the mesh and in the picture; the upper lip stays."""
    rest, opened = (portrait.draw(units, AHEAD_A) for units in (REST_U, units_of(jawOpen=1)))
    moved_p3 = portrait.head.shape(units_of(jawOpen=1)) - portrait.head.shape(REST_U)

    assert moved_p3[LOWER_LIP[5], 1] < -1.5
    assert abs(moved_p3[UPPER_LIP[5], 1]) < 0.1
    assert lowest(shown(opened, "lips")) >= lowest(shown(rest, "lips")) + 5
    assert shown(opened, "inside").sum() > 100
    assert shown(rest, "inside").sum() < 5


def test_closed_lips_stay_closed_while_the_jaw_opens(portrait):
    """ARKit defines mouthClose beside jawOpen."""
    opened, closed = (portrait.draw(units_of(jawOpen=1, mouthClose=value), AHEAD_A) for value in (0, 1))

    assert shown(closed, "inside").sum() < 0.3 * shown(opened, "inside").sum()


def test_a_blink_closes_its_own_eye(portrait):
    """The picture shows the actor's left eye at the right, as a camera does."""
    rest, closed = (portrait.draw(units, AHEAD_A) for units in (REST_U, units_of(eyeBlinkLeft=1)))
    white = [shown(picture, "white") for picture in (rest, closed)]
    right, left = slice(0, SIDE_PX // 2), slice(SIDE_PX // 2, None)

    assert white[0][:, left].sum() > 10
    assert white[1][:, left].sum() == 0
    np.testing.assert_array_equal(white[1][:, right], white[0][:, right])


@pytest.mark.parametrize(
    ("unit", "landmark", "along_3"),
    [
        ("browInnerUp", 285, (0, 1, 0)),
        ("browDownLeft", 285, (0, -1, 0)),
        ("mouthSmileLeft", LIPS[10], (1, 1, 0)),
        ("mouthFrownRight", LIPS[0], (0, -1, 0)),
        ("mouthLeft", LIPS[15], (1, 0, 0)),
        ("jawRight", 152, (-1, 0, 0)),
        ("jawForward", 152, (0, 0, 1)),
        ("mouthPucker", LIPS[10], (-1, 0, 1)),
        ("eyeSquintRight", RIGHT_EYE, (0, 0, 0)),
    ],
)
def test_a_unit_moves_what_it_names(portrait, unit, landmark, along_3):
    """In the direction of its name; the corners of the eyes stay."""
    moved_3 = (portrait.head.shape(units_of(**{unit: 1})) - portrait.head.shape(REST_U))[landmark]

    for moved, along in zip(moved_3, along_3, strict=True):
        assert moved * along > 0.2 if along else abs(moved) < 0.8


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit not in BY_GAZE])
def test_every_unit_shows(portrait, unit):
    """So no unit can be missing from the table of what they do; a mirrored unit gives the mirrored picture."""
    other = unit.replace("Left", "*").replace("Right", "Left").replace("*", "Right")
    jaw = {"jawOpen": 1.0} if unit == "mouthClose" else {}
    rest, moved, mirrored = (
        portrait.head.shape(units_of(**jaw, **values)) for values in ({}, {unit: 1.0}, {other: 1.0})
    )
    drawn = [portrait.draw(units_of(**jaw, **values), AHEAD_A) for values in ({}, {unit: 1.0})]

    assert cv2.absdiff(*drawn).max() > 20
    mirror = portrait.head.mirror
    np.testing.assert_allclose((mirrored - rest)[mirror] * (-1, 1, 1), (moved - rest)[:VERTICES], atol=1e-9)


@pytest.mark.parametrize("turn_deg", [(20, 0, 0), (-35, 10, 0), (5, -20, 15), (40, 15, -20)])
def test_a_head_turns_by_its_pose(turn_deg):
    """The rotation has the signs of the tracker, which reads the same angles from it."""
    pose = pose_of(HeadFit(FLIP_3[:, None] * turn_of(np.array(turn_deg, float)), np.zeros(3)))

    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == pytest.approx(turn_deg)


def test_head_and_gaze_turn_in_the_picture(portrait):
    """To the actor's left is to the right of the picture; eyes are level, as in the pictures of a take."""
    ahead, aside, rolled = (
        dark_middles(portrait.draw(REST_U, np.array([*head, *gaze, *gaze], float)))
        for head, gaze in (((0, 0, 0), (0, 0)), ((0, 0, 0), (25, 0)), ((0, 0, 20), (0, 0)))
    )

    assert (aside[:, 0] > ahead[:, 0] + 1).all()
    assert rolled[:, 1] == pytest.approx(ahead[:, 1], abs=1.5)
    turned = portrait.draw(REST_U, np.array([30, 0, 0, 0, 0, 0, 0], float))
    lips = [
        np.flatnonzero(shown(picture, "lips").any(0)).mean() for picture in (portrait.draw(REST_U, AHEAD_A), turned)
    ]
    assert lips[1] > lips[0] + 5


def dark_middles(picture_hw3: np.ndarray) -> np.ndarray:
    """Middles (x, y) of the pupils, the one at the left first."""
    places = np.argwhere(picture_hw3.max(2) < 34)[:, ::-1]
    is_right = places[:, 0] >= SIDE_PX / 2
    return np.array([places[~is_right].mean(0), places[is_right].mean(0)])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_draw_a_head_too(portrait, value):
    """A diverged network is refused by its figures; its report must not stop before."""
    drawn = portrait.draw(np.full(len(UNITS), value), np.full(7, value if np.isnan(value) else 3.0))

    assert drawn.shape == (SIDE_PX, SIDE_PX, 3)
    assert (drawn != GROUND).any(2).mean() > 0.2


@pytest.mark.slow
def test_the_real_face_opens_its_mouth_and_closes_its_eyes(tmp_path):
    """MediaPipe's canonical face, from the package that assets.txt pins."""
    read = AssetReader(ROOT / "assets.txt", tmp_path / "wheels")
    real = canonical_face(read(next(asset for asset in LANDMARKER if asset.role == "face_geometry")))
    drawn = Portrait(make_head(real), SIDE_PX)
    rest, opened, blinked = (drawn.draw(units, AHEAD_A) for units in (
        REST_U, units_of(jawOpen=1), units_of(eyeBlinkLeft=1, eyeBlinkRight=1)))  # fmt: skip

    assert lowest(shown(opened, "lips")) >= lowest(shown(rest, "lips")) + 5
    assert shown(opened, "inside").sum() > 100
    assert shown(rest, "inside").sum() < 20
    assert shown(rest, "white").sum() > 20
    assert shown(blinked, "white").sum() == 0


# ---- Takes and sheets ----


def frames_of(motion: float, *, known: bool = True, absent: tuple[int, ...] = ()) -> np.ndarray:
    """Frames of a take whose jaw and smile move; the fitted angles are true."""
    wave_t = 0.5 + 0.5 * np.sin(np.arange(FRAMES) / 3.0)
    frames_tw = np.zeros((FRAMES, WIDTH), np.float32)
    frames_tw[:, FIELDS["time_s"]], frames_tw[:, FIELDS["presence"]] = np.arange(FRAMES)[:, None] / 8, 1
    for name in ("units", "network_units"):
        frames_tw[:, FIELDS[name].start + UNITS.index("jawOpen")] = motion * wave_t
        frames_tw[:, FIELDS[name].start + UNITS.index("mouthSmileLeft")] = motion * wave_t[::-1]
    if not known:
        frames_tw[:, FIELDS["units"].start :] = np.nan
    frames_tw[list(absent)] = np.nan
    frames_tw[list(absent), FIELDS["presence"]] = 0
    return frames_tw


@pytest.fixture
def scored(tmp_path, monkeypatch, face):
    """Scores takes, each the motion of its truth, its performer, and how its outputs follow: 1 well, -1 contrary."""
    monkeypatch.setattr(score, "canonical_face", lambda _content: face)
    monkeypatch.setattr(score, "HEAD_PX", 32)

    def run(*takes: tuple[float, str, float], known: bool = True, absent: tuple[int, ...] = ()):
        parts = [frames_of(motion, known=known, absent=absent) for motion, _, _ in takes]
        names = [f"take{number}" for number in range(len(takes))]
        table = pd.DataFrame({"id": names, "title": names, "group": [who for _, who, _ in takes]})
        same = {
            "split": "test",
            "source": "own",
            "label": "",
            "performer": None,
            "kept": True,
            "reason": "",
            "votes": None,
        }
        places = np.arange(len(takes))
        table = table.assign(**same, sha256=names, row=places, length=FRAMES, offset=FRAMES * places)
        pictures = {"test": np.full((len(takes), *THUMBNAILS), 200, np.uint8)}
        info = {"labels": [], "width": WIDTH}
        samples = write_take_set(tmp_path / "set", table, {"test": np.concatenate(parts)}, pictures, info)
        monkeypatch.setattr(score, "read_takes", lambda *_: [read_take(part, follows) for part, (_, _, follows) in
                                                             zip(parts, takes, strict=True)])  # fmt: skip
        return score.score(None, samples, "test", lambda _asset: b""), samples

    return run


def read_take(frames_tw: np.ndarray, follows: float) -> score.ReadTake:
    """Outputs that follow MediaPipe's units, or do the contrary."""
    numbers_t = np.flatnonzero(frames_tw[:, FIELDS["presence"]][:, 0] > 0)
    seen_tw = frames_tw[numbers_t]
    units_tu = np.clip(0.5 + follows * (seen_tw[:, FIELDS["network_units"]] - 0.5), 0, 1)
    return score.ReadTake(units_tu, np.zeros((len(seen_tw), 7)), seen_tw, numbers_t, len(frames_tw))


def test_takes_that_move_most_are_shown_and_the_worst_one_last(scored):
    """One of each performer comes before a second one."""
    scores, samples = scored((1.0, "a", 1), (0.9, "a", 1), (0.8, "b", 1), (0.1, "c", 1), (0.3, "d", -1), (0.7, "b", 1))
    shown_ids = [name.removeprefix("heads:") for name in scores.arrays if name.startswith("heads:")]
    strips = draw(scores, samples, "test")[0]

    assert shown_ids == ["take0", "take2", "take3", "take4"]
    assert [caption.split("\n")[0] for caption in strips.captions] == shown_ids
    assert "jawOpen -1.00" in strips.captions[-1]
    assert "mean correlation 1.00" in strips.captions[0]
    assert "the last take is the worst" in strips.title


def test_further_takes_of_one_performer_fill_the_sheet(scored):
    """A studio has few performers."""
    scores, _samples = scored((0.2, "anna", -1), *[(place / 10, "anna", 1) for place in range(5, 10)])

    assert [name for name in scores.arrays if name.startswith("heads:")] == [f"heads:take{n}" for n in (5, 4, 3, 0)]


def test_a_strip_has_the_actor_the_model_and_the_truth(scored):
    """Three rows of six, each as large as the other; model and truth are the same where the outputs are."""
    scores, samples = scored((1.0, "a", 1))
    heads = scores.arrays["heads:take0"]
    band = draw(scores, samples, "test")[0].pictures[0]

    assert heads.shape == (12, 32, 32, 3)
    np.testing.assert_array_equal(heads[:6], heads[6:])
    assert cv2.absdiff(heads[0], heads[2]).max() > 20
    assert (band == 200).all(2).sum() == 6 * 32 * 32
    assert band.shape[0] == 20 + 3 * 32 + 2 * 4


def test_without_curves_the_sheets_have_no_truth(scored):
    """The character is there all the same, and MediaPipe's own units beside the model's."""
    scores, samples = scored((1.0, "a", 1), (0.5, "b", 1), known=False)
    strips, curves = draw(scores, samples, "test")

    assert {name: len(array) for name, array in scores.arrays.items() if name != "curves"} == {
        "heads:take0": 6, "heads:take1": 6}  # fmt: skip
    assert "no take has curves" in strips.title
    assert "no take has curves" in curves.title
    assert len(curves.pictures) == 1 + 2  # the legend, and the two units that move
    named = [int((curves.pictures[0] == colour).all(2).sum()) > 20 for colour in COLOURS.values()]
    assert named == [False, True, True]  # the truth is not among them
    assert strips.captions[0] == "take0\nno curves"


def test_a_sixth_without_a_face_has_no_head(scored):
    """The others have one, at the frames of the take's pictures."""
    absent = tuple(range(5))
    scores, _samples = scored((1.0, "a", 1), absent=absent)
    is_empty = [(head == GROUND).all() for head in scores.arrays["heads:take0"]]

    assert is_empty == [True, *[False] * 5] * 2


def test_a_set_without_takes_has_no_sheets(scored):
    """Nor has one of another model's scores."""
    _scores, samples = scored((1.0, "a", 1))

    assert draw(Scores(pd.DataFrame(), {}), samples, "test") == []


COLOURS = {name: colour for name, (colour, _) in LINES.items()}


def columns_of(picture_hw3: np.ndarray, name: str) -> np.ndarray:
    """Columns in which a line is drawn."""
    near = np.abs(picture_hw3.astype(int) - COLOURS[name]).max(2) < 12
    return np.flatnonzero(near.any(0))


def test_lines_end_where_nothing_is_known():
    """A gap stays a gap: no line crosses it."""
    line_t = np.where(np.arange(100) // 20 == 2, np.nan, 0.5)
    picture = curves_picture("jawOpen", [TakeCurves("a", (np.zeros(100), np.full(100, np.nan), line_t))])
    columns = columns_of(picture, "model")

    assert np.diff(columns).max() > 100
    assert columns.max() - columns.min() > 600
    assert len(columns_of(picture, "MediaPipe's own units")) == 0


def test_a_curve_is_high_where_its_value_is():
    """0 below, 1 above; values beyond are clipped."""
    heights = []
    for value in (0.0, 0.5, 1.0, 7.0):
        picture = curves_picture("x", [TakeCurves("a", (np.zeros(9), np.zeros(9), np.full(9, value)))])
        heights.append(float(np.argwhere((picture == COLOURS["model"]).all(2))[:, 0].mean()))

    assert heights[0] > heights[1] + 20 > heights[2] + 40
    assert heights[3] == heights[2]


def test_a_unit_is_shown_in_the_takes_that_move_it(scored):
    """The worst unit first; takes that do not move it are not shown."""
    scores, samples = scored((1.0, "a", 1), (0.0, "b", 1))
    sheet = draw(scores, samples, "test")[1]

    assert len(sheet.pictures) == 1 + 2
    assert len(columns_of(sheet.pictures[1], "model")) > 700  # one take fills the width
    assert sheet.cell_px == sheet.pictures[1].shape[1]
