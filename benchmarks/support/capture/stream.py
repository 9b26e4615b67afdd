"""The age of frames when they are sent: a camera of known times, an analysis of known length, and a real receiver."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rushes.capture.analysis import Analysis
from rushes.capture.loop import capture
from rushes.capture.outputs import Outputs
from rushes.drive.names import names_of
from rushes.expression.classifier import FaceExpression
from rushes.tracking.face import UNITS, HeadPose, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rushes.capture.frames import Frame

RATE = 25.0
SIZE_PX = (640, 480)
CODES = 50  # pictures that differ in brightness; a frame is younger than so many
STEP = 255 // CODES
UNIT = names_of("arkit").targets[0]


@dataclass
class _Camera:
    """Time at which each picture is given (time.monotonic), and the end."""

    given_s: list[float] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)


@contextmanager
def _camera() -> Iterator[tuple[str, _Camera]]:
    """A stream of JPEGs over HTTP at a constant rate, whose brightness is the picture's number."""
    camera = _Camera()
    pictures = [
        cv2.imencode(".jpg", np.full((SIZE_PX[1], SIZE_PX[0], 3), STEP * code, np.uint8))[1].tobytes()
        for code in range(CODES)
    ]

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Prints nothing."""

        def do_GET(self) -> None:  # the library's name
            """Sends pictures until the end."""
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            due_s = time.monotonic()
            while not camera.closed.wait(max(0.0, due_s - time.monotonic())):
                data = pictures[len(camera.given_s) % CODES]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                camera.given_s.append(time.monotonic())
                try:
                    self.wfile.write(head.encode() + data + b"\r\n")
                except OSError:  # the reader has gone
                    return
                due_s += 1 / RATE

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/camera", camera
    finally:
        camera.closed.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Waiting:
    """Stands in for the models: takes a time, then gives an actor whose first unit is the picture's code.

    Attributes:
        left: Frames to the end.
    """

    edges = np.zeros((0, 2), int)
    note = ""

    def __init__(self, inference_s: float, frames: int) -> None:
        self._inference_s, self.left = inference_s, frames
        self._never = threading.Event()

    def analyse(self, frame: Frame) -> Analysis:
        """See `Analyser`; asks for the end after so many frames."""
        if frame.picture_bgr is None:
            return Analysis(frame)
        self._never.wait(self._inference_s)
        code = round(float(frame.picture_bgr[::16, ::16].mean()) / STEP)
        units = np.zeros(len(UNITS), np.float32)
        units[0] = code / CODES
        head, gaze, points = HeadPose(0.0, 0.0, 0.0, np.zeros(3)), np.zeros((2, 2)), np.zeros((478, 3), np.float32)
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)
        seen = FaceExpression((0.0, 0.0, 1.0, 1.0), 1.0, ("happy",), (1.0,))
        return Analysis(frame, [seen], [0], [TrackedFace(0, 1.0, units, head, gaze, points, "tracked")])


class _Receiver:
    """A UDP socket that notes the time of each frame and its code."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.got: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while packet := self._socket.recv(65536):
            place = packet.find(UNIT.encode() + b"\0")
            if place >= 0:  # an OSC string is padded to a multiple of four bytes
                [value] = struct.unpack_from(">f", packet, place + 4 * (len(UNIT) // 4 + 1))
                self.got.append((time.monotonic(), round(CODES * value)))

    def close(self) -> None:
        """Ends the thread by an empty packet."""
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()


def ages_s(inference_frames: float, frames: int) -> tuple[list[float], int]:
    """Ages of frames when a program receives them, and the number of dropped ones.

    The age counts from the moment in which the camera gives the picture: transfer, decoding and queues are part of it.

    Args:
        inference_frames: Time of the analysis, in frames of the camera.
        frames: Number of frames that are analysed.
    """
    receiver, waiting = _Receiver(), _Waiting(inference_frames / RATE, frames)
    outputs = Outputs(json_to=os.devnull, drive=(f"vmc://127.0.0.1:{receiver.port}",))
    try:
        with _camera() as (url, camera):
            summary = capture(url, waiting, outputs)
    finally:
        receiver.close()
    if waiting.left:  # by a signal from outside, which `capture` takes as the end of this camera
        raise KeyboardInterrupt
    ages = []
    for arrived_s, code in receiver.got:
        given_s = [at for number, at in enumerate(camera.given_s) if number % CODES == code and at <= arrived_s]
        ages.append(arrived_s - given_s[-1])
    return ages[len(ages) // 10 :], summary.dropped  # the first ones wait for the opening of the stream
