import math

import cv2
import numpy as np
import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_packet import OscPacket
from pythonosc.osc_server import BlockingOSCUDPServer

from rushes.drive.address import parse_address
from rushes.drive.names import PRESETS, names_of
from rushes.drive.vmc import VmcSink, unity_quaternion
from tests.support.face_streams import Receiver, every_unit_different, made_up_face

SIN_15, COS_15 = 0.2588190451, 0.9659258263  # of half of 30 degrees


def received(receiver):
    """Messages of all packets, in order."""
    packets = receiver.waiting()
    assert all(len(packet) <= 1400 for packet in packets)
    return [(one.message.address, *one.message.params) for packet in packets for one in OscPacket(packet).messages]


def sent(faces, names="arkit", options="", time_s=1.5):
    receiver = Receiver()
    sink = VmcSink.open(parse_address(f"vmc://127.0.0.1:{receiver.port}{options}"), names_of(names), print)
    sink.put(time_s, 45, faces)
    messages = received(receiver)
    sink.close()
    return messages


@pytest.mark.parametrize(
    ("angles", "quaternion"),
    [
        ((0, 0, 0), (0, 0, 0, 1)),
        ((30, 0, 0), (0, -SIN_15, 0, COS_15)),  # to the left: about y from x to z, negative in Unity
        ((0, 30, 0), (-SIN_15, 0, 0, COS_15)),  # up: about x from y to -z, negative
        ((0, 0, 30), (0, 0, -SIN_15, COS_15)),  # to the right shoulder: about z from y to x, negative
        ((90, 0, 0), (0, -math.sqrt(0.5), 0, math.sqrt(0.5))),
        # Left by 90 degrees, then up by 90 about the axis that has moved: half of the sum of all four.
        ((90, 90, 0), (-0.5, -0.5, -0.5, 0.5)),
    ],
)
def test_quaternions_by_hand(angles, quaternion):
    """Signs and order of x, y, z, w as derived in the docstring of the module."""
    np.testing.assert_allclose(unity_quaternion(*angles), quaternion, atol=1e-9)


def turned(quaternion, vector):
    """A vector turned by a quaternion, by its definition."""
    axis, w = np.array(quaternion[:3]), quaternion[3]
    return vector + 2 * np.cross(axis, np.cross(axis, vector) + w * vector)


@pytest.mark.parametrize(
    ("angles", "vector", "to"),
    [
        ((90, 0, 0), (0, 0, 1), (-1, 0, 0)),  # the nose turns to the character's left, Unity's -x
        ((0, 90, 0), (0, 0, 1), (0, 1, 0)),  # the nose turns up
        ((0, 0, 90), (0, 1, 0), (1, 0, 0)),  # the crown tilts to the right shoulder, Unity's +x
        ((90, 90, 0), (0, 0, 1), (0, 1, 0)),  # left, then up
        ((90, 0, 90), (0, 1, 0), (0, 0, 1)),  # left, then to the right shoulder, which now lies in front
    ],
)
def test_the_head_turns_as_the_actor_does(angles, vector, to):
    """In Unity's frame: x to the character's right, y up, z forward."""
    np.testing.assert_allclose(turned(unity_quaternion(*angles), np.array(vector, float)), to, atol=1e-9)


@pytest.mark.parametrize("angles", [(30, 20, 10), (-50, 40, -30), (10, -80, 170)])
def test_angles_compose_as_yaw_then_pitch_then_roll(angles):
    """Compared with the product of OpenCV's rotation matrices, written in our angles."""
    yaw, pitch, roll = np.radians(angles)
    axes = ((0, -yaw, 0), (-pitch, 0, 0), (0, 0, -roll))
    matrix = np.linalg.multi_dot([cv2.Rodrigues(np.array(axis, float))[0] for axis in axes])
    columns = [turned(unity_quaternion(*angles), axis) for axis in np.eye(3)]

    np.testing.assert_allclose(np.transpose(columns), matrix, atol=1e-9)


def test_a_frame_at_an_independent_receiver():
    """Each message has the form of the specification; what applies the units comes last."""
    gaze = ((30.0, 0.0), (0.0, 30.0))
    messages = sent([made_up_face(units=every_unit_different(), head=(30.0, 0.0, 0.0), gaze=gaze)])
    bones = {name: values for address, name, *values in messages[2:5]}
    blends = {name: value for _, name, value in messages[5:-1]}

    assert messages[0] == ("/VMC/Ext/OK", 1, 3, 0, 1)
    assert messages[1] == ("/VMC/Ext/T", 1.5)
    assert [address for address, *_ in messages[2:]] == (
        ["/VMC/Ext/Bone/Pos"] * 3 + ["/VMC/Ext/Blend/Val"] * 52 + ["/VMC/Ext/Blend/Apply"]
    )
    assert list(bones) == ["Head", "LeftEye", "RightEye"]
    np.testing.assert_allclose(bones["Head"], (0, 0, 0, 0, -SIN_15, 0, COS_15), atol=1e-6)
    np.testing.assert_allclose(bones["LeftEye"], (0, 0, 0, 0, -SIN_15, 0, COS_15), atol=1e-6)
    np.testing.assert_allclose(bones["RightEye"], (0, 0, 0, -SIN_15, 0, 0, COS_15), atol=1e-6)
    assert blends == {unit[0].upper() + unit[1:]: value for unit, value in every_unit_different().items()}


