import json
from dataclasses import replace

import numpy as np
import pytest

from rushes.drive.lines import LinesSink, face_line
from rushes.drive.timecode import TakeClock, rate_of
from rushes.tracking.face import UNITS
from tests.support.face_streams import every_unit_different, made_up_face


def test_everything_is_in_the_line():
    """Every field, rounded as stated, in plain JSON."""
    face = made_up_face(
        3,
        units=every_unit_different(),
        head=(10.123456, -20.0, 0.004),
        gaze=((1.23456, -2.0), (3.0, 4.0)),
        at_m=(0.12345678, 0.0, 0.6),
        state="easing",
    )
    line = json.loads(json.dumps(face_line(face), allow_nan=False))

    assert (line["actor"], line["state"], line["score"]) == (3, "easing", 0.9877)
    assert list(line["units"]) == list(UNITS)
    assert line["units"] == {unit: round(value, 4) for unit, value in every_unit_different().items()}
    assert line["head"] == {
        "yaw_deg": 10.12, "pitch_deg": -20.0, "roll_deg": 0.0, "translation_m": [0.1235, 0.0, 0.6],
    }  # fmt: skip
    assert line["gaze_deg"] == {"left": [1.23, -2.0], "right": [3.0, 4.0]}
    np.testing.assert_allclose(line["landmarks_px"], face.landmarks_px, atol=0.0501)
    assert len(line["landmarks_px"]) == 478


def test_a_line_has_the_values_before_smoothing():
    """Those that are smoothed; nothing is there for a face that is not."""
    raw = made_up_face(units={"jawOpen": 0.25}, head=(1, 2, 3), gaze=((4, 5), (6, 7)), at_m=(0, 0, 0.5))
    line = face_line(replace(made_up_face(), unfiltered=raw))

    assert line["unfiltered"] == {key: face_line(raw)[key] for key in ("units", "head", "gaze_deg")}
    assert (line["units"]["jawOpen"], "unfiltered" in face_line(raw)) == (0, False)


def test_the_text_has_the_digits_of_the_rounding():
    """A rounded float32 would print as 0.10000000149011612."""
    text = json.dumps(face_line(made_up_face(units={"jawOpen": 0.1})))

    assert '"jawOpen": 0.1,' in text
    assert max(len(number) for number in text.replace("]", ",").split(",")) < 40


def test_numbers_of_numpy_are_plain():
    """The tracker may hand over NumPy's scalars."""
    face = made_up_face(head=tuple(np.float32([1.5, 2.5, 3.5])))

    assert json.loads(json.dumps(face_line(face)))["head"]["pitch_deg"] == 2.5


@pytest.mark.parametrize("faces", [[], [made_up_face()], [made_up_face(0), made_up_face(1)]])
def test_a_line_a_frame(tmp_path, faces):
    """With its number, time and timecode; a line without faces too."""
    sink = LinesSink.open(tmp_path / "lines.jsonl", TakeClock.from_label("01:00:00:00", rate_of("25")))
    sink.put(0.04, 7, faces)
    [line] = [json.loads(text) for text in (tmp_path / "lines.jsonl").read_text().splitlines()]
    sink.close()

    assert (line["frame"], line["time_s"], line["timecode"]) == (7, 0.04, "01:00:00:01")
    assert [face["actor"] for face in line["faces"]] == [face.actor for face in faces]
