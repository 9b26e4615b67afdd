"""Curves at the times of a film's frames: rates, gaps, signs, and files that do not belong to the film."""

import numpy as np
import pytest

from curation.errors import RefusedError
from curation.take.truth import read_truth
from rushes.drive.timecode import RATES, label_of
from rushes.tracking.face import UNITS
from tests.support.filmed_takes import write_csv

JAW = UNITS.index("jawOpen")


def test_units_are_interpolated_at_the_frames(tmp_path):
    """A film of 25 frames/s under curves of 60: a ramp stays a ramp, and nothing is known beyond its ends."""
    file = write_csv(tmp_path / "a.csv", {"JawOpen": np.arange(120) / 119}, "60")
    truth = read_truth(file, 25.0, 2.0, 0.5)

    times_s = np.array([0.0, 0.04, 1.0, 119 / 60, 2.5])
    assert truth.at(times_s)[:4, JAW] == pytest.approx(times_s[:4] * 60 / 119, abs=1e-6)
    assert np.isnan(truth.at(times_s)[4]).all()


@pytest.mark.parametrize(("fps", "rate"), [(24, "24"), (29.97, "29.97"), (30, "30"), (59.94, "59.94"), (60, "60")])
def test_the_rate_of_the_timecodes_is_found(tmp_path, fps, rate):
    """The file does not name it: the film's length does, also over midnight."""
    frames = round(3 * fps)
    last = RATES[rate].frames_a_day - 20
    file = write_csv(tmp_path / "a.csv", {"JawOpen": np.linspace(0, 1, frames)}, rate, last)

    assert read_truth(file, fps, frames / fps, 0.1).times_s[-1] == pytest.approx((frames - 1) / fps, abs=0.01)


def test_rows_without_a_face_are_a_gap(tmp_path):
    """The first row is the first frame of the film, even without a face; between far rows nothing is known."""
    file = write_csv(tmp_path / "a.csv", {"JawOpen": np.arange(50) / 50})
    lines = file.read_text().splitlines(keepends=True)
    for number in [*range(1, 11), *range(31, 36)]:
        lines[number] = f"{lines[number].partition(',')[0]},0\n"
    file.write_text("".join(lines))
    found = read_truth(file, 25.0, 2.0, 0.1).at(np.arange(50) / 25)[:, JAW]

    assert np.isnan(found[:9]).all()
    assert np.isnan(found[30:35]).all()
    assert found[10:30] == pytest.approx(np.arange(10, 30) / 50)


@pytest.mark.parametrize("rounded", [np.float32, lambda times_s: np.round(times_s, 3)])
def test_a_row_beside_a_gap_is_known_at_a_rounded_time(tmp_path, rounded):
    """As the tracker and a container have it: four of ten rows are missing, at a rate without exact times."""
    file = write_csv(tmp_path / "a.csv", {"JawOpen": np.arange(600) / 600}, "29.97")
    lines = file.read_text().splitlines(keepends=True)
    for number in range(2, 600):
        if 3 <= number % 10 < 7:
            lines[number] = f"{lines[number].partition(',')[0]},0\n"
    file.write_text("".join(lines))
    truth = read_truth(file, 29.97, 600 / 29.97, 0.1)
    times_s = np.arange(600) * 1001 / 30000
    found = truth.at(rounded(times_s))[:, JAW]
    is_known = np.isin(np.arange(600), np.rint(truth.times_s * 30000 / 1001))

    assert np.isfinite(found).tolist() == is_known.tolist()
    assert is_known.sum() == 360


def test_angles_have_the_signs_of_the_head_pose(tmp_path):
    """Radians become degrees without a jump at the half turn; those of the eyes change their sign."""
    turning = np.radians(np.linspace(170, 190, 50))
    wrapped = (turning + np.pi) % (2 * np.pi) - np.pi
    angles = {"HeadYaw": wrapped, "HeadPitch": np.radians(np.full(50, 5)), "LeftEyeYaw": np.radians(np.full(50, 7))}
    angles["RightEyePitch"] = np.radians(np.full(50, 3))
    found = read_truth(write_csv(tmp_path / "a.csv", angles), 25.0, 2.0, 0.1).at(np.array([1.0]))[0, 52:]

    assert found == pytest.approx([170 + 20 * 25 / 49, 5, 0, -7, 0, 0, -3], abs=1e-4)


def test_a_film_of_another_length_is_refused(tmp_path):
    """Beyond the tolerance, with both lengths; within it not."""
    file = write_csv(tmp_path / "a.csv", {"JawOpen": np.zeros(50)})

    assert len(read_truth(file, 25.0, 2.4, 0.5).times_s) == 50
    with pytest.raises(RefusedError, match=r"curves of 2\.00 s beside a film of 2\.60 s"):
        read_truth(file, 25.0, 2.6, 0.5)


def test_a_clock_that_goes_back_is_refused(tmp_path):
    """Otherwise the curves would be those of other frames."""
    label = {20: label_of(900_010, RATES["25"])}
    file = write_csv(
        tmp_path / "a.csv",
        {"JawOpen": np.zeros(50)},
        label=lambda number: label.get(number, label_of(900_000 + number, RATES["25"])),
    )

    with pytest.raises(RefusedError, match=r"stands still or goes back after 10:00:00:19\.250"):
        read_truth(file, 25.0, 2.0, 0.5)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda text: text.replace("JawOpen,", ""), "lacks the columns JawOpen"),
        (lambda text: text.replace("0.0000000000", "much", 1), "not a number in line 2"),
        (lambda text: text.replace("10:00:00:03.250", "later"), "later is not a timecode"),
        (lambda text: text.splitlines(keepends=True)[0], "without a row with a face"),
    ],
)
def test_a_damaged_csv_is_refused_with_its_line(tmp_path, edit, reason):
    """The reason names what is wrong with the CSV, and the remedy how to go on without."""
    file = write_csv(tmp_path / "a.csv", {"JawOpen": np.zeros(50)})
    file.write_text(edit(file.read_text()))

    with pytest.raises(RefusedError, match=reason) as caught:
        read_truth(file, 25.0, 2.0, 0.5)
    assert "leave out the CSV" in caught.value.remedy
