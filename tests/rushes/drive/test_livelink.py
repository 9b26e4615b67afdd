import math
from fractions import Fraction

import numpy as np
import pytest

from rushes.drive import livelink
from rushes.drive.address import parse_address
from rushes.drive.livelink import LiveLinkSink
from rushes.drive.timecode import TakeClock, rate_of
from tests.support.face_streams import UNREAL, Receiver, every_unit_different, made_up_face, read_packet


def sent(faces, options="", rate="60", time_s=0.0, start="00:00:00:00"):
    receiver = Receiver()
    clock = TakeClock.from_label(start, rate_of(rate))
    sink = LiveLinkSink.open(parse_address(f"livelink://127.0.0.1:{receiver.port}{options}"), clock, print)
    sink.put(time_s, 0, faces)
    packets = [read_packet(packet) for packet in receiver.waiting()]
    sink.close()
    return packets


def test_the_values_lie_in_unreals_order():
    """52 units, and the angles of head and eyes, at the places of EARFaceBlendShape."""
    assert list(livelink.VALUES) == UNREAL


def test_a_frame_at_an_independent_parser():
    """Every field of the packet; angles in radians."""
    face = made_up_face(units=every_unit_different(), head=(10.0, 20.0, 30.0), gaze=((4.0, 5.0), (-6.0, -7.0)))
    [packet] = sent([face], rate="29.97", time_s=1001 / 30000 * 10.25, start="01:00:00:00")
    units = {name[0].lower() + name[1:]: value for name, value in list(packet.values.items())[:52]}

    assert (packet.version, packet.subject, packet.rate) == (6, "rushes", (30000, 1001))
    assert (packet.frame, packet.sub_frame) == (60 * 60 * 30 + 10, 0.25)
    assert len(packet.device) == 36  # a decoder in use expects it at fixed places
    assert units == every_unit_different()
    np.testing.assert_allclose(
        [packet.values[f"Head{angle}"] for angle in ("Yaw", "Pitch", "Roll")], np.radians((10, 20, 30)), rtol=1e-6
    )
    np.testing.assert_allclose(
        [packet.values[f"{eye}Eye{angle}"] for eye in ("Left", "Right") for angle in ("Yaw", "Pitch", "Roll")],
        np.radians((-4, -5, 0, 6, 7, 0)),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("unit", "eye", "gaze_deg", "angle", "sign"),
    [
        ("eyeLookInLeft", "Left", (-20.0, 0.0), "Yaw", 1),  # the left eye looks in, to the actor's right
        ("eyeLookOutRight", "Right", (-20.0, 0.0), "Yaw", 1),
        ("eyeLookDownLeft", "Left", (0.0, -20.0), "Pitch", 1),
        ("eyeLookUpRight", "Right", (0.0, 20.0), "Pitch", -1),
    ],
)
def test_signs_of_the_eyes_are_those_of_the_app(unit, eye, gaze_deg, angle, sign):
    """In a take of the app the yaw of the left eye grows with look-in, and pitch with look-down."""
    [packet] = sent([made_up_face(units={unit: 0.6}, gaze=(gaze_deg, gaze_deg))])

    assert math.copysign(1, packet.values[f"{eye}Eye{angle}"]) == sign
    assert packet.values[unit[0].upper() + unit[1:]] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("options", "subjects"),
    [
        ("", ["rushes", "rushes2"]),
        ("?subject=anna", ["anna", "anna2"]),
        ("?actor=2&subject=anna", ["anna"]),
        ("?actor=1", []),
    ],
)
def test_each_actor_is_a_subject(options, subjects):
    """Unreal distinguishes sources by device and subject."""
    packets = sent([made_up_face(0), made_up_face(2)], options)

    assert [packet.subject for packet in packets] == subjects
    assert len({packet.device for packet in packets}) <= 1


def test_the_layout_by_hand():
    """Byte by byte: version, two texts with their lengths, frame time, rate, count, values."""
    assert livelink.packet("id", "a", (258, 0.5), Fraction(60), np.array([1.0])) == (
        b"\x06"
        b"\x00\x00\x00\x02id"
        b"\x00\x00\x00\x01a"
        b"\x00\x00\x01\x02"
        b"\x3f\x00\x00\x00"
        b"\x00\x00\x00\x3c"
        b"\x00\x00\x00\x01"
        b"\x01"
        b"\x3f\x80\x00\x00"
    )


def test_nobody_is_seen():
    """Nothing is sent, and the subject turns stale."""
    assert sent([]) == []


def test_an_actor_is_not_seen_any_more():
    """The subject gets one neutral frame, with which it turns stale; at the end those get it who are still seen."""
    receiver = Receiver()
    sink = LiveLinkSink.open(parse_address(f"livelink://127.0.0.1:{receiver.port}"), TakeClock(rate_of("60")), print)
    faces = [made_up_face(actor, units={"jawOpen": 0.5}, head=(30.0, 0.0, 0.0)) for actor in (0, 1)]
    for number, seen in enumerate((faces, faces[:1], faces[:1])):
        sink.put(number / 60, number, seen)
    packets = [read_packet(packet) for packet in receiver.waiting()]
    sink.close()
    [last] = [read_packet(packet) for packet in receiver.waiting()]
    sink.close()

    assert [packet.subject for packet in packets] == ["rushes", "rushes1", "rushes", "rushes1", "rushes"]
    assert not any(packets[3].values.values())
    assert packets[4].values["JawOpen"] == 0.5
    assert (last.subject, last.frame, any(last.values.values())) == ("rushes", 2, False)
    assert receiver.waiting() == []
