import contextlib
import json
import os
import signal
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest

from rushes.capture import json_lines, loop
from rushes.capture.analysis import Analysis
from rushes.capture.film_writer import FilmWriter
from rushes.capture.frames import Frame
from rushes.errors import MisuseError, NothingFitsError, RushesError
from rushes.media.film import open_film
from tests.support.encoded import HEIGHT_PX, WIDTH_PX, encode, pictures
from tests.support.runtime import SQUARE, BrightSquare, capture, draw_frame, write_clip


def _film(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    return frames, video.get(cv2.CAP_PROP_FPS)


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_of_json_a_frame(clip, detector, classifier, tmp_path):
    """Each frame has its line, with the place of the face and its expression."""
    summary = capture(str(clip), detector, classifier, json_to=str(tmp_path / "out.jsonl"))
    lines = _lines(tmp_path / "out.jsonl")
    face = lines[3]["faces"][0]

    assert [line["frame"] for line in lines] == list(range(10))
    assert (lines[3]["time_s"], lines[3]["expression"]) == (0.24, "happy")
    np.testing.assert_allclose(face["box_px"], (SQUARE[0] + 3, *SQUARE[1:]), atol=2)
    assert list(face["probabilities"]) == ["angry", "happy", "sad"]
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert (summary.frames, summary.faces, summary.frames_with_face) == (10, 10, 10)


def test_json_goes_to_standard_output(clip, detector, classifier, capsys):
    """Without --json, standard output has these lines and nothing else."""
    capture(str(clip), detector, classifier)

    assert [json.loads(line)["frame"] for line in capsys.readouterr().out.splitlines()] == list(range(10))


def test_the_film_keeps_size_rate_and_length(clip, detector, classifier, tmp_path):
    """The saved film has the expressions drawn in, and is otherwise like its source."""
    capture(str(clip), detector, classifier, save=tmp_path / "out.mp4", json_to=str(tmp_path / "out.jsonl"))
    frames, fps = _film(tmp_path / "out.mp4")
    source, _ = _film(clip)

    assert (len(frames), frames[0].shape, fps) == (10, (120, 160, 3), 12.5)
    assert np.abs(frames[0].astype(int) - source[0]).max() > 100
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["clip.mp4", "out.mp4"]


def test_a_saved_film_has_square_pixels(tmp_path, detector, classifier):
    """A film with pixels twice as wide as high is saved at its full width, as in ingest."""
    wide = encode(tmp_path / "wide.mp4", pictures(5), aspect=Fraction(2, 1))
    capture(str(wide), detector, classifier, save=tmp_path / "out.mp4", json_to=str(tmp_path / "out.jsonl"))

    with open_film(tmp_path / "out.mp4") as film:
        assert [frame.picture_bgr.shape for frame in film.frames()] == [(HEIGHT_PX, 2 * WIDTH_PX, 3)] * 5


def test_no_face_in_any_frame(tmp_path, detector, classifier):
    """The exit status is a separate one, and the lines are still written: null, and no faces."""
    clip = write_clip(tmp_path / "empty.mp4", face=False)

    with pytest.raises(NothingFitsError, match="no face in any of the 10 frames"):
        capture(str(clip), detector, classifier, json_to=str(tmp_path / "out.jsonl"))
    assert {(line["expression"], len(line["faces"])) for line in _lines(tmp_path / "out.jsonl")} == {(None, 0)}


def test_a_folder_goes_on_after_a_bad_picture(tmp_path, detector, classifier):
    """The bad one is named in its line and in the summary; pictures of several sizes make one film."""
    messages, pictures = [], tmp_path / "stills"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "1.png"), draw_frame(0))
    (pictures / "2.png").write_bytes(b"no picture")
    cv2.imwrite(str(pictures / "3.png"), cv2.resize(draw_frame(0), (300, 300)))
    capture(
        str(pictures), detector, classifier, save=tmp_path / "out.mp4", json_to=str(tmp_path / "o"), log=messages.append
    )

    assert [line.get("error") for line in _lines(tmp_path / "o")] == [None, "cannot be decoded", None]
    assert messages[1] == "1 picture could not be read: 2.png"
    assert _film(tmp_path / "out.mp4")[0][-1].shape == (120, 160, 3)


def test_only_bad_pictures_is_a_failure(tmp_path, detector, classifier):
    """A folder of text files called .png is not a folder without faces."""
    (tmp_path / "1.png").write_bytes(b"no picture")

    with pytest.raises(RushesError, match=r"no picture in .* can be decoded"):
        capture(str(tmp_path), detector, classifier, json_to=str(tmp_path / "out.jsonl"))


