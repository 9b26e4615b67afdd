import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pythonosc.osc_packet import OscPacket

from rushes.capture import loop
from rushes.capture import outputs as outputs_module
from rushes.capture.analysis import TrackingAnalyser
from rushes.capture.label_faces import label_face
from rushes.capture.outputs import Outputs
from rushes.capture.pacing import Pacing
from rushes.drive.curves import read_curves
from rushes.errors import MisuseError
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.face_streams import Receiver
from tests.support.mjpeg import mjpeg_camera

EDGES = np.zeros((0, 2), int)
ACTORS = [made_up_actor(0, at=(70, 60), size=60, jawOpen=0.5), made_up_actor(3, at=(100, 60), size=90, state="held")]


@pytest.fixture
def analyser(classifier):
    return TrackingAnalyser(MadeUpTracker(ACTORS), classifier, EDGES)


def test_the_crop_of_the_label_has_the_detectors_framing():
    """The box is 0.9 of the extent of the landmarks, lower by 3.5 % along the head's axis; the eyes give the roll."""
    face = label_face(made_up_actor(at=(100, 50), size=100))

    assert face.box_xywh_px == pytest.approx((55, 8.5, 90, 90), abs=0.5)
    np.testing.assert_allclose(face.keypoints_px[:2], [[83.5, 40], [116.5, 40]], atol=0.1)


def test_units_are_written_and_sent(clip, analyser, tmp_path):
    """One capture writes lines and curves, and drives a VMC receiver, which gets every frame of a clip."""
    receiver = Receiver()
    outputs = Outputs(
        json_to=str(tmp_path / "out.jsonl"), curves=tmp_path / "out.csv", bvh=tmp_path / "out.bvh",
        drive=(f"vmc://127.0.0.1:{receiver.port}?actor=0",),
    )  # fmt: skip
    loop.capture(str(clip), analyser, outputs)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    sent = [one.message for packet in receiver.waiting() for one in OscPacket(packet).messages]
    jaws = [one.params[1] for one in sent if one.address == "/VMC/Ext/Blend/Val" and one.params[0] == "JawOpen"]

    assert len(lines) == 10
    assert [face["actor"] for face in lines[0]["faces"]] == [0]  # whoever is only held has no label
    assert [actor["actor"] for actor in lines[0]["actors"]] == [0, 3]
    assert lines[0]["actors"][0]["units"]["jawOpen"] == 0.5
    assert jaws == pytest.approx([0.5] * 10 + [0.0])  # at the end the character is neutral
    assert read_curves(tmp_path / "out.csv").column("JawOpen").tolist() == pytest.approx([0.5] * 10)
    assert (tmp_path / "out.bvh").read_text().count("\n") > 10


@pytest.mark.parametrize(("analysis_s", "frames"), [(0.0, [0, 1, 2, 3]), (1.0, [0, 30, 60, 90])])
def test_frames_are_given_at_their_times(analysis_s, frames):
    """At 30 a second, the first one at once; a slow analysis is not caught up with."""
    now_s, seen = 50.0, []

    def sleep(seconds):
        nonlocal now_s
        now_s += seconds

    pacing = Pacing(lambda: now_s, sleep)
    for number in range(4):
        pacing.put(SimpleNamespace(frame=SimpleNamespace(time_s=number / 30)), None)
        seen.append(round((now_s - 50) * 30))
        now_s += analysis_s

    assert seen == frames


@pytest.mark.parametrize(
    ("outputs", "most_s"), [({"drive": ("livelink://127.0.0.1",)}, 0.72), ({"curves": Path("o.csv")}, 0.0)]
)
def test_a_clip_that_drives_a_character_runs_at_its_rate(clip, analyser, tmp_path, monkeypatch, outputs, most_s):
    """Ten frames at 12.5 a second; where it only writes files it is as fast as it can be."""
    monkeypatch.chdir(tmp_path)
    slept = []
    monkeypatch.setattr(outputs_module, "Pacing", lambda: Pacing(lambda: 0.0, slept.append))
    loop.capture(str(clip), analyser, Outputs(json_to="out.jsonl", **outputs))

    assert max(slept, default=0.0) == pytest.approx(most_s)


def test_a_lost_camera_eases_the_character_and_not_the_file(analyser, tmp_path, monkeypatch):
    """While the camera is away, receivers get frames, so that the character returns to neutral; a file has none."""
    receiver, tracker = Receiver(), analyser.tracker
    outputs = Outputs(
        json_to=str(tmp_path / "out.jsonl"), curves=tmp_path / "out.csv", drive=(f"vmc://127.0.0.1:{receiver.port}",)
    )
    with mjpeg_camera() as stream:
        track, wait = tracker.track, tracker.wait

        def tracked(picture_bgr, time_s):
            if len(tracker.times_s) == 5:
                stream.pulled.set()
            return track(picture_bgr, time_s)

        def waited(time_s):
            if sum(not seen for _, seen in tracker.times_s) == 3:
                raise KeyboardInterrupt
            return wait(time_s)

        monkeypatch.setattr(tracker, "track", tracked)
        monkeypatch.setattr(tracker, "wait", waited)
        with pytest.raises(KeyboardInterrupt):
            loop.capture(stream.url, analyser, outputs)
    seen = sum(seen for _, seen in tracker.times_s)
    messages = [one.message for packet in receiver.waiting() for one in OscPacket(packet).messages]
    jaws = [one.params[1] for one in messages if one.params[:1] == ["JawOpen"]]

    assert len(read_curves(tmp_path / "out.csv").timecodes) == seen
    assert jaws == pytest.approx([0.5] * seen + [0.0] * (3 + 1))  # and at the end


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drive": ("vcm://127.0.0.1",)}, "is not the address of a receiver.*vmc"),
        ({"names": "arkti"}, "names no rig.*arkit"),
        ({"curves": "missing/take.csv"}, "--curves missing/take.csv: the folder missing does not exist"),
        ({"bvh": "missing/take.bvh"}, "--bvh missing/take.bvh: the folder missing does not exist"),
    ],
)
def test_outputs_are_checked_before_the_model_is_opened(options, message, monkeypatch, tmp_path):
    """A typo costs no start of a camera."""
    monkeypatch.chdir(tmp_path)
    options = {name: Path(value) if name in {"curves", "bvh"} else value for name, value in options.items()}
    with pytest.raises(MisuseError, match=message):
        Outputs(**options).check("0")
