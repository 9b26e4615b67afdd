"""A registry with one false response: correct in all places but one."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.local_server import listening

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from tests.support.fake_mlflow import FakeMlflow

FOREVER = 1 << 40


class Liar(BaseHTTPRequestHandler):
    """One request; `told` determines the response."""

    protocol_version = "HTTP/1.0"
    told: Telling

    def do_GET(self):
        """Sends the correct response or the false one."""
        parts = urlsplit(self.path)
        query = {key: one[0] for key, one in parse_qs(parts.query).items()}
        self.told.asked.append(unquote(self.path))
        with contextlib.suppress(OSError):
            if self.told.place in unquote(self.path):
                return self.told.lie(self)
            status, body = self.told.fake.answer(parts.path, query)
            self.send(body, status)
        return None

    def send(self, body=b"", status=200, length=None, **headers):
        """Sends a response; `length` overrides Content-Length."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Prints nothing."""


@dataclass
class Telling:
    """The false response and its place."""

    fake: FakeMlflow
    place: str = "nowhere"
    lie: Callable[[Liar], None] = field(default=lambda liar: liar.send())
    asked: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    url: str = ""


def document(content: object, status: int = 200, **headers: str) -> Callable[[Liar], None]:
    """A JSON response."""
    return lambda liar: liar.send(json.dumps(content).encode(), status, **headers)


def text(body: bytes, status: int = 200, length: int | None = None, **headers: str) -> Callable[[Liar], None]:
    """A response of any bytes."""
    return lambda liar: liar.send(body, status, length, **headers)


def repeating(head: bytes, piece: bytes, pause_s: float = 0.0) -> Callable[[Liar], None]:
    """A response without an end, until the client disconnects: its head, then a piece of the body again and again."""

    def lie(liar: Liar) -> None:
        liar.wfile.write(head)
        while not liar.told.stop.wait(pause_s):
            liar.wfile.write(piece)
            liar.wfile.flush()

    return lie


def endless(start: bytes, piece: bytes) -> Callable[[Liar], None]:
    """A body without an end, of a length that is given."""
    return repeating(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % FOREVER + start, piece)


def endless_without_length(piece: bytes) -> Callable[[Liar], None]:
    """The same, without a Content-Length."""
    return repeating(b"HTTP/1.0 200 OK\r\n\r\n", piece)


def chunked(line: bytes) -> Callable[[Liar], None]:
    """A chunked body that repeats this chunk."""
    return repeating(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", line)


def drop_by_drop(start: bytes) -> Callable[[Liar], None]:
    """A body that sends single bytes, slowly and without an end."""
    return repeating(start, b"x", pause_s=0.02)


def silence(liar: Liar) -> None:
    """An open connection without a response."""
    liar.told.stop.wait(30)


def hang_up(liar: Liar) -> None:
    """A closed connection."""
    liar.connection.shutdown(socket.SHUT_RDWR)


def bomb(megabytes: int = 300) -> Callable[[Liar], None]:
    """A few bytes that decompress to many."""
    packed = gzip.compress(bytes(megabytes << 20), 9)
    return text(packed, Content_Encoding="gzip")


def redirect(to: str, status: int = 302) -> Callable[[Liar], None]:
    """A redirect."""
    return lambda liar: liar.send(status=status, Location=to.replace("{self}", liar.told.url))


@contextlib.contextmanager
def lying(fake: FakeMlflow, tls: ssl.SSLContext | None = None) -> Iterator[Telling]:
    """Serves it on a free local port; over TLS if a context is given."""
    told = Telling(fake)
    handler = type("Handler", (Liar,), {"told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with listening(server) as address:
        told.url = f"{'http' if tls is None else 'https'}://{address}"
        try:
            yield told
        finally:
            told.stop.set()