class Interrupting(BrightSquare):
    """A detector that is interrupted at the third frame."""

    seen = 0

    def __init__(self, *numbers):
        self.numbers = numbers

    def detect(self, frame_bgr):
        """Finds bright areas, and raises Ctrl-C in between."""
        self.seen += 1
        for number in self.numbers if self.seen == 3 else ():
            signal.raise_signal(number)
        return super().detect(frame_bgr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_film_properly(clip, classifier, tmp_path, number):
    """The current frame is finished, the film is whole, and the signal handlers are restored."""
    before = signal.getsignal(number)
    with pytest.raises(RushesError, match="stopped after frame 3 of 10"):
        capture(
            str(clip), Interrupting(number), classifier, save=tmp_path / "out.mp4", json_to=str(tmp_path / "out.jsonl")
        )

    assert len(_film(tmp_path / "out.mp4")[0]) == len(_lines(tmp_path / "out.jsonl")) == 3
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_ends_it_at_once(clip, classifier, tmp_path):
    """A second Ctrl-C does not wait for the frame; the film of the frames before is complete."""
    twice = Interrupting(signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        capture(str(clip), twice, classifier, save=tmp_path / "out.mp4", json_to=str(tmp_path / "out.jsonl"))

    assert len(_film(tmp_path / "out.mp4")[0]) == 2


def test_a_reader_of_the_pipe_that_leaves_ends_it(clip, detector, classifier, monkeypatch, tmp_path):
    """`rushes capture | head -1` succeeds."""

    class Head:
        def write(self, _):
            raise BrokenPipeError

        def isatty(self):
            return False

    monkeypatch.setattr(json_lines, "_drop_stdout", lambda: None)
    monkeypatch.setattr(sys, "stdout", Head())

    assert capture(str(clip), detector, classifier).frames == 1
    # Nor does one frame without a face fail the whole clip.
    assert capture(str(write_clip(tmp_path / "empty.mp4", face=False)), detector, classifier).faces == 0


@pytest.mark.parametrize(("json_to", "bars"), [("-", 0), ("out.jsonl", 1)])
def test_a_bar_shows_how_far_it_is(clip, detector, classifier, tmp_path, monkeypatch, json_to, bars):
    """In a terminal, unless the lines of JSON are printed there."""
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(loop, "tqdm", lambda frames, **_: seen.append(1) or contextlib.nullcontext(frames))
    capture(str(clip), detector, classifier, json_to=json_to)

    assert len(seen) == bars


def test_a_camera_that_stumbles_keeps_its_time(tmp_path):
    """Late frames are shown longer, and excess frames are dropped."""
    film = FilmWriter(tmp_path / "out.mp4", fps=10)
    for number, time_s in enumerate((0.0, 0.01, 0.1, 0.5)):
        film.put(Analysis(Frame(number, time_s, draw_frame(number))), draw_frame(number))
    film.close()

    assert len(_film(tmp_path / "out.mp4")[0]) == 6


def test_a_film_that_was_not_written_whole_replaces_nothing(tmp_path):
    """OpenCV does not report a full disk: the film is checked before it gets its name."""
    (tmp_path / "out.mp4").write_bytes(b"the take before")
    film = FilmWriter(tmp_path / "out.mp4", fps=10)
    film.put(Analysis(Frame(0, 0.0, draw_frame(0))), draw_frame(0))
    film._video.release()
    os.truncate(film._draft, 200)

    with pytest.raises(RushesError, match=r"out\.mp4 could not be written completely.*is the disk full"):
        film.close()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the take before"]


@pytest.mark.parametrize(
    ("save", "json_to", "message"),
    [
        ("out.avi", "-", "name it .*out.mp4"),
        ("missing/out.mp4", "-", "the folder .*missing does not exist"),
        ("clip.mp4", "-", "is the source itself"),
        ("out.mp4", "missing/out.jsonl", "--json .*missing does not exist"),
        ("out.mp4", "", "--json .* is a folder"),
        ("out.mp4", "out.mp4", "--save and --json both name .*out.mp4: name another file for one of them"),
    ],
)
def test_outputs_that_cannot_be_written_are_found_first(clip, classifier, save, json_to, message):
    """Before the first frame, not after the last."""
    folder = clip.parent
    lines = json_to if json_to == "-" else str(folder / json_to)

    with pytest.raises(MisuseError, match=message):
        capture(str(clip), BrightSquare(), classifier, save=folder / save, json_to=lines)
    assert not (folder / "out.mp4").exists()


def test_a_source_that_fails_keeps_what_was_read(clip, classifier, tmp_path):
    """A fault in the middle leaves a whole film and whole lines."""

    class Failing(BrightSquare):
        seen = 0

        def detect(self, frame_bgr):
            self.seen += 1
            if self.seen == 5:
                message = "planted"
                raise RushesError(message)
            return super().detect(frame_bgr)

    with pytest.raises(RushesError, match="planted"):
        capture(str(clip), Failing(), classifier, save=tmp_path / "out.mp4", json_to=str(tmp_path / "out.jsonl"))
    assert len(_film(tmp_path / "out.mp4")[0]) == len(_lines(tmp_path / "out.jsonl")) == 4
