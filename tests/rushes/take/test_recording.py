import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rushes.drive.curves import read_curves
from rushes.drive.timecode import TakeClock, rate_of
from rushes.errors import MisuseError, UserError
from rushes.take.recording import CURVES, LINES, SLATE, Recording, Slate
from tests.support.face_streams import made_up_face
from tests.support.full_disk import disk_of

ANNA = Slate("12A", "3", "Anna Ø", "2026-03-01", "expression/v7", "sha256:00ff")


def started(folder, slate=ANNA):
    return Recording.open(folder, slate, TakeClock.from_label("10:00:00:00", rate_of("25")))


def slate_of(folder):
    return json.loads((folder / SLATE).read_text(encoding="utf-8"))


def frames_of(folder):
    """Frames in the curves and in the lines."""
    lines = [json.loads(line) for line in (folder / LINES).read_text(encoding="utf-8").splitlines()]
    return len(read_curves(folder / CURVES).timecodes), len(lines)


def record(recording, frames):
    for number in range(frames):
        recording.put(number / 25, number, [made_up_face()])


def test_a_take_lies_side_by_side(tmp_path):
    """Curves, lines and slate, of the same frames; gaps in the numbers are dropped frames."""
    recording = started(tmp_path / "take01")
    for number in (0, 1, 2, 5, 6, 10):
        recording.put(number / 25, number, [made_up_face()])
    recording.close()

    assert sorted(file.name for file in (tmp_path / "take01").iterdir()) == [CURVES, LINES, SLATE]
    assert frames_of(tmp_path / "take01") == (6, 6)
    assert slate_of(tmp_path / "take01") == {
        "scene": "12A",
        "take": "3",
        "performer": "Anna Ø",
        "date": "2026-03-01",
        "model_version": "expression/v7",
        "model_digest": "sha256:00ff",
        "calibrated": "",
        "timecode": "10:00:00:00",
        "frame_rate": "25",
        "frames_written": 6,
        "frames_dropped": 5,
        "state": "complete",
    }


def test_a_take_is_never_written_over(tmp_path):
    """Not even an unfinished one; an empty folder is taken."""
    (tmp_path / "take01").mkdir()
    started(tmp_path / "take01").close()

    with pytest.raises(MisuseError, match="has files already; name a new one"):
        started(tmp_path / "take01")


@pytest.mark.parametrize("name", ["none/take01", "file", "file/take01"])
def test_a_folder_that_cannot_be_made(tmp_path, name):
    """At the start."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(UserError, match=r"--record .* cannot be written"):
        started(tmp_path / name)


def test_a_slate_that_is_too_long_leaves_no_file(tmp_path):
    """So that the folder can be used once it is shorter."""
    with pytest.raises(MisuseError, match="shorten scene, take or performer"):
        started(tmp_path / "take01", Slate("x" * 5000, "1", "a", "2026-03-01", "v", "d"))

    started(tmp_path / "take01").close()


def test_a_full_disk_ends_with_a_whole_take(tmp_path):
    """A user's error; the part is readable, and the slate states that it was cut short, and its length."""
    recording = started(tmp_path / "take01")
    with disk_of(70_000):
        with pytest.raises(UserError, match=r"written any further: .*; the 5 frames until then are kept"):
            record(recording, 100)
        recording.close()

    assert frames_of(tmp_path / "take01") == (6, 5)  # the curves of the frame whose line did not fit are kept
    slate = slate_of(tmp_path / "take01")
    assert (slate["state"], slate["frames_written"]) == ("cut short", 5)


RECORDING = """
import sys
from pathlib import Path
from tests.rushes.take.test_recording import started
from tests.support.face_streams import made_up_face
recording = started(Path(sys.argv[1]))
for number in range(10**6):
    recording.put(number / 25, number, [made_up_face()])
    if number == 60:
        print("ready", flush=True)
"""


def test_a_kill_leaves_what_was_written(tmp_path):
    """At any moment: each file is readable, and the slate is at most a second behind."""
    process = subprocess.Popen(
        [sys.executable, "-c", RECORDING, tmp_path / "take01"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout.readline() == b"ready\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    slate = slate_of(tmp_path / "take01")
    curves, lines = frames_of(tmp_path / "take01")

    assert curves - lines in {0, 1}
    assert slate["state"] == "recording"
    assert lines - 26 <= slate["frames_written"] <= lines
    assert slate["frames_written"] >= 50


def test_it_may_be_closed_twice(tmp_path):
    """The second time changes nothing."""
    recording = started(tmp_path / "take01")
    recording.close()
    recording.close()

    assert slate_of(tmp_path / "take01")["state"] == "complete"
