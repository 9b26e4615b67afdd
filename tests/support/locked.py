"""HTTP servers that require a password: a DVC remote, and a proxy for a server that requires none."""

from __future__ import annotations

from base64 import b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import requests

from tests.support.local_server import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

HOP_BY_HOP = {"connection", "transfer-encoding", "content-encoding", "content-length", "date", "server"}


class _Asking(BaseHTTPRequestHandler):
    """Responds 401 unless the request has the login."""

    login = ""
    stored: dict[str, bytes]
    behind = ""

    def log_message(self, *_words):
        """Prints nothing."""

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0) or 0)) if not self._chunked() else self._read()
        if self.headers.get("Authorization") != self.login:
            self._answer(401, {"WWW-Authenticate": "Basic"}, b"")
        elif self.behind:
            self._forward(body)
        else:
            self._store(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815 - http.server's names

    def _chunked(self):
        return self.headers.get("Transfer-Encoding", "").lower() == "chunked"

    def _read(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _store(self, body):
        if self.command in ("PUT", "POST"):
            self.stored[self.path] = body
        found = self.stored.get(self.path)
        self._answer(404 if found is None else 200, {}, found or b"")

    def _forward(self, body):
        kept = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP | {"host", "authorization"}}
        answer = requests.request(self.command, self.behind + self.path, data=body, headers=kept, timeout=60)
        headers = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
        self._answer(answer.status_code, headers, answer.content)

    def _answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def asking(user: str, password: str, behind: str = "") -> Iterator[ThreadingHTTPServer]:
    """A server that requires this login: it stores uploads, or forwards to the server `behind`.

    Yields:
        The server; `.port` is its port, `.stored` has the uploads.
    """
    login = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    stored: dict[str, bytes] = {}
    handler = type("Handler", (_Asking,), {"login": login, "behind": behind, "stored": stored})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.port, server.stored = server.server_address[1], stored
    with listening(server):
        yield server
