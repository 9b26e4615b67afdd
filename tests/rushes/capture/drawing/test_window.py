import cv2
import pytest

from rushes.capture.analysis import Analysis
from rushes.capture.drawing import window
from rushes.capture.drawing.window import Window, check_window
from rushes.capture.frames import Frame
from rushes.errors import RushesError
from tests.support.runtime import draw_frame


@pytest.fixture
def screen(monkeypatch):
    """A screen that records its pictures; its next key and the state of its window can be set."""
    state = {"shown": 0, "key": -1, "open": 1.0, "waits_ms": []}

    def wait(milliseconds):
        state["waits_ms"].append(milliseconds)
        return state["key"]

    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda *_: state.update(shown=state["shown"] + 1))
    monkeypatch.setattr(cv2, "waitKey", wait)
    monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: state["open"])
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    return state


def _put(shown):
    return shown.put(Analysis(Frame(0, 0.0, draw_frame(0))), draw_frame(0))


def test_a_window_shows_until_q_is_pressed(screen):
    """It advances by itself; q, Escape, or closing the window end it."""
    shown = Window("clip", None)

    assert _put(shown)
    assert screen["shown"] == 1
    for key, is_open in ((ord("q"), 1.0), (27, 1.0), (-1, 0.0)):
        screen.update(key=key, open=is_open)
        assert not _put(shown)


def test_a_clip_plays_no_faster_than_it_should(screen):
    """At 4 frames/s the second frame waits for about a quarter of a second; a camera does not wait."""
    for fps in (4.0, None):
        shown = Window("clip", fps)
        _put(shown)
        _put(shown)

    assert 200 < screen["waits_ms"][1] <= 250
    assert screen["waits_ms"][3] == 1


def test_opencv_without_windows_names_save(monkeypatch):
    """The headless OpenCV of a server has no window."""
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")

    with pytest.raises(RushesError, match=r"without windows .* Use --save out\.mp4"):
        check_window()


@pytest.mark.parametrize(
    ("display", "message"), [("", "DISPLAY is not set"), (":97", "the display :97 cannot be opened")]
)
def test_a_missing_display_names_save(monkeypatch, display, message):
    """OpenCV would abort the whole process there."""
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           QT5\n")
    monkeypatch.setattr(window.sys, "platform", "linux")
    monkeypatch.setattr(window, "PROBE", "import os; os.abort()")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)

    with pytest.raises(RushesError, match=f"{message}.*Use --save"):
        check_window()


def test_a_display_that_answers_is_used(monkeypatch):
    """If the other process can open a window, this one can."""
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           QT5\n")
    monkeypatch.setattr(window, "PROBE", "")
    monkeypatch.setenv("DISPLAY", ":0")
    check_window()
