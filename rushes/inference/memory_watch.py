"""Memory limit of a child process, for systems that cannot limit it themselves.

Linux enforces RLIMIT_AS. macOS accepts the call without effect, and Windows does not have it. On these systems the
parent checks 20 times a second and stops a child above the limit. A child that allocates a gigabyte within a twentieth
of a second exceeds the limit by that much.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

EVERY_S = 0.05
SYSTEM_LIMITS = sys.platform == "linux"


class MemoryWatch:
    """Stops a child process above its memory limit; use as a context manager around the wait for the child.

    Args:
        child: The process.
        most_bytes: Limit of resident memory; None if the system limits it.
    """

    def __init__(self, child: subprocess.Popen[str], most_bytes: int | None) -> None:
        self.exceeded = False
        self._child, self._most_bytes = child, most_bytes
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if self._most_bytes is not None:
            self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        import psutil  # noqa: PLC0415  # on Linux the wheel does not depend on it

        with suppress(psutil.Error):  # the child has ended
            process = psutil.Process(self._child.pid)
            while self._most_bytes is not None and not self._done.wait(EVERY_S):
                if process.memory_info().rss > self._most_bytes:
                    self.exceeded = True
                    self._child.kill()
                    return
