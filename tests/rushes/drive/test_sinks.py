from fractions import Fraction

import pytest

from rushes.drive.bvh import BvhSink
from rushes.drive.curves import CurvesSink
from rushes.drive.destinations import open_destination
from rushes.drive.lines import LinesSink
from rushes.drive.names import names_of
from rushes.drive.timecode import TakeClock, rate_of
from rushes.take.recording import Recording, Slate
from tests.support.face_streams import Receiver, made_up_face

CLOCK = TakeClock(rate_of("25"))
OPENERS = {
    "vmc": lambda _, port: open_destination(f"vmc://127.0.0.1:{port}", names_of("arkit"), CLOCK, print),
    "livelink": lambda _, port: open_destination(f"livelink://127.0.0.1:{port}", names_of("arkit"), CLOCK, print),
    "curves": lambda folder, _: CurvesSink.open(folder / "take.csv", CLOCK),
    "lines": lambda folder, _: LinesSink.open(folder / "take.jsonl", CLOCK),
    "bvh": lambda folder, _: BvhSink.open(folder / "take.bvh", Fraction(25)),
    "recording": lambda folder, _: Recording.open(folder, Slate("", "", "", "", "", ""), CLOCK),
}


@pytest.mark.parametrize("kind", OPENERS)
def test_every_sink_takes_every_frame(tmp_path, kind):
    """Without a face, with those of several actors who come and go, in any state; and is closed twice without harm."""
    receiver = Receiver()
    sink = OPENERS[kind](tmp_path, receiver.port)
    frames = [
        [],
        [made_up_face(1)],
        [made_up_face(0, state="held"), made_up_face(1, state="easing"), made_up_face(7)],
        [],
        [made_up_face(7)],
    ]
    for number, faces in enumerate(frames):
        assert sink.put(number / 25, number, faces) is None
    sink.close()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    sink.close()

    assert before or receiver.waiting()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
