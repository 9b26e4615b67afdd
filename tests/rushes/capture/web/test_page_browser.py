"""The page in a browser: what it shows, and that its head moves with each unit."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from rushes.capture.analysis import RunningModel
from rushes.capture.web.address import WebAddress
from rushes.capture.web.server import WebSink
from rushes.tracking.face import UNITS
from tests.support.browser import MARKS, browsing
from tests.support.watched import EDGES, ORIGIN, actor, analysis, source

pytestmark = MARKS
MINUS = "\u2212"
ANYWHERE = "0.0.0.0"  # noqa: S104  # the address whose token is tested
# Draws two heads; gives the number of pixels that visibly differ in a box, and their middle (x, y), as shares of the
# canvas.
DRAW = """(() => {
  window.first ??= new Head.Bust(Object.assign(document.createElement("canvas"), {width: 640, height: 820}));
  window.pixelsOf ??= (given) => { first.draw(...given); return Uint32Array.from(first.pixels); };
  const differ = (p, q) => [0, 8, 16].some((shift) => Math.abs((p >> shift & 255) - (q >> shift & 255)) > 12);
  window.changed ??= (one, other, [left, top, right, bottom] = [0, 0, 1, 1]) => {
    const a = pixelsOf(one), b = pixelsOf(other);
    let count = 0, sumX = 0, sumY = 0;
    for (let i = 0; i < a.length; i++) {
      const x = i % 640 / 640, y = Math.floor(i / 640) / 820;
      if (x >= left && x < right && y >= top && y < bottom && differ(a[i], b[i])) { count++; sumX += x; sumY += y; }
    }
    return [count, sumX / count, sumY / count];
  };
})()"""
MOUTH, EYES = [0.3, 0.6, 0.7, 0.85], [0.25, 0.40, 0.75, 0.5]  # left, top, right, bottom
WAIT = "new Promise((done) => document.addEventListener('%s', done, {once: true})).then(() => null)"
COUNT = "window.shown ??= (document.addEventListener('shown', (event) => { window.count = event.detail.count; }), 1)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def tab():
    """A tab of one browser for all tests."""
    with browsing() as given:
        yield given


@pytest.fixture
def camera():
    """The source of the sink, whose counts a test may change."""
    return source()


@pytest.fixture
def sink(camera):
    """A sink that has shown an actor with an open jaw and a smile on the left."""
    opened = WebSink.open(WebAddress(port=0), camera, ORIGIN, EDGES, lambda _: None)
    opened.put(analysis([actor({"jawOpen": 0.5, "mouthSmileLeft": 0.8})]), None)
    yield opened
    opened.close()


@pytest.fixture
def page(tab, sink):
    """The page, once it has shown a state and a picture."""
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(sink.url)
    tab.run("(async () => { while (!document.querySelector('#empty').hidden) await %s; })()" % (WAIT % "pictured"))
    return tab


def text(page, selector):
    return page.run(f"document.querySelector({selector!r}).textContent")


def show(page, sink, given):
    """Puts a frame, and waits until the page shows it."""
    page.run(COUNT)
    sink.put(given, None)
    count = sink._feed.state()["count"]
    page.run(f"(async () => {{ while (window.count !== {count}) await {WAIT % 'shown'}; }})()")


def test_it_requests_nothing_elsewhere(page, sink):
    """Page, state and picture come from the server, and the browser has no complaint."""
    places = {url.partition("?")[0].removeprefix(sink.url) for url in page.requests}

    assert places - {"data:,"} == {"", "state", "picture"}
    assert page.complaints == []


def test_it_shows_the_figures(page):
    """Counts, model, calibration, pose and expression as text."""
    shown = {name: text(page, f"#{name}") for name in ("status", "dropped", "losses", "model", "calibration", "label")}

    assert shown == {
        "status": "Live", "dropped": "7", "losses": "0", "model": "expression · v12 · 4f1c0b7d9e2a",
        "calibration": "not calibrated", "label": "happy",
    }  # fmt: skip
    assert [text(page, f"#{name}") for name in ("yaw", "pitch", "roll")] == ["10°", f"{MINUS}4°", "2°"]
    assert [text(page, f"#gaze-{eye}") for eye in ("left", "right")] == [f"{MINUS}8°, 3°", f"{MINUS}9°, 3°"]
    assert text(page, "#labels .best") == "happy90 %"


def test_it_has_a_bar_for_each_unit(page):
    """Each has its value and its length; the bars of the left stand at the right, as in the picture."""
    bars = page.run("""Object.fromEntries([...document.querySelectorAll("[data-unit]")].map((bar) => [bar.dataset.unit,
      [Number(bar.dataset.value), bar.firstChild.offsetWidth / bar.offsetWidth, bar.getBoundingClientRect().x]]))""")

    assert sorted(bars) == sorted(UNITS)
    assert {name: value for name, (value, _, _) in bars.items() if value} == {"jawOpen": 50, "mouthSmileLeft": 80}
    assert bars["jawOpen"][1] == pytest.approx(0.5, abs=0.02)
    assert bars["mouthSmileLeft"][2] > bars["mouthSmileRight"][2]


@pytest.mark.parametrize(
    "note", ["", "registry not reachable since 2031-05-01 09:00, expression v12 (pulled 3 days ago)"]
)
@pytest.mark.parametrize("width_px", [1280, 800, 390])
def test_nothing_sticks_out(page, sink, width_px, note):
    """A desktop shows all of it without scrolling; a phone scrolls downwards alone."""
    sink.put(analysis([actor({"jawOpen": 0.5})], 1, model=RunningModel(ORIGIN, note)), None)
    page.open(page.run("location.href"), width_px, 720)
    page.run(WAIT % "shown")

    assert page.run(OVERFLOW) == 0
    if width_px == 1280:
        assert page.run("document.documentElement.scrollHeight") == 720
        assert (
            page.run("document.querySelector('#units').scrollHeight - document.querySelector('#units').clientHeight")
            <= 0
        )


def test_the_jaw_opens_the_mouth(page):
    """From 0 to 1, the pixels of the mouth change, and next to none of the eyes."""
    page.run(DRAW)
    everywhere, x, y = page.run("changed([{}], [{jawOpen: 1}])")
    mouth, eyes = (page.run(f"changed([{{}}], [{{jawOpen: 1}}], {box})")[0] for box in (MOUTH, EYES))

    assert mouth > 8000
    assert eyes < 50
    assert mouth > 0.4 * everywhere
    assert (x, y) == pytest.approx((0.5, 0.72), abs=0.06)


@pytest.mark.parametrize("gaze", ["null", "{left: [4, 2], right: [4, 2]}"])
def test_each_unit_moves_the_head(page, gaze):
    """All 52, whether the eyes turn by the measured gaze or by the units; those of a side move that side."""
    page.run(DRAW)
    found = page.run(
        f"Object.fromEntries({list(UNITS)}.map((name) => [name, changed([{{}}, {{}}, {gaze}], "
        f"[{{jawOpen: 0, [name]: 1}}, {{}}, {gaze}])]))"
    )
    too_little = {name: count for name, (count, *_) in found.items() if count < 400}
    left = {name: x for name, (_, x, *_) in found.items() if name.endswith("Left") and name != "mouthLeft"}

    assert too_little == {}
    assert min(left.values()) > 0.5
    for name, x in left.items():
        assert x + found[name.replace("Left", "Right")][1] == pytest.approx(1, abs=0.05), name


def test_the_head_turns_as_the_picture_shows(page):
    """The tongue goes right with the actor's left turn, up with an upward one; the crown goes left with the roll."""
    page.run(DRAW)
    # The middle of the pixels that are much redder than skin, of the tongue, and of all pixels of the upper half.
    middles = """((head) => { const p = pixelsOf([{tongueOut: 1}, head]); let x = 0, y = 0, n = 0, crown = 0, m = 0;
      p.forEach((c, i) => {
        const red = c & 255, green = c >> 8 & 255;
        if (red > 1.6 * green) { n++; x += i % 640; y += i / 640; }
        if (c && i < 640 * 250) { m++; crown += i % 640; }
      });
      return [x / n, y / n, crown / m]; })"""
    straight, left, up, roll = (
        page.run(f"{middles}({{yaw_deg: {yaw}, pitch_deg: {pitch}, roll_deg: {roll}}})")
        for yaw, pitch, roll in ((0, 0, 0), (20, 0, 0), (0, 20, 0), (0, 0, 20))
    )

    assert left[0] > straight[0] + 60
    assert up[1] < straight[1] - 40
    assert roll[2] < straight[2] - 40


