import dataclasses
import os
import threading
from datetime import date, timedelta

import numpy as np
import pytest

from rushes.capture.analysis import Analysis
from rushes.capture.frames import Frame
from rushes.collect import writer
from rushes.collect.delivery import Delivery
from rushes.collect.sink import Collecting, CollectingSink
from rushes.errors import MisuseError
from rushes.expression.classifier import FaceExpression
from rushes.faces import face_search
from tests.support.actors import made_up_actor
from tests.support.collected import ANNA, LAST, Unsure, face_frame, write_consent, write_faces
from tests.support.command import command_line
from tests.support.full_disk import disk_of
from tests.support.runtime import BrightSquare, capture


def collecting(inbox, **changed):
    """Collects one picture a second."""
    return Collecting(inbox, ANNA, **{"rate_per_minute": 60, "today": lambda: LAST} | changed)


def pictures(inbox):
    """Names of the collected pictures."""
    return sorted(path.name for path in inbox.glob("collected@*/*.jpg"))


def analysis(number, *, faces=1, time_s=None, probabilities=(0.45, 0.4, 0.15)):
    """A frame with faces."""
    found = [
        FaceExpression((10.0 + 75 * place, 30.0, 60.0, 60.0), 0.9, ("a", "b", "c"), probabilities)
        for place in range(faces)
    ]
    return Analysis(Frame(number, number if time_s is None else time_s, face_frame(number, faces)), found)


def collected(inbox, analyses, log=lambda _: None, **changed):
    """Number of pictures of these frames."""
    sink = CollectingSink.open(collecting(inbox, **changed), log)
    assert all(sink.put(one, None) for one in analyses)
    sink.close()
    return len(pictures(inbox))


def test_a_capture_collects(tmp_path):
    """Ten seconds at twelve a minute are two pictures; the lines of JSON are not changed."""
    clip, lines = write_faces(tmp_path / "clip.mp4"), []
    capture(str(clip), BrightSquare(), Unsure(), json_to=str(tmp_path / "with.jsonl"), log=lines.append,
            collect=collecting(tmp_path / "inbox/faces", rate_per_minute=12))  # fmt: skip
    capture(str(clip), BrightSquare(), Unsure(), json_to=str(tmp_path / "without.jsonl"))

    assert len(pictures(tmp_path / "inbox/faces")) == 2
    assert (tmp_path / "with.jsonl").read_text() == (tmp_path / "without.jsonl").read_text()
    assert "2 unsure pictures collected in" in lines[-1]


@pytest.mark.parametrize(
    ("frames", "count"),
    [
        ([analysis(0), analysis(1)], 2),
        ([analysis(0), analysis(1, time_s=0.5)], 1),
        ([analysis(0), analysis(0, time_s=9.0)], 1),
        ([analysis(0, faces=2)], 0),
        ([analysis(0, faces=0)], 0),
        ([analysis(0, probabilities=(0.9, 0.05, 0.05))], 0),
        ([Analysis(Frame(0, 0.0, None))], 0),
    ],
    ids=["both", "too soon", "alike", "two people", "nobody", "sure", "no picture"],
)
def test_what_is_collected(tmp_path, frames, count):
    """Unsure frames with one face, spaced, and each different."""
    assert collected(tmp_path, frames) == count


def two_actors(number, *actors, time_s=None):
    """A frame of tracked actors: (number, place, name)."""
    one = analysis(number, time_s=time_s)
    tracked = [
        dataclasses.replace(made_up_actor(actor, at=(x, 60), size=40), performer=name) for actor, x, name in actors
    ]
    faces = [dataclasses.replace(one.expressions[0], box_xywh_px=(x - 30, 30.0, 60.0, 60.0)) for _, x, _ in actors]
    return dataclasses.replace(one, expressions=faces, numbers=[actor for actor, *_ in actors], actors=tracked)


OF_ANNA, OF_BEN, FAR = (1, 45, "anna quill"), (0, 110, "ben"), (0, 300, "ben")


