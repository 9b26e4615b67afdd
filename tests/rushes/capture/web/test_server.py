import http.client
import json
import logging
import socket
import threading

import pytest
import requests

from rushes.capture.web import feed as feeds
from rushes.capture.web import server as servers
from rushes.capture.web.address import WebAddress
from rushes.capture.web.feed import Feed
from rushes.capture.web.server import WebSink
from rushes.errors import UserError
from tests.support.runtime import capture
from tests.support.watched import EDGES, ORIGIN, actor, analysis, source

ANYWHERE = "0.0.0.0"  # noqa: S104  # the address whose token is tested


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(servers, "WAIT_S", 0.02)


@pytest.fixture
def opened():
    """Opens sinks on free ports; each has a frame."""
    sinks = []

    def open_sink(host="127.0.0.1", log=lambda _: None):
        sinks.append(WebSink.open(WebAddress(host, 0), source(), ORIGIN, EDGES, log))
        sinks[-1].put(analysis([actor({"jawOpen": 0.5})]), None)
        return sinks[-1]

    yield open_sink
    for sink in sinks:
        sink.close()


def port_of(sink):
    return int(sink.url.split(":")[2].partition("/")[0])


def get(sink, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_page_state_and_picture(opened):
    """The page has a policy that names no foreign place; nothing is stored, and nothing may be read by other sites."""
    sink = opened()
    page, html = get(sink, "/")
    _, state = get(sink, "/state")
    picture, jpeg = get(sink, "/picture")
    policy = page.headers["Content-Security-Policy"]

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<!-- " not in html  # every part stands in it
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert json.loads(state)["actors"][0]["units"]["jawOpen"] == 0.5
    assert (jpeg[:2], picture.headers["X-Count"]) == (b"\xff\xd8", "1")
    for answer in (page, picture):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Access-Control-Allow-Origin"] is None


def test_who_has_the_picture_gets_no_other(opened):
    """A viewer gives the count of its frame, and gets a picture only if there is a later one."""
    sink = opened()

    assert get(sink, "/picture?after=1")[0].status == 204
    assert get(sink, "/picture?after=0")[0].status == 200
    assert get(sink, "/picture?after=x%00")[0].status == 200
    assert get(sink, "/other")[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_only_get(opened, method):
    """The page changes nothing, and another site's preflight gets no permission."""
    assert get(opened(), "/state", method)[0].status == (404 if method == "POST" else 501)


class Dialogue:
    """Offers one choice."""

    def __init__(self):
        self.chosen = []

    def state(self):
        """See `Dialogue`."""
        return {"chosen": len(self.chosen)}

    def answer(self, choice):
        """See `Dialogue`."""
        self.chosen.append(choice)
        return choice == "again"


@pytest.mark.parametrize(
    ("choice", "headers", "status"),
    [
        ("again", {}, 204),
        ("again", {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}, 204),
        ("other", {}, 409),
        ("again", {"Origin": "http://evil.example"}, 403),
        ("again", {"Origin": "http://127.0.0.1:1"}, 403),
        ("again", {"Origin": "null"}, 403),
        ("again", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("again", {"Host": "evil.example"}, 403),
    ],
)
def test_a_choice_is_taken_from_the_page_alone(choice, headers, status):
    """A form of another site names its origin; older browsers, which mark no request, do so too."""
    asked = Dialogue()
    sink = WebSink(Feed(source(), ORIGIN, EDGES, dialogue=asked), WebAddress(port=0))
    given = {name: value.format(port=port_of(sink)) for name, value in headers.items()}
    answer, _ = get(sink, f"/answer?choice={choice}", "POST", **given)
    _, state = get(sink, "/state")
    sink.close()

    assert answer.status == status
    assert asked.chosen == ([] if status == 403 else [choice])
    assert json.loads(state)["dialogue"] == {"chosen": len(asked.chosen)}


def test_a_capture_asks_nothing(opened):
    """Its page has no dialogue."""
    sink = opened()

    assert get(sink, "/answer?choice=again", "POST")[0].status == 409
    assert json.loads(get(sink, "/state")[1])["dialogue"] is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "[::1", ""])
@pytest.mark.parametrize("path", ["/", "/state", "/picture"])
def test_a_foreign_host_name_is_refused(opened, host, path):
    """A name that a foreign page has rebound to this machine gets nothing."""
    answer, body = get(opened(), path, Host=host)

    assert (answer.status, body) == (403, b"this host name is not one of this machine")


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "localhost.", "127.0.0.1:9", "[::1]:9", "192.168.1.7"])
def test_own_names_are_accepted(opened, host):
    """Also with the port of a tunnel."""
    assert get(opened(), "/state", Host=host)[0].status == 200


