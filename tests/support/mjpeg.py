"""A camera for tests: a stream of JPEGs over HTTP, as network cameras give it, which can be paused and pulled."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tests.support.local_server import listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZE_PX = (64, 48)
RATE = 50.0


@dataclass
class Stream:
    """The camera's state.

    Attributes:
        url: Its address.
        given: Pictures sent.
        pulled: Set to end all connections, and to refuse new ones.
        silent: Set to keep connections open without pictures.
        busy: Held while somebody reads it, by a camera for one program.
    """

    url: str = ""
    given: int = 0
    pulled: threading.Event = field(default_factory=threading.Event)
    silent: threading.Event = field(default_factory=threading.Event)
    busy: threading.Lock = field(default_factory=threading.Lock)
    pause: threading.Event = field(default_factory=threading.Event)  # never set: its wait is the frame's time


@contextmanager
def mjpeg_camera(
    pictures_bgr: Sequence[np.ndarray | bytes] = (), rate: float = RATE, *, shared: bool = True
) -> Iterator[Stream]:
    """A camera of so many pictures a second: these in turn, or grey ones whose brightness is the picture's number.

    Bytes are sent as they are. A camera that is not shared serves one program at a time.
    """
    stream = Stream()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Prints nothing."""

        def do_GET(self) -> None:  # the library's name
            """Sends pictures until the camera is pulled."""
            if stream.pulled.is_set() or not (shared or stream.busy.acquire(blocking=False)):
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            is_read = True
            while is_read and not stream.pulled.is_set():
                is_read = stream.silent.is_set() or self._send()
                stream.pause.wait(1 / rate)

        def _send(self) -> bool:
            grey = np.full((SIZE_PX[1], SIZE_PX[0], 3), stream.given % 200, np.uint8)
            picture = pictures_bgr[stream.given % len(pictures_bgr)] if pictures_bgr else grey
            data = picture if isinstance(picture, bytes) else cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:  # the reader has gone
                return False
            stream.given += 1
            return True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with listening(server) as address:
        stream.url = f"http://{address}/camera"
        try:
            yield stream
        finally:
            stream.pulled.set()
