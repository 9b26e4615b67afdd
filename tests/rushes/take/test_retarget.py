import json
from dataclasses import replace

import numpy as np
import pytest
from pythonosc.osc_packet import OscPacket

from rushes.capture import loop
from rushes.capture.analysis import TrackingAnalyser
from rushes.capture.outputs import Outputs, Take
from rushes.drive.curves import read_curves
from rushes.drive.names import names_of
from rushes.take.reading import read_motion
from rushes.take.recording import CURVES, LINES, SLATE
from rushes.take.retargeting import play, smoothed
from rushes.tracking.one_euro import smooth_recording
from tests.support.actors import MadeUpTracker, made_up_actor
from tests.support.command import command_line
from tests.support.face_streams import Receiver, made_up_face, read_bvh, read_packet
from tests.support.takes import FPS, record_take, write_take


@pytest.fixture
def rushes(tmp_path, monkeypatch, capsys):
    """Runs a command line in an empty folder; returns status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)


class Noisy:
    """A sink that keeps what it gets, and a clock whose time passes only while somebody sleeps or the sink works."""

    def __init__(self, work_s=0.0):
        self.now_s, self.work_s, self.got = 100.0, work_s, []

    def now(self):
        """The time."""
        return self.now_s

    def sleep(self, seconds):
        """Lets time pass."""
        assert seconds > 0
        self.now_s += seconds

    def put(self, time_s, number, faces):
        """See `Sink`."""
        self.got.append((self.now_s, time_s, number, faces))
        self.now_s += self.work_s


def test_the_values_of_a_capture_stay_the_same(clip, classifier, tmp_path, rushes):
    """To the last digit, with `arkit` and without smoothing: the files have the same bytes."""
    actors = [made_up_actor(0, at=(70, 60), size=60, jawOpen=0.123456789, mouthSmileLeft=1 / 3)]
    analyser = TrackingAnalyser(MadeUpTracker(actors), classifier, np.zeros((0, 2), int))
    loop.capture(str(clip), analyser, Outputs(json_to="out.jsonl", record=Take(tmp_path / "take01")))
    assert rushes("retarget", "take01", "--out", "again.csv") == (0, "again.csv\n", "")

    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "take01" / CURVES).read_bytes()


def test_a_rig_has_its_own_columns(tmp_path, rushes):
    """By the weights, offsets and clips of its file; angles and timecodes stay."""
    write_take(tmp_path / "take01")
    (tmp_path / "anna.yaml").write_text('"Jaw, open": {units: {jawOpen: 2}, offset: 0.1}\nSmile: mouthSmileLeft\n')
    rushes("retarget", "take01", "--names", "anna.yaml", "--out", "anna.csv")
    heading, *rows = (tmp_path / "anna.csv").read_text().splitlines()
    before = read_curves(tmp_path / "take01" / CURVES)
    values = np.array([row.split(",")[2:] for row in rows], float)

    assert heading.startswith('Timecode,BlendShapeCount,"Jaw, open",Smile,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw')
    assert [row.split(",")[0] for row in rows] == list(before.timecodes)
    assert {row.split(",")[1] for row in rows} == {"11"}
    np.testing.assert_allclose(values[:, 0], np.minimum(0.1 + np.arange(10) / 8, 1), atol=1e-6)
    np.testing.assert_allclose(values[:, 2], np.radians(np.arange(10)), atol=1e-9)


def test_smoothing_offline_does_not_lag(tmp_path):
    """Zero-phase: the mean of the filter in both directions; live lags behind it, and none changes nothing."""
    take = write_take(tmp_path / "take01", frames=40)
    motion = read_motion(take)
    jaw = motion.units[:, 24]
    offline, live = smoothed(motion, "offline"), smoothed(motion, "live")

    assert smoothed(motion, "none") is motion
    np.testing.assert_allclose(offline.units[:, 24], smooth_recording(jaw[:, None], motion.times_s)[:, 0], atol=1e-6)
    assert np.mean(jaw - live.units[:, 24]) > 5 * abs(np.mean(jaw - offline.units[:, 24]))
    assert abs(np.degrees(offline.angles[20, 0]) - 20) < 0.1


@pytest.mark.parametrize("how", ["offline", "live"])
def test_a_take_is_not_filtered_twice(tmp_path, how):
    """Smoothing starts from the values before that of capture; in a row without its line, from those of the curves."""
    random = np.random.default_rng(0)
    jaw, yaw = random.uniform(0.2, 0.8, 30).round(4), random.uniform(-9, 9, 30).round(2)
    pairs = [made_up_face(units={"jawOpen": value}, head=(turned, 0, 0), gaze=((turned, 1), (2, 3)), at_m=(0, 0, 0.5))
             for value, turned in zip(jaw, yaw, strict=True)]  # fmt: skip
    take = record_take(tmp_path / "take01", [[replace(made_up_face(), unfiltered=face)] for face in pairs])
    motion = read_motion(take)
    plain = replace(motion, values=motion.unfiltered[:, :61], places_m=motion.unfiltered[:, 61:], unfiltered=None)

    assert not motion.units.any()
    np.testing.assert_allclose(plain.units[:, 24], jaw)
    np.testing.assert_allclose(
        np.degrees(plain.angles[:, :5]), np.column_stack([yaw, 0 * yaw, 0 * yaw, -yaw, -1 + 0 * yaw])
    )
    assert plain.places_m[:, 2].tolist() == [0.5] * 30
    np.testing.assert_array_equal(smoothed(motion, how).values, smoothed(plain, how).values)
    assert smoothed(motion, "none") is motion
    text = (take / LINES).read_text().splitlines(keepends=True)
    (take / LINES).write_text("".join(text[:20]))
    assert read_motion(take).unfiltered[:, :52].any(axis=1).tolist() == [True] * 20 + [False] * 10


def test_motion_has_angles_places_and_times_as_recorded(tmp_path):
    """Faces are those that were recorded: units, head, gaze and place; the second actor has files of their own."""
    faces = [[], *([made_up_face(2, head=(5, n, -3), gaze=((1, 2), (3, 4)), at_m=(n / 10, 0, 0.6)),
                    made_up_face(1, units={"jawOpen": 0.5})] for n in range(3))]  # fmt: skip
    take = record_take(tmp_path / "take01", faces, start="23:59:59:24")
    first, second = read_motion(take), read_motion(take, actor=1)
    time_s, face = list(first.faces())[2]

    assert (first.actor, second.actor) == (2, 1)
    assert first.times_s.tolist() == pytest.approx([1 / FPS, 2 / FPS, 3 / FPS])  # over midnight
    assert time_s == pytest.approx(3 / FPS)
    assert (face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg) == pytest.approx((5, 2, -3))
    np.testing.assert_allclose(face.gaze_deg, [[1, 2], [3, 4]], atol=1e-5)
    np.testing.assert_allclose(face.head.translation_m, [0.2, 0, 0.6])
    assert [round(float(face.units[24]), 6) for _, face in second.faces()] == [0.5] * 3


@pytest.mark.parametrize(("work_s", "slept"), [(0.0, True), (0.02, True), (1.0, False)])
def test_it_is_played_at_its_rate(tmp_path, work_s, slept):
    """Each frame at its time; a sink that is too slow gets all of them, as soon as it can."""
    faces = [[made_up_face()], [], [], [made_up_face()], [made_up_face()]]
    motion, sink = read_motion(record_take(tmp_path / "take01", faces)), Noisy(work_s)
    play(motion, sink, now=sink.now, sleep=sink.sleep)
    played_s = [at_s - 100 for at_s, *_ in sink.got]

    assert [time_s for _, time_s, _, _ in sink.got] == pytest.approx([0, 3 / FPS, 4 / FPS])
    assert played_s == pytest.approx([0, 3 / FPS, 4 / FPS] if slept else [0, 1, 2])


def test_it_drives_a_character(tmp_path, rushes, monkeypatch):
    """Real sockets: a VMC receiver gets the targets of the rig, a Live Link one the timecode of the take."""
    monkeypatch.setattr("rushes.take.retargeting.play.__kwdefaults__", {"now": Noisy().now, "sleep": lambda _: None})
    write_take(tmp_path / "take01")
    vmc, live_link = Receiver(), Receiver()
    rushes("retarget", "take01", "--names", "vrm1", "--out", f"vmc://127.0.0.1:{vmc.port}")
    rushes("retarget", "take01", "--out", f"livelink://127.0.0.1:{live_link.port}")
    sent = [one.message.params for packet in vmc.waiting() for one in OscPacket(packet).messages
            if one.message.address == "/VMC/Ext/Blend/Val"]  # fmt: skip
    packets = [read_packet(packet) for packet in live_link.waiting()]

    assert [value for name, value in sent if name == "aa"] == pytest.approx(
        [n / 16 for n in range(10)] + [0]
    )  # at the end the character is neutral
    assert {name for name, _ in sent} == set(names_of("vrm1").targets)
    assert [packet.frame for packet in packets] == [10 * 60 * 60 * FPS + n for n in [*range(10), 9]]
    yaw_deg = np.array([*range(10), 0])
    assert [packet.values["HeadYaw"] for packet in packets] == pytest.approx(np.radians(yaw_deg), abs=1e-6)


def test_without_an_output_it_lies_beside_the_curves(tmp_path, rushes):
    """Once more too; the files of the take, and a CSV of the app, stay as they are."""
    take = write_take(tmp_path / "take01")
    (tmp_path / "anna.yaml").write_text("Jaw: jawOpen\n")
    before = {path.name: path.read_bytes() for path in take.iterdir()}
    (tmp_path / "app.csv").write_bytes(before[CURVES])
    options = ("--names", "anna.yaml", "--smooth", "offline")
    for words, name in (
        (("take01",), "take01/retargeted.csv"),
        (("take01", "--actor", "0"), "take01/retargeted.actor0.csv"),
        (("app.csv",), "app.retargeted.csv"),
    ):
        for _ in range(2):
            assert rushes("retarget", *words, *options) == (0, f"{name}\n", "")
        assert (tmp_path / name).read_text().startswith("Timecode,BlendShapeCount,Jaw,HeadYaw")

    assert {name: (take / name).read_bytes() for name in before} == before
    assert (tmp_path / "app.csv").read_bytes() == before[CURVES]


def test_an_unknown_host_costs_no_file(tmp_path, rushes):
    """Its name is resolved before the file is written, and two options for one file are refused."""
    write_take(tmp_path / "take01")
    (tmp_path / "out.bvh").write_text("before")
    for place, status, message in (
        ("vmc://a..b", 1, "the host a..b is not known"),
        ("out.bvh", 2, "both name out.bvh"),
    ):
        found, _, err = rushes("retarget", "take01", "--bvh", "out.bvh", "--out", place)
        assert (found, message in err) == (status, True), err

    assert (tmp_path / "out.bvh").read_text() == "before"


def test_the_head_is_written_as_bvh(tmp_path, rushes):
    """At the rate of the take, with the place of the head."""
    write_take(tmp_path / "take01")
    rushes("retarget", "take01", "--bvh", "out.bvh")
    motion = read_bvh((tmp_path / "out.bvh").read_text())

    assert motion.frame_time_s == pytest.approx(1 / FPS)
    assert [frame["Head", "Yrotation"] for frame in motion.frames] == pytest.approx(range(10), abs=1e-3)
    assert {frame["Head", "Zposition"] for frame in motion.frames} == {-60}

    (tmp_path / "take01" / LINES).unlink()
    assert "has no places of the head (lines.jsonl)" in rushes("retarget", "take01", "--bvh", "out.bvh")[2]


def test_a_csv_alone_is_read_as_the_app_writes_it(tmp_path, rushes):
    """Its rate is that of its timecodes, or the given one; rows without a face are left out."""
    record_take(tmp_path / "take", ([made_up_face(units={"jawOpen": n / 64})] for n in range(60)), rate="60")
    text = (tmp_path / "take" / CURVES).read_text()
    (tmp_path / "app.csv").write_text(text + "10:00:02:00.000,0\n")
    rushes("retarget", "app.csv", "--out", "again.csv")
    motion = read_motion(tmp_path / "app.csv")

    assert (tmp_path / "again.csv").read_text() == text
    assert motion.clock.rate.name == "60"
    assert np.diff(motion.times_s) == pytest.approx(np.full(59, 1 / 60))
    assert read_motion(tmp_path / "app.csv", rate="59.94").times_s[-1] == pytest.approx(59 * 1.001 / 60)


def test_a_take_that_was_killed_is_read(tmp_path):
    """The last line and row are incomplete; a row may be without its line."""
    take = write_take(tmp_path / "take01")
    lines = (take / LINES).read_bytes().splitlines(keepends=True)
    (take / LINES).write_bytes(b"".join(lines[:6]) + lines[6][:100])
    (take / CURVES).write_bytes((take / CURVES).read_bytes()[:-50])
    motion = read_motion(take)

    assert len(motion.times_s) == 9
    assert motion.places_m[:, 2].tolist() == [0.6] * 9


def spoil(name, text):
    """Replaces a file of the take."""
    return lambda take: (take / name).write_text(text)


@pytest.mark.parametrize(
    ("words", "act", "status", "message"),
    [
        ("take01", None, 2, "nothing to change: add --names, --smooth, --out OUT.csv"),
        ("take01 --names vrm --bvh out.bvh", None, 2, "--names has no effect here: add --out OUT.csv"),
        ("take01 --names vrm --out livelink://127.0.0.1", None, 2, "--names has no effect here: add --out OUT.csv"),
        ("take01 --out vmc://127.0.0.1?actor=1", None, 2, "the motion is that of actor 0: add --actor 1"),
        ("take01 --out vmc:127.0.0.1", None, 2, "name the host, such as vmc://127.0.0.1:39539"),
        ("take01 --out take01/curves.csv", None, 2, "is the source itself"),
        ("take01 --bvh take01/lines.jsonl", None, 2, "is the source itself"),
        ("take01 --out none/out.csv", None, 2, "the folder none does not exist"),
        ("take01 --out vcm://127.0.0.1", None, 2, "is not the address of a receiver"),
        ("take01 --out o.csv --names arkti", None, 2, "names no rig"),
        ("take01 --out o.csv --rate 25", None, 2, "the slate of take01 has the rate"),
        ("take01/curves.csv --out o.csv --actor 1", None, 2, "has one actor"),
        ("take01/curves.csv --out o.csv --rate 26", None, 2, "26 is not a frame rate"),
        ("take01/lines.jsonl --out o.csv", None, 1, "is it a CSV of Live Link Face?"),
        (". --out o.csv", None, 2, "slate.json cannot be read (No such file or directory): is . a take"),
        ("take01 --out o.csv", spoil(SLATE, "{}"), 1, "is not the slate of a take"),
        ("take01 --out o.csv", spoil(SLATE, "[1]"), 1, "is not the slate of a take"),
        ("take01 --out o.csv", spoil(LINES, '{"frame": 1}\n'), 1, "has a line that is not one of a take"),
        ("take01 --out o.csv", spoil(LINES, "x\n"), 1, "has a line that is not one of a take"),
        ("take01 --out o.csv", spoil(SLATE, json.dumps({"frame_rate": "24", "timecode": "10:00:00:00"})), 1,
         "10:00:00:24 is not a timecode at 24"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path, rushes, words, act, status, message):
    """And nothing is written."""
    take = write_take(tmp_path / "take01", frames=26)
    if act:
        act(take)
    found, _, err = rushes("retarget", *words.split())

    assert (found, message in err) == (status, True), err
    assert "bug" not in err
    assert not (tmp_path / "o.csv").exists()


def test_a_take_without_a_face_is_a_status_of_its_own(tmp_path, rushes):
    """Nothing fits."""
    record_take(tmp_path / "take01", [[], []])
    status, _, err = rushes("retarget", "take01", "--out", "o.csv")

    assert status == 3
    assert "no row with a face" in err