@pytest.mark.parametrize(
    ("frames", "count"),
    [
        ([two_actors(0, FAR, OF_ANNA)], 1),
        ([two_actors(0, OF_BEN, OF_ANNA)], 0),
        ([two_actors(0, OF_BEN)], 0),
        ([two_actors(0, (0, 45, ""))], 0),
        ([two_actors(0, FAR, OF_ANNA), two_actors(1, OF_ANNA)], 2),
        ([two_actors(0, FAR, OF_ANNA), two_actors(1, FAR), two_actors(2, OF_ANNA)], 1),
        ([two_actors(0, OF_ANNA), Analysis(Frame(1, 1.0, None)), two_actors(2, OF_ANNA)], 1),
    ],
    ids=["both apart", "both near", "the other", "without a name", "the other leaves", "back", "camera away"],
)
def test_of_several_actors_the_consenting_one_is_collected(tmp_path, frames, count):
    """By name, in either case; never in one picture with another actor, and not after a return."""
    assert collected(tmp_path, frames, by_name=True) == count


def test_a_hidden_actor_counts(tmp_path):
    """One who is held, as behind a hand, has no expression, but may be in the picture."""
    frame = two_actors(0, OF_BEN, OF_ANNA)
    held = dataclasses.replace(frame.actors[0], state="held")
    frame = dataclasses.replace(frame, expressions=frame.expressions[1:], numbers=[1], actors=[held, frame.actors[1]])

    assert collected(tmp_path, [frame], by_name=True) == 0


def test_nothing_is_collected_after_the_last_day(tmp_path):
    """A capture goes on past midnight; the line is logged once."""
    days, lines = iter([LAST, *[LAST + timedelta(days=1)] * 9]), []
    assert collected(tmp_path, map(analysis, range(6)), lines.append, today=lambda: next(days)) == 1

    assert [line for line in lines if "ended on" in line] == [
        "the consent of Anna Quill ended on 2030-01-31: nothing more is collected"
    ]


def test_a_slow_disk_delays_nothing(tmp_path, monkeypatch):
    """Planted: it does not answer until the capture is over. What does not fit the queue is dropped and counted."""
    answers, add, lines = threading.Event(), Delivery.add, []
    monkeypatch.setattr(Delivery, "add", lambda *given: answers.wait(60) and add(*given))
    sink = CollectingSink.open(collecting(tmp_path), lines.append)
    for number in range(writer.WAITING + 6):
        sink.put(analysis(number), None)
    answers.set()
    sink.close()

    kept = len(pictures(tmp_path))
    assert writer.WAITING <= kept <= writer.WAITING + 1  # one may be with the disk already
    assert lines[-1].endswith(f", {writer.WAITING + 6 - kept} dropped, since the disk was too slow")


def test_a_full_disk_stops_no_capture(tmp_path):
    """The capture is complete; the reason is logged once, and the pictures are counted."""
    clip, lines = write_faces(tmp_path / "clip.mp4"), []
    with disk_of(1000):
        summary = capture(str(clip), BrightSquare(), Unsure(), json_to=os.devnull, log=lines.append,
                          collect=collecting(tmp_path / "inbox"))  # fmt: skip

    assert summary.frames == 10
    assert sum("cannot be written: File too large; the capture goes on" in line for line in lines) == 1
    assert lines[-1] == "0 unsure pictures collected, 10 could not be written"
    assert not list((tmp_path / "inbox").iterdir())


def test_a_picture_that_cannot_be_coded_does_not_end_the_writer(tmp_path):
    """It counts as failed, not as the fault of the disk, and the next one is written."""
    lines = []
    writing = writer.Writer(tmp_path, ANNA, lines.append)
    writing.put(np.zeros((0, 0, 3), np.uint8))
    writing.put(np.zeros((64, 64, 3), np.uint8))
    writing.close()

    assert (writing.failed, writing.written, writing.dropped) == (1, 1, 0)
    assert "please report it" in lines[0]
    assert len(list(tmp_path.rglob("*.jpg"))) == 1


