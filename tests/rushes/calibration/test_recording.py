"""A calibration is computed again from its landmarks where another network reads the units."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from rushes.bundle.arrays import unpack_arrays
from rushes.bundle.manifest import read_bundle
from rushes.bundle.regular_files import FileError
from rushes.calibration import calibration
from rushes.calibration import recording as recordings
from rushes.calibration.calibration import MIN_FRAMES, Origin, measure
from rushes.calibration.recording import (
    MOTION_FRAMES,
    REST_FRAMES,
    computed_again,
    read_recording,
    recording_of,
    write_recording,
)
from rushes.calibration.store import find_calibration, networks_of, write_calibration
from rushes.loading import open_model
from rushes.tracking.face import UNITS
from rushes.tracking.landmarks import LANDMARKS_ROLE
from tests.support.actors import made_up_actor
from tests.support.runtime import write_bundle
from tests.support.units_bundle import write_units_bundle

ANGLES = (3.0, -10.0, 1.0)


def faces(count, **units):
    """Tracked frames of a face at rest whose landmarks differ a little from frame to frame."""
    face = made_up_actor(angles_deg=ANGLES, **units)
    fitted = np.array([*ANGLES, 1, 2, 3, 4], np.float32)
    return [replace(face, landmarks_px=face.landmarks_px + 0.1 * n, fitted_deg=fitted) for n in range(count)]


class Depth:
    """Stands for MediaPipe's network: all units are the place of the first landmark, in hundreds of pixels."""

    def units(self, landmarks_px):
        """See `UnitsReader`."""
        return np.full(len(UNITS), landmarks_px[0, 0] / 1000, np.float32)


def test_frames_are_stored_and_read_back(tmp_path):
    """Both parts in their order, bit by bit."""
    found = recording_of(faces(12), faces(20))
    write_recording(tmp_path / "anna.npz", found)
    again = read_recording(tmp_path / "anna.npz")

    assert (len(again.fitted_ta), again.at_rest) == (32, 12)
    np.testing.assert_array_equal(again.landmarks_tp3, found.landmarks_tp3)
    np.testing.assert_array_equal(again.fitted_ta, found.fitted_ta)


def test_a_long_session_is_thinned(tmp_path):
    """Each part of its own, so that its file stays small and no part becomes too short to be measured."""
    found = recording_of(faces(MIN_FRAMES), faces(2 * MOTION_FRAMES))
    write_recording(tmp_path / "anna.npz", found)

    assert (found.at_rest, len(found.fitted_ta)) == (MIN_FRAMES, MIN_FRAMES + MOTION_FRAMES)
    assert recording_of(faces(REST_FRAMES + 1), faces(20)).at_rest == 1 + REST_FRAMES // 2
    assert (tmp_path / "anna.npz").stat().st_size < recordings.MAX_BYTES


def test_faces_without_fitted_angles_have_no_recording():
    """They cannot be read again."""
    assert recording_of(faces(3), [made_up_actor()]) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive", None])
def test_a_damaged_file_counts_as_missing(tmp_path, content):
    """As one that is missing: the performer calibrates again."""
    path = tmp_path / "anna.npz"
    if content is not None:
        path.write_bytes(content)
    assert read_recording(path) is None


def test_each_damaged_byte_gives_a_recording_or_none(tmp_path):
    """Whatever NumPy, zipfile and zlib raise for it: a copy may be cut off, and a disk may fail."""
    path = tmp_path / "anna.npz"
    write_recording(path, recording_of(faces(12)[:2], faces(2)))
    whole, random = path.read_bytes(), np.random.default_rng(0)
    places = [*range(100), *range(len(whole) - 150, len(whole)), *random.integers(0, len(whole), 50)]
    read = []
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        read.append(read_recording(path))

    assert read.count(None) > len(places) // 2


def test_a_file_of_another_kind_counts_as_missing(tmp_path):
    """One array alone, a name without an array, and zeros that fill the memory."""
    path = tmp_path / "anna.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert read_recording(path) is None
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("landmarks.npy", "fitted.npy", "at_rest.npy"):
            archive.writestr(name, "no array")
    assert read_recording(path) is None
    np.savez_compressed(path, landmarks=np.zeros(recordings.MAX_BYTES + 1, np.uint8))
    assert path.stat().st_size < recordings.MAX_BYTES
    with pytest.raises(FileError, match="it unpacks to"):
        unpack_arrays(path.read_bytes(), recordings.MAX_BYTES)
    assert read_recording(path) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("landmarks", np.zeros((32, 478, 2), np.float32)),
        ("landmarks", np.full((32, 478, 3), np.nan, np.float32)),
        ("fitted", np.zeros((31, 7), np.float32)),
        ("at_rest", np.array(33)),
        ("at_rest", np.array("x")),
        ("at_rest", np.array({}, object)),
    ],
)
def test_impossible_arrays_are_not_taken(tmp_path, name, value):
    """A file may come from anywhere. Pickled objects are never read."""
    parts = {"landmarks": np.zeros((32, 478, 3), np.float32), "fitted": np.zeros((32, 7), np.float32)}
    np.savez_compressed(tmp_path / "anna.npz", **(parts | {"at_rest": np.array(12)} | {name: value}))

    assert read_recording(tmp_path / "anna.npz") is None


