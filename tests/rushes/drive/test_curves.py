import numpy as np
import pytest

from rushes.drive import curves
from rushes.drive.curves import COLUMNS, CurvesSink, read_curves, write_curves
from rushes.drive.timecode import TakeClock, rate_of
from rushes.errors import RefusedError, UserError
from tests.support.face_streams import UNREAL, every_unit_different, made_up_face

# The heading of the app: Unreal's names, with these two pairs the other way round.
APP = f"Timecode,BlendShapeCount,{','.join(UNREAL)}".replace("JawLeft,JawRight", "JawRight,JawLeft")
APP = APP.replace("MouthLeft,MouthRight", "MouthRight,MouthLeft")


def write_take(path, frames=20, heading=APP, ending="\n"):
    """A take in the form of the app's, with made-up values."""
    values = np.random.default_rng(3).uniform(-1, 1, (frames, 61))
    rows = [
        ",".join([f"13:13:04:{2 * frame + 1:02}.65{frame % 10}", "61", *(f"{value:.10f}" for value in row)])
        for frame, row in enumerate(values)
    ]
    path.write_text(ending.join([heading, *rows]) + ending, encoding="utf-8", newline="")
    return values


def test_the_heading_is_the_apps(tmp_path):
    """Jaw and mouth to the right come before those to the left."""
    CurvesSink.open(tmp_path / "take.csv", TakeClock(rate_of("60"))).close()

    assert (tmp_path / "take.csv").read_text(encoding="utf-8") == APP + "\n"


def test_a_take_of_the_app_reads_in_and_writes_out(tmp_path):
    """With the same values, names, timecodes and bytes."""
    values = write_take(tmp_path / "app.csv")
    take = read_curves(tmp_path / "app.csv")
    write_curves(tmp_path / "ours.csv", take)

    np.testing.assert_allclose(take.values, values, atol=5e-11)
    assert take.timecodes[:2] == ("13:13:04:01.650", "13:13:04:03.651")
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "app.csv").read_bytes()


def test_columns_are_read_by_name(tmp_path):
    """A file with JawLeft before JawRight has the same curves."""
    values = write_take(tmp_path / "unreal.csv", heading=f"Timecode,BlendShapeCount,{','.join(UNREAL)}")
    take = read_curves(tmp_path / "unreal.csv")

    assert UNREAL.index("JawLeft") < UNREAL.index("JawRight")
    for place, name in enumerate(UNREAL):
        np.testing.assert_allclose(take.column(name), values[:, place], atol=5e-11)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(tmp_path, ending):
    """And a byte order mark."""
    values = write_take(tmp_path / "take.csv", heading="\ufeff" + APP, ending=ending)

    np.testing.assert_allclose(read_curves(tmp_path / "take.csv").values, values, atol=5e-11)


def test_tracked_faces_are_written_as_the_app_would(tmp_path):
    """Units under their names, angles in radians, timecodes with thousandths of a frame."""
    sink = CurvesSink.open(tmp_path / "take.csv", TakeClock.from_label("13:13:04:31", rate_of("60")))
    face = made_up_face(units=every_unit_different(), head=(10.0, 20.0, 30.0), gaze=((4.0, 5.0), (-6.0, 0.0)))
    sink.put(0.652 / 60, 0, [face])
    sink.put(2 / 60, 1, [])
    sink.put(4 / 60, 2, [face])
    sink.close()
    take = read_curves(tmp_path / "take.csv")

    assert take.columns == COLUMNS
    assert take.timecodes == ("13:13:04:31.652", "13:13:04:35.000")
    for unit, value in every_unit_different().items():
        assert take.column(unit[0].upper() + unit[1:]) == pytest.approx(value, abs=1e-9)
    np.testing.assert_array_equal(take.units(), [face.units, face.units])
    angles = [take.column(name)[0] for name in UNREAL[52:]]
    np.testing.assert_allclose(angles, np.radians([10, 20, 30, -4, -5, 0, 6, 0, 0]), atol=1e-9)


def test_drop_frame_has_the_apps_colons(tmp_path):
    """Readers of the app's files split at colons."""
    sink = CurvesSink.open(tmp_path / "take.csv", TakeClock.from_label("00:01:00;02", rate_of("29.97df")))
    sink.put(0.0, 0, [made_up_face()])
    sink.close()

    assert read_curves(tmp_path / "take.csv").timecodes == ("00:01:00:02.000",)