def test_a_full_folder_is_delivered(tmp_path, monkeypatch):
    """So that a capture of a day delivers before its end."""
    monkeypatch.setattr("rushes.collect.delivery.MOST_PICTURES", 2)
    assert collected(tmp_path, map(analysis, range(5))) == 5

    assert sorted(len(list(folder.glob("*.jpg"))) for folder in tmp_path.iterdir()) == [1, 2, 2]


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path):
    """Before the first frame."""
    (tmp_path / "file").touch()
    with pytest.raises(MisuseError, match=r"--collect .*file is not a folder: name another"):
        collecting(tmp_path / "file" / "faces").check()
    collecting(tmp_path / "new" / "faces").check()

    assert not (tmp_path / "new").exists()


@pytest.fixture
def rushes(monkeypatch, capsys, tmp_path):
    """The command, in an empty folder."""
    monkeypatch.setattr(face_search, "open_finder", lambda _: BrightSquare())
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)


TOMORROW = (date.today() + timedelta(days=1)).isoformat()  # noqa: DTZ011  # as the command compares


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--collect", "inbox/faces"], "--collect inbox/faces needs the consent of the performer: add --consent"),
        (["--consent", "anna.yaml"], "--consent anna.yaml permits to collect pictures: add --collect FOLDER"),
        (["--collect", "inbox", "--consent", "old.yaml"], "it ended on 2020-01-01: ask for a new one"),
        (["--collect", "inbox", "--consent", "report.yaml"], "use is 'report', without training"),
        (["--collect", "inbox", "--consent", "none.yaml"], "none.yaml: cannot be read"),
        (
            ["--collect", "inbox", "--consent", "anna.yaml", "--actors", "2", "--units"],
            "takes pictures of Anna Quill alone, and --actors 2 tracks others too: name all with --performer",
        ),
        (
            ["--collect", "inbox", "--consent", "anna.yaml", "--performer", "a", "--performer", "b", "--actors", "2"],
            "is that of Anna Quill, and --performer names a, b",
        ),
        (
            ["--collect", "inbox", "--consent", "anna.yaml", "--performer", "mark", "--units"],
            "is that of Anna Quill, and --performer names mark",
        ),
    ],
)
def test_the_command_refuses_without_a_consent_that_holds(rushes, bundle_folder, clip, tmp_path, options, message):
    """Status 2, and no folder is made."""
    write_consent(tmp_path / "anna.yaml", until=TOMORROW)
    write_consent(tmp_path / "old.yaml", until="2020-01-01")
    write_consent(tmp_path / "report.yaml", until=TOMORROW, use="report")
    status, out, err = rushes("capture", "--model", bundle_folder, "--source", clip, *options)

    assert (status, out) == (2, "")
    assert message in err
    assert not (tmp_path / "inbox").exists()


def test_the_command_collects(rushes, bundle_folder, tmp_path):
    """The tiny network is sure at a margin of 0, and unsure at 1. The picture has no EXIF."""
    write_consent(tmp_path / "anna.yaml", until=TOMORROW)
    write_faces(tmp_path / "clip.mp4")
    command = ["capture", "--model", bundle_folder, "--source", "clip.mp4", "--collect", "inbox/faces"]
    command += ["--consent", "anna.yaml", "--collect-rate", "12"]
    assert rushes(*command, "--unsure", "0")[0] == 0
    assert pictures(tmp_path / "inbox/faces") == []
    status, _, err = rushes(*command, "--unsure", "1")

    assert status == 0
    assert "collected in inbox/faces, by consent until" in err
    [folder] = (tmp_path / "inbox/faces").iterdir()
    assert len(found := list(folder.glob("*.jpg"))) == 2
    assert all(path.read_bytes()[:2] == b"\xff\xd8" and b"Exif" not in path.read_bytes() for path in found)