def test_the_rig_has_its_own_names():
    """With --names vrm, the presets of VRM, both versions."""
    messages = sent([made_up_face(units={"jawOpen": 0.75, "eyeBlinkLeft": 1.0})], names="vrm")
    blends = dict(message[1:] for message in messages if message[0] == "/VMC/Ext/Blend/Val")

    assert list(blends) == list(PRESETS["vrm"])
    assert (blends["aa"], blends["A"], blends["blinkLeft"], blends["Blink_R"]) == (0.75, 0.75, 1.0, 0.0)


def test_nobody_is_seen():
    """The receiver learns that the sender lives and sees nobody."""
    assert sent([]) == [("/VMC/Ext/OK", 1, 3, 0, 0), ("/VMC/Ext/T", 1.5)]


def test_nobody_is_seen_any_more():
    """The character is neutral, wherever the actor was lost: the tracker may end before the face is at rest."""
    receiver = Receiver()
    sink = VmcSink.open(parse_address(f"vmc://127.0.0.1:{receiver.port}"), names_of("arkit"), print)
    smile = made_up_face(units={"jawOpen": 0.5}, head=(30.0, 0.0, 0.0), gaze=((9.0, 9.0), (9.0, 9.0)))
    for number, faces in enumerate(([smile], [], [])):
        sink.put(number / 30, number, faces)
        messages = received(receiver)
    sink.close()

    assert messages[0] == ("/VMC/Ext/OK", 1, 3, 0, 0)
    assert {message[2] for message in messages if message[0] == "/VMC/Ext/Blend/Val"} == {0.0}
    assert [values for _, _, *values in messages[2:5]] == [[0, 0, 0, 0, 0, 0, 1]] * 3
    assert messages[-1] == ("/VMC/Ext/Blend/Apply",)


def test_the_character_is_left_neutral():
    """At the end of a capture, once; one that has seen nobody moves no character."""
    receiver = Receiver()
    for faces in ([made_up_face(units={"jawOpen": 0.5}, head=(30.0, 0.0, 0.0))], []):
        sink = VmcSink.open(parse_address(f"vmc://127.0.0.1:{receiver.port}"), names_of("arkit"), print)
        sink.put(0.5, 15, faces)
        receiver.waiting()
        sink.close()
        sink.close()
        messages = received(receiver)
        assert [message for message in messages if message[0] == "/VMC/Ext/Blend/Apply"] == (
            [("/VMC/Ext/Blend/Apply",)] if faces else []
        )
        assert {message[2] for message in messages if message[0] == "/VMC/Ext/Blend/Val"} == ({0.0} if faces else set())


@pytest.mark.parametrize(("options", "yaw"), [("", 10.0), ("?actor=3", 40.0), ("?actor=1", 10.0), ("?actor=2", None)])
def test_one_actor_drives_the_character(options, yaw):
    """The one who is asked for, or the one of the lowest id; a lost one is not replaced."""
    faces = [made_up_face(3, head=(40.0, 0.0, 0.0)), made_up_face(1, head=(10.0, 0.0, 0.0), state="held")]
    messages = sent(faces, options=options)
    head = [message[2:] for message in messages if message[1:2] == ("Head",)]

    assert [round(-2 * math.degrees(math.asin(values[4]))) for values in head] == ([yaw] if yaw else [])
    assert messages[0][4] == (1 if options == "?actor=3" else 0)
    assert (len(messages) == 2) == (yaw is None)


def test_a_server_of_python_osc_is_driven():
    """Over its own socket and dispatcher, up to the message that applies the frame."""
    values, applied = {}, []
    dispatcher = Dispatcher()
    dispatcher.map("/VMC/Ext/Blend/Val", lambda _, name, value: values.update({name: value}))
    dispatcher.map("/VMC/Ext/Blend/Apply", lambda _: applied.append(len(values)))
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        server.timeout = 10
        address = parse_address(f"vmc://127.0.0.1:{server.server_address[1]}")
        sink = VmcSink.open(address, names_of("arkit"), print)
        sink.put(0.0, 0, [made_up_face(units=every_unit_different())])
        for _ in range(sink._sender.sent):
            server.handle_request()
        sink.close()

    assert applied == [52]
    assert values["JawOpen"] == every_unit_different()["jawOpen"]