def test_a_lost_camera_and_a_lost_face_are_named(page, sink, camera):
    """The picture is greyed, and the count of losses shown."""
    states = []
    for given in (analysis([actor(state="held")], 1), analysis([actor(state="easing")], 2), analysis([], 3)):
        show(page, sink, given)
        states.append(text(page, "#status"))
    camera.losses = 2
    show(page, sink, analysis([], 4, picture=False))

    assert states == ["Face lost: held", "Face lost: easing", "No face"]
    assert (text(page, "#status"), text(page, "#losses")) == ("Camera lost", "2")
    assert page.run("document.body.classList.contains('stale')")


def test_a_swapped_model_and_a_registry_that_is_away_are_shown(page, sink):
    """Version and digest of the frame's model; the note only while there is one."""
    model = RunningModel({**ORIGIN, "version": 13, "digest": "b" * 64}, "registry not reachable since 9:00")
    shown = []
    for given in (model, replace(model, note="")):
        show(page, sink, analysis([actor()], 1, model=given))
        shown.append(
            (
                text(page, "#model"),
                text(page, "#model-note"),
                page.run("document.querySelector('#model-note').offsetHeight") > 0,
                page.run("document.querySelector('#calibration').offsetTop"),
            )
        )

    name = f"expression · v13 · {'b' * 12}"
    top_px = shown[0][-1]  # the other lines stay where they are
    assert shown == [(name, "registry not reachable since 9:00", True, top_px), (name, "", False, top_px)]


