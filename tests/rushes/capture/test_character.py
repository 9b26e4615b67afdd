"""The whole way: rendered heads before a camera, the real networks, the command, and a character program's socket."""

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from pythonosc.osc_packet import OscPacket

from tests.support.face_streams import Receiver
from tests.support.filmed_heads import fetch_heads, film_head
from tests.support.mjpeg import mjpeg_camera
from tests.support.runtime import write_bundle

ROLES = ("face_landmarks", "face_units", "face_geometry")
JAWS = (0.0, 0.3, 0.6, 1.0, 0.6, 0.3)
EACH = 12  # frames that each pose is held


@pytest.mark.slow
def test_a_rendered_jaw_opens_that_of_a_character(blazeface_file, full_range_file, landmark_files, tmp_path):
    """The character's jaw follows that of the actor, in a capture of the latest frames of a camera."""
    roles = {**dict(zip(landmark_files, ROLES, strict=True)), full_range_file: "detector_full_range"}
    write_bundle(tmp_path / "bundle", blazeface_file.read_bytes(), roles)
    heads = fetch_heads(tmp_path)
    pictures_bgr = [film_head(heads, units={"jawOpen": jaw}).picture_bgr for jaw in JAWS for _ in range(EACH)]
    receiver, lines = Receiver(), tmp_path / "out.jsonl"
    with mjpeg_camera(pictures_bgr) as stream:
        command = [
            sys.executable, "-m", "rushes.cli", "capture", "--model", str(tmp_path / "bundle"), "--source", stream.url,
            "--drive", f"vmc://127.0.0.1:{receiver.port}", "--json", str(lines),
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
        messages = []
        while max((one.params[1] for one in messages if one.params[0] == "JawOpen"), default=0) < 0.4 or len(
            messages
        ) < 53 * len(pictures_bgr):
            messages += [
                one.message
                for packet in receiver.packets(3)
                for one in OscPacket(packet).messages
                if one.message.address == "/VMC/Ext/Blend/Val"
            ]
        process.terminate()
        _, printed = process.communicate(timeout=30)
    frames = [json.loads(line) for line in lines.read_text().splitlines()]
    truth = [JAWS[frame["frame"] // EACH % len(JAWS)] for frame in frames if "actors" in frame]
    read = [frame["actors"][0]["units"]["jawOpen"] for frame in frames if "actors" in frame]

    assert process.returncode == 0, printed
    assert "dropped for later ones" in printed
    assert np.corrcoef(truth, read)[0, 1] > 0.8
    assert {face["actor"] for frame in frames for face in frame["faces"]} == {0}


@pytest.mark.slow
def test_nothing_is_sent_elsewhere(blazeface_file, full_range_file, landmark_files, clip, tmp_path):
    """In a network of its own, all that leaves the process are the packets to the given address.

    The kernel counts the packets, also those that a library would send by itself: to any other machine there is no
    route, and looking up a name would ask a server elsewhere.
    """
    roles = {**dict(zip(landmark_files, ROLES, strict=True)), full_range_file: "detector_full_range"}
    write_bundle(tmp_path / "bundle", blazeface_file.read_bytes(), roles)
    command = [
        sys.executable, "-m", "rushes.cli", "capture", "--model", str(tmp_path / "bundle"), "--source", str(clip),
        "--drive", "vmc://127.0.0.1:39539", "--json", str(tmp_path / "out.jsonl"), "--record", str(tmp_path / "take"),
    ]  # fmt: skip
    count = f"ip link set lo up && {shlex.join(command)} >&2; [ $? = 3 ] && cat /proc/net/snmp"  # 3: no face in it
    counted = subprocess.run(["unshare", "--net", "sh", "-c", count], capture_output=True, text=True, check=True)
    rows = [line.split() for line in counted.stdout.splitlines()]
    found = {
        names[0] + name: int(value)
        for names, values in zip(rows[::2], rows[1::2], strict=True)
        for name, value in zip(names[1:], values[1:], strict=True)
    }

    assert found["Ip:OutNoRoutes"] == 0
    assert found["Udp:OutDatagrams"] == 10  # each frame without an actor is one packet: OK, T and no units
    assert found["Tcp:ActiveOpens"] == 0