def test_each_actor_has_a_file(tmp_path):
    """The first one seen has the name that was given."""
    sink = CurvesSink.open(tmp_path / "take.csv", TakeClock(rate_of("25")))
    sink.put(0.0, 0, [made_up_face(2, units={"jawOpen": 0.25})])
    sink.put(0.04, 1, [made_up_face(0, units={"jawOpen": 0.5}), made_up_face(2, units={"jawOpen": 0.75})])
    sink.close()

    assert sorted(file.name for file in tmp_path.iterdir()) == ["take.actor0.csv", "take.csv"]
    np.testing.assert_allclose(read_curves(tmp_path / "take.csv").column("JawOpen"), (0.25, 0.75))
    np.testing.assert_allclose(read_curves(tmp_path / "take.actor0.csv").column("JawOpen"), (0.5,))


ROW = "00:00:00:00.000,61" + ",0.5" * 61


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not start with the columns Timecode and BlendShapeCount"),
        ("\n", "does not start with the columns"),
        ("time,x\n1,2\n", "does not start with the columns"),
        ("\x00\x01\x02", "does not start with the columns"),
        (APP.replace("JawOpen", "JawOpn") + "\n", "has an unknown column 'JawOpn'. Did you mean 'JawOpen'?"),
        (APP.replace(",JawOpen", "") + "\n", "lacks the columns JawOpen"),
        ("Timecode,BlendShapeCount\n", "lacks the columns EyeBlinkLeft, EyeLookDownLeft, EyeLookInLeft and others"),
        (APP + ",JawOpen\n", "has a column twice"),
        (f"{APP}\n{ROW},0.5\n", "has 64 instead of 63 cells, or another count, in line 2"),
        (f"{APP}\n{ROW}\n{ROW[:-4]}\n", "in line 3"),
        (f"{APP}\n{ROW.replace('61', '52')}\n", "or another count, in line 2"),
        (f"{APP}\n{ROW[:-3]}much\n", "has a cell that is not a number in line 2"),
        (f"{APP}\n{ROW[:-3]}\n", "has a cell that is not a number in line 2"),
        (f"{APP}\n{ROW[:-3]}nan\n", "has a value that is not finite in line 2"),
        (f"{APP}\n{ROW[:-3]}1e999\n", "has a value that is not finite in line 2"),
        (f'{APP}\n"{"x" * 200_000}\n', "is not CSV: field larger than field limit"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, words):
    """With the line and the reason."""
    path = tmp_path / "take.csv"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(RefusedError) as caught:
        read_curves(path)

    assert words in caught.value.reason


def test_files_that_are_not_text_are_refused(tmp_path, monkeypatch):
    """Bytes, a folder, nothing, and a file far too large."""
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for name, words in (("bytes.csv", "is not text in UTF-8"), (".", "Is a directory"), ("none.csv", "No such file")):
        with pytest.raises(RefusedError, match=words):
            read_curves(tmp_path / name)

    monkeypatch.setattr(curves, "MOST_BYTES", 2)
    with pytest.raises(RefusedError, match="is larger than"):
        read_curves(tmp_path / "bytes.csv")


def test_a_take_without_a_face_and_rows_without_one(tmp_path):
    """The app writes a count of 0 where it sees nobody."""
    path = tmp_path / "take.csv"
    path.write_text(f"{APP}\n00:00:00:00.000,0\n\n{ROW}\n", encoding="utf-8")
    assert read_curves(path).values.shape == (1, 61)

    path.write_text(f"{APP}\n", encoding="utf-8")
    assert read_curves(path).values.shape == (0, 61)


def test_a_last_row_that_was_cut_off_is_left_out(tmp_path):
    """As a kill of another program may leave it: half of the last number is a number too."""
    path = tmp_path / "take.csv"
    path.write_text(f"{APP}\n{ROW}\n{ROW}", encoding="utf-8")

    assert read_curves(path).values.shape == (1, 61)


def test_a_place_that_cannot_be_written_fails_at_the_start(tmp_path):
    """Before the first frame."""
    with pytest.raises(UserError, match="cannot be written: No such file"):
        CurvesSink.open(tmp_path / "none" / "take.csv", TakeClock(rate_of("25")))
