"""Chromium for local files and servers. The package is listed in .ci/debian.txt."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
)  # fmt: skip
MARKS = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")]


def browse(page: Path, *options: str) -> tuple[str, list[str]]:
    """Runs the browser on a file, each time with a new profile; returns its output and its errors."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as user:
        command = [CHROMIUM, *QUIET, f"--user-data-dir={user}", *options, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


class Tab:
    """A tab that a test drives by the DevTools protocol, over a pipe (--remote-debugging-pipe).

    Attributes:
        requests: URLs that it has requested.
        complaints: Texts of exceptions, and of messages of the console and of the browser's log.
    """

    def __init__(self, commands: int, events: int) -> None:
        self._commands, self._events = commands, events
        self._read, self._number, self._session = b"", 0, {}
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Network", "Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Result of a command; notes the events before it."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": params} | self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (message := self._message()).get("id") != self._number:
            self._note(message)
        assert "error" not in message, message
        return message["result"]

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            part = os.read(self._events, 1 << 16)
            assert part, "the browser has ended"
            self._read += part
        line, _, self._read = self._read.partition(b"\0")
        return json.loads(line)

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method in {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}:
            self.complaints.append(json.dumps(params))

    def open(self, url: str, width_px: int = 1280, height_px: int = 720) -> None:
        """Opens a page, and waits until it is loaded."""
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=url)
        self.run("new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def run(self, script: str) -> Any:
        """Value of an expression on the page; that of a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def shot(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextlib.contextmanager
def browsing() -> Iterator[Tab]:
    """A new browser with a new profile."""
    command_read, command_write = os.pipe()
    event_read, event_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as user:
        words = [CHROMIUM, *QUIET, "--remote-debugging-pipe", f"--user-data-dir={user}", "about:blank"]
        # Chromium reads commands from descriptor 3, and writes to 4.
        shell = ["bash", "-c", f'exec "$@" 3<&{command_read} 4>&{event_write}', "bash", *map(str, words)]
        process = subprocess.Popen(
            shell, pass_fds=(command_read, event_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(command_read)
        os.close(event_write)
        try:
            yield Tab(command_write, event_read)
        finally:
            process.terminate()
            process.wait(30)
            os.close(command_write)
            os.close(event_read)