def test_another_site_may_not_read(opened):
    """Browsers mark its requests; a link to the page itself is fine."""
    sink = opened()

    assert get(sink, "/state", Sec_Fetch_Site="cross-site")[0].status == 403
    assert get(sink, "/picture", Sec_Fetch_Site="same-site")[0].status == 403
    assert get(sink, "/picture", Sec_Fetch_Site="same-origin")[0].status == 200
    assert get(sink, "/", Sec_Fetch_Site="cross-site")[0].status == 200


@pytest.mark.parametrize("path", ["/", "/state", "/picture", "/other"])
def test_another_address_needs_the_token(opened, path):
    """Without it, with a wrong one, and with part of it nothing is served."""
    sink = opened(ANYWHERE)
    token = sink.url.partition("?token=")[2]

    assert len(token) >= 32
    for given in ("", "?token=", f"?token={token[:-1]}", f"?token={token}x", "?token=%ff", f"?Token={token}"):
        assert get(sink, path + given)[0].status == 403
    assert get(sink, f"{path}?token={token}")[0].status == (404 if path == "/other" else 200)


def test_this_machine_alone_needs_no_token(opened):
    """Each start has another token elsewhere."""
    assert "token" not in opened().url
    assert opened(ANYWHERE).url.partition("?")[2] != opened(ANYWHERE).url.partition("?")[2]


def test_the_token_is_printed_once_and_logged_nowhere(opened, caplog, capfd):
    """Requests, refused ones included, leave no line."""
    lines = []
    with caplog.at_level(logging.DEBUG):
        sink = opened(ANYWHERE, lines.append)
        token = sink.url.partition("?token=")[2]
        for path in (f"/state?token={token}", f"/x?token={token}", f"/?token={token}x", "/"):
            get(sink, path)
        get(sink, f"/?token={token}", "POST")

    assert lines == [f"see it work: {sink.url}"]
    assert (caplog.text, capfd.readouterr()) == ("", ("", ""))


def test_a_viewer_that_never_reads_slows_nobody(opened, monkeypatch):
    """Its answers pile up in its own connection; every frame is taken, and another viewer gets the latest."""
    encoded, encode = [], feeds._jpeg
    monkeypatch.setattr(feeds, "_jpeg", lambda given, edges: encoded.append(given) or encode(given, edges))
    sink = opened()
    with socket.create_connection(("127.0.0.1", port_of(sink))) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(b"GET /picture HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        taken = [sink.put(analysis([actor()], number), None) for number in range(400)]
        answer, _ = get(sink, "/picture")

    assert taken == [True] * 400
    assert answer.headers["X-Count"] == "401"
    assert len(encoded) < 400


def test_a_capture_serves_its_page(clip, detector, classifier, tmp_path):
    """Its URL is logged before the first frame, each frame gets there, and the page ends with the capture."""
    lines, counts = [], []

    class Looking(type(detector)):
        def detect(self, frame_bgr):
            counts.append(json.loads(requests.get(lines[0].split()[-1] + "state", timeout=30).text)["count"])
            return super().detect(frame_bgr)

    capture(str(clip), Looking(), classifier, lines.append, web="0", json_to=str(tmp_path / "out.jsonl"))

    assert counts == list(range(10))
    with pytest.raises(OSError, match="refused"):
        requests.get(lines[0].split()[-1], timeout=30)


def test_one_connection_too_many_is_refused(opened, monkeypatch):
    """The number of threads is bounded."""
    monkeypatch.setattr(servers, "MOST_CONNECTIONS", 2)
    sink = opened()
    address = ("127.0.0.1", port_of(sink))
    with (
        socket.create_connection(address),
        socket.create_connection(address),
        socket.create_connection(address) as third,
    ):
        third.settimeout(30)

        assert third.recv(100).startswith(b"HTTP/1.1 503")


def test_closing_ends_everything(monkeypatch):
    """The port is free again, open connections end at once, and no thread is left."""
    monkeypatch.setattr(servers._Handler, "timeout", 300)
    before = set(threading.enumerate())
    sink = WebSink.open(WebAddress("127.0.0.1", 0), source(), ORIGIN, EDGES, lambda _: None)
    with socket.create_connection(("127.0.0.1", port_of(sink)), timeout=30) as idle:
        get(sink, "/state")
        sink.close()

        assert idle.recv(10) == b""
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) <= before
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port_of(sink)), timeout=30)


def test_a_port_in_use_is_named(opened):
    """And the next one proposed."""
    port = port_of(opened())
    with pytest.raises(
        UserError, match=rf"^--web: 127.0.0.1 port {port} cannot be listened on: .*port, such as --web 8770$"
    ):
        WebSink.open(WebAddress("127.0.0.1", port), source(), ORIGIN, EDGES, print)