def test_a_head_that_looks_ahead_has_no_sign(page, sink):
    """Small angles are 0, and not a negative 0."""
    show(page, sink, analysis([replace(actor(), head=replace(actor().head, yaw_deg=-0.3, pitch_deg=-0.6))]))

    assert (text(page, "#yaw"), text(page, "#pitch")) == ("0°", f"{MINUS}1°")


def test_one_of_several_actors_is_chosen(page, sink):
    """Buttons appear with the second actor; the bars show the chosen one."""
    hidden = page.run("document.querySelector('#actors').hidden")
    both = [actor({"jawOpen": 0.5}), actor({"jawOpen": 0.25}, number=3)]
    show(page, sink, analysis(both, 1))
    names = page.run("[...document.querySelectorAll('#actors button')].map((button) => button.textContent)")
    page.run("document.querySelectorAll('#actors button')[1].click()")
    show(page, sink, analysis(both, 2))

    assert (hidden, names) == (True, ["Actor 0", "Actor 3"])
    assert page.run("document.querySelector('[data-unit=jawOpen]').dataset.value") == "25"


def test_performers_have_their_names(page, sink):
    """On the buttons, and beside the calibration of the chosen one."""
    anna, ben = (replace(actor(number=number), performer=name) for number, name in ((3, "anna"), (0, "ben")))
    show(page, sink, analysis([ben, replace(anna, calibrated=True), actor(number=5)], 1))
    names = page.run("[...document.querySelectorAll('#actors button')].map((button) => button.textContent)")
    shown = []
    for index in range(3):
        page.run(f"document.querySelectorAll('#actors button')[{index}].click()")
        show(page, sink, analysis([ben, replace(anna, calibrated=True), actor(number=5)], 2 + index))
        shown.append(text(page, "#calibration"))

    assert names == ["ben", "anna", "Actor 5"]
    assert shown == ["ben: not calibrated", "calibrated: anna", "not calibrated"]


def test_the_end_of_a_capture_is_shown(page, sink):
    """A page that nobody answers reports it, instead of the last state."""
    sink.close()
    page.run(
        "(async () => { while (!document.querySelector('#status').textContent.startsWith('Capture has ended')) "
        "await new Promise(requestAnimationFrame); })()"
    )

    assert page.run("document.body.classList.contains('stale')")


def test_another_address_shows_the_page_with_its_token(tab):
    """State and picture give the token too."""
    opened = WebSink.open(WebAddress(ANYWHERE, 0), source(), ORIGIN, EDGES, lambda _: None)
    try:
        opened.put(analysis([actor()]), None)
        port, _, token = opened.url.split(":")[2].partition("/")
        tab.open(f"http://127.0.0.1:{port}/{token}")
        tab.run("(async () => { while (!document.querySelector('#empty').hidden) await %s; })()" % (WAIT % "pictured"))

        assert text(tab, "#status") == "Live"
    finally:
        opened.close()


def test_the_picture_is_that_of_the_frame(page, sink):
    """The canvas shows the latest frame in its size."""
    given = analysis([], 7)
    given.frame.picture_bgr[:] = (200, 120, 40)
    sink.put(given, None)
    page.run(
        "(async () => { const c = document.querySelector('#picture').getContext('2d'); "
        "while (Math.abs(c.getImageData(80, 60, 1, 1).data[2] - 200) > 6) await %s; })()" % (WAIT % "pictured")
    )
    shot = cv2.imdecode(np.frombuffer(page.shot(), np.uint8), cv2.IMREAD_COLOR)

    assert page.run("[document.querySelector('#picture').width, document.querySelector('#picture').height]") == [
        160,
        120,
    ]
    assert shot.shape == (720, 1280, 3)
