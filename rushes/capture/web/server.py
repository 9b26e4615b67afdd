"""Serves the page of a capture, and the sink that feeds it.

Whoever can reach the server sees the camera. So it listens on this machine alone unless it is given another address,
and then a random token in the URL is required. A page of another site cannot read from it: no answer allows another
origin, requests that a browser marks as cross-site are refused, and so are host names that are not this machine's,
with which a foreign page could make itself the same site (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import os
import secrets
import socket
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from rushes.capture.web.address import WebAddress, ip_of
from rushes.capture.web.document import document
from rushes.capture.web.feed import Feed
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from rushes.capture.analysis import Analysis
    from rushes.capture.frames import FrameSource

WAIT_S = 1.0  # for a new frame, before the state of the same one is sent again with its age
IDLE_S = 10.0  # after which a connection that sends or takes nothing is closed
CLOSE_S = 1.0  # for answers under way at the end
MOST_CONNECTIONS = 32  # a browser keeps two or three
TOKEN_BYTES = 24
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class WebSink:
    """Output of a capture to the page. `put` keeps the frame; all else is done by the threads of those who look."""

    def __init__(self, feed: Feed, address: WebAddress) -> None:
        self._feed = feed
        self._server = PageServer(feed, address)
        self.url = self._server.url
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="page", daemon=True
        )
        self._thread.start()

    @classmethod
    def open(
        cls,
        address: WebAddress,
        source: FrameSource,
        origin: Mapping[str, str | int | None] | None,
        edges: np.ndarray,
        log: Callable[[str], None],
        calibration: str | None = None,
    ) -> WebSink:
        """Starts the server, and logs the URL of the page, which names the performer of the calibration.

        Raises:
            UserError: The address cannot be listened on.
        """
        sink = cls(Feed(source, origin, edges, calibration=calibration), address)
        log(f"see it work: {sink.url}")
        return sink

    def put(self, analysis: Analysis, drawn_bgr: np.ndarray | None) -> bool:  # noqa: ARG002  # a sink takes both
        """Takes the frame; the page draws the mesh itself, and only while somebody looks."""
        self._feed.put(analysis)
        return True

    def close(self) -> None:
        """Ends the server and all its connections."""
        self._feed.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class PageServer(ThreadingHTTPServer):
    """The server, with a thread a connection.

    Attributes:
        url: URL of the page, with the token if there is one.
        token: Token that requests have to give; empty on this machine alone.
        names: Host names, beside IP addresses, that requests may name.

    Raises:
        UserError: The address cannot be listened on.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"  # on Windows it would share the port with another program
    allow_reuse_port = False

    def __init__(self, feed: Feed, address: WebAddress) -> None:
        self.feed = feed
        self._connections: set[Any] = set()
        self._lock = threading.Condition()
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            super().__init__((address.host, address.port), _Handler)
        except OSError as error:
            message = f"--web: {address.host} port {address.port} cannot be listened on: {error.strerror or error}. "
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                raise UserError(message + "Give another port, such as --web 8770") from error
            # Errors of a name, and of an address that is another machine's, do not depend on the port.
            raise UserError(message + "Give an address of this machine, such as --web 8770") from error
        self.token = "" if address.is_local else secrets.token_urlsafe(TOKEN_BYTES)
        own = socket.gethostname().lower()
        self.names = {"localhost", address.host.lower(), own, f"{own}.local"}
        ip = ip_of(address.host)
        shown = own if ip is not None and ip.is_unspecified else address.host
        shown = f"[{shown}]" if ":" in shown else shown
        self.url = f"http://{shown}:{self.server_port}/" + (f"?token={self.token}" if self.token else "")

    def server_bind(self) -> None:
        """Binds without the name look-up of http.server, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as the base class has it
        """Starts a thread for a connection; one too many is closed."""
        with self._lock:
            is_full = len(self._connections) >= MOST_CONNECTIONS
            if not is_full:
                self._connections.add(request)
        if is_full:
            with contextlib.suppress(OSError):
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  # as the base class has it
        """Closes a connection at its end."""
        with self._lock:
            self._connections.discard(request)
            self._lock.notify_all()
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Closes the server and its connections, once the answers under way are complete."""
        super().server_close()
        with self._lock:
            for how in (socket.SHUT_RD, socket.SHUT_RDWR):
                for connection in self._connections:
                    with contextlib.suppress(OSError):
                        connection.shutdown(how)
                self._lock.wait_for(lambda: not self._connections, CLOSE_S)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as the base class has it
        """Stays silent about a browser that went away; any other exception is printed, as the base class does."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET for the page, its state and its picture, and POST for the choice of a viewer."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answers a request that may be answered."""
        path, _, query = self.path.partition("?")
        if why := self._refusal(path, query):
            self._send(HTTPStatus.FORBIDDEN, why.encode(), "text/plain; charset=utf-8")
        elif path == "/":
            html, policy = document()
            self._send(HTTPStatus.OK, html, "text/html; charset=utf-8", {"Content-Security-Policy": policy})
        elif path == "/state":
            self.server.feed.asked(_after(query))
            self.server.feed.wait(_after(query), WAIT_S)
            self._send(HTTPStatus.OK, json.dumps(self.server.feed.state()).encode(), "application/json")
        elif path == "/picture":
            self._send_picture(_after(query))
        else:
            self._send(HTTPStatus.NOT_FOUND, b"there is /, /state and /picture", "text/plain")

    def do_POST(self) -> None:
        """Takes the choice of a viewer; a body is not read."""
        self.close_connection = True
        path, _, query = self.path.partition("?")
        if why := self._refusal(path, query):
            self._send(HTTPStatus.FORBIDDEN, why.encode(), "text/plain; charset=utf-8")
        elif path != "/answer":
            self._send(HTTPStatus.NOT_FOUND, b"there is /answer", "text/plain")
        elif self.server.feed.answer(parse_qs(query).get("choice", [""])[0]):
            self._send(HTTPStatus.NO_CONTENT, b"", "text/plain")
        else:
            self._send(HTTPStatus.CONFLICT, b"this is not asked now", "text/plain")

    def _refusal(self, path: str, query: str) -> str:
        """Reason for which a request is refused; "" if it is not."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not _is_own(hosts[0], self.server.names):
            return "this host name is not one of this machine"
        given = parse_qs(query).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), self.server.token.encode()) and self.server.token:
            return "the token is missing or wrong: open the URL that rushes has printed"
        origin = self.headers.get("Origin")  # of a request by a script, or of a POST
        foreign = origin is not None and urlsplit(origin).netloc != hosts[0]
        if path != "/" and (
            foreign or self.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}
        ):
            return "a page of another site may not read this"
        return ""

    def _send_picture(self, after: int) -> None:
        count = self.server.feed.wait(after, WAIT_S)
        picture = self.server.feed.picture() if count != after else None
        if picture is None:
            self._send(HTTPStatus.NO_CONTENT, b"", "image/jpeg")
        else:
            self._send(HTTPStatus.OK, picture, "image/jpeg", {"X-Count": str(count)})

    def _send(self, status: HTTPStatus, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Value of the header Server."""
        return "Rushes"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base class has it
        """Logs nothing: a request's URL has the token in it."""


def _is_own(host: str, names: set[str]) -> bool:
    """True for a Host header with an IP address, which cannot be rebound, or with a name of this machine."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    return name in names or ip_of(name) is not None


def _after(query: str) -> int:
    """Count of the frame that a browser has already; -1 if it has none."""
    given = parse_qs(query).get("after", [""])[0]
    return int(given) if given.isdecimal() and len(given) < 20 else -1  # noqa: PLR2004  # digits of an int64