def test_a_network_reads_the_frames_in_their_order(tmp_path):
    """With its state from frame to frame; another one without a state reads each alone."""
    write_units_bundle(tmp_path / "units", level=0.25)
    found = recording_of(faces(12), faces(20))
    at_rest, in_motion = found.read_again(open_model(read_bundle(tmp_path / "units")).network)

    assert [face.units[0] for face in (*at_rest, *in_motion)] == pytest.approx(0.25 + 0.001 * np.arange(32), abs=1e-6)
    assert (at_rest[0].head.yaw_deg, at_rest[0].head.pitch_deg) == (4.0, -9.0)
    plain, _ = found.read_again(Depth())
    assert plain[0].head.pitch_deg == -10.0
    assert plain[1].units[0] - plain[0].units[0] == pytest.approx(1e-4, rel=1e-3)


@pytest.fixture
def bundles(tmp_path, monkeypatch):
    """A bundle with landmark networks, and two models that read the units; calibrations are stored beside."""
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path / "models"))
    (tmp_path / "points.tflite").write_bytes(b"points")
    write_bundle(tmp_path / "expression", assets={tmp_path / "points.tflite": LANDMARKS_ROLE})
    write_units_bundle(tmp_path / "monday", level=0.25)
    write_units_bundle(tmp_path / "tuesday", level=0.5)
    return tuple(read_bundle(tmp_path / name) for name in ("expression", "monday", "tuesday"))


def _calibrate(expression, units, *, recorded):
    parts = faces(12), faces(20)
    found = measure("anna", Origin("2026-11-30", "ab", networks_of(expression, units)), *parts)
    write_calibration(found, recording_of(*parts) if recorded else None)
    return found


def test_tomorrows_model_needs_no_new_session(bundles):
    """The neutral face is what the new model reads of it; the stored calibration stays as it was measured."""
    expression, monday, tuesday = bundles
    stored, lines = _calibrate(expression, monday, recorded=True), []
    found = find_calibration("anna", expression, lines.append, tuesday)

    assert found.networks == networks_of(expression, tuesday)
    assert found.neutral["jawOpen"] == pytest.approx(0.5055, abs=1e-4)  # the median of the first twelve frames
    assert found.angles_deg == (4.0, -9.0, 2.0)
    assert (found.date, found.performer) == (stored.date, "anna")
    assert lines == [f"the calibration of anna is computed again for tracking {tuesday.digest[:12]}"]
    assert find_calibration("anna", expression, lines.append, monday) == stored


def test_other_landmarks_or_no_recording_need_one(bundles, tmp_path):
    """The points are others; an old calibration has none. A second calibration never has the frames of the first."""
    expression, monday, tuesday = bundles
    _calibrate(expression, monday, recorded=True)
    (tmp_path / "points.tflite").write_bytes(b"other points")
    write_bundle(tmp_path / "other", assets={tmp_path / "points.tflite": LANDMARKS_ROLE})
    lines = []

    assert find_calibration("anna", read_bundle(tmp_path / "other"), lines.append, tuesday) is None
    _calibrate(expression, monday, recorded=False)
    assert find_calibration("anna", expression, lines.append, tuesday) is None
    assert ["was calibrated with other networks, which does not hold" in line for line in lines] == [True, True]


def test_a_head_that_the_next_model_reads_as_turned_away_needs_a_session(bundles, monkeypatch):
    """A capture begins without a calibration, and names the command; it does not end."""
    expression, monday, tuesday = bundles
    _calibrate(expression, monday, recorded=True)
    monkeypatch.setattr(calibration, "MAX_ANGLE_DEG", 8.5)  # it is read as 9 degrees
    lines = []

    assert find_calibration("anna", expression, lines.append, tuesday) is None
    assert "rushes calibrate --performer anna" in lines[0]


def test_nothing_is_opened_without_need(bundles, tmp_path):
    """The reader is opened for a recording alone."""
    expression, monday, tuesday = bundles
    found = _calibrate(expression, monday, recorded=False)

    def fails():
        raise AssertionError

    assert computed_again(found, tmp_path / "none.npz", networks_of(expression, tuesday), fails) is None
