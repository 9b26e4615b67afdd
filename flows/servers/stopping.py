"""SIGINT, SIGTERM and SIGHUP: the run ends its processes, reports how to resume, and then exits."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.cli.console import print_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
FROM_SIGNAL = 128  # exit status of a process ended by a signal, as in shells


class StoppedError(SystemExit):
    """Raised by a signal that asks us to end; unwinds like an exit, so that every `finally` runs."""

    def __init__(self, number: int) -> None:
        super().__init__(FROM_SIGNAL + number)
        self.name = signal.Signals(number).name


def _stop(number: int, _frame: FrameType | None) -> None:
    raise StoppedError(number)


@contextmanager
def stoppable(again: str) -> Iterator[None]:
    """Turns signals into an orderly end, and reports how to run again.

    Works only in the main thread, as Python requires; elsewhere it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    except (KeyboardInterrupt, StoppedError) as error:
        name = error.name if isinstance(error, StoppedError) else "SIGINT"
        print_line(f"stopped by {name}; the processes of this run are ended, nothing is lost\nagain  {again}")
        raise SystemExit(FROM_SIGNAL + getattr(signal, name)) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignores the signals during cleanup: a second Ctrl-C must not leave a server behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (*SIGNALS, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
