import itertools
import json
import threading

import cv2
import numpy as np
import pytest

from rushes.capture.analysis import RunningModel
from rushes.capture.web import feed as feeds
from rushes.capture.web.feed import Feed
from rushes.tracking.face import UNITS
from tests.support.watched import EDGES, ORIGIN, SIZE_PX, actor, analysis, source


@pytest.fixture
def encodings(monkeypatch):
    """Frames that were encoded."""
    seen, encode = [], feeds._jpeg
    monkeypatch.setattr(feeds, "_jpeg", lambda given, edges: seen.append(given.frame.number) or encode(given, edges))
    return seen


def test_the_state_has_everything():
    """Units by name, pose, gaze, expression, counts and model, as JSON."""
    feed = Feed(source(), ORIGIN, EDGES, clock=itertools.count(100, 0.5).__next__)
    for number in range(3):
        feed.put(analysis([actor({"jawOpen": 0.5}), actor(number=3, state="held")], number, arrived_s=100.9))
    state = json.loads(json.dumps(feed.state()))
    first, second = state["actors"]

    assert (state["frame"], state["count"], state["fps"], state["age_ms"]) == (2, 3, 2.0, 600.0)
    assert (state["dropped"], state["losses"], state["silent"], state["calibration"]) == (7, 0, False, None)
    assert state["model"] == {"family": "expression", "version": 12, "digest": "4f1c0b7d9e2a"}
    assert list(first["units"]) == list(UNITS)
    assert (first["units"]["jawOpen"], first["head"]) == (0.5, {"yaw_deg": 10, "pitch_deg": -4, "roll_deg": 2})
    assert first["gaze_deg"] == {"left": [-8, 3], "right": [-9, 3]}
    assert first["expression"] == {"label": "happy", "probabilities": {"happy": 0.9, "sad": 0.1}}
    assert (second["actor"], second["state"], second["expression"]) == (3, "held", None)


def test_the_model_is_that_of_the_frame():
    """It may have been swapped, and its registry be away."""
    feed = Feed(source(), ORIGIN, EDGES)
    feed.put(analysis([actor()], model=RunningModel({**ORIGIN, "version": 13, "digest": "b" * 64}, "away since 9:00")))
    state = feed.state()

    assert state["model"] == {"family": "expression", "version": 13, "digest": "b" * 12}
    assert state["model_note"] == "away since 9:00"


def test_before_the_first_frame():
    """There is a state, and no picture."""
    feed = Feed(source(), None, EDGES)

    assert (feed.state()["count"], feed.state()["frame"], feed.state()["age_ms"]) == (0, None, None)
    assert feed.picture() is None


def test_a_password_of_a_camera_is_hidden():
    """Its URL is shown to everybody who sees the page."""
    feed = Feed(source(name="rtsp://admin:s3cret-word@cam.local/1"), ORIGIN, EDGES)

    assert feed.state()["source"]["name"] == "rtsp://***@cam.local/1"


def test_a_silent_camera_keeps_its_last_picture():
    """The state reports the silence and the growing age of the picture; frames without pixels do not count as rate."""
    times_s = iter([10.0, 10.5, 12.0])
    feed = Feed(source(), ORIGIN, EDGES, clock=lambda: next(times_s))
    feed.put(analysis([actor()], 0, arrived_s=10.0))
    feed.put(analysis([actor()], 1, arrived_s=10.5))
    before = feed.picture()
    feed.put(analysis([], 2, picture=False))
    state = feed.state()

    assert (state["silent"], state["age_ms"], state["fps"]) == (True, 1500.0, 2.0)
    assert feed.picture() == before


def test_nothing_is_encoded_while_nobody_looks(encodings):
    """A picture is encoded when it is asked for, once however many ask."""
    feed = Feed(source(), ORIGIN, EDGES)
    for number in range(50):
        feed.put(analysis([actor()], number))
    unseen = list(encodings)
    pictures = [feed.picture() for _ in range(3)]

    assert (unseen, encodings) == ([], [49])
    assert len(set(pictures)) == 1


def test_put_waits_for_no_encoder(monkeypatch):
    """While a picture is being encoded, hundreds of frames are taken."""
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(feeds, "_jpeg", lambda *_: (begun.set(), go_on.wait(60), b"jpeg")[2])
    feed = Feed(source(), ORIGIN, EDGES)
    feed.put(analysis([actor()]))
    viewer = threading.Thread(target=feed.picture)
    viewer.start()
    begun.wait(60)
    puts = threading.Thread(target=lambda: [feed.put(analysis([actor()])) for _ in range(300)])
    puts.start()
    puts.join(30)
    taken, still_encoding = feed.state()["count"], viewer.is_alive()
    go_on.set()
    viewer.join()
    puts.join()

    assert (taken, still_encoding) == (301, True)


def test_a_picture_is_drawn_on_a_small_copy(monkeypatch):
    """The mesh is on the page's picture, which is not larger than the page needs; the frame itself stays as it is."""
    monkeypatch.setattr(feeds, "WIDTH_PX", 80)
    feed, given = Feed(source(), ORIGIN, EDGES), analysis([actor()])
    given.frame.picture_bgr[:] = 40
    feed.put(given)
    seen = cv2.imdecode(np.frombuffer(feed.picture(), np.uint8), cv2.IMREAD_COLOR)

    assert seen.shape == (SIZE_PX[0] // 2, 80, 3)
    assert seen.max() > 150  # lines of the mesh
    assert np.argwhere(seen.max(axis=2) > 120).mean(axis=0) == pytest.approx((30, 40), abs=8)  # half of (60, 80)
    assert given.frame.picture_bgr.max() == 40


def test_waiting_ends_with_a_frame_or_with_the_capture():
    """A viewer that has the latest frame waits for the next one; closing ends every wait."""
    feed = Feed(source(), ORIGIN, EDGES)
    counts = []
    viewer = threading.Thread(target=lambda: counts.extend([feed.wait(0, 60), feed.wait(1, 60)]))
    viewer.start()
    feed.put(analysis([actor()]))
    feed.close()
    viewer.join(30)

    assert counts == [1, 1]
    assert feed.wait(0, 60) == 1  # another count is answered at once


def test_a_page_that_asks_no_more_is_not_open():
    """It asks for a state each second; without one for three it has been closed."""
    times_s = iter([0.0, 10.0, 12.9, 13.1])
    feed = Feed(source(), ORIGIN, EDGES, clock=lambda: next(times_s))
    before = feed.viewed
    feed.asked(0)

    assert (before, feed.viewed, feed.viewed) == (False, True, False)


def test_the_last_state_reaches_the_viewer():
    """The end waits for whoever has the page open, until they ask for what comes after it."""
    feed, order = Feed(source(), ORIGIN, EDGES), []
    feed.asked(-1)

    def view():
        count = feed.wait(0, 60)
        order.append("shown")
        feed.asked(count)

    viewer = threading.Thread(target=view)
    viewer.start()
    feed.finish(60)
    order.append("finished")
    viewer.join(30)

    assert order == ["shown", "finished"]


def test_nobody_is_waited_for_where_nobody_looks():
    """And a viewer that takes nothing is not waited for for ever."""
    feed = Feed(source(), ORIGIN, EDGES)
    feed.finish(1e6)
    feed.asked(0)
    feed.finish(0.01)

    assert feed.state()["count"] == 2
